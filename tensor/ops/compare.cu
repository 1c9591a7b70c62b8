// Comparison, choice by a mask, and limits. Comparisons with NaN are false, but for not_equal.
#include "tensor/elementwise.h"
#include "tensor/ops.h"
#include "tensor/ops/promote.h"

namespace gadolin {
namespace {

// One loop for all comparisons of a type: greater is less with its arguments exchanged, not_equal the
// opposite of equal. A loop for each would not be faster, they wait for memory, but took a minute to compile.
struct Comparison {
  bool less, equal, opposite;
  template <class T> GADOLIN_HD bool operator()(T a, T b) const {
    return (((a < b) & less) | ((a == b) & equal)) != opposite;  // & and |: vector instructions, no branches
  }
};
// Against one number. Integers are compared as doubles, so that 1 < 1.5; floats with the number as their type
// has it.
struct AgainstNumber {
  Comparison holds;
  double sign, b;  // a > b as -a < -b
  GADOLIN_HD bool operator()(float a) const {
    return holds(static_cast<float>(sign) * a, static_cast<float>(sign * b));
  }
  template <class T> GADOLIN_HD bool operator()(T a) const {
    return holds(sign * static_cast<double>(a), sign * b);
  }
};

bool is_exchanged(Compare how) { return how == Compare::greater || how == Compare::greater_equal; }
Comparison comparison(Compare how) {
  return {how == Compare::less || how == Compare::less_equal || is_exchanged(how),
          how != Compare::less && how != Compare::greater, how == Compare::not_equal};
}

struct CompareFunction {
  static constexpr auto name = "compare";
  Compare how;
  Tensor allocate(const Tensor& a, const Tensor& b) const {
    return detail::empty_broadcast(name, DType::boolean, {&a, &b});
  }
  template <class D> void forward(D device, const Tensor& a, const Tensor& b, Tensor& y) const {
    dispatch_all(a.dtype(), [&]<class T>(Tag<T>) {
      map<bool, T, T>(device, name, comparison(how), y, is_exchanged(how) ? b : a, is_exchanged(how) ? a : b);
    });
  }
};

struct CompareNumberFunction {
  static constexpr auto name = "compare";
  Compare how;
  double b;
  Tensor allocate(const Tensor& a) const { return empty_like(a, DType::boolean); }
  template <class D> void forward(D device, const Tensor& a, Tensor& y) const {
    dispatch_all(a.dtype(), [&]<class T>(Tag<T>) {
      double number = b;
      if constexpr (size_of(dtype_of<T>) == 2) number = static_cast<double>(convert<float>(convert<T>(b)));
      map<bool, T>(device, name, AgainstNumber{comparison(how), is_exchanged(how) ? -1.0 : 1.0, number}, y,
                   a);
    });
  }
};

struct Choose {
  using moves_bits = void;
  template <class T> GADOLIN_HD T operator()(std::uint8_t condition, T a, T b) const {
    return condition != 0 ? a : b;
  }
};

struct WhereFunction {
  static constexpr auto name = "where";
  Saved condition;
  Shape a_shape, b_shape;

  void check(const Tensor& c, const Tensor& a, const Tensor& b) const {
    require<DTypeError>(c.dtype() == DType::boolean, "where: condition is ", c.dtype(),
                        ", not bool; compare it, e.g. x > 0");
    require<DTypeError>(a.dtype() == b.dtype(), "where: a is ", a.dtype(), " but b is ", b.dtype(),
                        "; convert one with .to(DType::...)");
    require<DeviceError>(a.device() == c.device() && b.device() == c.device(), "where: condition is on ",
                         c.device(), ", a on ", a.device(), ", b on ", b.device(),
                         "; move them together with .to(...)");
  }
  Tensor allocate(const Tensor& c, const Tensor& a, const Tensor& b) const {
    return detail::empty_broadcast(name, a.dtype(), {&a, &b, &c});
  }
  void save(const Tensor& c, const Tensor& a, const Tensor& b, const Tensor&) {
    condition = c;
    a_shape = a.shape();
    b_shape = b.shape();
  }
  template <class D>
  void forward(D device, const Tensor& c, const Tensor& a, const Tensor& b, Tensor& y) const {
    using detail::as_words;
    // The condition is read as bytes: loops over bool do not become vector instructions.
    detail::dispatch_words(y.dtype(), [&]<class Word>(Tag<Word>) {
      map<Word, std::uint8_t, Word, Word>(device, name, Choose{}, as_words(y), as_words(c), as_words(a),
                                          as_words(b));
    });
  }
  Grads backward(const Tensor& dy, Need need) const {
    const Tensor zero = zeros({}, dy.dtype(), dy.device());
    return {Tensor(), need[1] ? sum_to(where(condition, dy, zero), a_shape) : Tensor(),
            need[2] ? sum_to(where(condition, zero, dy), b_shape) : Tensor()};
  }
};

struct Clamp {
  static constexpr auto name = "clamp";
  static constexpr auto keep = Keep::input;
  double low, high;
  Attributes attributes() const { return {{"low", low}, {"high", high}}; }
  template <class T> GADOLIN_HD T forward(T x) const {
    const T lo = static_cast<T>(low), hi = static_cast<T>(high);
    return x < lo ? lo : (x > hi ? hi : x);
  }
  template <class T> GADOLIN_HD T backward(T x, T /*y*/, T dy) const {
    return x < static_cast<T>(low) || x > static_cast<T>(high) ? T(0) : dy;
  }
};

}  // namespace

Tensor compare(Compare how, const Tensor& a, const Tensor& b) {
  const NoGrad off;
  detail::Two x = detail::together(a, b);
  // A float's type may lack digits of the integer: 16777217 is not 16777216.
  if (a.defined() && b.defined() && is_floating(a.dtype()) != is_floating(b.dtype()))
    x = {a.to(DType::fp64), b.to(DType::fp64)};
  return apply(CompareFunction{how}, x.a, x.b);
}
Tensor compare(Compare how, const Tensor& a, double b) {
  const NoGrad off;
  if (a.dtype() == DType::int64 && detail::holds(DType::int64, b))  // digits again
    return compare(how, a, full({}, b, DType::int64, a.device()));
  return apply(CompareNumberFunction{how, b}, a);
}
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  const detail::Two x = detail::together(a, b);
  return apply(WhereFunction{}, condition, x.a, x.b);
}
Tensor clamp(const Tensor& x, double low, double high) {
  require<ValueError>(low <= high, "clamp: low ", low, " is above high ", high);
  if (is_floating(x.dtype())) return elementwise(Clamp{low, high}, x);
  const auto limited = [](const Tensor& t, double limit, Tensor (*best)(const Tensor&, const Tensor&)) {
    if (std::isinf(limit)) return t;
    const Tensor met = detail::meeting("clamp", t, limit);
    return best(met, full({}, limit, met.dtype(), met.device()));
  };
  return limited(limited(x, low, maximum), high, minimum);
}

}  // namespace gadolin
