// Views: results that share the storage. Each records how to carry a gradient back.
#include "course/todo.h"
#include <optional>

#include "tensor/function.h"
#include "tensor/ops.h"
#include "tensor/ops/index_loop.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin {
namespace {

struct PermuteFunction {
  static constexpr auto name = "permute";
  Shape inverse;
  Attributes attributes() const { return {{"inverse", inverse.vec()}}; }
  Grads backward(const Tensor& dy, Need) const { return {dy.permute(inverse)}; }
};
struct ExpandFunction {
  static constexpr auto name = "expand";
  Shape from;
  Grads backward(const Tensor& dy, Need) const {
    course::todo("2.4 expand", "ExpandFunction::backward");
  }
};
struct ReshapeFunction {
  static constexpr auto name = "reshape";
  Shape from;
  Grads backward(const Tensor& dy, Need) const { return {dy.reshape(from)}; }
};

struct SliceSpec {
  Shape from;
  int dim;
  std::int64_t begin, end, step;
};
Tensor slice_of(const Tensor& x, const SliceSpec& s) { return x.slice(s.dim, s.begin, s.end, s.step); }

// Zeros of the sliced tensor's shape with dy in the slice's place: slice's gradient, and its own gradient is
// a slice.
struct UnsliceFunction {
  static constexpr auto name = "slice backward";
  SliceSpec spec;
  Tensor allocate(const Tensor& dy) const { return empty(spec.from, dy.dtype(), dy.device(), dy.format()); }
  template <class D> void forward(D, const Tensor& dy, Tensor& dx) const {
    course::todo("2.4 slice", "UnsliceFunction::forward");
  }
  Grads backward(const Tensor& ddx, Need) const {
    course::todo("2.4 slice", "UnsliceFunction::backward");
  }
};
struct SliceFunction {
  static constexpr auto name = "slice";
  SliceSpec spec;
  Attributes attributes() const {
    return {{"dim", spec.dim}, {"begin", spec.begin}, {"end", spec.end}, {"step", spec.step}};
  }
  Grads backward(const Tensor& dy, Need) const { return {apply(UnsliceFunction{spec}, dy)}; }
};

// Strides with which the elements of (shape, strides) are read in row-major order as `to`, which has as many,
// if there are such strides.
std::optional<Strides> view_strides(const Shape& shape, const Strides& strides, const Shape& to) {
  if (shape.numel() == 0) return strides_for(to);
  Strides out = Shape::filled(to.dim(), 1);
  const auto runs = detail::make_walk<1>(shape, {strides});  // dimensions that lie one within the other
  int j = to.dim() - 1;
  for (int run = runs.dim - 1; run >= 0; --run) {
    std::int64_t left = runs.sizes[run], stride = runs.strides[0][run];
    for (; left > 1; --j) {
      if (left % to[j] != 0) return std::nullopt;
      out[j] = stride;
      stride *= to[j];
      left /= to[j];
    }
  }
  return out;
}

}  // namespace

Tensor Tensor::permute(const Shape& order) const {
  require<ShapeError>(order.dim() == dim(), "permute: order ", order, " does not name the ", dim(),
                      " dimensions of ", shape());
  Shape sizes = shape(), inverse = Shape::filled(dim(), -1);
  Strides steps = strides();
  for (int i = 0; i < dim(); ++i) {
    const int from = checked_dim("permute", static_cast<int>(order[i]), dim());
    require<ShapeError>(inverse[from] < 0, "permute: order ", order, " names dimension ", from, " twice");
    inverse[from] = i;
    sizes[i] = shape()[from];
    steps[i] = strides()[from];
  }
  return record(PermuteFunction{inverse}, view(sizes, steps, offset()), *this);
}

Tensor Tensor::transpose(int a, int b) const {
  a = checked_dim("transpose", a, dim());
  b = checked_dim("transpose", b, dim());
  Shape order;
  for (int i = 0; i < dim(); ++i) order.push_back(i == a ? b : i == b ? a : i);
  return permute(order);
}

