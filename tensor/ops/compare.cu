// Comparison, choice by a mask, and limits. Comparisons with NaN are false, but for not_equal.
#include "tensor/elementwise.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

struct Equal {
  template <class T>
  GADOLIN_HD bool operator()(T a, T b) const {
    return a == b;
  }
};
struct NotEqual {
  template <class T>
  GADOLIN_HD bool operator()(T a, T b) const {
    return !(a == b);
  }
};
struct Less {
  template <class T>
  GADOLIN_HD bool operator()(T a, T b) const {
    return a < b;
  }
};
struct LessEqual {
  template <class T>
  GADOLIN_HD bool operator()(T a, T b) const {
    return a <= b;
  }
};

// greater is less with its arguments exchanged, which saves kernels and treats NaN alike.
template <class Body>
struct Swapped {
  template <class T>
  GADOLIN_HD bool operator()(T a, T b) const {
    return Body{}(b, a);
  }
};
// Against one number. Integers are compared as doubles, so that 1 < 1.5; floats with the number as their type
// has it.
template <class Body>
struct AgainstNumber {
  double b;
  GADOLIN_HD bool operator()(float a) const { return Body{}(a, static_cast<float>(b)); }
  template <class T>
  GADOLIN_HD bool operator()(T a) const {
    return Body{}(static_cast<double>(a), b);
  }
};

template <class F>
void with_body(Compare how, F&& f) {
  switch (how) {
    case Compare::equal: return f(Equal{});
    case Compare::not_equal: return f(NotEqual{});
    case Compare::less: return f(Less{});
    case Compare::less_equal: return f(LessEqual{});
    case Compare::greater: return f(Swapped<Less>{});
    case Compare::greater_equal: return f(Swapped<LessEqual>{});
  }
}

struct CompareFunction {
  static constexpr auto name = "compare";
  Compare how;
  Tensor allocate(const Tensor& a, const Tensor& b) const {
    const Shape shape = broadcast(name, a.shape(), b.shape());
    if (a.shape() == shape) return empty_like(a, DType::boolean);
    if (b.shape() == shape) return empty_like(b, DType::boolean);
    return empty(shape, DType::boolean, a.device());
  }
  void save(const Tensor&, const Tensor&, const Tensor&) {}
  template <class D>
  void forward(D device, const Tensor& a, const Tensor& b, Tensor& y) const {
    const bool swap = how == Compare::greater || how == Compare::greater_equal;
    const Compare plain = how == Compare::greater         ? Compare::less
                          : how == Compare::greater_equal ? Compare::less_equal
                                                          : how;
    run(device, plain, swap ? b : a, swap ? a : b, y);
  }
  template <class D>
  static void run(D device, Compare plain, const Tensor& a, const Tensor& b, Tensor& y) {
    dispatch_all(a.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      switch (plain) {
        case Compare::equal: return map<bool, T, T>(device, name, Equal{}, y, a, b);
        case Compare::not_equal: return map<bool, T, T>(device, name, NotEqual{}, y, a, b);
        case Compare::less: return map<bool, T, T>(device, name, Less{}, y, a, b);
        default: return map<bool, T, T>(device, name, LessEqual{}, y, a, b);
      }
    });
  }
};

struct CompareNumberFunction {
  static constexpr auto name = "compare";
  Compare how;
  double b;
  Tensor allocate(const Tensor& a) const { return empty_like(a, DType::boolean); }
  void save(const Tensor&, const Tensor&) {}
  template <class D>
  void forward(D device, const Tensor& a, Tensor& y) const {
    dispatch_all(a.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      double number = b;
      if constexpr (size_of(dtype_of<T>) == 2) number = static_cast<double>(convert<float>(convert<T>(b)));
      with_body(how,
                [&](auto body) { map<bool, T>(device, name, AgainstNumber<decltype(body)>{number}, y, a); });
    });
  }
};

// Elements are moved, not computed with: as words of their size, so that four loops serve eight types.
Tensor as_words(const Tensor& t) {
  constexpr DType words[] = {DType::boolean, DType::uint8,   DType::fp16,    DType::boolean, DType::int32,
                             DType::boolean, DType::boolean, DType::boolean, DType::int64};
  return Tensor::over(t.shared_storage(), t.shape(), t.strides(), t.offset(), words[size_of(t.dtype())]);
}

struct Choose {
  template <class T>
  GADOLIN_HD T operator()(std::uint8_t condition, T a, T b) const {
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
    const Shape shape = broadcast(name, c.shape(), broadcast(name, a.shape(), b.shape()));
    for (const Tensor* t : {&a, &b, &c}) {
      if (t->shape() == shape) return empty_like(*t, a.dtype());
    }
    return empty(shape, a.dtype(), a.device());
  }
  void save(const Tensor& c, const Tensor& a, const Tensor& b, const Tensor&) {
    condition = c;
    a_shape = a.shape();
    b_shape = b.shape();
  }
  template <class D>
  void forward(D device, const Tensor& c, const Tensor& a, const Tensor& b, Tensor& y) const {
    const Tensor to = as_words(y);
    switch (to.dtype()) {
      case DType::uint8: return choose<std::uint8_t>(device, c, a, b, to);
      case DType::fp16: return choose<float16>(device, c, a, b, to);
      case DType::int32: return choose<std::int32_t>(device, c, a, b, to);
      default: return choose<std::int64_t>(device, c, a, b, to);
    }
  }
  // The condition is read as bytes: loops over bool do not become vector instructions.
  template <class T, class D>
  static void choose(D device, const Tensor& c, const Tensor& a, const Tensor& b, const Tensor& to) {
    map<T, std::uint8_t, T, T>(device, name, Choose{}, to, as_words(c), as_words(a), as_words(b));
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
  template <class T>
  GADOLIN_HD T forward(T x) const {
    const T lo = static_cast<T>(low), hi = static_cast<T>(high);
    return x < lo ? lo : (x > hi ? hi : x);
  }
  template <class T>
  GADOLIN_HD T backward(T x, T /*y*/, T dy) const {
    return x < static_cast<T>(low) || x > static_cast<T>(high) ? T(0) : dy;
  }
};

}  // namespace

Tensor compare(Compare how, const Tensor& a, const Tensor& b) {
  const NoGrad off;
  return apply(CompareFunction{how}, a, b);
}
Tensor compare(Compare how, const Tensor& a, double b) {
  const NoGrad off;
  return apply(CompareNumberFunction{how, b}, a);
}
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  return apply(WhereFunction{}, condition, a, b);
}
Tensor clamp(const Tensor& x, double low, double high) {
  require<ValueError>(low <= high, "clamp: low ", low, " is above high ", high);
  return elementwise(Clamp{low, high}, x);
}

}  // namespace gadolin
