// Series of slices as a data set: rows of features (data/sets/feature_rows.h) put together, in order, to the
// sequences that they came from.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/sets/feature_rows.h"

namespace gadolin {

// One step of a sequence.
struct SequenceSlice {
  std::string name;          // of its picture: the column path
  std::int64_t row = 0;      // of the features
  double position = 0;       // the column position, such as mm along the slice normal
  std::uint64_t labels = 0;  // bit k: class k is there
  bool labelled = true;      // false: nothing is known of it
};

// A sample is a series, of one patient and one split: series of one patient stay apart. Slices are ordered
// by their position, whatever the order of the files. SampleInfo::labels are the classes of any of its
// slices. A sample holds
//   x      [T, F], the features
//   label  [T, K], 1 where a slice has a class
//   known  [T], 1 for slices of which the labels are known
// Throws DataError for a row with a number that is not finite.
class SequenceSet : public Dataset {
 public:
  struct Parts;
  SequenceSet(const Dataset& series, std::shared_ptr<const Parts> parts);
  Sample sample(std::int64_t i) const override;
  std::int64_t length(std::int64_t i) const;
  std::span<const SequenceSlice> slices(std::int64_t i) const;
  std::int64_t features() const;  // F
  std::int64_t all_slices() const;
  // What another model said of each slice alone, base.npy beside the features: [T, K] probabilities of a
  // series, empty when there is none.
  std::vector<float> base(std::int64_t i) const;
  bool has_base() const;
  // What people should know, with counts: equal positions within a series, series that were cut.
  const std::vector<std::string>& notes() const;
  // Of names, splits, and the labels of all slices.
  std::string fingerprint() const override;

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::unique_ptr<Dataset>(new SequenceSet(*this)); }
  SequenceSet(const SequenceSet&) = default;

 private:
  std::shared_ptr<const Parts> parts_;
};

// A folder of features (feature_parts) whose index.csv have the columns row, path, patient, series and
// position, and may have label (separated by |), split, study (series of equal names in two studies are two)
// and labelled (0: the labels are not known). With options.longest, series of more slices are cut into parts
// of nearly equal length, called SERIES#1, SERIES#2 ...: nothing is left out. Classes are those of `options`,
// those of classes.txt in the folder, a line each, or all labels, sorted. Throws DataError, with file and
// line, for columns that are missing, a row that is not listed once, a position that is no number, a label
// that is no class, a patient with labels or a series in two
// splits, and a slice that is twice in a series.
std::unique_ptr<SequenceSet> open_sequences(const std::string& folder, const DatasetOptions& options = {});
// Whether the folder holds features with a column `series`.
bool holds_sequences(const std::string& folder);

// The lengths that series are padded to: few, so that a recorded step is replayed. 16, 32, 64, 128 ... as far
// as there are series; a length that fewer than `least` have is joined with the next longer one. Rising.
std::vector<std::int64_t> padded_lengths(const SequenceSet& set, std::int64_t least = 1);

}  // namespace gadolin
