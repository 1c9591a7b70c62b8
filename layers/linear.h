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

class ReLU : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return relu(x); }
  const char* kind() const override { return "ReLU"; }
};
class LeakyReLU : public Layer {
 public:
  explicit LeakyReLU(double slope = 0.01) : slope_(slope) {}
  Tensor forward(const Tensor& x) override { return leaky_relu(x, slope_); }
  const char* kind() const override { return "LeakyReLU"; }

 private:
  double slope_;
};
class SiLU : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return silu(x); }
  const char* kind() const override { return "SiLU"; }
};
class GELU : public Layer {
 public:
  explicit GELU(Gelu form = Gelu::exact) : form_(form) {}
  Tensor forward(const Tensor& x) override { return gelu(x, form_); }
  const char* kind() const override { return "GELU"; }

 private:
  Gelu form_;
};
class Sigmoid : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return sigmoid(x); }
  const char* kind() const override { return "Sigmoid"; }
};
class Tanh : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return gadolin::tanh(x); }
  const char* kind() const override { return "Tanh"; }
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

// Dimensions first to last become one.
class Flatten : public Layer {
 public:
  explicit Flatten(int first = 1, int last = -1) : first_(first), last_(last) {}
  Tensor forward(const Tensor& x) override { return x.flatten(first_, last_); }
  const char* kind() const override { return "Flatten"; }

 private:
  int first_, last_;
};

class Identity : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return x; }
  const char* kind() const override { return "Identity"; }
};

}  // namespace gadolin
