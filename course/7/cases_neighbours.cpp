#include "course/7/cases_neighbours.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace gadolin::course {
namespace {

constexpr std::int64_t most_slices = 20, slice_features = 6, slice_labels = 3;  // two kinds and any

struct CtSeries {
  Array features, label;
  std::vector<std::int64_t> lengths;
};
CtSeries make_series(std::int64_t n, Draw& draw) {
  CtSeries s{{{n, most_slices, slice_features}, {}}, {{n, most_slices, slice_labels}, {}}, {}};
  const auto noise = [&] { return draw.uniform(-1, 1) + draw.uniform(-1, 1) + draw.uniform(-1, 1); };
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t length = draw.integer(12, most_slices);
    s.lengths.push_back(length);
    std::int64_t begin[2] = {length, length}, end[2] = {length, length};
    for (int kind = 0; kind < 2; ++kind) {
      if (!draw.chance(0.6)) continue;
      begin[kind] = draw.integer(0, length - 6), end[kind] = begin[kind] + draw.integer(4, 6);
    }
    for (std::int64_t t = 0; t < most_slices; ++t) {
      const bool one = t >= begin[0] && t < end[0], two = t >= begin[1] && t < end[1];
      for (std::int64_t f = 0; f < slice_features; ++f)
        s.features.numbers.push_back(noise() + (f == 0 && one ? 1.6 : 0) + (f == 1 && two ? 1.6 : 0));
      for (const bool there : {one, two, one || two}) s.label.numbers.push_back(there ? 1 : 0);
    }
  }
  return s;
}

std::map<std::vector<double>, CtSeries>& held_back_series() {
  static std::map<std::vector<double>, CtSeries> known;
  return known;
}

Case draw_neighbours(int, Draw& draw) {
  Case c;
  c.what = "slices with and without their neighbours";
  const CtSeries learnt = make_series(250, draw), held = make_series(60, draw);
  held_back_series()[held.features.numbers] = held;
  c.request = {{"op", std::string("neighbours")}, {"steps", std::int64_t{60}}, {"train", learnt.features},
               {"label", learnt.label},           {"lengths", learnt.lengths}, {"test", held.features},
               {"test lengths", held.lengths}};
  return c;
}

// The weighted log loss of each series.
std::vector<double> losses_of(const Array& probability, const CtSeries& truth) {
  const double weight[slice_labels] = {1, 1, 2};
  std::vector<double> all;
  for (std::size_t i = 0; i < truth.lengths.size(); ++i) {
    double sum = 0;
    for (std::int64_t t = 0; t < truth.lengths[i]; ++t) {
      for (std::int64_t k = 0; k < slice_labels; ++k) {
        const std::size_t at =
            (i * most_slices + static_cast<std::size_t>(t)) * slice_labels + static_cast<std::size_t>(k);
        const double p = probability.numbers[at];
        if (!(p >= 0 && p <= 1)) return {};
        sum -=
            weight[k] / 4 * std::log(std::clamp(truth.label.numbers[at] == 1 ? p : 1 - p, 1e-15, 1 - 1e-15));
      }
    }
    all.push_back(sum / static_cast<double>(truth.lengths[i]));
  }
  return all;
}

std::string compare_neighbours(const Case& c, const Values& got, const Values&) {
  if (got.contains("error")) return text(got, "error");
  const CtSeries& truth = held_back_series().at(array(c.request, "test").numbers);
  for (const char* name : {"slices", "series"})
    if (array(got, name).numbers.size() != truth.label.numbers.size())
      return "not a probability for each label of each slice";
  const std::vector<double> alone = losses_of(array(got, "slices"), truth),
                            together = losses_of(array(got, "series"), truth);
  if (alone.empty() || together.empty()) return "a probability is outside 0 to 1";
  // The patients are drawn again, both nets on the same ones.
  std::uint64_t state = 0x9e3779b97f4a7c15u;
  std::vector<double> differences;
  const std::size_t n = alone.size();
  for (int round = 0; round < 1000; ++round) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      const std::size_t which = static_cast<std::size_t>(state % n);
      sum += (alone[which] - together[which]) / static_cast<double>(n);
    }
    differences.push_back(sum);
  }
  std::sort(differences.begin(), differences.end());
  if (differences[25] > 0) return "";
  char line[120];
  std::snprintf(line, sizeof line, "the net of series is better by %.3f to %.3f: the interval holds 0",
                differences[25], differences[974]);
  return line;
}

}  // namespace

Task neighbours_demonstration() {
  Task t;
  t.id = "6B.7";
  t.title = "what neighbours are worth";
  t.points = 8;
  t.cut = "*";
  t.publics = 1;
  t.hiddens = 1;
  t.draw = draw_neighbours;
  t.want = [](const Values&) { return Values{}; };
  t.compare = compare_neighbours;
  t.limits.cpu_seconds = 60, t.limits.wall_seconds = 90;
  return t;
}

}  // namespace gadolin::course
