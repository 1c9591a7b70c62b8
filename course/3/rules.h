// Steps of optimisers on plain numbers, by the rules that the framework's optimisers use on every element.
#pragma once

#include <string>
#include <vector>

namespace gadolin::course {

struct StepOptions {
  std::string rule;  // sgd, adam or adamw
  double lr = 0, momentum = 0, eps = 0, decay = 0, clip = 0, scale = 1;
  bool nesterov = false;
};
// w [n], gradients [steps, n], which a loss scale has multiplied -> w after each step, [steps, n].
std::vector<double> weights_after_steps(const StepOptions& options, std::vector<double> w,
                                        const std::vector<double>& gradients);

}  // namespace gadolin::course