Tensor Tensor::expand(const Shape& to) const {
  if (to == shape()) return *this;
  require<ShapeError>(to.dim() >= dim() && broadcast("expand", shape(), to) == to, "expand: ", shape(),
                      " does not broadcast to ", to);
  return record(ExpandFunction{shape()}, view(to, broadcast_strides(shape(), strides(), to), offset()),
                *this);
}

Tensor Tensor::reshape(Shape to) const {
  if (to == shape()) return *this;
  int guess = -1;
  std::int64_t known = 1;
  for (int i = 0; i < to.dim(); ++i) {
    if (to[i] == -1) {
      require<ShapeError>(guess < 0, "reshape: ", to, " leaves more than one size open");
      guess = i;
    } else {
      require<ShapeError>(to[i] >= 0, "reshape: ", to,
                          " has a negative size; only one may be left open, as -1");
      known *= to[i];
    }
  }
  require<ShapeError>(guess < 0 || known > 0, "reshape: any size would do for the -1 of ", to,
                      " beside a size of 0", "; name it");
  if (guess >= 0 && known > 0 && numel() % known == 0) to[guess] = numel() / known;
  require<ShapeError>(to.numel() == numel(), "reshape: ", shape(), " has ", numel(), " elements, ", to,
                      " does not fit");
  if (const auto steps = view_strides(shape(), strides(), to))
    return record(ReshapeFunction{shape()}, view(to, *steps, offset()), *this);
  const Tensor dense = contiguous();
  return record(ReshapeFunction{shape()}, dense.view(to, strides_for(to), dense.offset()), dense);
}

Tensor Tensor::flatten(int first, int last) const {
  if (dim() == 0) return reshape({1});
  first = checked_dim("flatten", first, dim());
  last = checked_dim("flatten", last, dim());
  require<ShapeError>(first <= last, "flatten: first dimension ", first, " comes after last ", last);
  Shape to;
  for (int i = 0; i < dim(); ++i) {
    if (i > first && i <= last) {
      to[-1] *= shape()[i];
    } else {
      to.push_back(shape()[i]);
    }
  }
  return reshape(to);
}

Tensor Tensor::squeeze(int d) const {
  d = checked_dim("squeeze", d, dim());
  require<ShapeError>(shape()[d] == 1, "squeeze: dimension ", d, " of ", shape(), " has size ", shape()[d],
                      ", not 1");
  Shape to = shape();
  Strides steps = strides();
  to.erase(d);
  steps.erase(d);
  return record(ReshapeFunction{shape()}, view(to, steps, offset()), *this);
}

Tensor Tensor::unsqueeze(int d) const {
  d = checked_dim("unsqueeze", d, dim() + 1);
  Shape to = shape();
  Strides steps = strides();
  to.insert(d, 1);
  steps.insert(d, 1);
  return record(ReshapeFunction{shape()}, view(to, steps, offset()), *this);
}

Tensor Tensor::slice(int d, std::int64_t begin, std::int64_t end, std::int64_t step) const {
  d = checked_dim("slice", d, dim());
  const std::int64_t n = shape()[d];
  if (begin < 0) begin += n;
  if (end < 0) end += n;
  require<ValueError>(step > 0, "slice: step ", step, " must be positive; use flip() to go backwards");
  require<ShapeError>(begin >= 0 && begin <= end && end <= n, "slice: [", begin, ", ", end,
                      ") is outside dimension ", d, " of ", shape());
  Shape to = shape();
  Strides steps = strides();
  to[d] = (end - begin + step - 1) / step;
  steps[d] *= step;
  return record(SliceFunction{{shape(), d, begin, end, step}},
                view(to, steps, offset() + begin * strides()[d]), *this);
}

Tensor Tensor::select(int d, std::int64_t index) const {
  d = checked_dim("select", d, dim());
  const std::int64_t n = shape()[d], at = index < 0 ? index + n : index;
  require<ValueError>(at >= 0 && at < n, "select: index ", index, " is outside dimension ", d, " of ",
                      shape());
  return slice(d, at, at + 1).squeeze(d);
}

}  // namespace gadolin
