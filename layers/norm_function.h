// The Function behind batch_norm and the shape both devices' kernels see; not for others (call layers/norm.h).
#pragma once

#include "layers/norm.h"
#include "tensor/function.h"
#include "tensor/half.h"

namespace gadolin::detail {

// [N, C, H, W] channels-last or [N, C] as a matrix [rows, channels].
struct NormSizes { std::int64_t rows, channels; };
NormSizes norm_sizes(const Tensor& x);
Tensor as_rows(const Tensor& t);  // channels innermost

// Sums are of x - shift: images have large means, and squares of those would cancel. The shift is the mean of four rows
// away from the corners, which in medical images are often black.
inline constexpr int shift_rows = 4;
GADOLIN_HD std::int64_t shift_row(std::int64_t rows, int i) { return rows * (2 * i + 1) / (2 * shift_rows); }

// Numbers a channel that backward needs: y = scale (x - mean) + bias, with scale = weight rstd.
struct BatchNormFunction {
  static constexpr auto name = "batch_norm";
  BatchNormOptions options;
  Tensor running_mean, running_var;  // moved in forward when training
  Tensor batches;                    // int64 scalar, counted up then; may be undefined
  mutable Tensor mean, rstd;         // [C], fp32 or fp64; written in forward
  Saved x, weight, bias, y;

  void check(const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend) const;
  Tensor allocate(const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend) const;
  void save(const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend, const Tensor& out);
  void forward(Cpu, const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend, Tensor& out) const;
  Grads backward(Cpu, const Tensor& dy, Need need) const;
#ifdef GADOLIN_CUDA
  void forward(Cuda, const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend, Tensor& out) const;
  Grads backward(Cuda, const Tensor& dy, Need need) const;
#endif
  bool has_addend = false;
};

}  // namespace gadolin::detail
