// The Functions behind batch norms and what the kernels of both devices share; not for others (call
// layers/norm.h).
#pragma once

#include "course/todo.h"
#include <cmath>
#include <optional>

#include "layers/norm.h"
#include "tensor/function.h"
#include "tensor/half.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin::detail {

// [N, C, H, W] channels-last or [N, C] as a matrix [rows, channels].
struct NormSizes {
  std::int64_t rows, channels;
};
NormSizes norm_sizes(const Tensor& x);
// Elements from one row to the next: the channels, or more in a slice of channels. 0 when rows are not
// equally far apart or channels not innermost.
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

// The mask of a ReLU, uint8 [rows, ceil(C / 8)]: one bit an element says whether y > 0, so that its gradient
// passes. A byte holds mask_channels neighbours, the first in the lowest bit; bits beyond C are 0.
inline constexpr int mask_channels = 8;
struct MaskRows {
  std::uint8_t* data = nullptr;
  std::int64_t stride = 0;
  MaskRows() = default;
  explicit MaskRows(const Tensor& t) {
    if (!t.defined()) return;
    data = t.data<std::uint8_t>();
    stride = t.size(1);
  }
  GADOLIN_HD std::uint8_t* at(std::int64_t row, std::int64_t channel) const {
    return data + row * stride + channel / mask_channels;
  }
};
GADOLIN_HD unsigned mask_bit(bool passes, int channel) { return static_cast<unsigned>(passes) << channel; }
GADOLIN_HD bool mask_passes(unsigned byte, int channel) { return (byte >> channel & 1u) != 0; }

// Sums are of x - shift: images have large means, and squares of those would cancel. The shift is the mean of
// four rows away from the corners, which in medical images are often black.
inline constexpr int shift_rows = 4;
GADOLIN_HD std::int64_t shift_row(std::int64_t rows, int i) { return rows * (2 * i + 1) / (2 * shift_rows); }

// How blocks of norm_threads share a matrix on the GPU: x groups of v channels by y rows in a block, `slabs`
// blocks across the channels and `shares` down the rows. `rows_each`: rows that a thread should at least
// have; `blocks`: how many in all fill the GPU. Of few rows the channels are cut finer, down to 8 groups (128
// bytes), rather than the rows.
inline constexpr int norm_threads = 512, norm_most_slabs = 4096;
struct NormGrid {
  std::int64_t x, y, slabs, shares;
};
NormGrid norm_grid(const NormSizes& size, int v, int rows_each, std::int64_t blocks);

// An element: y = relu(normalised + addend), and a NaN stays one.
template <class P> GADOLIN_HD P normalised(P x, P mean, P scale, P bias) { return scale * (x - mean) + bias; }
template <class P> GADOLIN_HD bool passes_relu(P v) { return !(v <= P(0)); }
template <class P> GADOLIN_HD P rectified(P v) { return v < P(0) ? P(0) : v; }
// dx = scale (g - sum(g) / n - xhat sum(g xhat) / n) in training, scale g otherwise, where shift and slope
// are 0.
template <class P> GADOLIN_HD P norm_gradient(P g, P x, P mean, P scale, P shift, P slope) {
  course::todo("3.3b", "norm_gradient");
}

enum class Addend { none, plain, normed };        // what is added before the ReLU
enum class ReluMask { none, from_x, from_bits };  // what says in backward where the result was positive

// g where the result was positive; x, mean, scale and bias are those of its batch norm.
template <ReluMask mask, class P> GADOLIN_HD P masked(P g, bool passes, P x, P mean, P scale, P bias) {
  if constexpr (mask == ReluMask::from_x) return passes_relu(normalised(x, mean, scale, bias)) ? g : P(0);
  if constexpr (mask == ReluMask::from_bits) return passes ? g : P(0);
  return g;
}

