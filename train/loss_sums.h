// The losses of the steps of a row of metrics.csv, summed on the device: the whole and its named parts.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "train/loss_parts.h"

namespace gadolin {

using MetricList = std::vector<std::pair<std::string, double>>;  // by name, in the order of the columns

// Sums of the losses of a row, kept on the device.
class LossSums {
 public:
  explicit LossSums(Device device);  // of the losses
  // One batch, which counts `share` of a step; the `first` one of a step, or a further one. May be part of a
  // recorded step: which parts there are is decided by the first step, and that one is never recorded. Throws
  // ValueError for other parts later.
  void add(const LossParts& loss, double share, bool first = true);
  void clear();                                   // a new row begins
  const Tensor& total() const { return total_; }  // fp64 []
  // All sums, in place: for processes that add theirs up.
  std::vector<Tensor> sums() const;
  // {"train_loss", ...} and, for each part, {"train_NAME", ...}: means over so many steps.
  MetricList means(std::int64_t steps) const;
  // The whole and its parts in the step whose batches were added last.
  const Tensor& last_total() const { return last_; }  // fp64 []
  MetricList last() const;                            // parts of the last step, by name

  // "loss_sum", "part.000.NAME": what a checkpoint keeps; the numbers keep the order.
  std::map<std::string, Tensor> state() const;
  // Throws CheckpointError without a loss_sum.
  void load_state(const std::map<std::string, Tensor>& from);

 private:
  struct Part {
    std::string name;
    Tensor sum, last;  // fp64 []
  };
  Part& add_part(const std::string& name);
  Tensor total_, last_;
  std::vector<Part> parts_;
};

}  // namespace gadolin
