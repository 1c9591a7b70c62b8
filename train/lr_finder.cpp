// The sweep of learning rates and what is read off its curve.
#include "train/lr_finder.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "layers/module.h"
#include "tensor/autograd.h"
#include "tensor/check.h"
#include "tensor/random.h"
#include "train/optimizer.h"

namespace gadolin {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

void check(const LrSweepOptions& o) {
  require<ValueError>(o.lo > 0 && o.lo < o.hi && std::isfinite(o.hi), "learning rate finder: rates from ",
                      o.lo, " to ", o.hi, " do not rise from above 0");
  require<ValueError>(o.steps >= 2, "learning rate finder: ", o.steps, " steps; at least 2 are needed");
  require<ValueError>(o.smoothing >= 0 && o.smoothing < 1, "learning rate finder: smoothing ", o.smoothing,
                      " is not in [0, 1)");
  require<ValueError>(o.diverged == 0 || o.diverged > 1, "learning rate finder: diverged at ", o.diverged,
                      " times the best loss; more than 1 is needed, or 0 for never");
  require<ValueError>(o.skip_first >= 0 && o.skip_first < 1 && o.skip_last >= 0,
                      "learning rate finder: ", o.skip_first, " of the steps skipped at the start and ",
                      o.skip_last, " at the end; a share in [0, 1) and a number of 0 or more are possible");
}

// Steps that suggestions look at: [begin, end).
struct Steps {
  std::size_t begin, end;
};
Steps kept_of(const LrSweep& sweep, const LrSweepOptions& o) {
  check(o);
  require<ShapeError>(sweep.rate.size() == sweep.smoothed.size(), "learning rate finder: ", sweep.rate.size(),
                      " rates for ", sweep.smoothed.size(), " losses");
  const std::size_t n = sweep.rate.size(), last = static_cast<std::size_t>(o.skip_last);
  return {static_cast<std::size_t>(o.skip_first * o.steps), n > last ? n - last : 0};
}

void copy_into(const std::vector<std::pair<Tensor, Tensor>>& copies) {
  const NoGrad guard;
  for (const auto& [tensor, copy] : copies) Tensor(tensor).copy_(copy);
}

// The steps themselves.
LrSweep rising(const std::function<double(double)>& step, const LrSweepOptions& options) {
  LrSweep sweep;
  double best = 0;
  for (const double rate : sweep_rates(options)) {
    const double loss = step(rate);
    sweep.diverged = !std::isfinite(loss);
    if (sweep.diverged) break;
    sweep.rate.push_back(rate);
    sweep.loss.push_back(loss);
    sweep.smoothed = smoothed_losses(sweep.loss, options.smoothing);
    const double now = sweep.smoothed.back();
    best = sweep.loss.size() == 1 ? now : std::min(best, now);
    sweep.diverged = options.diverged > 0 && best > 0 && now > options.diverged * best;
    if (sweep.diverged) break;
  }
  return sweep;
}

}  // namespace

std::vector<double> sweep_rates(const LrSweepOptions& o) {
  check(o);
  std::vector<double> rates;
  for (int i = 0; i < o.steps; ++i)
    rates.push_back(o.lo * std::pow(o.hi / o.lo, static_cast<double>(i) / (o.steps - 1)));
  return rates;
}

std::vector<double> smoothed_losses(const std::vector<double>& loss, double smoothing) {
  std::vector<double> smoothed;
  double average = 0, weight = 0;  // weight: 1 - smoothing^(i + 1)
  for (const double value : loss) {
    average = smoothing * average + (1 - smoothing) * value;
    weight = smoothing * weight + (1 - smoothing);
    smoothed.push_back(average / weight);
  }
  return smoothed;
}

double steepest_rate(const LrSweep& sweep, const LrSweepOptions& options) {
  const Steps part = kept_of(sweep, options);
  double best = 0, rate = nan;
  for (std::size_t i = part.begin; i + 1 < part.end; ++i) {
    const double slope =
        (sweep.smoothed[i + 1] - sweep.smoothed[i]) / (std::log(sweep.rate[i + 1]) - std::log(sweep.rate[i]));
    if (slope < best) {
      best = slope;
      rate = sweep.rate[i];
    }
  }
  return rate;
}

double tenth_of_minimum(const LrSweep& sweep, const LrSweepOptions& options) {
  const Steps part = kept_of(sweep, options);
  if (part.begin + 1 >= part.end) return nan;
  const auto first = sweep.smoothed.begin();
  const auto lowest = std::min_element(first + static_cast<std::ptrdiff_t>(part.begin),
                                       first + static_cast<std::ptrdiff_t>(part.end));
  return sweep.rate[static_cast<std::size_t>(lowest - first)] / 10;
}

LrSweep find_learning_rate(const std::function<double(double)>& step,
                           const std::function<std::function<void()>()>& remember,
                           const LrSweepOptions& options) {
  check(options);
  const std::function<void()> restore = remember();
  LrSweep sweep;
  try {
    sweep = rising(step, options);
  } catch (...) {
    restore();
    throw;
  }
  restore();
  return sweep;
}

std::function<void()> remember_training(Module& model, Optimizer& optimizer) {
  std::vector<std::pair<Tensor, Tensor>> copies;
  const NoGrad guard;
  for (const Parameter& p : model.parameters()) copies.emplace_back(p.tensor, p.tensor.detach().clone());
  for (const Parameter& b : model.buffers()) copies.emplace_back(b.tensor, b.tensor.detach().clone());
  std::map<std::string, Tensor> state;
  for (const Parameter& s : optimizer.state()) state[s.name] = s.tensor.detach().clone();
  return [copies = std::move(copies), state = std::move(state), &optimizer, generator = default_generator()] {
    copy_into(copies);
    optimizer.load_state(state);
    optimizer.zero_grad();
    default_generator() = generator;
  };
}

}  // namespace gadolin
