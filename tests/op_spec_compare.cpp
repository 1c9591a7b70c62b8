// Compares results with their references; the limits stand where they are used.
#include "tests/op_spec_compare.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace gadolin {
namespace {

double root(int products, double from = 1) {
  return std::sqrt(std::max(static_cast<double>(products), from) / from);
}

// Smallest step of the type around 0.
double tiny(DType dtype) {
  switch (dtype) {
    case DType::fp64: return 1e-300;
    case DType::fp16: return 6e-8;
    default: return 1e-37;
  }
}

std::string place_text(const Shape& shape, std::int64_t flat) {
  std::vector<std::int64_t> index(static_cast<std::size_t>(shape.dim()));
  for (int d = shape.dim() - 1; d >= 0; --d) {
    index[static_cast<std::size_t>(d)] = flat % shape[d];
    flat /= shape[d];
  }
  return index.empty() ? "" : to_string(Shape(index));
}

// Infinite for whatever must not pass.
double error_of(double got, double want, const Comparison& how) {
  if (std::isnan(got) && std::isnan(want) && how.nan_allowed) return 0;
  if (std::isinf(want) || std::isinf(got)) return got == want ? 0 : INFINITY;
  const double error = std::abs(got - want);
  return std::isnan(error) ? INFINITY : error;
}

}  // namespace

Limit value_limit(DType dtype, int products) {
  const bool sums = products > 0;
  switch (dtype) {
    case DType::fp64: return {sums ? 1e-12 * root(products) : 1e-13, tiny(dtype), 1};
    case DType::fp32: return {2e-6 * root(products), tiny(dtype), 1};
    case DType::fp16: return {2e-3 * root(products, 64), tiny(dtype), 1};
    case DType::bf16: return {2e-2 * root(products, 64), tiny(dtype), 1};
    default: return {0, 0, 0};
  }
}

Limit gradient_limit(DType dtype, int products) {
  switch (dtype) {
    case DType::fp64: return {1e-12 * root(products), tiny(dtype), 1};
    case DType::fp32: return {2e-4, tiny(dtype), 1};
    case DType::fp16: return {1e-2, tiny(dtype), 1};
    case DType::bf16: return {1e-1, tiny(dtype), 1};
    default: return {0, 0, 0};
  }
}

Limit device_limit(DType dtype, int products, bool gradient) {
  const Limit gradients = gradient_limit(dtype, products);
  switch (dtype) {
    case DType::fp64: return {1e-12 * root(products), tiny(dtype), 1};
    case DType::fp32: return {1e-5 * root(products), tiny(dtype), 1};
    case DType::fp16: return gradient ? gradients : Limit{2e-3 * root(products, 64), tiny(dtype), 1};
    case DType::bf16: return gradient ? gradients : Limit{2e-2 * root(products, 64), tiny(dtype), 1};
    default: return {0, 0, 0};
  }
}

std::string number_text(double x) {
  char text[40];
  std::snprintf(text, sizeof text, "%.7g", x);
  return text;
}

std::string mismatch(const std::vector<double>& got, const std::vector<double>& want, const Shape& shape,
                     const Comparison& how, std::int64_t* worst) {
  if (got.size() != want.size())
    return cat(how.got, " has ", got.size(), " elements, ", how.want, " has ", want.size());
  // Small elements are judged by the scale of the whole, so that cancellation is not an error; never above 1.
  double scale = 1e-3;
  for (double w : want) {
    if (std::isfinite(w)) scale = std::max(scale, std::abs(w));
  }
  const double floor = how.limit.floor * std::min(scale, 1.0);
  double worst_excess = 1;
  std::size_t at = got.size();
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = error_of(got[i], want[i], how);
    const double allowed =
        how.limit.relative * (std::isfinite(want[i]) ? std::max(std::abs(want[i]), floor) : 0) +
        how.limit.absolute;
    if (error <= allowed) continue;
    const double excess = allowed > 0 ? error / allowed : INFINITY;
    if (at == got.size() || excess > worst_excess) {
      worst_excess = excess;
      at = i;
    }
  }
  if (at == got.size()) return "";
  if (worst) *worst = static_cast<std::int64_t>(at);
  char error[64];
  std::snprintf(error, sizeof error, "relative error %.1e, limit %.0e",
                std::abs(got[at] - want[at]) / std::abs(want[at]), how.limit.relative);
  return cat(how.got, place_text(shape, static_cast<std::int64_t>(at)), " is ", number_text(got[at]), ", ",
             how.want, " says ", number_text(want[at]), " (", error, ")");
}

std::string mismatch(const Tensor& got, const Tensor& want, const Comparison& how, std::int64_t* worst) {
  if (!got.defined() || !want.defined()) {
    return got.defined() == want.defined() ? ""
                                           : cat(how.got, got.defined() ? " is there, " : " is missing, ",
                                                 how.want, want.defined() ? " has it" : " has none");
  }
  if (got.shape() != want.shape())
    return cat(how.got, " has shape ", got.shape(), ", ", how.want, " has shape ", want.shape());
  return mismatch(got.to_vector<double>(), want.to_vector<double>(), got.shape(), how, worst);
}

std::string bit_difference(const Tensor& a, const Tensor& b, const std::string& what) {
  if (!a.defined() && !b.defined()) return "";
  if (a.defined() != b.defined()) return what + " is there only once";
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) {
    return cat(what, " is ", a.dtype(), " ", a.shape(), " once and ", b.dtype(), " ", b.shape(), " once");
  }
  const Tensor x = a.detach().to(cpu).contiguous(), y = b.detach().to(cpu).contiguous();
  const std::int64_t step = size_of(x.dtype());
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    if (std::memcmp(static_cast<const char*>(x.raw()) + i * step,
                    static_cast<const char*>(y.raw()) + i * step, static_cast<std::size_t>(step)) == 0) {
      continue;
    }
    const std::size_t at = static_cast<std::size_t>(i);
    return cat(what, place_text(x.shape(), i), " is ", number_text(x.to_vector<double>()[at]), " once and ",
               number_text(y.to_vector<double>()[at]), " once");
  }
  return "";
}

bool all_finite(const Tensor& t) {
  if (!t.defined() || !is_floating(t.dtype())) return true;
  const std::vector<double> x = t.to_vector<double>();
  return std::all_of(x.begin(), x.end(), [](double v) { return std::isfinite(v); });
}

}  // namespace gadolin
