// Shape: the sizes of a tensor's dimensions, stored without an allocation. Strides have the same type.
// Broadcasting follows NumPy.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "tensor/check.h"

namespace gadolin {

// Sizes of up to eight dimensions.
class Shape {
 public:
  static constexpr int max_dim = 8;  // dimensions

  Shape() = default;  // [], of a scalar
  // Sizes from outside in. Throws ShapeError for a negative size or more than eight:
  Shape(std::initializer_list<std::int64_t> sizes);
  explicit Shape(const std::vector<std::int64_t>& sizes);
  static Shape filled(int dim, std::int64_t value);  // `dim` equal sizes

  int dim() const { return dim_; }  // number of dimensions
  std::int64_t numel() const;       // product; 1 for a scalar
  // -1 is the last dimension. Throws ShapeError for one that is not there.
  std::int64_t operator[](int i) const { return sizes_[place(i)]; }
  std::int64_t& operator[](int i) { return sizes_[place(i)]; }  // to be changed; as above
  void push_back(std::int64_t size);                            // a new last dimension
  void insert(int at, std::int64_t size);                       // a new dimension before place `at`, 0..dim()
  void erase(int at);                                           // without dimension `at`
  // From the first size to behind the last:
  const std::int64_t* begin() const { return sizes_.data(); }
  const std::int64_t* end() const { return sizes_.data() + dim_; }
  std::vector<std::int64_t> vec() const { return {begin(), end()}; }  // as a vector
  bool operator==(const Shape& other) const;  // same number of dimensions and same sizes

 private:
  std::size_t place(int i) const {
    const int wrapped = i < 0 ? i + dim_ : i;
    if (wrapped < 0 || wrapped >= dim_) [[unlikely]]
      outside(i);
    return static_cast<std::size_t>(wrapped);
  }
  [[noreturn]] void outside(int i) const;
  std::array<std::int64_t, max_dim> sizes_{};
  int dim_ = 0;
};
using Strides = Shape;  // in elements

// Order of the elements in memory. Either way a program sees images as [N, C, H, W]; channels_last stores C
// innermost.
enum class MemoryFormat : std::uint8_t { contiguous, channels_last };

std::string to_string(const Shape& shape);  // [64, 3, 7, 7]
// Of a dense tensor in that order.
Strides strides_for(const Shape& shape, MemoryFormat format = MemoryFormat::contiguous);
// True when the elements fill numel() places in that order. Dimensions of size 1 may have any stride.
bool is_contiguous(const Shape& shape, const Strides& strides,
                   MemoryFormat format = MemoryFormat::contiguous);
// True when some permutation of the dimensions is contiguous. A flat loop over the memory then visits every
// element once.
bool is_dense(const Shape& shape, const Strides& strides);
// Writes the dimensions whose size is not 1 to `order`, from the outermost in memory (largest stride) to the
// innermost, and returns their number. `order` has room for Shape::max_dim.
int memory_order(const Shape& shape, const Strides& strides, int* order);
// Shape of the result of an elementwise op. Throws ShapeError naming `op`, both shapes and the dimension.
Shape broadcast(const char* op, const Shape& a, const Shape& b);
// Strides that read a tensor of `shape` as if it had the shape `to`: 0 along broadcast dimensions. `shape`
// must broadcast to `to`.
Strides broadcast_strides(const Shape& shape, const Strides& strides, const Shape& to);
// `dim` as a number in [0, rank); -1 means the last dimension. Throws ShapeError naming `op`.
int checked_dim(const char* op, int dim, int rank);

}  // namespace gadolin
