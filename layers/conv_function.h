// The convolution's Function and its three implementations; not for others (the function to call is in
// layers/conv.h).
#pragma once

#include "layers/conv.h"
#include "tensor/function.h"
#include "tensor/ops.h"

namespace gadolin {
struct ConvProblem;
struct ConvPointers;
}  // namespace gadolin

namespace gadolin::detail {

// Sizes of one convolution, as its implementations want them.
struct ConvSizes {
  std::int64_t n, c, h, w, k, r, s, p, q, groups;
  Conv2dOptions options;
  Pair before = 0, after = 0;  // padding above and left, below and right
};
ConvSizes conv_sizes(const Tensor& x, const Tensor& weight, const Conv2dOptions& options);

// Plain loops: columns of patches, then a matrix product. Any dtype, row-major inside.
void conv_forward_reference(const ConvSizes& z, const Tensor& x, const Tensor& weight, Tensor& y);
Tensor conv_data_gradient_reference(const ConvSizes& z, const Tensor& dy, const Tensor& weight,
                                    const Tensor& x);
Tensor conv_filter_gradient_reference(const ConvSizes& z, const Tensor& dy, const Tensor& x,
                                      const Tensor& weight);

// oneDNN, channels-last. Whether it computes for this input, and whether from copies in fp32. keep_filters:
// the weight will come again, so its reordered copy is worth keeping. Forward takes a weight of any type and
// computes in the type of x.
bool onednn_takes(const Tensor& x);
bool onednn_widens(const Tensor& x);
// How many products of this type it does in the time of one of fp32, about.
double onednn_speed(DType dtype);
// y = conv(x) [+ bias] and what the tail says; an addend that is y itself is added in place. `scale`: of each
// filter, or undefined.
void conv_forward_onednn(const ConvSizes& z, const Tensor& x, const Tensor& weight, const Tensor& scale,
                         const Tensor& bias, const ConvTail& tail, Tensor& y, bool keep_filters);
Tensor conv_data_gradient_onednn(const ConvSizes& z, const Tensor& dy, const Tensor& weight, const Tensor& x,
                                 bool keep_filters);
Tensor conv_filter_gradient_onednn(const ConvSizes& z, const Tensor& dy, const Tensor& x,
                                   const Tensor& weight);

// The weight [K, ...] times scale [K].
inline Tensor scaled(const Tensor& weight, const Tensor& scale) {
  return weight * scale.reshape({weight.size(0), 1, 1, 1});
}

struct Conv2dFunction {
  static constexpr auto name = "conv2d";
  Conv2dOptions options;
  Saved x = {}, weight = {};
  bool has_bias = false;
  bool relu = false;  // after the bias, in the same pass; y is kept then
  Saved y = {};
  bool filters_stay = false;  // the same filters will come again, though they are 16 bits wide
  bool filters_go = false;    // they were made for this call: no copy of them is worth keeping
  // The gradient of x so far, if this one may be added to it (tensor/function.h). The GPU does so.
  Tensor into = {};
  mutable Tensor padded = {};  // x with zeros for more channels, made in forward on the GPU

  Attributes attributes() const;  // padding: above, left, below, right; relu: 0 or 1
  // addend: of the result's shape and type; y = conv(x) + bias + addend, then the ReLU.
  Tensor allocate(const Tensor& in, const Tensor& filters, const Tensor& bias,
                  const Tensor& addend = {}) const;
  void save(const Tensor& in, const Tensor& filters, const Tensor& bias, const Tensor& result) {
    x = in;
    weight = filters;
    has_bias = bias.defined();
    if (relu) y = result;
  }
  void save(const Tensor& in, const Tensor& filters, const Tensor& bias, const Tensor&,
            const Tensor& result) {
    save(in, filters, bias, result);
  }
  // The gradient of what comes before the ReLU.
  Tensor before_relu(const Tensor& dy) const { return relu ? relu_gradient(y, dy) : dy; }
  void forward(Cpu, const Tensor& in, const Tensor& filters, const Tensor& bias, const Tensor& addend,
               Tensor& result) const;
  Grads backward(Cpu, const Tensor& dy, Need need) const;
  void forward(Cuda, const Tensor& in, const Tensor& filters, const Tensor& bias, const Tensor& addend,
               Tensor& result) const;
  Grads backward(Cuda, const Tensor& dy, Need need) const;
  template <class D>
  void forward(D device, const Tensor& in, const Tensor& filters, const Tensor& bias, Tensor& result) const {
    forward(device, in, filters, bias, {}, result);
  }
};

// A convolution with its tail: for inference, so it keeps nothing and has no backward.
struct FusedConvFunction {
  static constexpr auto name = "conv2d";
  Conv2dOptions options;
  ConvTail tail;
  bool filters_stay = false;  // as above
  Tensor scale = {};          // of each filter; on the CPU

  Tensor allocate(const Tensor& in, const Tensor& filters, const Tensor& bias) const;
  void save(const Tensor&, const Tensor&, const Tensor&, const Tensor&) {}
  void forward(Cpu, const Tensor& in, const Tensor& filters, const Tensor& bias, Tensor& y) const;
  void forward(Cuda, const Tensor& in, const Tensor& filters, const Tensor& bias, Tensor& y) const;
};

// From tensors to the problems of layers/cudnn_plans.h; on the GPU, `run` is its run_convolution. A tensor
// that is a slice of more channels is copied only where no engine can use it as it lies. y: as allocate()
// made it. `padded`: set to x with further channels of zeros, where the problem has such.
using ConvRunner = bool (*)(const char* op, Device, const ConvProblem&, const ConvPointers&);
void conv_forward_problem(ConvRunner run, const Conv2dOptions& options, const Tensor& in,
                          const Tensor& filters, const Tensor& bias, const ConvTail& tail, Tensor& y,
                          Tensor* padded = nullptr);
Grads conv_backward_problems(ConvRunner run, const Conv2dFunction& f, const Tensor& dy, Need need);

}  // namespace gadolin::detail
