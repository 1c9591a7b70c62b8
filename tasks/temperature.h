// Temperature scaling: one number that makes a trained net's probabilities honest without changing its order
// of answers.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tasks/metrics.h"

namespace gadolin {

// What fitting found. Where there is no best temperature, `value` stays 1 and `undefined` says why:
//   "no samples"; "every answer is right, so the loss has no lowest point as the temperature goes to 0";
//   "the logits are no better than chance, so the loss has no lowest point as the temperature rises";
//   "no positive sample", "no negative sample" (fit_each_label_temperature).
struct Temperature {
  double value = 1;
  std::string undefined;
  double loss_before = 0, loss_after = 0;  // mean negative log-likelihood at 1, at `value`; NaN: no samples
  int steps = 0;                           // of Newton's method
};

// The T > 0 that minimises the mean of -log softmax(logits / T)[target] (Guo et al. 2017, section 4.2), on
// validation samples that the net was not trained with. The loss is convex in 1 / T, so the minimum is
// unique: found by Newton's method inside a bracket, to the last digits, for logits of any size.
//   logits [N, classes], target [N] in [0, classes), weight [N] or empty.
// Throws ShapeError for sizes, DataError for a target, NumericError, naming the sample, for a logit that is
// NaN or infinite, ValueError for a weight that is negative or not finite.
Temperature fit_temperature(Reals logits, std::span<const std::int64_t> target, std::int64_t classes,
                            Reals weight = {});

// The same for yes-or-no labels, each with its own logistic function of logit / T: the mean over known cells
// of the binary cross-entropy. logits [N, labels], label [N, labels]: 0, 1 or unknown_label, weight [N] or
// empty. One temperature for all labels; with labels = 1 that of a single one.
Temperature fit_label_temperature(Reals logits, std::span<const std::uint8_t> label, std::int64_t labels = 1,
                                  Reals weight = {});
// One temperature for each label, [labels]. A label with one value only has none that is defined.
std::vector<Temperature> fit_each_label_temperature(Reals logits, std::span<const std::uint8_t> label,
                                                    std::int64_t labels, Reals weight = {});

// softmax(logits / temperature) of each row [N, classes], and the logistic function of each number. Throws
// ValueError unless temperature > 0, ShapeError when logits are no whole rows.
std::vector<double> softmax_at(Reals logits, std::int64_t classes, double temperature = 1);
std::vector<double> sigmoid_at(Reals logits, double temperature = 1);

}  // namespace gadolin
