// Reductions over any dimensions. Sums are kept in double: images have large means.
#include "course/todo.h"
#include <algorithm>
#include <cmath>

#include "tensor/function.h"
#include "tensor/ops.h"
#include "tensor/ops/promote.h"
#include "tensor/reduce.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin {
namespace {

// The sum times `scale`. Scaled before it is narrowed: the sum of an fp16 image overflows where its mean does
// not.
template <class T> struct Sum {
  using Acc = T;
  T scale;
  template <class In> GADOLIN_HD Acc step(Acc acc, In x, std::int64_t) const {
    return acc + static_cast<Acc>(x);
  }
  GADOLIN_HD Acc init() const { return Acc(0); }
  GADOLIN_HD Acc combine(Acc a, Acc b) const { return a + b; }
  GADOLIN_HD Acc finish(Acc acc) const { return acc * scale; }
};

// Index of the first largest (sign 1) or smallest (-1) element; NaN counts as larger than everything.
template <class T> struct ArgBest {
  T sign;
  struct Acc {
    T value;
    std::int64_t index;
  };
  GADOLIN_HD static bool better(const Acc& a, const Acc& b) {  // a before b
    if (b.index < 0) return true;
    if (a.index < 0) return false;
    const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
    if (a_nan != b_nan) return a_nan;
    if (!a_nan && a.value != b.value) return a.value > b.value;
    return a.index < b.index;
  }
  GADOLIN_HD Acc init() const { return {T(0), -1}; }
  template <class In> GADOLIN_HD Acc step(Acc acc, In x, std::int64_t i) const {
    return combine(acc, Acc{sign * static_cast<T>(x), i});
  }
  GADOLIN_HD Acc combine(Acc a, Acc b) const { return better(b, a) ? b : a; }
  GADOLIN_HD std::int64_t finish(Acc acc) const { return acc.index; }
};

// The dimensions that are meant, rising.
Dims reduced_dims(const char* op, const Dims& dims, int rank) {
  bool named[Shape::max_dim] = {};
  for (int d : dims) named[checked_dim(op, d, rank)] = true;
  Dims reduced;
  for (int d = 0; d < rank; ++d) {
    if (dims.empty() || named[d]) reduced.push_back(d);
  }
  return reduced;
}
Shape kept_shape(Shape shape, const Dims& reduced) {
  for (int d : reduced) shape[d] = 1;
  return shape;
}
// Number of elements that fall together.
double elements_of(const Tensor& x, const Dims& reduced) {
  double n = 1;
  for (int d : reduced) n *= static_cast<double>(x.size(d));
  return n;
}
// Without the dimensions of size 1 that a reduction left.
Tensor drop(const Tensor& y, const Dims& reduced) {
  Shape shape = y.shape();
  for (std::size_t i = reduced.size(); i > 0; --i) shape.erase(reduced[i - 1]);
  return y.reshape(shape);
}

// [.., n, ..] -> [.., 1, ..], times `scale`: 1 for a sum, 1 / n for a mean
template <bool scales> struct SumFunction {
  static constexpr auto name = scales ? "mean" : "sum";
  Dims reduced;
  double scale = 1;
  Shape from = {};
  Attributes attributes() const {
    return {{"dims", std::vector<std::int64_t>(reduced.begin(), reduced.end())}, {"scale", scale}};
  }

  Shape shape(const Tensor& x) const { return kept_shape(x.shape(), reduced); }
  void save(const Tensor& x, const Tensor&) { from = x.shape(); }
  template <class D> void forward(D device, const Tensor& x, Tensor& y) const {
    if (x.numel() == 0) {
      y.fill_(0 * scale);  // of a mean: 0 / 0 is NaN
      return;
    }
    if (!scales && x.dtype() == DType::int64)
      return reduce<std::int64_t, std::int64_t>(device, name, Sum<std::int64_t>{1}, y, x);
    dispatch_floating(x.dtype(), name,
                      [&]<class T>(Tag<T>) { reduce<T, T>(device, name, Sum<double>{scale}, y, x); });
  }
  Grads backward(const Tensor& dy, Need) const {
    course::todo("2.4 sum", "SumFunction::backward");
  }
};

template <class D> void arg_best(D device, const char* op, const Tensor& x, const Tensor& y, int sign) {
  if (x.dtype() == DType::int64)
    return reduce<std::int64_t, std::int64_t>(device, op, ArgBest<std::int64_t>{sign}, y, x);
  dispatch_floating(x.dtype(), op, [&]<class T>(Tag<T>) {
    reduce<std::int64_t, T>(device, op, ArgBest<math_type<T>>{static_cast<math_type<T>>(sign)}, y, x);
  });
}

Tensor arg(const char* op, const Tensor& given, int dim, bool keep, int sign) {
  const NoGrad guard;
  const Tensor x = detail::as_int64(given);
  const auto reduced = reduced_dims(op, {dim}, x.dim());
  require<ShapeError>(x.size(dim) > 0, op, ": dimension ", dim, " of ", x.shape(),
                      " is empty; there is nothing to choose from");
  const Tensor y = empty(kept_shape(x.shape(), reduced), DType::int64, x.device());
  if (y.numel() > 0) on_device(x.device(), [&](auto device) { arg_best(device, op, x, y, sign); });
  return keep ? y : drop(y, reduced);
}

// max and min over several dimensions: bring them to the end, join them, choose, and read the chosen one.
Tensor best(const char* op, const Tensor& x, const Dims& dims, bool keep, int sign) {
  const auto reduced = reduced_dims(op, dims, x.dim());
  Shape order, kept;
  for (int d = 0; d < x.dim(); ++d) {
    if (std::find(reduced.begin(), reduced.end(), d) != reduced.end()) continue;
    order.push_back(d);
    kept.push_back(x.size(d));
  }
  for (int d : reduced) order.push_back(d);
  Shape joined = kept;
  joined.push_back(kept.numel() == 0 ? 1 : x.numel() / kept.numel());
  const Tensor flat = x.permute(order).reshape(joined);
  const Tensor y = gather(flat, -1, arg(op, flat.detach(), -1, true, sign));
  return y.reshape(keep ? kept_shape(x.shape(), reduced) : kept);
}

}  // namespace

