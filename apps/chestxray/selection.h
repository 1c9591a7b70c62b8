// Which films an epoch sees, where findings are of very different frequency: the greedy cap of the original
// program, and a draw that evens out several labels at once.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/sets/sampler.h"

namespace gadolin::chestxray {

struct CapOptions {
  std::int64_t cap = 10'000;  // films that a finding may have
  int exempt = -1;            // a class that is never refused (Hernia); -1: none
  bool anew = false;          // drawn again for every epoch, as in the original; else one draw for the run
  double train_share = 1;     // of the images that were chosen; the original: 0.8, the rest is validation
  std::uint64_t seed = 0;
};

// Places in the source, both in the order in which they were drawn.
struct CapSelection {
  std::vector<std::int64_t> train, val;
};

// The original's selection, exactly (../shared/docs/apps-spec.md 5.3): films come in random order; one with
// the exempt class is always taken; one of several labels if each of them has fewer than `cap` so far; one of
// a single label if that has fewer than `cap`, but the first of each such label is counted and not taken.
// A film without a label counts as one of a label of its own ("No Finding"). Then a random share of the
// images, whatever their patients, is for training. With `anew` a function of (seed, epoch), else of seed.
// Throws ValueError unless cap > 0, 0 < train_share <= 1 and `exempt` is a class or -1.
CapSelection cap_selection(const SampleSource& source, const CapOptions& options, std::int64_t epoch);

// Batches of cap_selection(...).train, in a new order for every epoch. Every epoch has as many draws as the
// first: of what a later selection has more, the last are left out; what it lacks is taken from its own
// beginning. Throws DataError when nothing is chosen for training.
std::shared_ptr<const Sampler> cap_sampler(const SampleSource& source, const CapOptions& options,
                                           BatchCut cut = {});

// A weight for each sample, such that in draws in proportion to the weights every label, and having none, is
// as frequent as every other, as nearly as labels that occur together allow: of all such weights those with
// the largest entropy, log w = a sum of one term a label, found by raking (Deming and Stephan 1940). The mean
// is 1, and each lies within 1/most to most, so that no film is seen without end, or never. Throws ValueError
// unless most >= 1 and is finite, DataError when no sample has a label.
std::vector<double> label_weights(const SampleSource& source, double most = 20);
// weighted() by these. draws = 0: as many as there are samples.
std::shared_ptr<const Sampler> label_balanced(const SampleSource& source, BatchCut cut = {},
                                              std::int64_t draws = 0, double most = 20);

}  // namespace gadolin::chestxray
