// The variance of an area, from how often each sample alone is in the right order with those of the other
// side.
#include "tasks/delong.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "tasks/quantiles.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

using detail::no_value;

// Ranks from 1; those of equal values are the mean of the ranks they share.
std::vector<double> mid_ranks_of(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t i = 0; i < order.size();) {
    std::size_t end = i;
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    for (std::size_t k = i; k < end; ++k) ranks[order[k]] = static_cast<double>(i + end + 1) / 2;
    i = end;
  }
  return ranks;
}

// Samples that say something, positives first.
struct TwoSides {
  std::vector<std::size_t> place;
  std::size_t positives = 0;
};
TwoSides two_sides(std::size_t scores, std::span<const std::uint8_t> label, std::size_t patients,
                   double confidence) {
  require<ShapeError>(scores == label.size(), "delong: ", scores, " scores for ", label.size(), " labels");
  require<ShapeError>(patients == 0 || patients == label.size(), "delong: ", patients, " patients for ",
                      label.size(), " samples");
  require<ValueError>(confidence > 0 && confidence < 1, "delong: confidence ", confidence,
                      " is not between 0 and 1");
  TwoSides sides;
  for (std::size_t i = 0; i < label.size(); ++i) {
    require<DataError>(label[i] <= 1 || label[i] == unknown_label, "delong: label ",
                       static_cast<int>(label[i]), " at index ", i, "; 0, 1, or 255 for unknown");
    if (label[i] == 1) sides.place.push_back(i);
  }
  sides.positives = sides.place.size();
  for (std::size_t i = 0; i < label.size(); ++i)
    if (label[i] == 0) sides.place.push_back(i);
  return sides;
}

// The area, and of every sample its share of the other side that it is in the right order with, less the
// area.
struct OrderShares {
  double auc;
  std::vector<double> off;
};
OrderShares order_shares(Reals score, const TwoSides& sides) {
  std::vector<double> all, own[2];
  for (std::size_t k = 0; k < sides.place.size(); ++k) {
    const double value = score[sides.place[k]];
    require<NumericError>(!std::isnan(value), "delong: the score of sample ", sides.place[k], " is NaN");
    all.push_back(value);
    own[k < sides.positives ? 0 : 1].push_back(value);
  }
  const double m = static_cast<double>(own[0].size()), n = static_cast<double>(own[1].size());
  OrderShares c{no_value, {}};
  if (!(m > 0 && n > 0)) return c;
  const std::vector<double> ranks = mid_ranks_of(all),
                            among[2] = {mid_ranks_of(own[0]), mid_ranks_of(own[1])};
  double right = 0;
  for (std::size_t k = 0; k < all.size(); ++k) {
    const bool positive = k < sides.positives;
    const double below = ranks[k] - (positive ? among[0][k] : among[1][k - sides.positives]);
    c.off.push_back(positive ? below / n : 1 - below / m);
    if (positive) right += below;
  }
  c.auc = right / (m * n);
  for (double& share : c.off) share -= c.auc;
  return c;
}

// Covariance of two areas (Obuchowski 1997, equations 5 to 8): sums of components by patient, of the
// positives, the negatives, and of both together.
double area_covariance(const OrderShares& a, const OrderShares& b, const TwoSides& sides,
                       std::span<const std::string> patient) {
  struct Sums {
    double a[2] = {0, 0}, b[2] = {0, 0};
    bool has[2] = {false, false};
  };
  std::vector<Sums> clusters;
  std::map<std::string_view, std::size_t> known;
  for (std::size_t k = 0; k < sides.place.size(); ++k) {
    std::size_t at = clusters.size();
    if (!patient.empty()) at = known.emplace(patient[sides.place[k]], at).first->second;
    if (at == clusters.size()) clusters.emplace_back();
    const int side = k < sides.positives ? 0 : 1;
    clusters[at].a[side] += a.off[k];
    clusters[at].b[side] += b.off[k];
    clusters[at].has[side] = true;
  }
  double sum[2] = {0, 0}, count[2] = {0, 0}, both = 0;
  for (const Sums& c : clusters) {
    for (int side = 0; side < 2; ++side) {
      if (!c.has[side]) continue;
      sum[side] += c.a[side] * c.b[side];
      count[side] += 1;
    }
    both += c.a[0] * c.b[1] + c.a[1] * c.b[0];
  }
  if (!(count[0] >= 2 && count[1] >= 2)) return no_value;
  const double size[2] = {static_cast<double>(sides.positives),
                          static_cast<double>(sides.place.size() - sides.positives)},
               all = static_cast<double>(clusters.size());
  double total = all / (all - 1) * both / (size[0] * size[1]);
  for (int side = 0; side < 2; ++side)
    total += count[side] / (count[side] - 1) * sum[side] / (size[side] * size[side]);
  return total;
}

}  // namespace

DelongArea delong_area(Reals score, std::span<const std::uint8_t> label, std::span<const std::string> patient,
                       double confidence) {
  const TwoSides sides = two_sides(score.size(), label, patient.size(), confidence);
  const OrderShares c = order_shares(score, sides);
  if (std::isnan(c.auc)) return {no_value, no_value, {no_value, no_value}};
  const double variance = area_covariance(c, c, sides, patient);
  const double deviation = std::isnan(variance) ? no_value : std::sqrt(std::max(0.0, variance)),
               reach = normal_quantile(0.5 + confidence / 2) * deviation;
  if (std::isnan(deviation)) return {c.auc, no_value, {no_value, no_value}};
  return {c.auc, deviation, {std::max(0.0, c.auc - reach), std::min(1.0, c.auc + reach)}};
}

DelongComparison delong_comparison(Reals first, Reals second, std::span<const std::uint8_t> label,
                                   std::span<const std::string> patient, double confidence) {
  require<ShapeError>(first.size() == second.size(), "delong: ", first.size(), " first and ", second.size(),
                      " second scores; both must be of the same samples");
  const TwoSides sides = two_sides(first.size(), label, patient.size(), confidence);
  const OrderShares a = order_shares(first, sides), b = order_shares(second, sides);
  const double difference = a.auc - b.auc;
  DelongComparison c{a.auc, b.auc, difference, {no_value, no_value}, no_value, no_value, no_value};
  if (std::isnan(difference)) return c;
  // That of the difference itself, so that rounding cannot make it negative.
  OrderShares off{difference, a.off};
  for (std::size_t k = 0; k < off.off.size(); ++k) off.off[k] -= b.off[k];
  const double variance = area_covariance(off, off, sides, patient);
  if (std::isnan(variance)) return c;
  c.deviation = std::sqrt(std::max(0.0, variance));
  const double reach = normal_quantile(0.5 + confidence / 2) * c.deviation;
  c.interval = {std::max(-1.0, difference - reach), std::min(1.0, difference + reach)};
  if (c.deviation > 0) {
    c.z = difference / c.deviation;
    c.p = std::erfc(std::abs(c.z) / std::sqrt(2.0));
  } else if (difference == 0) {
    c.z = 0;
    c.p = 1;
  }
  return c;
}

}  // namespace gadolin
