// Greedy assignment of whole patients to the side (split or fold) that lacks their classes most.
#include "course/todo.h"
#include "data/sets/split.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <numeric>

#include "tensor/check.h"
#include "tensor/random.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin {
namespace {

constexpr std::uint64_t split_purpose = 0x73706c6974;

struct Group {
  std::vector<std::int64_t> samples;
  std::vector<double> counts;  // [classes + 1]; the last is the number of samples
};

std::vector<Group> groups_of(const Dataset& dataset, bool by_patient) {
  course::todo("5.1", "groups_of");
}

// By how much the squared distance from the goals grows when the group is added. Each class is measured in
// its own size, so that a rare one counts as much as a common one.
double cost(const std::vector<double>& have, const std::vector<double>& add, const std::vector<double>& total,
            double share) {
  double sum = 0;
  for (std::size_t c = 0; c < total.size(); ++c) {
    if (total[c] == 0) continue;
    const double before = (have[c] - share * total[c]) / total[c], after = before + add[c] / total[c];
    sum += (after * after - before * before) / share;
  }
  return sum;
}

struct Parts {
  std::vector<int> of_sample;   // [samples], 0..sides-1
  std::vector<double> samples;  // [sides], how many each got
  std::size_t groups;
};

// Whole groups in a seeded order, the largest first, each to the side that lacks it most.
Parts assign(const Dataset& dataset, bool by_patient, std::uint64_t seed, const std::vector<double>& share) {
  std::vector<Group> groups = groups_of(dataset, by_patient);
  RandomStream random(seed, stream_id(split_purpose));
  shuffle(groups, random);
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return a.samples.size() > b.samples.size(); });

  const std::size_t columns = dataset.classes().size() + 1;
  std::vector<double> total(columns);
  for (const Group& g : groups) {
    for (std::size_t c = 0; c < columns; ++c) total[c] += g.counts[c];
  }
  std::vector<std::vector<double>> have(share.size(), std::vector<double>(columns));
  Parts sides{std::vector<int>(static_cast<std::size_t>(dataset.size())), {}, groups.size()};
  course::todo("5.1", "the greedy loop");
  for (const auto& h : have) sides.samples.push_back(h[columns - 1]);
  return sides;
}

}  // namespace

SplitOptions split_shares(const std::string& text, std::uint64_t seed) {
  SplitOptions o;
  o.seed = seed;
  char rest = 0;
  require<UsageError>(std::sscanf(text.c_str(), "%lf/%lf/%lf%c", &o.train, &o.val, &o.test, &rest) == 3 &&
                          o.train >= 0 && o.val >= 0 && o.test >= 0 &&
                          std::isfinite(o.train + o.val + o.test),
                      "--shares ", text, ": three numbers of 0 or more are needed, like 0.7/0.15/0.15");
  return o;
}

void assign_splits(Dataset& dataset, const SplitOptions& options) {
  const double whole = options.train + options.val + options.test;
  require<UsageError>(options.train >= 0 && options.val >= 0 && options.test >= 0 && whole > 0,
                      "split: shares ", options.train, ", ", options.val, ", ", options.test,
                      " are not 0 or more with a sum above 0");
  const std::vector<double> share{options.train / whole, options.val / whole, options.test / whole};
  const Parts sides = assign(dataset, options.by_patient, options.seed, share);
  for (std::int64_t i = 0; i < dataset.size(); ++i)
    dataset.set_split(i, static_cast<Split>(sides.of_sample[static_cast<std::size_t>(i)] + 1));
  for (std::size_t s = 0; s < 3; ++s) {
    require<DataError>(share[s] == 0 || sides.samples[s] > 0,
                       "split: ", split_name(static_cast<Split>(s + 1)), " would be empty with ",
                       sides.groups, sides.groups == 1 ? " patient" : " patients",
                       "; give it a larger share or more patients");
  }
}

std::vector<int> assign_folds(const Dataset& dataset, int k, std::uint64_t seed, bool by_patient) {
  require<UsageError>(k >= 2, "folds: ", k, " of them; at least 2 are needed");
  const std::size_t groups = groups_of(dataset, by_patient).size();
  const char* const what = by_patient ? " patients" : " samples";
  require<DataError>(static_cast<std::size_t>(k) <= groups, "folds: ", k, " of them for ", groups, what,
                     "; every fold needs one of its own");
  // A fold that is still empty is always cheapest, so with enough patients none stays so.
  return assign(dataset, by_patient, seed, std::vector<double>(static_cast<std::size_t>(k), 1.0 / k))
      .of_sample;
}

FoldSides fold_sides(const std::vector<int>& folds, int fold) {
  FoldSides sides;
  for (std::size_t i = 0; i < folds.size(); ++i)
    (folds[i] == fold ? sides.val : sides.train).push_back(static_cast<std::int64_t>(i));
  require<ValueError>(!sides.val.empty(), "folds: no sample is in fold ", fold);
  return sides;
}

void set_fold(Dataset& dataset, const std::vector<int>& folds, int fold) {
  require<ShapeError>(folds.size() == static_cast<std::size_t>(dataset.size()), "folds: ", folds.size(),
                      " numbers for ", dataset.size(), " samples");
  const FoldSides sides = fold_sides(folds, fold);
  for (const std::int64_t i : sides.train) dataset.set_split(i, Split::train);
  for (const std::int64_t i : sides.val) dataset.set_split(i, Split::val);
}

std::vector<Leak> patient_leaks(const Dataset& dataset) {
  course::todo("5.1", "patient_leaks");
}

}  // namespace gadolin
