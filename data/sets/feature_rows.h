// Rows of numbers in files that stay on disk: what a net made of pictures, row by row.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/sets/dataset.h"
#include "io/mapped_file.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace gadolin {

// A folder of features: NAME.npy [rows, ...], or NAME of NAME.npz, with NAME "features", and index.csv, which
// has a line a row.
struct FeaturePart {
  std::string folder;         // of features.npy and index.csv
  std::string name;           // train, fold-1 ...; "all" of a set in one folder
  Split split = Split::none;  // of rows that say none
};
// The folder itself, if it is one, then its folders train, val, test and fold-1, fold-2 ..., if they are.
std::vector<FeaturePart> feature_parts(const std::string& folder);

// Arrays of rows one behind the other. They stay mapped, at any alignment and in the type that they have, so
// that they may be larger than memory. Any number of threads may read.
class FeatureRows {
 public:
  // `name` of a folder. Throws FileError, FormatError; DataError for an array that is no [rows, ...], or
  // whose rows are of another shape than those before.
  void add(const std::string& folder, const std::string& name = "features");
  // Whether a folder has such arrays.
  static bool holds(const std::string& folder, const std::string& name = "features");
  std::int64_t rows() const { return rows_; }                      // of all arrays together
  std::int64_t rows_of_last() const;                               // of the array that was added last
  const Shape& row() const { return row_; }                        // [F], [C, H, W] ...
  const std::string& path() const { return arrays_.back().path; }  // of the last array
  // Row `i` as row().numel() floats. Throws DataError for a number that is not finite, naming the row by
  // `who`.
  void copy(std::int64_t i, float* to, std::string_view who) const;

 private:
  struct Array {
    std::string path;
    std::shared_ptr<const MappedFile> file;
    DType dtype;
    std::string_view bytes;
    std::int64_t begin;  // its first row
  };
  std::vector<Array> arrays_;
  std::int64_t rows_ = 0;
  Shape row_;
};

}  // namespace gadolin
