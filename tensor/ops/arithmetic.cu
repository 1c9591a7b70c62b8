// Arithmetic with broadcasting. Backward is written with ops, so it can be differentiated again; broadcasting
// is undone in one place, sum_to.
#include <cmath>

#include "tensor/function.h"
#include "tensor/loops.h"
#include "tensor/ops.h"
#include "tensor/ops/promote.h"

namespace gadolin {
namespace {

using detail::as_floating;
using detail::meeting;

template <bool minus> struct Plus {
  template <class T> GADOLIN_HD T operator()(T a, T b) const { return minus ? a - b : a + b; }
};
struct Times {
  template <class T> GADOLIN_HD T operator()(T a, T b) const { return a * b; }
};
struct Quotient {
  template <class T> GADOLIN_HD T operator()(T a, T b) const { return a / b; }
};
struct Power {
  template <class T> GADOLIN_HD T operator()(T a, T b) const { return std::pow(a, b); }
  GADOLIN_HD std::int64_t operator()(std::int64_t a, std::int64_t b) const {  // by squaring; b >= 0
    std::uint64_t y = 1, square = static_cast<std::uint64_t>(a);
    for (; b > 0; b >>= 1, square *= square) y *= b % 2 == 1 ? square : 1;
    return static_cast<std::int64_t>(y);
  }
};
// The larger or the smaller one. A NaN in either place wins, as in NumPy.
template <bool largest> struct Better {
  template <class T> GADOLIN_HD T operator()(T a, T b) const {
    return a != a || (largest ? a > b : a < b) ? a : b;
  }
};
// Share of the gradient that goes to `a` when the larger (sign 1) or smaller (-1) is taken.
struct Share {
  int sign;
  template <class T> GADOLIN_HD T operator()(T a, T b) const {
    return a == b ? T(0.5) : (T(sign) * a > T(sign) * b ? T(1) : T(0));
  }
};
template <bool scales> struct ByNumber {
  double b;
  template <class T> GADOLIN_HD T operator()(T a) const {
    return scales ? a * static_cast<T>(b) : a + static_cast<T>(b);
  }
};

struct AddScaled {
  double scale;
  template <class T> GADOLIN_HD T operator()(T a, T b) const { return a + static_cast<T>(scale) * b; }
};

// One loop for floating types and, if `integers`, int64.
template <bool integers, class D, class Body, class... In>
void loop(D device, const char* op, Body body, const Tensor& y, const Tensor& first, const In&... others) {
  const auto run = [&]<class T>(Tag<T>) {
    map<T, T, std::conditional_t<true, T, In>...>(device, op, body, y, first, others...);
  };
  if constexpr (integers) {
    if (first.dtype() == DType::int64) return run(Tag<std::int64_t>{});
  }
  dispatch_floating(first.dtype(), op, run);
}

// What all ops of two tensors have: the op's name and its formula.
template <class F, class Body, bool integers = true> struct Binary {
  Tensor allocate(const Tensor& a, const Tensor& b) const {
    return detail::empty_broadcast(F::name, a.dtype(), {&a, &b});
  }
  template <class D> void forward(D device, const Tensor& a, const Tensor& b, Tensor& y) const {
    loop<integers>(device, F::name, Body{}, y, a, b);
  }
};
// And those whose backward needs both.
template <class F, class Body, bool integers = true> struct KeepsBoth : Binary<F, Body, integers> {
  Saved a, b;
  void save(const Tensor& x, const Tensor& z, const Tensor&) {
    a = x;
    b = z;
  }
};

template <bool minus> struct PlusFunction : Binary<PlusFunction<minus>, Plus<minus>> {
  static constexpr auto name = minus ? "sub" : "add";
  Shape a_shape, b_shape;
  void save(const Tensor& a, const Tensor& b, const Tensor&) {
    a_shape = a.shape();
    b_shape = b.shape();
  }
  Grads backward(const Tensor& dy, Need need) const {
    return {need[0] ? sum_to(dy, a_shape) : Tensor(),
            need[1] ? sum_to(minus ? neg(dy) : dy, b_shape) : Tensor()};
  }
};
struct MulFunction : KeepsBoth<MulFunction, Times> {
  static constexpr auto name = "mul";
  Grads backward(const Tensor& dy, Need need) const {
    return {need[0] ? sum_to(mul(dy, b), a->shape()) : Tensor(),
            need[1] ? sum_to(mul(dy, a), b->shape()) : Tensor()};
  }
};
struct DivFunction : KeepsBoth<DivFunction, Quotient, false> {
  static constexpr auto name = "div";
  Grads backward(const Tensor& dy, Need need) const {
    const Tensor da = div(dy, b);
    return {need[0] ? sum_to(da, a->shape()) : Tensor(),
            need[1] ? sum_to(neg(mul(da, div(a, b))), b->shape()) : Tensor()};
  }
};
// d(a^b) = b a^(b-1) da + a^b log(a) db; where a is 0 the second term is 0.
struct PowFunction : KeepsBoth<PowFunction, Power> {
  static constexpr auto name = "pow";
  Grads backward(const Tensor& dy, Need need) const {
    Grads grads(2);
    if (need[0]) grads[0] = sum_to(mul(dy, mul(b, pow(a, add(b, -1.0)))), a->shape());
    if (need[1]) {
      const Tensor base = where(eq(a, 0.0), ones({}, a->dtype(), a->device()), a);
      grads[1] = sum_to(mul(dy, mul(pow(a, b), log(base))), b->shape());
    }
    return grads;
  }
};
template <bool largest> struct BestFunction : KeepsBoth<BestFunction<largest>, Better<largest>> {
  static constexpr auto name = largest ? "maximum" : "minimum";
  template <class D> Grads backward(D device, const Tensor& dy, Need need) const {
    const Tensor &x = this->a, &z = this->b, share = empty_like(dy);
    loop<false>(device, name, Share{largest ? 1 : -1}, share, x, z);
    const Tensor dx = mul(dy, share);
    return {need[0] ? sum_to(dx, x.shape()) : Tensor(), need[1] ? sum_to(sub(dy, dx), z.shape()) : Tensor()};
  }
};

template <bool scales> struct NumberFunction {
  static constexpr auto name = scales ? "mul" : "add";
  double b;
  Attributes attributes() const { return {{"number", b}}; }
  Tensor allocate(const Tensor& a) const { return empty_like(a); }
  template <class D> void forward(D device, const Tensor& a, Tensor& y) const {
    loop<true>(device, name, ByNumber<scales>{b}, y, a);
  }
  Grads backward(const Tensor& dy, Need) const {
    if constexpr (scales) return {mul(dy, b)};
    return {dy};
  }
};

// f of two tensors in the type in which they meet. Integers of fewer bits are computed as int64 and cut to
// their own again, which wraps around as arithmetic of theirs would.
template <class F> Tensor of_two(const F& f, const Tensor& a, const Tensor& b) {
  const detail::Two x = detail::together(a, b);
  if (!x.a.defined() || !detail::is_narrow(x.a.dtype())) return apply(f, x.a, x.b);
  return apply(f, detail::as_int64(x.a), detail::as_int64(x.b)).to(x.a.dtype());
}
template <class F> Tensor of_number(const F& f, const Tensor& a) {
  const Tensor x = meeting(F::name, a, std::abs(f.b));  // what uint8 holds may be taken from it too
  if (!x.defined() || !detail::is_narrow(x.dtype())) return apply(f, x);
  return apply(f, detail::as_int64(x)).to(x.dtype());
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) { return of_two(PlusFunction<false>{}, a, b); }
Tensor sub(const Tensor& a, const Tensor& b) { return of_two(PlusFunction<true>{}, a, b); }
Tensor mul(const Tensor& a, const Tensor& b) { return of_two(MulFunction{}, a, b); }
Tensor maximum(const Tensor& a, const Tensor& b) { return of_two(BestFunction<true>{}, a, b); }
Tensor minimum(const Tensor& a, const Tensor& b) { return of_two(BestFunction<false>{}, a, b); }
Tensor add(const Tensor& a, double b) { return of_number(NumberFunction<false>{b}, a); }
Tensor mul(const Tensor& a, double b) { return of_number(NumberFunction<true>{b}, a); }
Tensor neg(const Tensor& x) {
  require<DTypeError>(x.dtype() != DType::boolean,
                      "neg: bool is not supported; use !x, or convert with .to(DType::int64)");
  return mul(x, -1.0);
}

Tensor& Tensor::add_(const Tensor& other, double scale) {
  detail::require_no_tape("add_", *this);
  require<ShapeError>(shape() == other.shape(), "add_: ", shape(), " and ", other.shape(),
                      " must have the same shape");
  const Tensor* both[] = {this, &other};
  detail::check_same("add_", both, 2);
  on_device(device(), [&](auto d) { loop<false>(d, "add_", AddScaled{scale}, *this, *this, other); });
  storage().bump_version();
  return *this;
}
Tensor& Tensor::mul_(double factor) {
  detail::require_no_tape("mul_", *this);
  on_device(device(), [&](auto d) { loop<false>(d, "mul_", ByNumber<true>{factor}, *this, *this); });
  storage().bump_version();
  return *this;
}

Tensor div(const Tensor& a, const Tensor& b) {
  const detail::Two x = detail::together(a, b);
  return apply(DivFunction{}, as_floating(x.a), as_floating(x.b));
}
Tensor div(const Tensor& a, double b) {
  if (is_floating(a.dtype())) return mul(a, 1 / b);
  return div(as_floating(a), full({}, b, DType::fp32, a.device()));  // 49 / 49 is 1, but 49 (1 / 49) is less
}
Tensor div(double a, const Tensor& b) {
  const Tensor x = as_floating(b);
  return div(full({}, a, x.dtype(), x.device()), x);
}

Tensor pow(const Tensor& x, const Tensor& exponent) {
  const DType common = detail::common_type(x.dtype(), exponent.dtype());
  require<ValueError>(is_floating(common) || exponent.numel() == 0 || min(exponent).item() >= 0,
                      "pow: integers to negative powers are fractions; convert one with .to(DType::fp32)");
  return of_two(PowFunction{}, x, exponent);
}
Tensor pow(const Tensor& x, double exponent) {
  const Tensor base = exponent < 0 ? as_floating(x) : meeting("pow", x, exponent);
  return of_two(PowFunction{}, base, full({}, exponent, base.dtype(), base.device()));
}

}  // namespace gadolin