// A batch norm in one pass: its numbers a channel, [C] each, in fp32 or fp64.
struct NormSide {
  Tensor mean, rstd, weight, bias;
  bool training = false;
  // Of backward; gradients may be undefined; lines [2, C]: shift and slope.
  Tensor dweight = {}, dbias = {}, lines = {};
};
template <class P> struct NormLine {
  const P *mean = nullptr, *rstd = nullptr, *weight = nullptr, *bias = nullptr;
  P *dweight = nullptr, *dbias = nullptr, *shift = nullptr, *slope = nullptr;
  double n = 0;
  bool training = false;
  NormLine(const NormSide& s, const NormSizes& size)
      : n(static_cast<double>(size.rows)), training(s.training) {
    if (!s.mean.defined()) return;
    mean = s.mean.data<P>(), rstd = s.rstd.data<P>(), weight = s.weight.data<P>(), bias = s.bias.data<P>();
    if (s.dweight.defined()) dweight = s.dweight.data<P>();
    if (s.dbias.defined()) dbias = s.dbias.data<P>();
    if (s.lines.defined()) shift = s.lines.data<P>(), slope = shift + size.channels;
  }
  // From the sums of g and of g (x - mean).
  GADOLIN_HD void finish(std::int64_t c, double sum, double product) const {
    course::todo("3.3b", "NormLine::finish");
  }
};

// One pass over matrices of rows: y = relu(norm(x) + other), where `other` may go through a batch norm of its
// own, or the gradients of that.
struct NormPass {
  NormSide first, second;  // second.mean is undefined where there is one batch norm
  Tensor x, other, mask;   // in backward `other` is there only when it is normed
  Tensor y, dy, dx, dother;
  bool relu = false, adds = false;  // adds: to what dx holds
  Addend addend() const {
    return second.mean.defined() ? Addend::normed : other.defined() ? Addend::plain : Addend::none;
  }
};

// Calls f.operator()<relu, addend, bits>() for the kinds of a forward pass.
template <class F> void by_forward(const NormPass& pass, F&& f) {
  if (!pass.relu) {
    return pass.other.defined() ? f.template operator()<false, Addend::plain, false>()
                                : f.template operator()<false, Addend::none, false>();
  }
  const auto added = [&]<Addend addend>() {
    pass.mask.defined() ? f.template operator()<true, addend, true>()
                        : f.template operator()<true, addend, false>();
  };
  switch (pass.addend()) {
    case Addend::none: return f.template operator()<true, Addend::none, false>();
    case Addend::plain: return added.template operator()<Addend::plain>();
    case Addend::normed: return added.template operator()<Addend::normed>();
  }
}
// Calls f.operator()<mask, joins>() for the kinds of a backward pass.
template <class F> void by_backward(const NormPass& pass, F&& f) {
  if (!pass.relu) return f.template operator()<ReluMask::none, false>();
  if (!pass.mask.defined()) return f.template operator()<ReluMask::from_x, false>();
  pass.other.defined() ? f.template operator()<ReluMask::from_bits, true>()
                       : f.template operator()<ReluMask::from_bits, false>();
}

// Statistics of a batch -> what normalises, and the running ones moved. Without batch statistics, from the
// running ones.
struct NormPart;
template <class P> struct UseStatistics {
  const P *batch_mean = nullptr, *batch_variance = nullptr;  // may be null
  P *mean = nullptr, *rstd = nullptr, *running_mean = nullptr, *running_var = nullptr;
  std::int64_t* batches = nullptr;  // may be null
  double n = 0, momentum = 0, eps = 0;
  UseStatistics(const NormPart& f, const ChannelStatistics& batch, const NormSizes& size);
  explicit UseStatistics(const NormSizes& size) : n(static_cast<double>(size.rows)) {}

  GADOLIN_HD void operator()(std::int64_t c, double average, double variance, bool moves) const {
    course::todo("3.3a", "UseStatistics");
  }
  GADOLIN_HD void operator()(std::int64_t c) const {
    (*this)(c, static_cast<double>(batch_mean ? batch_mean[c] : running_mean[c]),
            static_cast<double>(batch_mean ? batch_variance[c] : running_var[c]), batch_mean != nullptr);
  }
};

