// The ops of layers/ in ONNX: convolution, normalisation, linear, pooling, resampling.
#include <algorithm>

#include "apps/weights/onnx_graph.h"

namespace gadolin {
namespace {

std::string conv(OnnxGraph& g) {
  const Shape filters = g.input_shape(1);
  std::vector<std::string> in{g.input(0), g.input(1)};
  if (g.has_input(2)) in.push_back(g.input(2));
  const std::string y = g.node("Conv", in,
                               {{"dilations", g.list("dilation")},
                                {"group", g.integer("groups")},
                                {"kernel_shape", Integers{filters[2], filters[3]}},
                                {"pads", g.list("padding")},
                                {"strides", g.list("stride")}});
  return g.integer("relu") != 0 ? g.node("Relu", {y}) : y;
}

std::string batch_norm(OnnxGraph& g) {
  if (g.integer("training") != 0) g.refuse("it uses the statistics of the batch");
  const std::string mean = g.state(g.get<Tensor>("mean"), "running mean"),
                    variance = g.state(g.get<Tensor>("variance"), "running variance");
  std::string y = g.node("BatchNormalization", {g.input(0), g.input(1), g.input(2), mean, variance},
                         {{"epsilon", g.real("eps")}});
  if (g.has_input(3)) y = g.node("Add", {y, g.input(3)});
  return g.integer("relu") != 0 ? g.node("Relu", {y}) : y;
}

std::string linear(OnnxGraph& g) {
  std::vector<std::string> in{g.input(0), g.input(1)};
  if (g.has_input(2)) in.push_back(g.input(2));
  const std::string y = g.node("Gemm", in, {{"transB", std::int64_t{1}}});
  return g.integer("relu") != 0 ? g.node("Relu", {y}) : y;
}

// Windows of a pool along height (0) or width (1).
struct Extent {
  std::int64_t in, out, kernel, stride, before;
  std::int64_t after() const { return std::max<std::int64_t>(0, (out - 1) * stride + kernel - in - before); }
};
Extent extent(const OnnxGraph& g, std::size_t d) {
  const int at = 2 + static_cast<int>(d);
  return {g.input_shape(0)[at], g.op().node->shape[at], g.list("kernel")[d], g.list("stride")[d],
          g.list("padding")[d]};
}

// The padding that the last window needs says both the rounding and the padding, so ceil_mode stays off.
std::map<std::string, OnnxAttribute> window_attributes(const Extent& h, const Extent& w) {
  return {{"kernel_shape", Integers{h.kernel, w.kernel}},
          {"strides", Integers{h.stride, w.stride}},
          {"pads", Integers{h.before, w.before, h.after(), w.after()}}};
}

std::string max_pool(OnnxGraph& g) {
  return g.node("MaxPool", {g.input(0)}, window_attributes(extent(g, 0), extent(g, 1)));
}

// y = rows x columns^T for every channel: any separable resampling, as two matrix products.
std::string resample(OnnxGraph& g, const Tensor& rows, const Tensor& columns) {
  const std::string wide =
      g.node("MatMul", {g.input(0), g.constant("columns", columns.transpose(0, 1).contiguous())});
  return g.node("MatMul", {g.constant("rows", rows), wide});
}

// Shares of the inputs [out, in] in each mean. ONNX's divisor for windows that reach beyond the padding is
// another than ours (PyTorch's), and its adaptive pooling is global only.
Tensor mean_shares(const Extent& e, bool adaptive, bool include_padding) {
  std::vector<double> shares(static_cast<std::size_t>(e.out * e.in), 0);
  for (std::int64_t i = 0; i < e.out; ++i) {
    const std::int64_t start = adaptive ? i * e.in / e.out : i * e.stride - e.before;
    const std::int64_t stop = adaptive ? ((i + 1) * e.in + e.out - 1) / e.out : start + e.kernel;
    const std::int64_t from = std::max<std::int64_t>(0, start), to = std::min(e.in, stop);
    const std::int64_t count = include_padding ? std::min(e.in + e.before, stop) - start : to - from;
    for (std::int64_t k = from; k < to; ++k)
      shares[static_cast<std::size_t>(i * e.in + k)] = 1 / static_cast<double>(count);
  }
  return tensor(shares, {e.out, e.in});
}

std::string avg_pool(OnnxGraph& g) {
  Extent h = extent(g, 0), w = extent(g, 1);
  const bool adaptive = g.integer("adaptive") != 0, include = g.integer("include_padding") != 0;
  if (adaptive && h.in == h.out && w.in == w.out) return g.input(0);
  if (adaptive && h.in % h.out == 0 && w.in % w.out == 0) {
    h.kernel = h.stride = h.in / h.out;
    w.kernel = w.stride = w.in / w.out;
  } else if (adaptive || (include && (h.after() > h.before || w.after() > w.before))) {
    return resample(g, mean_shares(h, adaptive, include), mean_shares(w, adaptive, include));
  }
  auto attributes = window_attributes(h, w);
  attributes["count_include_pad"] = std::int64_t{include};
  return g.node("AveragePool", {g.input(0)}, attributes);
}

// Output i reads the input at (a i + b) / den, not below 0, and its neighbour when it blends: Axis in
// layers/upsample.cu.
Tensor resize_shares(std::int64_t in, std::int64_t out, const Integers& axis, bool blends) {
  std::vector<double> shares(static_cast<std::size_t>(out * in), 0);
  for (std::int64_t i = 0; i < out; ++i) {
    const std::int64_t place = std::max<std::int64_t>(0, axis[0] * i + axis[1]), low = place / axis[2];
    const double share = blends ? static_cast<double>(place % axis[2]) / static_cast<double>(axis[2]) : 0;
    shares[static_cast<std::size_t>(i * in + low)] += 1 - share;
    shares[static_cast<std::size_t>(i * in + std::min(low + 1, in - 1))] += share;
  }
  return tensor(shares, {out, in});
}

std::string upsample(OnnxGraph& g) {
  const Shape in = g.input_shape(0), out = g.op().node->shape;
  const bool blends = g.integer("blends") != 0;
  return resample(g, resize_shares(in[2], out[2], g.list("rows"), blends),
                  resize_shares(in[3], out[3], g.list("columns"), blends));
}

}  // namespace

const std::map<std::string, OnnxTranslation>& onnx_layers() {
  static const std::map<std::string, OnnxTranslation> table{
      {"avg_pool2d", avg_pool}, {"batch_norm", batch_norm}, {"conv2d", conv},
      {"linear", linear},       {"max_pool2d", max_pool},   {"upsample", upsample}};
  return table;
}

}  // namespace gadolin
