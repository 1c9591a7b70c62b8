// Arithmetic with broadcasting. Backward is written with ops, so it can be differentiated again; broadcasting
// is undone in one place, sum_to.
#include <cmath>

#include "tensor/function.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

struct Add {
  template <class T>
  GADOLIN_HD T operator()(T a, T b) const {
    return a + b;
  }
};
struct Sub {
  template <class T>
  GADOLIN_HD T operator()(T a, T b) const {
    return a - b;
  }
};
struct Mul {
  template <class T>
  GADOLIN_HD T operator()(T a, T b) const {
    return a * b;
  }
};
struct Div {
  template <class T>
  GADOLIN_HD T operator()(T a, T b) const {
    return a / b;
  }
};
struct Power {
  template <class T>
  GADOLIN_HD T operator()(T a, T b) const {
    using std::pow;
    return static_cast<T>(pow(a, b));
  }
};
// A NaN in either place wins, as in NumPy.
struct Larger {
  template <class T>
  GADOLIN_HD T operator()(T a, T b) const {
    return a != a || a > b ? a : b;
  }
};
struct Smaller {
  template <class T>
  GADOLIN_HD T operator()(T a, T b) const {
    return a != a || a < b ? a : b;
  }
};
// Share of the gradient that goes to `a` when the larger (sign 1) or smaller (-1) is taken.
struct Share {
  int sign;
  template <class T>
  GADOLIN_HD T operator()(T a, T b) const {
    return a == b ? T(0.5) : (T(sign) * a > T(sign) * b ? T(1) : T(0));
  }
};
struct AddNumber {
  double b;
  template <class T>
  GADOLIN_HD T operator()(T a) const {
    return a + static_cast<T>(b);
  }
};
struct MulNumber {
  double b;
  template <class T>
  GADOLIN_HD T operator()(T a) const {
    return a * static_cast<T>(b);
  }
};

template <class F>
void numeric(DType dtype, const char* op, F&& f) {
  if (dtype == DType::int64) {
    f(Tag<std::int64_t>{});
  } else {
    dispatch_floating(dtype, op, f);
  }
}

template <class F>
struct Binary {
  Tensor allocate(const Tensor& a, const Tensor& b) const {
    const Shape shape = broadcast(F::name, a.shape(), b.shape());
    if (a.shape() == shape) return empty_like(a);
    if (b.shape() == shape) return empty_like(b);
    return empty(shape, a.dtype(), a.device());
  }
  template <class D, class Body>
  static void run(D device, Body body, const Tensor& a, const Tensor& b, Tensor& y) {
    numeric(a.dtype(), F::name, [&](auto tag) {
      using T = typename decltype(tag)::type;
      map<T, T, T>(device, F::name, body, y, a, b);
    });
  }
};

