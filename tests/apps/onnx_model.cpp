#include "tests/apps/onnx_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "io/atomic_file.h"
#include "io/proto/onnx.pb.h"
#include "layers/norm.h"
#include "layers/pool.h"
#include "tensor/ops.h"
#include "tests/apps/onnx_detect_ops.h"
#include "tests/apps/onnx_recurrent_ops.h"

namespace gadolin::test {
namespace {

using List = std::vector<std::int64_t>;
using Values = std::vector<Tensor>;

template <class M> M parse(const std::string& path) {
  M message;
  require<FormatError>(message.ParseFromString(read_file(path, 64 << 20)), path, " is no such message");
  return message;
}

template <class T> std::vector<T> raw(const onnx::TensorData& t) {
  std::vector<T> values(t.raw_data().size() / sizeof(T));
  std::memcpy(values.data(), t.raw_data().data(), values.size() * sizeof(T));
  return values;
}
Tensor value_of(const onnx::TensorData& t) {
  Shape shape;
  for (const std::int64_t size : t.dims()) shape.push_back(size);
  switch (t.data_type()) {
    case 1:
      return from_vector(t.raw_data().empty()
                             ? std::vector<float>(t.float_data().begin(), t.float_data().end())
                             : raw<float>(t),
                         shape);
    case 7:
      return from_vector(
          t.raw_data().empty() ? List(t.int64_data().begin(), t.int64_data().end()) : raw<std::int64_t>(t),
          shape);
    case 11: return from_vector(raw<double>(t), shape);
    default: fail<Unsupported>("tensor of type ", t.data_type());
  }
}

// One node with its inputs.
struct Call {
  const onnx::Node& node;
  Values in;
  const onnx::NodeAttribute* find(const char* name) const {
    for (const onnx::NodeAttribute& a : node.attribute()) {
      if (a.name() == name) return &a;
    }
    return nullptr;
  }
  std::int64_t integer(const char* name, std::int64_t otherwise) const {
    return find(name) ? find(name)->i() : otherwise;
  }
  double real(const char* name, double otherwise) const { return find(name) ? find(name)->f() : otherwise; }
  std::string text(const char* name, const char* otherwise) const {
    return find(name) ? find(name)->s() : otherwise;
  }
  List list(const char* name, List otherwise = {}) const {
    return find(name) ? List(find(name)->ints().begin(), find(name)->ints().end()) : otherwise;
  }
  bool has(std::size_t i) const { return i < in.size() && in[i].defined(); }
  const Tensor& x() const { return in.at(0); }
  // Given as an attribute (older opsets) or as an input.
  List numbers(const char* attribute, std::size_t i) const {
    return has(i) ? in[i].to_vector<std::int64_t>() : list(attribute);
  }
};

// Windows along both dimensions; one dimension becomes a picture of height 1.
struct Windows {
  bool flat;
  Pair kernel = 1, stride = 1, dilation = 1, before = 0, after = 0;
  bool symmetric() const { return before == after; }
  Windows(const Call& c, const List& kernel_shape) : flat(c.x().dim() == 3) {
    const std::size_t n = static_cast<std::size_t>(c.x().dim()) - 2;
    require<Unsupported>(n == 1 || n == 2, c.node.op_type(), " with ", n, " dimensions of pixels");
    require<Unsupported>(c.text("auto_pad", "NOTSET") == "NOTSET" && c.integer("ceil_mode", 0) == 0,
                         "auto_pad or ceil_mode");
    const auto pair = [&](const List& v, std::size_t at, int unit) {
      return flat ? Pair(unit, static_cast<int>(v[at]))
                  : Pair(static_cast<int>(v[at]), static_cast<int>(v[at + 1]));
    };
    const List pads = c.list("pads", List(2 * n, 0));
    kernel = pair(kernel_shape, 0, 1);
    stride = pair(c.list("strides", List(n, 1)), 0, 1);
    dilation = pair(c.list("dilations", List(n, 1)), 0, 1);
    before = pair(pads, 0, 0);
    after = pair(pads, n, 0);
  }
  Tensor image(const Tensor& x) const { return flat ? x.unsqueeze(2) : x; }
  Tensor back(const Tensor& y) const { return flat ? y.squeeze(2) : y; }
  Tensor padded(const Tensor& x, double value) const {
    return pad(x, {before.w, after.w, before.h, after.h}, PadMode::constant, value);
  }
};

Tensor run_conv(const Call& c) {
  const Tensor& w = c.in.at(1);
  List kernel = w.shape().vec();
  kernel.erase(kernel.begin(), kernel.begin() + 2);
  const Windows k(c, kernel);
  const Tensor x = k.image(c.x());
  const Conv2dOptions options{.stride = k.stride,
                              .padding = k.symmetric() ? k.before : Pair(0),
                              .dilation = k.dilation,
                              .groups = static_cast<int>(c.integer("group", 1))};
  return k.back(
      conv2d(k.symmetric() ? x : k.padded(x, 0), k.image(w), c.has(2) ? c.in[2] : Tensor(), options));
}

Tensor run_max_pool(const Call& c) {
  const Windows k(c, c.list("kernel_shape"));
  const Tensor x = k.image(c.x());
  if (k.symmetric()) return k.back(max_pool2d(x, {k.kernel, k.stride, k.before}));
  return k.back(max_pool2d(k.padded(x, -std::numeric_limits<double>::infinity()), {k.kernel, k.stride}));
}

Tensor run_avg_pool(const Call& c) {
  const Windows k(c, c.list("kernel_shape"));
  const Tensor x = k.image(c.x());
  const Tensor sums = avg_pool2d(k.padded(x, 0), {k.kernel, k.stride});
  if (c.integer("count_include_pad", 0) != 0) return k.back(sums);
  return k.back(div(sums, avg_pool2d(k.padded(ones(x.shape()), 0),
                                     {k.kernel, k.stride})));  // by the share that is no padding
}

Tensor run_batch_norm(const Call& c) {
  const Shape shape = c.x().shape();
  const Tensor x = shape.dim() > 4 ? c.x().reshape({shape[0], shape[1], shape[2], -1}) : c.x();
  return batch_norm(x, c.in.at(1), c.in.at(2), c.in.at(3).clone(), c.in.at(4).clone(),
                    {.eps = c.real("epsilon", 1e-5)})
      .reshape(shape);
}

Tensor run_gemm(const Call& c) {
  require<Unsupported>(c.integer("transA", 0) == 0, "Gemm with transA");
  const Tensor b = c.integer("transB", 0) != 0 ? c.in.at(1).transpose(0, 1) : c.in.at(1);
  const Tensor product = mul(matmul(c.x(), b), c.real("alpha", 1));
  return c.has(2) ? add(product, mul(c.in[2], c.real("beta", 1))) : product;
}

Tensor run_pad(const Call& c) {
  const List pads = c.numbers("pads", 1);
  const std::string mode = c.text("mode", "constant");
  List amounts;
  const int n = c.x().dim();
  for (int d = n - 1; d >= 0; --d) {
    amounts.push_back(pads[static_cast<std::size_t>(d)]);
    amounts.push_back(pads[static_cast<std::size_t>(d + n)]);
  }
  const PadMode how = mode == "constant" ? PadMode::constant
                      : mode == "edge"   ? PadMode::replicate
                                         : PadMode::reflect;
  return pad(c.x(), amounts, how, c.has(2) ? c.in[2].item() : c.real("value", 0));
}

Tensor run_reshape(const Call& c) {
  List sizes = c.numbers("shape", 1);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) sizes[i] = c.x().size(static_cast<int>(i));
  }
  return c.x().reshape(Shape(sizes));
}

