// The ops of tensor/ in ONNX: arithmetic, activations, reductions, shapes.
#include <algorithm>
#include <cmath>

#include "apps/weights/onnx_graph.h"

namespace gadolin {
namespace {

std::string unary(OnnxGraph& g) {
  static const std::map<std::string, const char*> types{
      {"abs", "Abs"},   {"erf", "Erf"},         {"exp", "Exp"},   {"log", "Log"},
      {"relu", "Relu"}, {"sigmoid", "Sigmoid"}, {"sqrt", "Sqrt"}, {"tanh", "Tanh"}};
  return g.node(types.at(g.op().node->name()), {g.input(0)});
}
std::string binary(OnnxGraph& g) {
  static const std::map<std::string, const char*> types{
      {"add", "Add"},     {"div", "Div"}, {"matmul", "MatMul"}, {"maximum", "Max"},
      {"minimum", "Min"}, {"mul", "Mul"}, {"sub", "Sub"}};
  const std::string second = g.has("number") ? g.number(g.real("number")) : g.input(1);
  return g.node(types.at(g.op().node->name()), {g.input(0), second});
}

std::string same_value(OnnxGraph& g) {
  if (g.has("dtype") && g.integer("dtype") != static_cast<std::int64_t>(DType::fp32))
    g.refuse("files are written in fp32");
  return g.input(0);
}

std::string clamp(OnnxGraph& g) {
  return g.node("Clip", {g.input(0), g.number(g.real("low")), g.number(g.real("high"))});
}
std::string rsqrt(OnnxGraph& g) { return g.node("Reciprocal", {g.node("Sqrt", {g.input(0)})}); }
std::string leaky_relu(OnnxGraph& g) {
  return g.node("LeakyRelu", {g.input(0)}, {{"alpha", g.real("slope")}});
}
std::string silu(OnnxGraph& g) { return g.node("Mul", {g.input(0), g.node("Sigmoid", {g.input(0)})}); }

// With the default threshold the straight part differs by e^-20 from ONNX's.
std::string softplus(OnnxGraph& g) {
  if (g.real("beta") != 1 || g.real("threshold") < 20) g.refuse("Softplus has no beta and no threshold");
  return g.node("Softplus", {g.input(0)});
}

// x (1 + erf(x / sqrt 2)) / 2, or the form with tanh.
std::string gelu(OnnxGraph& g) {
  const std::string x = g.input(0);
  std::string bend;
  if (g.has("form")) {
    const std::string cube = g.node("Mul", {g.node("Mul", {x, x}), x});
    const std::string u = g.node("Add", {x, g.node("Mul", {cube, g.number(0.044715)})});
    bend = g.node("Tanh", {g.node("Mul", {u, g.number(std::sqrt(2 / 3.14159265358979323846))})});
  } else {
    bend = g.node("Erf", {g.node("Mul", {x, g.number(std::sqrt(0.5))})});
  }
  return g.node("Mul", {g.node("Mul", {x, g.number(0.5)}), g.node("Add", {bend, g.number(1)})});
}

std::string softmax(OnnxGraph& g) { return g.node("Softmax", {g.input(0)}, {{"axis", g.integer("dim")}}); }
std::string log_softmax(OnnxGraph& g) {
  return g.node("LogSoftmax", {g.input(0)}, {{"axis", g.integer("dim")}});
}

std::string sum(OnnxGraph& g) {
  return g.node("ReduceSum", {g.input(0), g.numbers("axes", g.list("dims"))},
                {{"keepdims", std::int64_t{1}}});
}
// The scale is 1 / n for a mean; a variance has another.
std::string mean(OnnxGraph& g) {
  const Shape in = g.input_shape(0);
  const Integers dims = g.list("dims");
  double n = 1;
  for (const std::int64_t d : dims) n *= static_cast<double>(in[static_cast<int>(d)]);
  const bool global = in.dim() == 4 && dims == Integers{2, 3};
  const std::string y =
      global ? g.node("GlobalAveragePool", {g.input(0)})
             : g.node("ReduceMean", {g.input(0)}, {{"axes", dims}, {"keepdims", std::int64_t{1}}});
  const double factor = g.real("scale") * n;
  return std::fabs(factor - 1) < 1e-12 ? y : g.node("Mul", {y, g.number(factor)});
}

std::string concat(OnnxGraph& g) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < g.inputs(); ++i) parts.push_back(g.input(i));
  return g.node("Concat", parts, {{"axis", g.integer("dim")}});
}

std::string reshape(OnnxGraph& g) {
  const Integers& sizes = g.op().sizes;
  if (std::count(sizes.begin(), sizes.end(), -1) > 1) g.refuse("more than one size depends on the batch");
  return g.node("Reshape", {g.input(0), g.numbers("shape", sizes)});
}

std::string expand(OnnxGraph& g) {
  Integers sizes = g.op().sizes;
  const Shape in = g.input_shape(0), out = g.op().node->shape;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    const int from = static_cast<int>(d) - (out.dim() - in.dim());
    if (sizes[d] != -1) continue;
    if (from < 0 || in[from] != out[static_cast<int>(d)]) g.refuse("it repeats along the batch");
    sizes[d] = 1;  // which leaves the input's
  }
  return g.node("Expand", {g.input(0), g.numbers("shape", sizes)});
}

std::string permute(OnnxGraph& g) {
  const Integers& inverse = g.list("inverse");
  Integers order(inverse.size());
  for (std::size_t i = 0; i < inverse.size(); ++i)
    order[static_cast<std::size_t>(inverse[i])] = static_cast<std::int64_t>(i);
  return g.node("Transpose", {g.input(0)}, {{"perm", order}});
}

std::string slice(OnnxGraph& g) {
  return g.node("Slice",
                {g.input(0), g.numbers("starts", {g.integer("begin")}), g.numbers("ends", {g.integer("end")}),
                 g.numbers("axes", {g.integer("dim")}), g.numbers("steps", {g.integer("step")})});
}

std::string pad(OnnxGraph& g) {
  Integers amounts = g.list("before");
  const Integers& after = g.list("after");
  amounts.insert(amounts.end(), after.begin(), after.end());
  return g.node("Pad", {g.input(0), g.numbers("pads", amounts), g.number(g.real("value"))},
                {{"mode", "constant"}});
}

std::string dropout(OnnxGraph& g) { g.refuse("dropout belongs to training"); }

}  // namespace

const std::map<std::string, OnnxTranslation>& onnx_functions() {
  static const std::map<std::string, OnnxTranslation> table{
      {"abs", unary},         {"add", binary},
      {"clamp", clamp},       {"clone", same_value},
      {"concat", concat},     {"div", binary},
      {"dropout", dropout},   {"erf", unary},
      {"exp", unary},         {"expand", expand},
      {"gelu", gelu},         {"leaky_relu", leaky_relu},
      {"log", unary},         {"log_softmax", log_softmax},
      {"matmul", binary},     {"maximum", binary},
      {"mean", mean},         {"minimum", binary},
      {"mul", binary},        {"pad", pad},
      {"permute", permute},   {"relu", unary},
      {"reshape", reshape},   {"rsqrt", rsqrt},
      {"sigmoid", unary},     {"silu", silu},
      {"slice", slice},       {"softmax", softmax},
      {"softplus", softplus}, {"sqrt", unary},
      {"sub", binary},        {"sum", sum},
      {"tanh", unary},        {"to", same_value}};
  return table;
}

}  // namespace gadolin
