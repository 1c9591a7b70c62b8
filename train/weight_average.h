// Moving average of the weights.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "layers/module.h"

namespace gadolin {

// Exponential moving average of the weights: average = decay average + (1 - decay) weight, one launch. With
// warm-up the decay of step t is min(decay, (1 + t) / (10 + t)), as in TensorFlow. t is counted on the
// device, so update() can be part of a recorded step (tensor/capture.h).
class WeightAverage {
 public:
  // Of these parameters as they are now. `warmup`: early decays are smaller, so that the start is soon
  // forgotten.
  WeightAverage(std::vector<Parameter> parameters, double decay, bool warmup = true);
  // Changes nothing when `skipped`, a bool [] beside the weights, holds true (Optimizer::skipped).
  void update(const Tensor& skipped = {});
  // Exchanges weights and averages: before an evaluation and once more after it.
  void swap();
  std::vector<Parameter> state() const;                         // "<parameter>", and "updates"
  void load_state(const std::map<std::string, Tensor>& state);  // what state() gave

 private:
  std::vector<Parameter> parameters_;
  std::vector<Tensor> averages_;
  double decay_;
  bool warmup_;
  Tensor updates_;  // fp64 [], beside the weights
};

}  // namespace gadolin
