#include "layers/branches.h"

#include <optional>

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
    reserve(y);
    buffer_->append(y);
  }
  void append(ConvNormRelu& conv, const Tensor& raw) {
    reserve(raw);
    buffer_->append(conv.finish(raw, buffer_->slot(conv.channels())));
  }
  Tensor all() { return buffer_->all(); }

 private:
  void reserve(const Tensor& like) {
    if (!buffer_) buffer_.emplace(like, channels_, like.size(2), like.size(3));
  }
  std::int64_t channels_;
  std::optional<ChannelBuffer> buffer_;
};

}  // namespace

ConvNormRelu::ConvNormRelu(int in, int out, Pair kernel_size, Conv2dOptions options, double eps)
    : conv_(add("conv", Conv2d(in, out, kernel_size, without_bias(options)))), bn_(add("bn", BatchNorm2d(out, eps))) {}

void Branches::branch(std::vector<ConvNormRelu*> convs, std::vector<ConvNormRelu*> fork) {
  branches_.push_back({Pool::none, PoolOptions(1), std::move(convs), std::move(fork)});
}
void Branches::max_pool_branch(const PoolOptions& window, std::vector<ConvNormRelu*> convs) {
  branches_.push_back({Pool::max, window, std::move(convs), {}});
}
void Branches::average_pool_branch(const PoolOptions& window, ConvNormRelu& conv) {
  branches_.push_back({Pool::average, window, {&conv}, {}});
}

std::vector<std::vector<std::string>> Branches::conv_names() const {
  std::vector<std::vector<std::string>> names;
  for (const Branch& b : branches_) {
    names.emplace_back();
    for (const auto& convs : {b.convs, b.fork}) {
      for (const ConvNormRelu* conv : convs) names.back().push_back(conv->name());
    }
  }
  return names;
}

bool Branches::Branch::starts_with_1x1() const {
  if (pool == Pool::max || convs.empty()) return false;
  const Tensor& w = convs[0]->conv().weight();
  return w.size(2) == 1 && w.size(3) == 1 && convs[0]->conv().options().stride == Pair(1);
}

Tensor Branches::forward(const Tensor& x) {
  if (watching()) return as_drawn(x);
  std::vector<Conv2d*> heads;
  std::int64_t channels = 0;
  for (const Branch& b : branches_) {
    if (b.starts_with_1x1()) heads.push_back(&b.convs[0]->conv());
    const auto& last = b.fork.empty() ? b.convs : b.fork;
    if (last.empty()) channels += x.size(1);
    for (std::size_t i = b.fork.empty() && !last.empty() ? last.size() - 1 : 0; i < last.size(); ++i) channels += last[i]->channels();
  }
  const std::vector<Tensor> raws = heads.size() > 1 ? sibling_convs(x, heads) : std::vector<Tensor>{};
  Result result(channels);
  std::size_t head = 0;
  for (Branch& b : branches_) {
    Tensor y = b.pool == Pool::max ? max_pool2d(x, b.window) : x;
    for (std::size_t i = 0; i < b.convs.size(); ++i) {
      Tensor raw = i == 0 && !raws.empty() && b.starts_with_1x1() ? raws[head++] : b.convs[i]->raw(y);
      if (b.pool == Pool::average) raw = avg_pool2d(raw, b.window);
      if (i + 1 == b.convs.size() && b.fork.empty()) {
        result.append(*b.convs[i], raw);
      } else {
        y = b.convs[i]->finish(raw);
      }
    }
    if (b.convs.empty()) result.append(y);
    for (ConvNormRelu* conv : b.fork) result.append(*conv, conv->raw(y));
  }
  return result.all();
}

Tensor Branches::as_drawn(const Tensor& x) {
  std::vector<Tensor> results;
  for (const Branch& b : branches_) {
    Tensor y = b.pool == Pool::max ? max_pool2d(x, b.window) : b.pool == Pool::average ? avg_pool2d(x, b.window) : x;
    for (ConvNormRelu* conv : b.convs) y = (*conv)(y);
    if (b.fork.empty()) results.push_back(y);
    for (ConvNormRelu* conv : b.fork) results.push_back((*conv)(y));
  }
  return concat(results, 1);
}

}  // namespace gadolin
