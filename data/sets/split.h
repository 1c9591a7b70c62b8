// Dividing a data set into train, val and test or into folds, so that no patient is on two sides.
#pragma once

#include <string>
#include <vector>

#include "data/sets/dataset.h"

namespace gadolin {

// How a set is divided.
struct SplitOptions {
  double train = 0.7, val = 0.15, test = 0.15;  // shares; their sum is taken as the whole
  std::uint64_t seed = 0;                       // of the order of patients
  bool by_patient = true;                       // false: every sample on its own
};

// From "0.7/0.15/0.15", the shares of train, val and test. Throws UsageError, beginning with "--shares".
SplitOptions split_shares(const std::string& text, std::uint64_t seed = 0);

// Assigns every sample to a split. Samples of a patient stay together (a sample without a patient stands
// alone); the share of each class is kept as near as whole patients allow: patients come in a seeded order,
// those with most samples first, and each goes where the counts of samples and of its classes are furthest
// below their goal. The result depends on names, labels, patients and seed, not on the order of the samples.
// Throws DataError when a split with a share above 0 would be empty.
void assign_splits(Dataset& dataset, const SplitOptions& options);

// Numbers 0..k-1 of the folds of all samples, in the order of the set. Patients stay together, classes and
// sizes are kept even by the method of assign_splits with k equal shares, and the result depends on the same
// things alone. Every sample gets a fold, whatever its split: to keep a test set out of it, give a subset.
// by_patient = false: every sample on its own. Throws UsageError for k < 2 and DataError, with both numbers,
// when there are fewer patients than folds.
std::vector<int> assign_folds(const Dataset& dataset, int k, std::uint64_t seed = 0, bool by_patient = true);

// The places of the samples outside fold `fold` and of those in it, both rising. Throws ValueError for a fold
// that no sample is in.
struct FoldSides {
  std::vector<std::int64_t> train, val;  // rising
};
FoldSides fold_sides(const std::vector<int>& folds, int fold);  // of fold `fold`
// The same as splits of the set: val in the fold, train elsewhere. Throws ShapeError unless there is one fold
// a sample.
void set_fold(Dataset& dataset, const std::vector<int>& folds, int fold);

// Two sides of the split share something: names of one sample on each side.
struct Leak {
  // What two sides share: a patient, or equal pixels.
  enum class Kind { patient, pixels } kind;
  std::string first, second;        // names of samples; patients are not named
  Split first_split, second_split;  // their sides
};
// One entry for each patient that is in more than one split.
std::vector<Leak> patient_leaks(const Dataset& dataset);

}  // namespace gadolin
