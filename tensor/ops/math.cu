// Functions of one number from analysis: exp, log, roots, absolute value, error function, tanh,
// sine and cosine.
#include <cmath>

#include "tensor/elementwise.h"
#include "tensor/ops.h"

namespace gadolin {

// A function with the functor that tensor/elementwise.h asks for: what is kept, y of x, and dx of dy and what
// is kept.
#define GADOLIN_FUNCTION(f, kept, y_of_x, dx)                                                          \
  namespace {                                                                                          \
  struct f##_function {                                                                                \
    static constexpr auto name = #f;                                                                   \
    static constexpr auto keep = Keep::kept;                                                           \
    template <class T> GADOLIN_HD T forward(T x) const { return y_of_x; }                              \
    template <class T> GADOLIN_HD T backward([[maybe_unused]] T x, [[maybe_unused]] T y, T dy) const { \
      return dx;                                                                                       \
    }                                                                                                  \
  };                                                                                                   \
  }                                                                                                    \
  Tensor f(const Tensor& x) { return elementwise(f##_function{}, x); }

// clang-format off
GADOLIN_FUNCTION(exp,   output, std::exp(x),         y * dy)
GADOLIN_FUNCTION(log,   input,  std::log(x),         dy / x)
GADOLIN_FUNCTION(sqrt,  output, std::sqrt(x),        dy / (T(2) * y))
GADOLIN_FUNCTION(rsqrt, output, T(1) / std::sqrt(x), T(-0.5) * dy * y * y * y)  // -x^(-3/2) / 2
GADOLIN_FUNCTION(abs,   input,  std::fabs(x),        x == T(0) ? T(0) : (x < T(0) ? -dy : dy))
GADOLIN_FUNCTION(erf,   input,  std::erf(x),         T(1.1283791670955125739) * dy * std::exp(-x * x))
GADOLIN_FUNCTION(tanh,  output, std::tanh(x),        (T(1) - y * y) * dy)
GADOLIN_FUNCTION(sin,   input,  std::sin(x),         std::cos(x) * dy)
GADOLIN_FUNCTION(cos,   input,  std::cos(x),         -std::sin(x) * dy)
// clang-format on
#undef GADOLIN_FUNCTION

}  // namespace gadolin
