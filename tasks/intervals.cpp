// Closed forms of binomial intervals.
#include "tasks/intervals.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "tasks/quantiles.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

using detail::no_value;

void check(const char* op, double successes, double trials, double confidence) {
  require<ValueError>(successes >= 0 && successes <= trials && std::isfinite(trials), op, ": ", successes,
                      " of ", trials, " is no share");
  require<ValueError>(confidence > 0 && confidence < 1, op, ": confidence ", confidence,
                      " is not between 0 and 1");
}

}  // namespace

Interval wilson_interval(double successes, double trials, double confidence) {
  check("wilson_interval", successes, trials, confidence);
  if (trials == 0) return {no_value, no_value};
  const double z = normal_quantile(1 - (1 - confidence) / 2), share = successes / trials;
  const double width = 1 + z * z / trials, middle = share + z * z / (2 * trials);
  const double half = z * std::sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials));
  // Exact at the ends, where rounding would leave a crumb.
  return {successes == 0 ? 0 : std::max(0.0, (middle - half) / width),
          successes == trials ? 1 : std::min(1.0, (middle + half) / width)};
}

Interval clopper_pearson_interval(std::int64_t successes, std::int64_t trials, double confidence) {
  const double x = static_cast<double>(successes), n = static_cast<double>(trials);
  check("clopper_pearson_interval", x, n, confidence);
  if (trials == 0) return {no_value, no_value};
  const double tail = (1 - confidence) / 2;
  return {successes == 0 ? 0 : beta_quantile(tail, x, n - x + 1),
          successes == trials ? 1 : beta_quantile(1 - tail, x + 1, n - x)};
}

Share share_by_patient(std::span<const std::string> patient, std::span<const std::uint8_t> right,
                       const BootstrapOptions& options) {
  require<ShapeError>(patient.size() == right.size(), "share_by_patient: ", patient.size(), " patients for ",
                      right.size(), " samples");
  std::vector<std::string> known;
  std::vector<double> value;
  double hits = 0;
  for (std::size_t i = 0; i < right.size(); ++i) {
    if (right[i] == unknown_label) continue;
    require<DataError>(right[i] <= 1, "share_by_patient: value ", static_cast<int>(right[i]), " at index ", i,
                       "; 0, 1, or 255 for unknown");
    known.push_back(patient[i]);
    value.push_back(right[i]);
    hits += right[i];
  }
  const double all = static_cast<double>(value.size());
  if (value.empty()) return {no_value, {no_value, no_value}};
  if (hits == 0 || hits == all) {
    const auto patients =
        static_cast<std::int64_t>(std::set<std::string_view>(known.begin(), known.end()).size());
    return {hits / all, clopper_pearson_interval(hits == 0 ? 0 : patients, patients, options.confidence)};
  }
  const auto share = [&](Reals weight) {
    double sum = 0, total = 0;
    for (std::size_t i = 0; i < value.size(); ++i) {
      sum += weight[i] * value[i];
      total += weight[i];
    }
    return sum / total;
  };
  return {hits / all, bootstrap(known, share, options)};
}

}  // namespace gadolin
