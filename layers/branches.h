// Branches: convolutions side by side on one input, the block that Inception nets are made of.
#pragma once

#include "layers/channels.h"
#include "layers/pool.h"

namespace gadolin {

// relu(bn(conv(x))), under the names of torchvision's BasicConv2d and timm's ConvNormAct.
class ConvNormRelu : public Layer {
 public:
  // Channels in and out, filter, options of the convolution without its bias, eps of the norm.
  ConvNormRelu(int in, int out, Pair kernel_size, Conv2dOptions options = {}, double eps = 1e-3);
  Tensor forward(const Tensor& x) override { return pair_.relu(x); }
  // The same into `out`.
  Tensor write(const Tensor& x, const Tensor& out) {
    return called(x, [&] { return pair_.relu(x, out); });
  }
  // The convolution alone, as a call of this module.
  Tensor raw(const Tensor& x) {
    return called(x, [&] { return pair_.conv()(x); });
  }
  // relu(bn(raw)) where somebody else has computed raw = conv(x); `out`: where to write.
  Tensor finish(const Tensor& raw, const Tensor& out = {}) {
    return called(raw, [&] { return pair_.norm().relu(raw, {}, out); });
  }
  const ConvNorm& pair() const { return pair_; }                                    // the two layers
  int channels() const { return static_cast<int>(pair_.conv().weight().size(0)); }  // of the result
  const char* kind() const override { return "ConvNormRelu"; }

 private:
  ConvNorm pair_;
};

// A convolution of a branch, which reads what is before it.
struct BranchConv {
  const char* name;            // as the net names it
  int out;                     // channels as published
  Pair kernel_size;            // rows and columns of the filter
  Conv2dOptions options = {};  // of the convolution
};

// x [N, C, H, W] -> the results of all branches, joined along C. A net declares the branches as its paper
// draws them; they run with three savings. The 1x1 convolutions that begin branches run as one and read x
// once; an average pooling runs after the 1x1 convolution that is drawn behind it, which gives the same
// numbers; and every branch writes straight into its part of the result. Where batch norms fold, so do those
// of the first convolutions, except where an average pooling comes between the two. In an Unfused scope
// everything runs as drawn.
class Branches : public Layer {
 public:
  using Convs = std::vector<BranchConv>;  // one after another
  // in: channels of x; divisor: of all published numbers of channels, for small nets.
  Branches(const char* kind, int in, int divisor = 1) : in_(in), kind_(kind), divisor_(divisor) {}
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return kind_; }
  int channels() const { return channels_; }  // of the result

  // One convolution after another. Those of `fork`, if given, all read the result of the last one, and their
  // results are joined.
  void branch(const Convs& convs, const Convs& fork = {}) { add_branch(Pool::none, {1}, convs, fork); }
  // The same behind a pooling, or the pooling alone. An average must keep the size, and a 1x1 convolution
  // must follow it.
  void max_pool(const PoolOptions& w, const Convs& convs = {}) { add_branch(Pool::max, w, convs, {}); }
  // An average pooling in front of a 1x1 convolution.
  void average_pool(const PoolOptions& w, const BranchConv& c) { add_branch(Pool::average, w, {c}, {}); }

 protected:
  int in_;  // channels of x

 private:
  enum class Pool : std::uint8_t { none, max, average };
  struct Branch {
    Pool pool;
    PoolOptions window;
    std::vector<ConvNormRelu*> convs = {}, fork = {};
    bool starts_with_1x1() const;
  };
  void add_branch(Pool pool, const PoolOptions& window, const Convs& convs, const Convs& fork);
  Tensor as_drawn(const Tensor& x);
  const char* kind_;
  int divisor_, channels_ = 0;
  std::vector<Branch> branches_;
};

}  // namespace gadolin
