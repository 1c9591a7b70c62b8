// Fully connected layer, and the small layers without state.
#pragma once

#include "layers/module.h"
#include "tensor/ops.h"

namespace gadolin {

// y = x weight^T + bias; x [.., in], weight [out, in]. Starts as PyTorch's: uniform in +-1 / sqrt(in).
class Linear : public Layer {
 public:
  // Weight [out, in], bias [out] unless it is false.
  Linear(int in_features, int out_features, bool bias = true);
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "Linear"; }
  std::int64_t macs(std::span<const Tensor> in, std::span<const Tensor> out) const override;
  const Tensor& weight() const { return weight_; }  // [out, in]
  const Tensor& bias() const { return bias_; }      // [out]; undefined without one

 private:
  Tensor weight_, bias_;
};

// The op of the same name as a layer:
struct ReLU : FunctionLayer {
  ReLU() : FunctionLayer("ReLU", relu) {}
};
// The op of the same name as a layer:
struct LeakyReLU : FunctionLayer {
  // Of what is below 0.
  explicit LeakyReLU(double slope = 0.01)
      : FunctionLayer("LeakyReLU", [slope](const Tensor& x) { return leaky_relu(x, slope); }) {}
};
// The op of the same name as a layer:
struct SiLU : FunctionLayer {
  SiLU() : FunctionLayer("SiLU", silu) {}
};
// The op of the same name as a layer:
struct GELU : FunctionLayer {
  // Exact or by tanh.
  explicit GELU(Gelu form = Gelu::exact)
      : FunctionLayer("GELU", [form](const Tensor& x) { return gelu(x, form); }) {}
};
// The op of the same name as a layer:
struct Sigmoid : FunctionLayer {
  Sigmoid() : FunctionLayer("Sigmoid", sigmoid) {}
};
// The op of the same name as a layer:
struct Tanh : FunctionLayer {
  Tanh() : FunctionLayer("Tanh", gadolin::tanh) {}
};
// Dimensions first to last become one.
struct Flatten : FunctionLayer {
  // All but the batch by default.
  explicit Flatten(int first = 1, int last = -1)
      : FunctionLayer("Flatten", [=](const Tensor& x) { return x.flatten(first, last); }) {}
};
// Hands its input on.
struct Identity : FunctionLayer {
  Identity() : FunctionLayer("Identity", [](const Tensor& x) { return x; }) {}
};

// Active in training only; see dropout() in tensor/ops.h.
class Dropout : public Layer {
 public:
  // Probability of a 0, in [0, 1); throws ValueError.
  explicit Dropout(double p = 0.5) : p_(p) {
    require<ValueError>(p >= 0 && p < 1, "Dropout: p ", p, " is outside [0, 1)");
  }
  Tensor forward(const Tensor& x) override { return training() && p_ > 0 ? dropout(x, p_) : x; }
  const char* kind() const override { return "Dropout"; }

 private:
  double p_;
};

}  // namespace gadolin
