// What compiles train/update_rules.h for assignment 3, in fp64.
#include "course/3/rules.h"

#include <cmath>

#include "train/update_rules.h"

namespace gadolin::course {

std::vector<double> weights_after_steps(const StepOptions& o, std::vector<double> w,
                                        const std::vector<double>& gradients) {
  detail::Constants<double> k{};
  k.momentum = o.momentum, k.beta1 = 0.9, k.beta2 = 0.999, k.eps = o.eps, k.nesterov = o.nesterov;
  std::vector<double> m(w.size(), 0), v(w.size(), 0), all;
  for (std::size_t at = 0, step = 1; at < gradients.size(); at += w.size(), ++step) {
    double sum = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double g = o.scale * gradients[at + i];
      sum += g * g;
    }
    const double factor = detail::clipped(1 / o.scale, std::sqrt(sum) / o.scale, o.clip),
                 age = static_cast<double>(step);
    const detail::Numbers<double> n{o.lr, factor, detail::bias_correction(k.beta1, age),
                                    detail::bias_correction(k.beta2, age)};
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double g = o.scale * gradients[at + i] * n.factor;
      if (o.rule == "adamw")
        detail::update<Rule::adamw>(k, n, o.decay, g, w[i], m[i], v[i]);
      else if (o.rule == "adam")
        detail::update<Rule::adam>(k, n, o.decay, g, w[i], m[i], v[i]);
      else
        detail::update<Rule::sgd>(k, n, o.decay, g, w[i], m[i], v[i]);
    }
    all.insert(all.end(), w.begin(), w.end());
  }
  return all;
}

}  // namespace gadolin::course
