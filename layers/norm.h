// Batch normalisation (Ioffe and Szegedy 2015), alone or with the addition and the ReLU that follow it in one
// pass.
#pragma once

#include "layers/module.h"

namespace gadolin {

// How a batch norm runs.
struct BatchNormOptions {
  bool training = false;  // statistics of the batch; otherwise the running ones
  double momentum = 0.1;  // running = (1 - momentum) running + momentum batch, as in PyTorch
  double eps = 1e-5;      // added to the variance
  bool relu = false;      // y = relu(norm(x) + addend)
};

// y = weight (x - mean) / sqrt(variance + eps) + bias [+ addend] [then relu], per channel.
//   x [N, C, H, W] or [N, C] in any floating type; weight, bias, running_* [C] in fp32 (fp64 for fp64 x);
//   addend undefined or of x's shape and dtype -> y like x, channels-last when x is an image.
// In training the running statistics are updated in place. The biased variance normalises, but the unbiased
// one, over n - 1, goes into the running statistics: surprising, but PyTorch does so and checkpoints must
// agree. Keeps x, the channel statistics and, with an addend and relu, one bit per element of y.
// Differentiable in x, weight, bias, addend. Throws ShapeError in training for a single value per channel,
// whose variance is 0.
Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                  const Tensor& running_var, const BatchNormOptions& options, const Tensor& addend = {});

// Mean and biased variance of each channel over a batch, [C] in fp32 (fp64 of fp64). Where several batch
// norms read one tensor, they are computed once.
struct ChannelStatistics {
  Tensor mean, variance;  // [C] each
  double values = 0;      // a channel, that they are of; 0: as many as the batch has
};

namespace detail {
struct BatchNormFunction;
// Of this thread, empty where each process normalises for itself: what makes numbers of its batch those of
// the batches of all processes (train/sync_batch_norm.h). Mean and variance of so many values a channel, ->
// the values of all; and in backward sum(g) / n and its like, [2, C] each, the second of a join.
inline thread_local std::function<double(const ChannelStatistics&, double values)> statistics_of_all;
inline thread_local std::function<void(const Tensor&, const Tensor&, double values)> lines_of_all;
}  // namespace detail

// Writes both into the tensors of `into`. Returns the values a channel that they are of.
double channel_statistics(const Tensor& x, const ChannelStatistics& into);

// A batch norm of images [N, C, H, W] or rows [N, C], with running statistics as buffers.
class BatchNorm2d : public Layer {
 public:
  // Weight 1, bias 0, running mean 0 and variance 1.
  explicit BatchNorm2d(int channels, double eps = 1e-5, double momentum = 0.1);
  Tensor forward(const Tensor& x) override { return normalise(x, {}, false); }
  // relu(norm(x)) and relu(norm(x) + addend), each in one pass. `known`: the statistics of the batch; `out`:
  // where to write.
  Tensor relu(const Tensor& x, const ChannelStatistics& known = {}, const Tensor& out = {}) {
    return called(x, [&] { return normalise(x, {}, true, known, out); });
  }
  // relu(norm(x) + addend).
  Tensor add_relu(const Tensor& x, const Tensor& addend) {
    return called(x, [&] { return normalise(x, addend, true); });
  }
  // relu(norm(x) + other(other_x)), in one pass forward and two backward, for blocks whose shortcut has a
  // batch norm too. Keeps x, other_x, both statistics and one bit per element.
  Tensor join_relu(const Tensor& x, BatchNorm2d& other, const Tensor& other_x);
  const char* kind() const override { return "BatchNorm2d"; }
  const Tensor& weight() const { return weight_; }              // [C]
  const Tensor& bias() const { return bias_; }                  // [C]
  const Tensor& running_mean() const { return running_mean_; }  // [C]; a buffer
  const Tensor& running_var() const { return running_var_; }    // [C]; a buffer
  double eps() const { return eps_; }                           // added to the variance
  // Of the running statistics, as in BatchNormOptions.
  void set_momentum(double momentum);
  void set_eps(double eps);                             // before the net has run
  detail::BatchNormFunction function(bool relu) const;  // with this module's options and running statistics

 private:
  Tensor normalise(const Tensor& x, const Tensor& addend, bool relu, const ChannelStatistics& known = {},
                   const Tensor& out = {});
  double eps_, momentum_;
  Tensor weight_, bias_, running_mean_, running_var_, num_batches_tracked_;
};

// --- group normalisation (Wu and He 2018)

// y = weight (x - mean) / sqrt(variance + eps) + bias, with the mean and the biased variance of each image's
// group of neighbouring channels; weight and bias are of channels.
//   x [N, C, ...] in any floating type; weight, bias [C], both in fp32 (fp64 for fp64 x), or both undefined
//   -> y like x. 16-bit types are computed in fp32.
// A composition of ops, so it keeps what they keep: four tensors of x's size. Throws ShapeError and
// ValueError when groups do not divide C. Agrees with torch.nn.functional.group_norm.
Tensor group_norm(const Tensor& x, int groups, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

// Normalises each sample by groups of its channels; see group_norm.
class GroupNorm : public Layer {
 public:
  // Throws ValueError where groups do not divide channels.
  GroupNorm(int groups, int channels, double eps = 1e-5);
  Tensor forward(const Tensor& x) override { return group_norm(x, groups_, weight_, bias_, eps_); }
  const char* kind() const override { return "GroupNorm"; }
  const Tensor& weight() const { return weight_; }  // [C]
  const Tensor& bias() const { return bias_; }      // [C]

 private:
  int groups_;
  double eps_;
  Tensor weight_, bias_;
};

}  // namespace gadolin
