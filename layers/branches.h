// Branches: convolutions side by side on one input, the block that Inception nets are made of.
#pragma once

#include "layers/channels.h"
#include "layers/pool.h"

namespace gadolin {

// relu(bn(conv(x))), under the names of torchvision's BasicConv2d and timm's ConvNormAct.
class ConvNormRelu : public Layer {
 public:
  ConvNormRelu(int in, int out, Pair kernel_size, Conv2dOptions options = {}, double eps = 1e-3);
  Tensor forward(const Tensor& x) override { return pair_.relu(x); }
  // The same into `out`.
  Tensor write(const Tensor& x, const Tensor& out) {
    return called(x, [&] { return pair_.relu(x, out); });
  }
  Tensor raw(const Tensor& x) {
    return called(x, [&] { return pair_.conv()(x); });
  }
  // relu(bn(raw)) where somebody else has computed raw = conv(x); `out`: where to write.
  Tensor finish(const Tensor& raw, const Tensor& out = {}) {
    return called(raw, [&] { return pair_.norm().relu(raw, {}, out); });
  }
  const ConvNorm& pair() const { return pair_; }
  std::int64_t channels() const { return pair_.conv().weight().size(0); }
  const char* kind() const override { return "ConvNormRelu"; }

 private:
  ConvNorm pair_;
};

// x [N, C, H, W] -> the results of all branches side by side. Written as the papers draw it; run with three
// savings: the 1x1 convolutions at the heads of branches read x once, a mean of neighbours comes after its
// 1x1 (the two may change places), and every branch ends in its place of the result. Where batch norms fold,
// those at the heads are one with their convolutions, but for the one whose mean comes between. In an Unfused
// scope it runs as drawn.
class Branches : public Layer {
 public:
  explicit Branches(const char* kind) : kind_(kind) {}
  Branches(Branches&&) noexcept = default;
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return kind_; }

  ConvNormRelu& conv(const std::string& name, int in, int out, Pair kernel_size,
                     const Conv2dOptions& options = {}) {
    return add(name, ConvNormRelu(in, out, kernel_size, options));
  }
  // One convolution after another; both of `fork`, when given, read the last one's result and stand side by
  // side.
  void branch(std::vector<ConvNormRelu*> convs, std::vector<ConvNormRelu*> fork = {});
  // A pooling before them, or alone. An average must keep the size, and a 1x1 follow it.
  void max_pool_branch(const PoolOptions& window, std::vector<ConvNormRelu*> convs = {});
  void average_pool_branch(const PoolOptions& window, ConvNormRelu& conv);

  // Names of the convolutions of each branch, one behind the other.
  std::vector<std::vector<std::string>> conv_names() const;

 private:
  enum class Pool : std::uint8_t { none, max, average };
  struct Branch {
    Pool pool;
    PoolOptions window;
    std::vector<ConvNormRelu*> convs, fork;
    bool starts_with_1x1() const;
  };
  Tensor as_drawn(const Tensor& x);
  const char* kind_;
  std::vector<Branch> branches_;
};

}  // namespace gadolin