Tensor run_slice(const Call& c) {
  const List starts = c.numbers("starts", 1), ends = c.numbers("ends", 2), axes = c.numbers("axes", 3),
             steps = c.numbers("steps", 4);
  Tensor y = c.x();
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const int axis = static_cast<int>(axes[i]);
    y = y.slice(axis, starts[i], std::min(ends[i], y.size(axis)), steps.empty() ? 1 : steps[i]);
  }
  return y;
}

Tensor run_reduction(const Call& c, bool averages) {
  const List axes = c.numbers("axes", 1);
  const Dims dims(axes.begin(), axes.end());
  const bool keep = c.integer("keepdims", 1) != 0;
  return averages ? mean(c.x(), dims, keep) : sum(c.x(), dims, keep);
}

Values run_split(const Call& c) {
  const int axis = static_cast<int>(c.integer("axis", 0));
  Values parts;
  std::int64_t at = 0;
  List sizes = c.numbers("split", 1);
  if (sizes.empty())
    sizes = List(static_cast<std::size_t>(c.node.output_size()), c.x().size(axis) / c.node.output_size());
  for (const std::int64_t size : sizes) {
    parts.push_back(c.x().slice(axis, at, at + size));
    at += size;
  }
  return parts;
}

Values run_node(const Call& c) {
  const std::string& op = c.node.op_type();
  const auto axis = [&](std::int64_t otherwise) { return static_cast<int>(c.integer("axis", otherwise)); };
  if (op == "Abs") return {abs(c.x())};
  if (op == "Add") return {add(c.x(), c.in.at(1))};
  if (op == "AveragePool") return {run_avg_pool(c)};
  if (op == "BatchNormalization") return {run_batch_norm(c)};
  if (op == "Clip")
    return {clamp(c.x(), c.has(1) ? c.in[1].item() : c.real("min", -INFINITY),
                  c.has(2) ? c.in[2].item() : c.real("max", INFINITY))};
  if (op == "Concat") return {concat(c.in, axis(0))};
  if (op == "Constant") return {value_of(c.find("value")->t())};
  if (op == "Conv") return {run_conv(c)};
  if (op == "Div") return {div(c.x(), c.in.at(1))};
  if (op == "Erf") return {erf(c.x())};
  if (op == "Exp") return {exp(c.x())};
  if (op == "Expand") return {add(c.x(), zeros(Shape(c.numbers("shape", 1))))};  // broadcasts both ways
  if (op == "Flatten") {
    std::int64_t rows = 1;
    for (int d = 0; d < axis(1); ++d) rows *= c.x().size(d);
    return {c.x().reshape({rows, -1})};
  }
  if (op == "Gather" && c.x().dim() == 2 && axis(0) == 0) {
    Shape shape = c.in.at(1).shape();
    shape.push_back(c.x().size(1));
    return {index_select(c.x(), 0, c.in[1].reshape({-1})).reshape(shape)};
  }
  if (op == "Gemm") return {run_gemm(c)};
  if (op == "GlobalAveragePool") return {mean(c.x(), {2, 3}, true)};
  if (op == "GRU" || op == "LSTM" || op == "RNN")
    return {run_recurrent_op(op, c.in, c.integer("hidden_size", 0),
                             c.text("direction", "forward") == "bidirectional")};
  if (op == "Identity") return {c.x()};
  if (op == "LeakyRelu") return {leaky_relu(c.x(), c.real("alpha", 0.01))};
  if (op == "Log") return {log(c.x())};
  if (op == "LogSoftmax") return {log_softmax(c.x(), axis(1))};
  if (op == "MatMul") return {matmul(c.x(), c.in.at(1))};
  if (op == "Max") return {maximum(c.x(), c.in.at(1))};
  if (op == "MaxPool") return {run_max_pool(c)};
  if (op == "Min") return {minimum(c.x(), c.in.at(1))};
  if (op == "Mul") return {mul(c.x(), c.in.at(1))};
  if (op == "Neg") return {neg(c.x())};
  if (op == "Pad") return {run_pad(c)};
  if (op == "Reciprocal") return {div(ones(c.x().shape()), c.x())};
  if (op == "ReduceMean") return {run_reduction(c, true)};
  if (op == "ReduceSum") return {run_reduction(c, false)};
  if (op == "Relu") return {relu(c.x())};
  if (op == "Reshape") return {run_reshape(c)};
  if (op == "Sigmoid") return {sigmoid(c.x())};
  if (op == "Slice") return {run_slice(c)};
  if (op == "Softmax") return {softmax(c.x(), axis(1))};
  if (op == "Softplus") return {softplus(c.x())};
  if (op == "Split") return run_split(c);
  if (op == "Sqrt") return {sqrt(c.x())};
  if (op == "Squeeze") return {c.x().squeeze(static_cast<int>(c.numbers("axes", 1).at(0)))};
  if (op == "Sub") return {sub(c.x(), c.in.at(1))};
  if (op == "Sum") {
    Tensor total = c.x();
    for (std::size_t i = 1; i < c.in.size(); ++i) total = add(total, c.in[i]);
    return {total};
  }
  if (op == "Tanh") return {tanh(c.x())};
  if (op == "Transpose") return {c.x().permute(Shape(c.list("perm")))};
  if (op == "Unsqueeze") return {c.x().unsqueeze(static_cast<int>(c.numbers("axes", 1).at(0)))};
  fail<Unsupported>("no op for ", op);
}

