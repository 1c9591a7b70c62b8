// Looking for a learning rate: a short run whose rate grows until the loss blows up, and what its curve
// suggests.
#pragma once

#include <functional>
#include <vector>

namespace gadolin {

class Module;
class Optimizer;

// The learning rate range test (Smith 2017, section 3.3) in the form of fastai's lr_find (Howard and Gugger
// 2020), whose numbers these are.
struct LrSweepOptions {
  double lo = 1e-7, hi = 10;  // rates of the first and the last step
  int steps = 100;
  double smoothing = 0.98;  // of the exponential average below; 0: the losses themselves
  double diverged = 4;      // stops once the smoothed loss is above so many times the best one; 0: never
  // Share of `steps` that suggestions leave out at the start, where the average is still of few losses.
  double skip_first = 0.1;
  int skip_last = 5;  // steps that they leave out at the end, where it is diverging
};

struct LrSweep {
  std::vector<double> rate, loss, smoothed;  // one entry a step taken
  bool diverged = false;  // ended early: by `diverged`, or by a loss that is NaN or infinite
};

// Rate of step i of 0..steps-1: lo (hi / lo)^(i / (steps - 1)).
std::vector<double> sweep_rates(const LrSweepOptions& options);

// The exponential average of the first losses, corrected for its start at 0 as Adam's moments are (Kingma and
// Ba 2015, algorithm 1): s_i = b s_{i-1} + (1 - b) loss_i, smoothed_i = s_i / (1 - b^{i+1}).
std::vector<double> smoothed_losses(const std::vector<double>& loss, double smoothing);

// Suggestions, over the steps that are not skipped (of a sweep of fewer steps than asked for, the same
// numbers). NaN ("not defined") when fewer than two are left, for the first also when the loss never falls.
//   steepest_rate        where smoothed loss falls fastest per factor of the rate: the first i with the
//                        smallest (smoothed_{i+1} - smoothed_i) / (log rate_{i+1} - log rate_i)
//   tenth_of_minimum     a tenth of the rate with the lowest smoothed loss
double steepest_rate(const LrSweep& sweep, const LrSweepOptions& options = {});
double tenth_of_minimum(const LrSweep& sweep, const LrSweepOptions& options = {});

// Takes up to options.steps training steps at rising rates and then puts everything back, also when a step
// throws. `step(rate)` takes one real step on the next batch and gives its loss. `remember()` is called once
// before; what it returns is called once at the end. A loss that is NaN or infinite ends the sweep and is not
// in it. With a best loss of 0 or less only that ends it early. Throws ValueError unless 0 < lo < hi,
// steps >= 2, 0 <= smoothing < 1, `diverged` is 0 or above 1, and skips are 0 or more.
LrSweep find_learning_rate(const std::function<double(double rate)>& step,
                           const std::function<std::function<void()>()>& remember,
                           const LrSweepOptions& options = {});

// A `remember` for a net and its optimiser: copies of parameters, buffers, moments, step counts, loss scale
// and rate, and the position of the default random generator; bit for bit. Both must outlive what it returns.
std::function<void()> remember_training(Module& model, Optimizer& optimizer);

}  // namespace gadolin
