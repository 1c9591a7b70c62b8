// A convolution problem as cuDNN's operations, and as text.
#ifdef GADOLIN_CUDA
#include "layers/cudnn_conv_graph.h"

#include <utility>

#include "tensor/check.h"

namespace gadolin {
namespace {

// pixel: elements from one pixel to the next, 0 for as many as there are channels.
std::vector<std::int64_t> strides_of(const std::vector<std::int64_t>& d, bool channels_last,
                                     std::int64_t pixel = 0) {
  if (pixel == 0) pixel = d[1];
  if (channels_last) return {pixel * d[2] * d[3], 1, pixel * d[3], pixel};
  return {d[1] * d[2] * d[3], d[2] * d[3], d[3], 1};
}

// Builds the operations of one problem.
class GraphOf {
 public:
  explicit GraphOf(const ConvProblem& problem) : p_(problem) {
    const CudnnDescriptor x = tensor(id_x, {p_.n, p_.c, p_.h, p_.w}, p_.x_stride);
    const CudnnDescriptor w = tensor(id_w, {p_.k, p_.c / p_.groups, p_.r, p_.s});
    if (p_.pass != ConvPass::forward || p_.epilogue == ConvEpilogue::none) {
      add(cudnn_convolution(p_, x, w, tensor(id_y, y_dims(), p_.y_stride)));
    } else {
      forward_with_epilogue(x, w);
    }
  }
  CudnnDescriptor graph(cudnnHandle_t handle) const { return cudnn_operation_graph(operations_, handle); }

 private:
  std::vector<std::int64_t> y_dims() const { return {p_.n, p_.k, p_.p(), p_.q()}; }
  CudnnDescriptor tensor(std::int64_t id, const std::vector<std::int64_t>& dims,
                         std::int64_t pixel = 0) const {
    return cudnn_tensor({id, p_.dtype, dims, strides_of(dims, p_.channels_last, pixel)});
  }
  // Between fused operations values stay in fp32.
  CudnnDescriptor virtual_y() {
    return cudnn_tensor({next_++, DType::fp32, y_dims(), strides_of(y_dims(), p_.channels_last), true});
  }
  void add(CudnnDescriptor operation) { operations_.push_back(std::move(operation)); }

  // cuDNN's precompiled pattern: convolution, then + z, then + bias, then relu, the last of them storing y.
  void forward_with_epilogue(const CudnnDescriptor& x, const CudnnDescriptor& w) {
    const CudnnDescriptor bias = tensor(id_bias, {1, p_.k, 1, 1});
    const CudnnDescriptor y = tensor(id_y, y_dims(), p_.y_stride);
    const bool relu = p_.epilogue != ConvEpilogue::bias;
    CudnnDescriptor last = virtual_y();
    add(cudnn_convolution(p_, x, w, last));
    if (p_.epilogue == ConvEpilogue::bias_add_relu) {
      const CudnnDescriptor z = tensor(id_z, y_dims()), sum = virtual_y();
      add(cudnn_pointwise(CUDNN_POINTWISE_ADD, last, &z, sum));
      last = sum;
    }
    const CudnnDescriptor shifted = relu ? virtual_y() : y;
    add(cudnn_pointwise(CUDNN_POINTWISE_ADD, last, &bias, shifted));
    if (relu) add(cudnn_pointwise(CUDNN_POINTWISE_RELU_FWD, shifted, nullptr, y));
  }

  const ConvProblem& p_;
  std::vector<CudnnDescriptor> operations_;
  std::int64_t next_ = id_first_virtual;
};

}  // namespace

CudnnDescriptor convolution_graph(const ConvProblem& problem, cudnnHandle_t handle) {
  return GraphOf(problem).graph(handle);
}

std::string ConvProblem::str() const {
  static constexpr const char* passes[] = {"fprop", "dgrad", "wgrad"};
  static constexpr const char* epilogues[] = {"", "+bias", "+bias+relu", "+add+bias+relu"};
  return cat(passes[static_cast<int>(pass)], epilogues[static_cast<int>(epilogue)], accumulate ? "+=" : "",
             ',', name_of(dtype), tf32 ? "(tf32)" : "", channels_last ? ",nhwc" : ",nchw",
             deterministic ? "" : ",any", ",x", n, 'x', c, 'x', h, 'x', w, ",w", k, 'x', c / groups, 'x', r,
             'x', s, ",stride", stride[0], 'x', stride[1], ",pad", padding[0], 'x', padding[1],
             extra[0] || extra[1] ? cat("+", extra[0], 'x', extra[1]) : "", ",dilation", dilation[0], 'x',
             dilation[1], ",groups", groups, x_stride ? cat(",xpixel", x_stride) : "",
             y_stride ? cat(",ypixel", y_stride) : "");
}

}  // namespace gadolin
#endif
