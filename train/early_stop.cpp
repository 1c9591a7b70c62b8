#include "train/early_stop.h"

#include <cmath>
#include <cstdio>

#include "tensor/check.h"

namespace gadolin {

EarlyStop::EarlyStop(std::int64_t patience, double min_delta, bool maximize)
    : patience_(patience), min_delta_(min_delta), maximize_(maximize) {
  require<UsageError>(patience >= 0, "early stop: a patience of ", patience,
                      " rows is not possible; use 0 for none");
  require<UsageError>(min_delta >= 0 && std::isfinite(min_delta), "early stop: an improvement of at least ",
                      min_delta, " is not possible; use 0 or more");
}

void EarlyStop::observe(double value) {
  const double gain = maximize_ ? value - best_ : best_ - value;
  const bool better = !std::isnan(value) && (!any_ || (gain > 0 && gain >= min_delta_));
  if (better) {
    best_ = value;
    any_ = true;
  }
  rows_ = better ? 0 : rows_ + 1;
}

std::string EarlyStop::reason() const {
  return cat("no improvement ", min_delta_ > 0 ? cat("by ", min_delta_, " ") : "", "in ", rows_,
             rows_ == 1 ? " row" : " rows");
}

std::string EarlyStop::state() const {
  char text[64];
  std::snprintf(text, sizeof text, "%lld %d %.17g", static_cast<long long>(rows_), any_ ? 1 : 0, best_);
  return text;
}

void EarlyStop::set_state(const std::string& state) {
  long long rows = 0;
  int any = 0, read = 0;
  double best = 0;
  const bool whole = std::sscanf(state.c_str(), "%lld %d %lg%n", &rows, &any, &best, &read) == 3 &&
                     static_cast<std::size_t>(read) == state.size() && rows >= 0;
  require<CheckpointError>(whole, "early stop: the checkpoint's state '", state, "' is damaged");
  rows_ = rows;
  any_ = any != 0;
  best_ = best;
}

}  // namespace gadolin
