// Rows of numbers as a data set: what a net made of pictures, kept as features.npy and index.csv.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/sets/feature_rows.h"

namespace gadolin {

// Samples are rows: "x" (SampleArray of the row's shape) and "label". The arrays stay mapped, so that a set
// may be larger than memory. Throws DataError for a row with a number that is not finite.
class FeatureSet : public Dataset {
 public:
  // `labelled` names the rows: SampleInfo::record is the row.
  FeatureSet(const Dataset& labelled, FeatureRows rows);
  Sample sample(std::int64_t i) const override;
  const Shape& row() const { return rows_->row(); }  // [D], [C, H, W], [T, D] ...

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::unique_ptr<Dataset>(new FeatureSet(*this)); }
  FeatureSet(const FeatureSet&) = default;

 private:
  std::shared_ptr<const FeatureRows> rows_;
};

// Whether a folder is such a set (feature_parts).
bool holds_features(const std::string& folder);

// A folder with features.npy and index.csv (row,path,patient,label,split; label separated by | where there
// are several), or with folders train, val, test and fold-1, fold-2 ... of that kind; rows of the first three
// without a split get the folder's. A picture that lies in several parts is called PART/PATH there. Throws
// DataError, with file and line, for an index that does not name every row once, and for parts whose rows
// differ in shape.
std::unique_ptr<Dataset> open_features(const std::string& folder, const DatasetOptions& options = {});

}  // namespace gadolin