Tensor sum(const Tensor& x, const Dims& dims, bool keep) {
  const auto reduced = reduced_dims("sum", dims, x.dim());
  const Tensor y = apply(SumFunction<false>{reduced}, detail::as_int64(x));
  return keep ? y : drop(y, reduced);
}

Tensor mean(const Tensor& x, const Dims& dims, bool keep) {
  const auto reduced = reduced_dims("mean", dims, x.dim());
  const Tensor y = apply(SumFunction<true>{reduced, 1 / elements_of(x, reduced)}, x);
  return keep ? y : drop(y, reduced);
}

// Two passes: the difference of squares would cancel for images, whose mean is far from 0.
Tensor var(const Tensor& x, const Dims& dims, int correction, bool keep) {
  require_floating("var", x.dtype());
  const auto reduced = reduced_dims("var", dims, x.dim());
  const Tensor centred = sub(x, mean(x, dims, true));
  const double n = std::fmax(elements_of(x, reduced) - correction, 0.0);
  const Tensor y = apply(SumFunction<true>{reduced, 1 / n}, mul(centred, centred));
  return keep ? y : drop(y, reduced);
}

Tensor max(const Tensor& x, const Dims& dims, bool keep) { return best("max", x, dims, keep, 1); }
Tensor min(const Tensor& x, const Dims& dims, bool keep) { return best("min", x, dims, keep, -1); }
Tensor argmax(const Tensor& x, int dim, bool keep) { return arg("argmax", x, dim, keep, 1); }
Tensor argmin(const Tensor& x, int dim, bool keep) { return arg("argmin", x, dim, keep, -1); }

Tensor sum_to(const Tensor& x, const Shape& shape) {
  course::todo("2.4 sum", "sum_to");
}

}  // namespace gadolin