void batch_statistics(Cpu, const Tensor& rows, const ChannelStatistics& into);
void norm_forward(Cpu, const NormPass& pass);
void norm_backward(Cpu, const NormPass& pass);
void batch_statistics(Cuda, const Tensor& rows, const ChannelStatistics& into);
void norm_forward(Cuda, const NormPass& pass);
void norm_backward(Cuda, const NormPass& pass);

// One batch norm: its options and running numbers, and what backward keeps of it.
struct NormPart {
  BatchNormOptions options;
  Tensor running_mean, running_var;  // moved in forward when training
  Tensor batches;                    // int64 scalar, counted up then; may be undefined
  ChannelStatistics known = {};      // of the batch, when somebody has computed them already
  mutable Tensor mean, rstd;         // [C], fp32 or fp64; written in forward
  Saved x, weight, bias;

  void check(const Tensor& in, const Tensor& w, const Tensor& b) const;
  // Memory for mean and rstd; false when there is nothing to do.
  bool begin(const Tensor& in, const Tensor& w) const;
  void statistics(Cpu, const Tensor& in) const;  // mean and rstd, and the running ones in training
  void statistics(Cuda, const Tensor& in) const;
  // What is known of the batch, or is found here: without `always` only where other processes take part.
  ChannelStatistics batch_of(const Tensor& in, bool always) const;
  NormSide side(const Tensor& w, const Tensor& b) const { return {mean, rstd, w, b, options.training}; }
  void keep(const Tensor& in, const Tensor& w, const Tensor& b) { x = in, weight = w, bias = b; }
};

// y = norm(x) [+ addend, or + other(addend)] [then relu], in one pass forward and two backward. Inputs: x,
// weight, bias, the addend, and the other's weight and bias; the last three may be undefined.
struct BatchNormFunction : NormPart {
  static constexpr auto name = "batch_norm";
  std::optional<NormPart> other = {};  // a batch norm that the addend goes through
  Tensor out = {};                     // where the result goes, if not into new memory
  mutable Tensor mask;                 // of the ReLU after an addition, when there will be a backward
  Tensor into = {};  // the gradient of x so far, if this one may be added to it (tensor/function.h)

  Attributes attributes() const {
    return {{"eps", options.eps},
            {"relu", options.relu},
            {"training", options.training},
            {"mean", running_mean},
            {"variance", running_var}};
  }
  void check(const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend, const Tensor& w2,
             const Tensor& b2) const;
  Tensor allocate(const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend, const Tensor& w2,
                  const Tensor& b2) const;
  void save(const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend, const Tensor& w2,
            const Tensor& b2, const Tensor& result);
  template <class D>
  void forward(D device, const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend,
               const Tensor& w2, const Tensor& b2, Tensor& result) const {
    const bool any = begin(in, w);
    if (other) other->begin(addend, w2);
    if (!any) return;
    statistics(device, as_rows(in));
    if (other) other->statistics(device, as_rows(addend));
    normalise(device, in, w, b, addend, other ? other->side(w2, b2) : NormSide(), result);
  }
  template <class D>
  void normalise(D device, const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend,
                 const NormSide& second, Tensor& result) const {
    NormPass pass;
    pass.first = side(w, b), pass.second = second;
    pass.x = as_rows(in), pass.mask = mask, pass.y = result, pass.relu = options.relu;
    if (addend.defined()) pass.other = as_rows(addend);
    norm_forward(device, pass);
  }
  template <class D> Grads backward(D device, const Tensor& dy, Need need) const;
};

template <class P>
UseStatistics<P>::UseStatistics(const NormPart& f, const ChannelStatistics& batch, const NormSizes& size)
    : UseStatistics(size) {
  mean = f.mean.data<P>(), rstd = f.rstd.data<P>();
  running_mean = f.running_mean.data<P>(), running_var = f.running_var.data<P>();
  if (f.batches.defined()) batches = f.batches.data<std::int64_t>();
  momentum = f.options.momentum, eps = f.options.eps;
  if (batch.mean.defined()) batch_mean = batch.mean.data<P>(), batch_variance = batch.variance.data<P>();
  if (batch.values > 0) n = batch.values;
}

}  // namespace gadolin::detail
