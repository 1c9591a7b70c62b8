#include "tensor/shape.h"

#include <algorithm>

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
  Strides strides = Shape::filled(shape.dim(), 1);
  if (format == MemoryFormat::channels_last && shape.dim() == 4) {
    strides[3] = shape[1];
    strides[2] = shape[3] * shape[1];
    strides[0] = shape[2] * shape[3] * shape[1];
    return strides;
  }
  std::int64_t step = 1;
  for (int i = shape.dim() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

bool is_contiguous(const Shape& shape, const Strides& strides, MemoryFormat format) {
  if (format == MemoryFormat::channels_last && shape.dim() != 4) return false;
  if (shape.numel() == 0) return true;
  const Strides wanted = strides_for(shape, format);
  for (int i = 0; i < shape.dim(); ++i) {
    if (shape[i] != 1 && strides[i] != wanted[i]) return false;
  }
  return true;
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
  const int dim = std::max(a.dim(), b.dim());
  Shape out = Shape::filled(dim, 1);
  for (int i = 1; i <= dim; ++i) {
    const std::int64_t x = i <= a.dim() ? a[-i] : 1, y = i <= b.dim() ? b[-i] : 1;
    require<ShapeError, 2>(x == y || x == 1 || y == 1, op, ": ", a, " and ", b, " differ in dimension ",
                           dim - i, " (", x, " and ", y, ") and neither is 1");
    out[-i] = x == 1 ? y : x;
  }
  return out;
}

Strides broadcast_strides(const Shape& shape, const Strides& strides, const Shape& to) {
  Strides out = Shape::filled(to.dim(), 0);
  for (int i = 1; i <= shape.dim(); ++i) out[-i] = shape[-i] == 1 && to[-i] != 1 ? 0 : strides[-i];
  return out;
}

int checked_dim(const char* op, int dim, int rank) {
  const int wrapped = dim < 0 ? dim + rank : dim;
  require<ShapeError, 3>(wrapped >= 0 && wrapped < rank, op, ": dimension ", dim, " is outside a tensor of ",
                         rank, " dimensions");
  return wrapped;
}

}  // namespace gadolin
