// Activations: the functions of one number that stand between layers.
#include <cmath>

#include "tensor/elementwise.h"
#include "tensor/logistic.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

using detail::logistic;

struct Sigmoid {
  static constexpr auto name = "sigmoid";
  static constexpr auto keep = Keep::output;
  template <class T> GADOLIN_HD T forward(T x) const { return logistic(x); }
  template <class T> GADOLIN_HD T backward(T /*x*/, T y, T dy) const { return dy * y * (T(1) - y); }
};

struct Relu {
  static constexpr auto name = "relu";
  static constexpr auto keep = Keep::output;
  template <class T> GADOLIN_HD T forward(T x) const { return x < T(0) ? T(0) : x; }
  template <class T> GADOLIN_HD T backward(T /*x*/, T y, T dy) const { return y <= T(0) ? T(0) : dy; }
};

struct LeakyRelu {
  static constexpr auto name = "leaky_relu";
  static constexpr auto keep = Keep::input;
  double slope;
  Attributes attributes() const { return {{"slope", slope}}; }
  template <class T> GADOLIN_HD T forward(T x) const { return x < T(0) ? static_cast<T>(slope) * x : x; }
  template <class T> GADOLIN_HD T backward(T x, T /*y*/, T dy) const {
    return x <= T(0) ? static_cast<T>(slope) * dy : dy;
  }
};

// y = x s(x) with s the logistic function, so dy/dx = s (1 + x (1 - s)).
struct Silu {
  static constexpr auto name = "silu";
  static constexpr auto keep = Keep::input;
  template <class T> GADOLIN_HD T forward(T x) const { return x * logistic(x); }
  template <class T> GADOLIN_HD T backward(T x, T /*y*/, T dy) const {
    const T s = logistic(x);
    return dy * s * (T(1) + x * (T(1) - s));
  }
};

// y = x P(x) with P the normal distribution function; erfc keeps the digits of the left tail.
struct GeluExact {
  static constexpr auto name = "gelu";
  static constexpr auto keep = Keep::input;
  template <class T> GADOLIN_HD static T distribution(T x) {
    return T(0.5) * std::erfc(x * T(-0.70710678118654752440));
  }
  template <class T> GADOLIN_HD T forward(T x) const { return x * distribution(x); }
  template <class T> GADOLIN_HD T backward(T x, T /*y*/, T dy) const {
    const T density = T(0.39894228040143267794) * std::exp(T(-0.5) * x * x);
    return dy * (distribution(x) + x * density);
  }
};

// y = x (1 + tanh u) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3).
struct GeluTanh {
  static constexpr auto name = "gelu";
  static constexpr auto keep = Keep::input;
  Attributes attributes() const { return {{"form", "tanh"}}; }
  template <class T> GADOLIN_HD static T bend(T x) {
    return std::tanh(T(0.79788456080286535588) * (x + T(0.044715) * x * x * x));
  }
  template <class T> GADOLIN_HD T forward(T x) const { return T(0.5) * x * (T(1) + bend(x)); }
  template <class T> GADOLIN_HD T backward(T x, T /*y*/, T dy) const {
    const T t = bend(x), slope = T(0.79788456080286535588) * (T(1) + T(3 * 0.044715) * x * x);
    const T flat = T(1) - t * t;  // 0 in the tails, where slope may be infinite
    return dy * T(0.5) * (T(1) + t + (flat == T(0) ? T(0) : x * flat * slope));
  }
};

// y = log(1 + e^(beta x)) / beta, and x itself above threshold / beta. The exponent is never positive.
struct Softplus {
  static constexpr auto name = "softplus";
  static constexpr auto keep = Keep::input;
  double beta, threshold;
  Attributes attributes() const { return {{"beta", beta}, {"threshold", threshold}}; }
  template <class T> GADOLIN_HD T forward(T x) const {
    const T b = static_cast<T>(beta), z = b * x;
    if (z > static_cast<T>(threshold)) return x;
    return (z < T(0) ? std::log1p(std::exp(z)) : z + std::log1p(std::exp(-z))) / b;
  }
  template <class T> GADOLIN_HD T backward(T x, T /*y*/, T dy) const {
    const T z = static_cast<T>(beta) * x;
    return z > static_cast<T>(threshold) ? dy : dy * logistic(z);
  }
};

}  // namespace

Tensor sigmoid(const Tensor& x) { return elementwise(Sigmoid{}, x); }
Tensor relu(const Tensor& x) { return elementwise(Relu{}, x); }
void relu_in_place(const Tensor& y) {
  const detail::ElementwiseFunction<Relu> f{Relu{}, {}};
  Tensor result = y;
  on_device(y.device(), [&](auto device) { f.forward(device, y, result); });
}
Tensor relu_gradient(const Tensor& y, const Tensor& dy) {
  detail::ElementwiseFunction<Relu> f{Relu{}, {}};
  f.kept = y;
  return on_device(dy.device(), [&](auto device) { return f.backward(device, dy, {}); })[0];
}
Tensor leaky_relu(const Tensor& x, double slope) { return elementwise(LeakyRelu{slope}, x); }
Tensor silu(const Tensor& x) { return elementwise(Silu{}, x); }
Tensor gelu(const Tensor& x, Gelu form) {
  return form == Gelu::exact ? elementwise(GeluExact{}, x) : elementwise(GeluTanh{}, x);
}
Tensor softplus(const Tensor& x, double beta, double threshold) {
  require<ValueError>(beta > 0, "softplus: beta ", beta, " is not positive");
  return elementwise(Softplus{beta, threshold}, x);
}

}  // namespace gadolin
