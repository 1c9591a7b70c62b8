#include "tasks/weighted_log_loss.h"

#include <algorithm>
#include <cmath>

#include "tensor/check.h"

namespace gadolin {

std::vector<double> usual_label_weights(const std::vector<std::string>& classes) {
  std::vector<double> weights;
  for (const std::string& name : classes) weights.push_back(name == "any" ? 2 : 1);
  return weights;
}

std::vector<double> weighted_log_losses(Reals probability, std::span<const std::uint8_t> label,
                                        Reals label_weight) {
  const std::size_t k = label_weight.size();
  require<ShapeError>(k > 0 && probability.size() == label.size() && label.size() % k == 0,
                      "weighted_log_loss: ", probability.size(), " probabilities and ", label.size(),
                      " labels of ", k, " weights; there must be a row of weights' length a sample");
  double all = 0;
  for (const double w : label_weight) {
    require<ValueError>(w >= 0 && std::isfinite(w), "weighted_log_loss: the weight ", w,
                        " of a label is no finite number from 0 on");
    all += w;
  }
  require<ValueError>(all > 0, "weighted_log_loss: the weights of all labels are 0");
  std::vector<double> losses;
  losses.reserve(label.size() / k);
  for (std::size_t i = 0; i < label.size(); i += k) {
    double sum = 0, known = 0;
    for (std::size_t j = 0; j < k; ++j) {
      const double p = probability[i + j];
      require<NumericError>(p >= 0 && p <= 1, "weighted_log_loss: the probability of label ", j,
                            " of sample ", i / k, " is ", p, ", not one from 0 to 1");
      if (label[i + j] == unknown_label) continue;
      // 1 - p, then clipped: a p that is clipped near 1 has few digits left for 1 - p.
      const double q = std::clamp(label[i + j] == 1 ? p : 1 - p, log_loss_clip, 1 - log_loss_clip);
      sum -= label_weight[j] * std::log(q);
      known += label_weight[j];
    }
    losses.push_back(known > 0 ? sum / known : detail::no_value);
  }
  return losses;
}

double mean_of_known(Reals values, Reals weight) {
  double sum = 0, total = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) continue;
    const double w = weight.empty() ? 1 : weight[i];
    sum += w * values[i];
    total += w;
  }
  return total > 0 ? sum / total : detail::no_value;
}

double weighted_log_loss(Reals probability, std::span<const std::uint8_t> label, Reals label_weight,
                         Reals weight) {
  return mean_of_known(weighted_log_losses(probability, label, label_weight), weight);
}

}  // namespace gadolin
