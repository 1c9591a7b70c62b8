#include "layers/branches.h"

#include <algorithm>
#include <optional>

#include "layers/conv_function.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

Conv2dOptions without_bias(Conv2dOptions options) {
  options.bias = false;
  return options;
}

// A result that grows branch by branch; its size is known when the first branch is.
class Result {
 public:
  explicit Result(std::int64_t channels) : channels_(channels) {}
  void append(const Tensor& y) {
    if (!buffer_) buffer_.emplace(y, channels_, y.size(2), y.size(3));
    buffer_->append(y);
  }
  // Where the result of this convolution goes, whose input or, when it is `convolved`, whose output x is.
  Tensor slot(const Tensor& x, ConvNormRelu& conv, bool convolved) {
    if (!buffer_ && convolved) buffer_.emplace(x, channels_, x.size(2), x.size(3));
    if (!buffer_) {
      const detail::ConvSizes z =
          detail::conv_sizes(x, conv.pair().conv().weight(), conv.pair().conv().options());
      buffer_.emplace(for_compute(x), channels_, z.p, z.q);
    }
    return buffer_->slot(conv.channels());
  }
  Tensor all() { return buffer_->all(); }

 private:
  std::int64_t channels_;
  std::optional<ChannelBuffer> buffer_;
};

}  // namespace

ConvNormRelu::ConvNormRelu(int in, int out, Pair kernel_size, Conv2dOptions options, double eps)
    : pair_{add("conv", Conv2d(in, out, kernel_size, without_bias(options))),
            add("bn", BatchNorm2d(out, eps))} {}

void Branches::add_branch(Pool pool, const PoolOptions& window, const Convs& convs, const Convs& fork) {
  Branch made{pool, window};
  const auto conv = [&](int in, const BranchConv& c) {
    return &add(c.name, ConvNormRelu(in, c.out / divisor_, c.kernel_size, c.options));
  };
  int channels = in_;
  for (const BranchConv& c : convs) {
    made.convs.push_back(conv(channels, c));
    channels = made.convs.back()->channels();
  }
  for (const BranchConv& c : fork) {
    made.fork.push_back(conv(channels, c));
    channels_ += made.fork.back()->channels();
  }
  if (fork.empty()) channels_ += channels;
  branches_.push_back(std::move(made));
}

bool Branches::Branch::starts_with_1x1() const {
  if (pool == Pool::max || convs.empty()) return false;
  const Conv2d& first = convs[0]->pair().conv();
  return first.weight().size(2) == 1 && first.weight().size(3) == 1 && first.options().stride == Pair(1);
}

Tensor Branches::forward(const Tensor& x) {
  if (Unfused::here()) return as_drawn(x);
  const bool fold = std::all_of(branches_.begin(), branches_.end(), [&](const Branch& b) {
    return !b.starts_with_1x1() || b.convs[0]->pair().folds(x);
  });
  const auto is_sibling = [&](const Branch& b) {
    return b.starts_with_1x1() && !(fold && b.pool == Pool::average);
  };
  std::vector<Conv2d*> heads;
  std::vector<BatchNorm2d*> norms;
  for (const Branch& b : branches_) {
    if (!is_sibling(b)) continue;
    heads.push_back(&b.convs[0]->pair().conv());
    if (fold) norms.push_back(&b.convs[0]->pair().norm());
  }
  const std::vector<Tensor> joint = heads.size() > 1 ? sibling_convs(x, heads, norms) : std::vector<Tensor>{};
  Result result(channels_);
  std::size_t head = 0;
  for (Branch& b : branches_) {
    Tensor y = b.pool == Pool::max ? max_pool2d(x, b.window) : x;
    for (std::size_t i = 0; i < b.convs.size(); ++i) {
      ConvNormRelu& conv = *b.convs[i];
      const bool last = i + 1 == b.convs.size() && b.fork.empty(),
                 done = i == 0 && !joint.empty() && is_sibling(b);
      if (done && fold) {
        y = joint[head++];
      } else if (done || b.pool == Pool::average) {
        Tensor raw = done ? joint[head++] : conv.raw(y);
        if (b.pool == Pool::average) raw = avg_pool2d(raw, b.window);
        y = conv.finish(raw, last ? result.slot(raw, conv, true) : Tensor());
      } else {
        y = conv.write(y, last ? result.slot(y, conv, false) : Tensor());
      }
      if (last) result.append(y);
    }
    if (b.convs.empty()) result.append(y);
    for (ConvNormRelu* conv : b.fork) result.append(conv->write(y, result.slot(y, *conv, false)));
  }
  return result.all();
}

Tensor Branches::as_drawn(const Tensor& x) {
  std::vector<Tensor> results;
  for (const Branch& b : branches_) {
    Tensor y = b.pool == Pool::max       ? max_pool2d(x, b.window)
               : b.pool == Pool::average ? avg_pool2d(x, b.window)
                                         : x;
    for (ConvNormRelu* conv : b.convs) y = (*conv)(y);
    if (b.fork.empty()) results.push_back(y);
    for (ConvNormRelu* conv : b.fork) results.push_back((*conv)(y));
  }
  return concat(results, 1);
}

}  // namespace gadolin
