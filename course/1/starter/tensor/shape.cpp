#include "course/todo.h"
#include "tensor/shape.h"

#include <algorithm>

// yours: includes and helpers may stand here
// end of yours

namespace gadolin {

Shape::Shape(std::initializer_list<std::int64_t> sizes) {
  for (std::int64_t size : sizes) push_back(size);
}
Shape::Shape(const std::vector<std::int64_t>& sizes) {
  for (std::int64_t size : sizes) push_back(size);
}
Shape Shape::filled(int dim, std::int64_t value) {
  Shape shape;
  for (int i = 0; i < dim; ++i) shape.push_back(value);
  return shape;
}
std::int64_t Shape::numel() const {
  std::int64_t n = 1;
  for (std::int64_t size : *this) n *= size;
  return n;
}
void Shape::push_back(std::int64_t size) { insert(dim_, size); }
void Shape::insert(int at, std::int64_t size) {
  require<ShapeError>(dim_ < max_dim, "shape: more than ", max_dim, " dimensions");
  std::copy_backward(sizes_.begin() + at, sizes_.begin() + dim_, sizes_.begin() + dim_ + 1);
  sizes_[static_cast<std::size_t>(at)] = size;
  ++dim_;
}
void Shape::erase(int at) {
  std::copy(sizes_.begin() + at + 1, sizes_.begin() + dim_, sizes_.begin() + at);
  --dim_;
}
void Shape::outside(int i) const {
  fail<ShapeError, 3>("shape: dimension ", i, " is outside ", *this, ", which has ", dim_);
}
bool Shape::operator==(const Shape& other) const {
  return dim_ == other.dim_ && std::equal(begin(), end(), other.begin());
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (int i = 0; i < shape.dim(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

Strides strides_for(const Shape& shape, MemoryFormat format) {
  course::todo("1.1", "strides_for");
}

bool is_contiguous(const Shape& shape, const Strides& strides, MemoryFormat format) {
  course::todo("1.1", "is_contiguous");
}

int memory_order(const Shape& shape, const Strides& strides, int* order) {
  int n = 0;
  for (int d = 0; d < shape.dim(); ++d) {
    if (shape[d] == 1) continue;
    int at = n++;
    for (; at > 0 && strides[order[at - 1]] < strides[d]; --at) order[at] = order[at - 1];
    order[at] = d;
  }
  return n;
}

bool is_dense(const Shape& shape, const Strides& strides) {
  if (shape.numel() <= 1) return true;
  int order[Shape::max_dim];
  const int n = memory_order(shape, strides, order);
  std::int64_t expected = 1;
  for (int i = n - 1; i >= 0; --i) {
    const int d = order[i];
    if (strides[d] != expected) return false;
    expected *= shape[d];
  }
  return true;
}

Shape broadcast(const char* op, const Shape& a, const Shape& b) {
  course::todo("1.2", "broadcast");
}

Strides broadcast_strides(const Shape& shape, const Strides& strides, const Shape& to) {
  course::todo("1.2", "broadcast_strides");
}

int checked_dim(const char* op, int dim, int rank) {
  const int wrapped = dim < 0 ? dim + rank : dim;
  require<ShapeError, 3>(wrapped >= 0 && wrapped < rank, op, ": dimension ", dim, " is outside a tensor of ",
                         rank, " dimensions");
  return wrapped;
}

}  // namespace gadolin
