// NumPy's .npy files (format 1.0 to 3.0): one array each.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "io/atomic_file.h"
#include "tensor/tensor.h"

namespace gadolin {

// -> tensor on the CPU, row major, from little-endian fp64, fp32, fp16, int64, int32, uint8 or bool, C or
// Fortran order, up to 8 dimensions. Throws FormatError for anything else: object arrays (which are pickled
// programs), other types, a header over 64 KB, sizes that do not fit the file to the byte.
Tensor load_npy(const std::string& path);

// The same from memory; `name` stands in messages.
Tensor parse_npy(std::string_view bytes, const std::string& name);

// Writes format 1.0, C order, atomically. Waits for the device. Throws DTypeError for bf16, which NumPy does
// not have.
void save_npy(const std::string& path, const Tensor& x);

// Row-major arrays as views of the mapped file: pages are read when they are looked at. Writing changes a
// private copy of the page. Errors and types as load_npy; bool is copied.
Tensor map_npy(const std::string& path);

// An array where it lies, at any alignment: for arrays larger than memory, such as members of .npz files.
struct NpyView {
  Shape shape;             // of the array
  DType dtype;             // of its elements
  std::string_view bytes;  // row-major; a part of what was given
};
// Throws FormatError as load_npy, and for Fortran order.
NpyView view_npy(std::string_view bytes, const std::string& name);

// An array [rows, ...] that grows while it is written, in constant memory. It appears under its name, whole,
// at commit().
class NpyWriter {
 public:
  // `row`: shape of a row; dtype one of save_npy's. Throws DTypeError, FileError.
  NpyWriter(const std::string& path, const Shape& row, DType dtype);
  // [M, row...], converted to the dtype. Waits for the device. Throws ShapeError.
  void append(const Tensor& rows);
  std::int64_t rows() const { return rows_; }  // written so far
  void commit();  // the header with the number of rows, then the file's name: before this nothing is there

 private:
  std::string header() const;
  Shape row_;
  DType dtype_;
  std::int64_t rows_ = 0;
  AtomicFile file_;
};

}  // namespace gadolin
