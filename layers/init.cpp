#include "layers/init.h"

#include <cmath>
#include <numeric>

#include "tensor/autograd.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

thread_local bool skipping = false;

struct Fans {
  double in, out;
};
Fans fans_of(const char* op, const Tensor& t) {
  require<ShapeError>(t.dim() >= 2, op, ": ", t.shape(), " has no fan; it needs at least two dimensions");
  const double window = static_cast<double>(t.numel()) / static_cast<double>(t.size(0) * t.size(1));
  return {static_cast<double>(t.size(1)) * window, static_cast<double>(t.size(0)) * window};
}
double fan_of(const char* op, const Tensor& t, Fan fan) {
  const Fans fans = fans_of(op, t);
  return fan == Fan::in ? fans.in : fans.out;
}

// Inverse of the standard normal distribution function by bisection on erfc: exact to rounding and free of
// tables.
double inverse_normal(double p) {
  double low = -10, high = 10;
  for (int i = 0; i < 80; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

// Values are drawn in row-major order in fp32 on the CPU whatever the tensor is, so a seed gives one network.
template <class F> void fill(Tensor& t, F&& drawn) {
  const NoGrad guard;
  t.copy_(skipping ? zeros({}) : drawn());
}

}  // namespace

SkipInitialValues::SkipInitialValues() : before_(skipping) { skipping = true; }
SkipInitialValues::~SkipInitialValues() { skipping = before_; }

void uniform_(Tensor& t, double low, double high) {
  fill(t, [&] { return add(mul(rand(t.shape()), high - low), low); });
}
void normal_(Tensor& t, double mean, double deviation) {
  fill(t, [&] { return add(mul(randn(t.shape()), deviation), mean); });
}
void truncated_normal_(Tensor& t, double mean, double deviation) {
  fill(t, [&] {
    const Tensor u = rand(t.shape(), DType::fp64);
    const double below = 0.5 * std::erfc(2 / std::sqrt(2.0));  // probability under -2
    double* values = u.data<double>();
    for (std::int64_t i = 0; i < u.numel(); ++i)
      values[i] = mean + deviation * inverse_normal(below + values[i] * (1 - 2 * below));
    return u;
  });
}
void he_normal_(Tensor& t, Fan fan, double gain) {
  normal_(t, 0, std::sqrt(gain / fan_of("he_normal", t, fan)));
}
void he_uniform_(Tensor& t, Fan fan, double gain) {
  const double bound = std::sqrt(3 * gain / fan_of("he_uniform", t, fan));
  uniform_(t, -bound, bound);
}
void glorot_normal_(Tensor& t) {
  const Fans fans = fans_of("glorot_normal", t);
  normal_(t, 0, std::sqrt(2 / (fans.in + fans.out)));
}
void glorot_uniform_(Tensor& t) {
  const Fans fans = fans_of("glorot_uniform", t);
  const double bound = std::sqrt(6 / (fans.in + fans.out));
  uniform_(t, -bound, bound);
}

// Gram-Schmidt, twice over each vector, in fp64.
void orthogonal_(Tensor& t, double gain) {
  fill(t, [&] {
    require<ShapeError>(t.dim() >= 2, "orthogonal: ", t.shape(),
                        " is no matrix; it needs at least two dimensions");
    const std::int64_t rows = t.size(0), cols = t.numel() / std::max<std::int64_t>(1, rows);
    const bool tall = rows > cols;
    const std::int64_t vectors = tall ? cols : rows, length = tall ? rows : cols;
    const Tensor q = randn({vectors, length}, DType::fp64);
    for (std::int64_t i = 0; i < vectors; ++i) {
      double *const a = q.data<double>() + i * length, *const end = a + length;
      for (int pass = 0; pass < 2; ++pass) {
        for (const double* b = q.data<double>(); b < a; b += length) {
          const double dot = std::inner_product(a, end, b, 0.0);
          for (std::int64_t k = 0; k < length; ++k) a[k] -= dot * b[k];
        }
      }
      const double square = std::inner_product(a, end, a, 0.0);
      for (std::int64_t k = 0; k < length; ++k) a[k] /= std::sqrt(square);
    }
    return mul((tall ? q.transpose(0, 1) : q).contiguous().reshape(t.shape()), gain);
  });
}

}  // namespace gadolin
