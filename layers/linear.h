// Fully connected layer, and the small layers without state.
#pragma once

#include "layers/module.h"
#include "tensor/ops.h"

namespace gadolin {

// y = x weight^T + bias; x [.., in], weight [out, in]. Starts as PyTorch's: uniform in +-1 / sqrt(in).
class Linear : public Layer {
 public:
  Linear(int in_features, int out_features, bool bias = true);
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "Linear"; }
  std::int64_t macs(std::span<const Tensor> in, std::span<const Tensor> out) const override;
  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }

 private:
  Tensor weight_, bias_;
};

struct ReLU : FunctionLayer {
  ReLU() : FunctionLayer("ReLU", relu) {}
};
struct LeakyReLU : FunctionLayer {
  explicit LeakyReLU(double slope = 0.01)
      : FunctionLayer("LeakyReLU", [slope](const Tensor& x) { return leaky_relu(x, slope); }) {}
};
struct SiLU : FunctionLayer {
  SiLU() : FunctionLayer("SiLU", silu) {}
};
struct GELU : FunctionLayer {
  explicit GELU(Gelu form = Gelu::exact)
      : FunctionLayer("GELU", [form](const Tensor& x) { return gelu(x, form); }) {}
};
struct Sigmoid : FunctionLayer {
  Sigmoid() : FunctionLayer("Sigmoid", sigmoid) {}
};
struct Tanh : FunctionLayer {
  Tanh() : FunctionLayer("Tanh", gadolin::tanh) {}
};
// Dimensions first to last become one.
struct Flatten : FunctionLayer {
  explicit Flatten(int first = 1, int last = -1)
      : FunctionLayer("Flatten", [=](const Tensor& x) { return x.flatten(first, last); }) {}
};
struct Identity : FunctionLayer {
  Identity() : FunctionLayer("Identity", [](const Tensor& x) { return x; }) {}
};

// Active in training only; see dropout() in tensor/ops.h.
class Dropout : public Layer {
 public:
  explicit Dropout(double p = 0.5) : p_(p) {
    require<ValueError>(p >= 0 && p < 1, "Dropout: p ", p, " is outside [0, 1)");
  }
  Tensor forward(const Tensor& x) override { return training() && p_ > 0 ? dropout(x, p_) : x; }
  const char* kind() const override { return "Dropout"; }

 private:
  double p_;
};

}  // namespace gadolin