List sizes_of(const onnx::ValueInfo& info) {
  List sizes;
  for (const auto& dim : info.type().tensor_type().shape().dim())
    sizes.push_back(dim.has_dim_value() ? dim.dim_value() : -1);
  return sizes;
}

}  // namespace

OnnxFile describe_onnx(const std::string& path) {
  const auto model = parse<onnx::Model>(path);
  OnnxFile file;
  file.ir_version = model.ir_version();
  for (const auto& set : model.opset_import()) file.opset = set.version();
  for (const auto& entry : model.metadata_props()) file.metadata[entry.key()] = entry.value();
  for (const auto& node : model.graph().node()) file.ops.push_back(node.op_type());
  for (const auto& info : model.graph().input()) {
    const auto& weights = model.graph().initializer();
    if (std::any_of(weights.begin(), weights.end(), [&](const auto& t) { return t.name() == info.name(); }))
      continue;
    file.inputs.push_back(info.name());
    file.sizes[info.name()] = sizes_of(info);
  }
  for (const auto& info : model.graph().output()) {
    file.outputs.push_back(info.name());
    file.sizes[info.name()] = sizes_of(info);
  }
  return file;
}

std::map<std::string, Tensor> run_onnx(const std::string& path, std::map<std::string, Tensor> inputs) {
  const NoGrad guard;
  const auto model = parse<onnx::Model>(path);
  std::map<std::string, Tensor> values = std::move(inputs);
  for (const auto& t : model.graph().initializer()) values.emplace(t.name(), value_of(t));
  for (const onnx::Node& node : model.graph().node()) {
    Call call{node, {}};
    for (const std::string& name : node.input()) call.in.push_back(name.empty() ? Tensor() : values.at(name));
    Values results = run_detect_op(node.op_type(), call.in, [&](const char* name, std::int64_t otherwise) {
      return call.integer(name, otherwise);
    });
    if (results.empty()) results = run_node(call);
    for (int i = 0; i < node.output_size(); ++i)
      values[node.output(i)] = results.at(static_cast<std::size_t>(i));
  }
  std::map<std::string, Tensor> outputs;
  for (const auto& info : model.graph().output()) outputs[info.name()] = values.at(info.name());
  return outputs;
}

Tensor read_onnx_tensor(const std::string& path) { return value_of(parse<onnx::TensorData>(path)); }

}  // namespace gadolin::test