struct AddFunction : Binary<AddFunction> {
  static constexpr auto name = "add";
  Shape a_shape, b_shape;
  void save(const Tensor& a, const Tensor& b, const Tensor&) {
    a_shape = a.shape();
    b_shape = b.shape();
  }
  template <class D>
  void forward(D d, const Tensor& a, const Tensor& b, Tensor& y) const {
    run(d, Add{}, a, b, y);
  }
  Grads backward(const Tensor& dy, Need need) const {
    return {need[0] ? sum_to(dy, a_shape) : Tensor(), need[1] ? sum_to(dy, b_shape) : Tensor()};
  }
};
struct SubFunction : Binary<SubFunction> {
  static constexpr auto name = "sub";
  Shape a_shape, b_shape;
  void save(const Tensor& a, const Tensor& b, const Tensor&) {
    a_shape = a.shape();
    b_shape = b.shape();
  }
  template <class D>
  void forward(D d, const Tensor& a, const Tensor& b, Tensor& y) const {
    run(d, Sub{}, a, b, y);
  }
  Grads backward(const Tensor& dy, Need need) const {
    return {need[0] ? sum_to(dy, a_shape) : Tensor(), need[1] ? sum_to(neg(dy), b_shape) : Tensor()};
  }
};
struct MulFunction : Binary<MulFunction> {
  static constexpr auto name = "mul";
  Saved a, b;
  void save(const Tensor& x, const Tensor& z, const Tensor&) {
    a = x;
    b = z;
  }
  template <class D>
  void forward(D d, const Tensor& x, const Tensor& z, Tensor& y) const {
    run(d, Mul{}, x, z, y);
  }
  Grads backward(const Tensor& dy, Need need) const {
    return {need[0] ? sum_to(mul(dy, b), a->shape()) : Tensor(),
            need[1] ? sum_to(mul(dy, a), b->shape()) : Tensor()};
  }
};
struct DivFunction : Binary<DivFunction> {
  static constexpr auto name = "div";
  Saved a, b;
  void save(const Tensor& x, const Tensor& z, const Tensor&) {
    a = x;
    b = z;
  }
  template <class D>
  void forward(D d, const Tensor& x, const Tensor& z, Tensor& y) const {
    run(d, Div{}, x, z, y);
  }
  Grads backward(const Tensor& dy, Need need) const {
    const Tensor da = div(dy, b);
    return {need[0] ? sum_to(da, a->shape()) : Tensor(),
            need[1] ? sum_to(neg(mul(da, div(a, b))), b->shape()) : Tensor()};
  }
};
// d(a^b) = b a^(b-1) da + a^b log(a) db; where a is 0 the second term is 0.
struct PowFunction : Binary<PowFunction> {
  static constexpr auto name = "pow";
  Saved a, b;
  void save(const Tensor& x, const Tensor& z, const Tensor&) {
    a = x;
    b = z;
  }
  template <class D>
  void forward(D d, const Tensor& x, const Tensor& z, Tensor& y) const {
    run(d, Power{}, x, z, y);
  }
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

template <bool largest>
struct BestFunction : Binary<BestFunction<largest>> {
  static constexpr auto name = largest ? "maximum" : "minimum";
  Saved a, b;
  void save(const Tensor& x, const Tensor& z, const Tensor&) {
    a = x;
    b = z;
  }
  template <class D>
  void forward(D d, const Tensor& x, const Tensor& z, Tensor& y) const {
    if constexpr (largest) {
      this->run(d, Larger{}, x, z, y);
    } else {
      this->run(d, Smaller{}, x, z, y);
    }
  }
  template <class D>
  Grads backward(D d, const Tensor& dy, Need need) const {
    Tensor share = empty_like(dy);
    this->run(d, Share{largest ? 1 : -1}, a, b, share);
    const Tensor da = mul(dy, share);
    return {need[0] ? sum_to(da, a->shape()) : Tensor(),
            need[1] ? sum_to(sub(dy, da), b->shape()) : Tensor()};
  }
};

template <class Body, bool scales>
struct WithNumber {
  static constexpr auto name = scales ? "mul" : "add";
  double b;
  Attributes attributes() const { return {{"number", b}}; }
  Tensor allocate(const Tensor& a) const { return empty_like(a); }
  void save(const Tensor&, const Tensor&) {}
  template <class D>
  void forward(D device, const Tensor& a, Tensor& y) const {
    numeric(a.dtype(), name, [&](auto tag) {
      using T = typename decltype(tag)::type;
      map<T, T>(device, name, Body{b}, y, a);
    });
  }
  Grads backward(const Tensor& dy, Need) const {
    if constexpr (scales) return {mul(dy, b)};
    return {dy};
  }
};

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) { return apply(AddFunction{}, a, b); }
Tensor sub(const Tensor& a, const Tensor& b) { return apply(SubFunction{}, a, b); }
Tensor mul(const Tensor& a, const Tensor& b) { return apply(MulFunction{}, a, b); }
Tensor div(const Tensor& a, const Tensor& b) { return apply(DivFunction{}, a, b); }
Tensor pow(const Tensor& x, const Tensor& exponent) { return apply(PowFunction{}, x, exponent); }
Tensor pow(const Tensor& x, double exponent) { return pow(x, full({}, exponent, x.dtype(), x.device())); }
Tensor maximum(const Tensor& a, const Tensor& b) { return apply(BestFunction<true>{}, a, b); }
Tensor minimum(const Tensor& a, const Tensor& b) { return apply(BestFunction<false>{}, a, b); }
Tensor add(const Tensor& a, double b) { return apply(WithNumber<AddNumber, false>{b}, a); }
Tensor mul(const Tensor& a, double b) { return apply(WithNumber<MulNumber, true>{b}, a); }
Tensor neg(const Tensor& x) { return mul(x, -1.0); }

}  // namespace gadolin
