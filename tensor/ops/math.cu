// Functions of one number from analysis: exp, log, roots, absolute value, error function, tanh,
// sine and cosine.
#include <cmath>

#include "tensor/elementwise.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

struct Exp {
  static constexpr auto name = "exp";
  static constexpr auto keep = Keep::output;
  template <class T> GADOLIN_HD T forward(T x) const { return std::exp(x); }
  template <class T> GADOLIN_HD T backward(T /*x*/, T y, T dy) const { return dy * y; }
};

struct Log {
  static constexpr auto name = "log";
  static constexpr auto keep = Keep::input;
  template <class T> GADOLIN_HD T forward(T x) const { return std::log(x); }
  template <class T> GADOLIN_HD T backward(T x, T /*y*/, T dy) const { return dy / x; }
};

struct Sqrt {
  static constexpr auto name = "sqrt";
  static constexpr auto keep = Keep::output;
  template <class T> GADOLIN_HD T forward(T x) const { return std::sqrt(x); }
  template <class T> GADOLIN_HD T backward(T /*x*/, T y, T dy) const { return dy / (T(2) * y); }
};

// y = x^(-1/2), so dy/dx = -x^(-3/2) / 2 = -y^3 / 2.
struct Rsqrt {
  static constexpr auto name = "rsqrt";
  static constexpr auto keep = Keep::output;
  template <class T> GADOLIN_HD T forward(T x) const { return T(1) / std::sqrt(x); }
  template <class T> GADOLIN_HD T backward(T /*x*/, T y, T dy) const { return dy * T(-0.5) * y * y * y; }
};

struct Abs {
  static constexpr auto name = "abs";
  static constexpr auto keep = Keep::input;
  template <class T> GADOLIN_HD T forward(T x) const { return std::fabs(x); }
  template <class T> GADOLIN_HD T backward(T x, T /*y*/, T dy) const {
    return x == T(0) ? T(0) : (x < T(0) ? -dy : dy);
  }
};

// dy/dx = 2 / sqrt(pi) exp(-x^2).
struct Erf {
  static constexpr auto name = "erf";
  static constexpr auto keep = Keep::input;
  template <class T> GADOLIN_HD T forward(T x) const { return std::erf(x); }
  template <class T> GADOLIN_HD T backward(T x, T /*y*/, T dy) const {
    return dy * T(1.1283791670955125739) * std::exp(-x * x);
  }
};

struct Tanh {
  static constexpr auto name = "tanh";
  static constexpr auto keep = Keep::output;
  template <class T> GADOLIN_HD T forward(T x) const { return std::tanh(x); }
  template <class T> GADOLIN_HD T backward(T /*x*/, T y, T dy) const { return dy * (T(1) - y * y); }
};

// sin, and cos, each the other's derivative but for a sign.
template <bool of_cos> struct Wave {
  static constexpr auto name = of_cos ? "cos" : "sin";
  static constexpr auto keep = Keep::input;
  template <class T> GADOLIN_HD T forward(T x) const { return of_cos ? std::cos(x) : std::sin(x); }
  template <class T> GADOLIN_HD T backward(T x, T /*y*/, T dy) const {
    return of_cos ? -dy * std::sin(x) : dy * std::cos(x);
  }
};

}  // namespace

Tensor exp(const Tensor& x) { return elementwise(Exp{}, x); }
Tensor log(const Tensor& x) { return elementwise(Log{}, x); }
Tensor sqrt(const Tensor& x) { return elementwise(Sqrt{}, x); }
Tensor rsqrt(const Tensor& x) { return elementwise(Rsqrt{}, x); }
Tensor abs(const Tensor& x) { return elementwise(Abs{}, x); }
Tensor erf(const Tensor& x) { return elementwise(Erf{}, x); }
Tensor tanh(const Tensor& x) { return elementwise(Tanh{}, x); }
Tensor sin(const Tensor& x) { return elementwise(Wave<false>{}, x); }
Tensor cos(const Tensor& x) { return elementwise(Wave<true>{}, x); }

}  // namespace gadolin
