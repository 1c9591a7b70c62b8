// Log loss of several labels a sample of which some count more than others: how RSNA's challenge of 2019 on
// intracranial hemorrhage is scored (Flanders et al. 2020, Radiology: Artificial Intelligence 2(3)).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tasks/metrics.h"

namespace gadolin {

// Probabilities are clipped to [this, 1 - this].
inline constexpr double log_loss_clip = 1e-15;

// 2 for a label called "any", which says that one of the others is there, and 1 for all others.
std::vector<double> usual_label_weights(const std::vector<std::string>& classes);

// Of each sample the weighted mean of its labels' log losses: sum w_k l_k / sum w_k over the labels that are
// known; NaN for a sample of which none is.
//   probability [N, K], label [N, K] of 0, 1 or unknown_label, label_weight [K]
// Throws ShapeError where sizes disagree, ValueError for weights that are negative, not finite or all 0,
// NumericError, naming the sample, for a probability outside 0..1 or NaN.
std::vector<double> weighted_log_losses(Reals probability, std::span<const std::uint8_t> label,
                                        Reals label_weight);

// The mean over samples with a weight each (empty: once each); NaN without any that is known.
double mean_of_known(Reals values, Reals weight = {});
double weighted_log_loss(Reals probability, std::span<const std::uint8_t> label, Reals label_weight,
                         Reals weight = {});

}  // namespace gadolin
