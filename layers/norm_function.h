// The Function behind batch_norm and the shape both devices' kernels see; not for others (call layers/norm.h).
#pragma once

#include "layers/norm.h"
#include "tensor/function.h"
#include "tensor/half.h"

namespace gadolin::detail {

// [N, C, H, W] channels-last or [N, C] as a matrix [rows, channels].
struct NormSizes { std::int64_t rows, channels; };
NormSizes norm_sizes(const Tensor& x);
// Elements from one row to the next: the channels, or more in a slice of channels. 0 when rows are not equally far apart
// or channels not innermost.
std::int64_t row_stride(const Tensor& t);
Tensor empty_rows(const Tensor& t);
Tensor as_rows(const Tensor& t);  // t itself when it has a row stride, else a copy
// The same as a kernel sees it.
template <class T> struct Rows {
  T* data = nullptr;
  std::int64_t stride = 0;
  Rows() = default;
  explicit Rows(const Tensor& t) {
    if (!t.defined()) return;
    data = t.data<std::remove_const_t<T>>();
    stride = row_stride(t);
  }
  GADOLIN_HD T* at(std::int64_t row) const { return data + row * stride; }
};

// Sums are of x - shift: images have large means, and squares of those would cancel. The shift is the mean of four rows
// away from the corners, which in medical images are often black.
inline constexpr int shift_rows = 4;
GADOLIN_HD std::int64_t shift_row(std::int64_t rows, int i) { return rows * (2 * i + 1) / (2 * shift_rows); }

void batch_statistics(Cpu, const Tensor& rows, const ChannelStatistics& into);
#ifdef GADOLIN_CUDA
void batch_statistics(Cuda, const Tensor& rows, const ChannelStatistics& into);
#endif

// Numbers a channel that backward needs: y = scale (x - mean) + bias, with scale = weight rstd.
struct BatchNormFunction {
  static constexpr auto name = "batch_norm";
  BatchNormOptions options;
  Tensor running_mean, running_var;  // moved in forward when training
  Tensor batches;                    // int64 scalar, counted up then; may be undefined
  ChannelStatistics known = {};      // of the batch, when somebody has computed them already
  Tensor out = {};                   // where the result goes, if not into new memory
  mutable Tensor mean, rstd;         // [C], fp32 or fp64; written in forward
  Tensor into = {};                  // the gradient of x so far, if this one may be added to it (tensor/function.h)
  Saved x, weight, bias, y;

  Attributes attributes() const {
    return {{"eps", options.eps}, {"relu", options.relu}, {"training", options.training}, {"mean", running_mean}, {"variance", running_var}};
  }
  void check(const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend) const;
  Tensor allocate(const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend) const;
  void save(const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend, const Tensor& out);
  template <class D>
  void forward(D device, const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend, Tensor& result) const {
    if (!begin(in, w)) return;
    statistics(device, as_rows(in));
    normalise(device, in, w, b, addend, result);
  }
  bool begin(const Tensor& in, const Tensor& w) const;  // memory for mean and rstd; false when there is nothing to do
  void statistics(Cpu, const Tensor& in) const;   // mean and rstd, and the running ones in training
  void normalise(Cpu, const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend, Tensor& out) const;
  Grads backward(Cpu, const Tensor& dy, Need need) const;
#ifdef GADOLIN_CUDA
  void statistics(Cuda, const Tensor& in) const;
  void normalise(Cuda, const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend, Tensor& out) const;
  Grads backward(Cuda, const Tensor& dy, Need need) const;
#endif
  bool has_addend = false;
  bool adds() const { return into.defined() && row_stride(into) >= into.size(1); }
};

}  // namespace gadolin::detail
