// Early stopping: a run ends when its metric has stopped getting better.
#pragma once

#include <cstdint>
#include <string>

namespace gadolin {

// Counts the rows of a run since the last one that was better by at least `min_delta` than the best so far,
// which only such a row replaces; small steps add up until they count (as Keras and PyTorch Lightning do).
// NaN is no improvement. With a patience of 0 it never ends a run.
class EarlyStop {
 public:
  EarlyStop() = default;
  // Throws UsageError for a negative patience, and for a min_delta that is negative or no number.
  EarlyStop(std::int64_t patience, double min_delta, bool maximize);
  void observe(double value);                                       // a row's value; NaN is no gain
  bool due() const { return patience_ > 0 && rows_ >= patience_; }  // whether the run ends
  // "no improvement by 0.001 in 5 rows"
  std::string reason() const;
  // What a checkpoint stores, exactly. Throws CheckpointError for any other text.
  std::string state() const;
  void set_state(const std::string& state);  // what state() gave; throws FormatError

 private:
  std::int64_t patience_ = 0, rows_ = 0;
  double min_delta_ = 0, best_ = 0;
  bool maximize_ = true, any_ = false;
};

}  // namespace gadolin
