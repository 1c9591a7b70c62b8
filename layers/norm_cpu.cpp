// Batch normalisation on the CPU: rows of channels, vectorised over channels. Rows are cut into pieces whose number
// depends on the shape alone; a piece sums in the element's precision, pieces are added in double.
#include <algorithm>
#include <cmath>
#include <vector>

#include "layers/norm_function.h"
#include "tensor/cpu/parallel.h"
#include "tensor/ops.h"

namespace gadolin::detail {
namespace {

struct Pieces {
  std::int64_t rows, count;
  Pieces(std::int64_t n, std::int64_t channels)
      : rows(n), count(std::clamp<std::int64_t>(n * channels / 16384, 1, std::clamp<std::int64_t>(n / 16, 1, 256))) {}
  std::int64_t begin(std::int64_t piece) const { return rows * piece / count; }
};

// Two sums a channel over all rows: f(row, channel) gives the two terms. The sums come out in double.
template <class P, class F>
void sum_rows(const NormSizes& size, double* first, double* second, F&& f) {
  const Pieces pieces(size.rows, size.channels);
  const std::size_t c = static_cast<std::size_t>(size.channels);
  std::vector<double> partial(static_cast<std::size_t>(pieces.count) * 2 * c, 0.0);
  parallel_for(pieces.count, 1, [&](std::int64_t from, std::int64_t to) {
    std::vector<P> sums(2 * c);
    for (std::int64_t piece = from; piece < to; ++piece) {
      double* out = partial.data() + static_cast<std::size_t>(piece) * 2 * c;
      // At most 64 rows at once in the element's precision: long sums in float would lose digits.
      for (std::int64_t row = pieces.begin(piece); row < pieces.begin(piece + 1);) {
        const std::int64_t stop = std::min(row + 64, pieces.begin(piece + 1));
        std::fill(sums.begin(), sums.end(), P(0));
        f(row, stop, sums.data(), sums.data() + c);
        for (std::size_t i = 0; i < 2 * c; ++i) out[i] += static_cast<double>(sums[i]);
        row = stop;
      }
    }
  });
  for (std::size_t i = 0; i < c; ++i) {
    first[i] = second[i] = 0;
    for (std::size_t piece = 0; piece < static_cast<std::size_t>(pieces.count); ++piece) {
      first[i] += partial[piece * 2 * c + i];
      second[i] += partial[piece * 2 * c + c + i];
    }
  }
}

template <class F> void for_rows(const NormSizes& size, F&& f) {
  parallel_for(size.rows, 1 + 16384 / std::max<std::int64_t>(1, size.channels), f);
}

// T: elements; P: parameters and arithmetic.
template <class T, class P> struct Kernels {
  NormSizes size;

  // Mean and biased variance of each channel.
  void statistics(const Rows<const T>& x, P* mean, P* variance) const {
    const std::int64_t c_count = size.channels;
    std::vector<P> shift(static_cast<std::size_t>(c_count));
    for (int i = 0; i < shift_rows; ++i) {
      const T* in = x.at(shift_row(size.rows, i));
      for (std::int64_t c = 0; c < c_count; ++c) shift[static_cast<std::size_t>(c)] += convert<P>(in[c]) / P(shift_rows);
    }
    std::vector<double> sum(shift.size()), squares(shift.size());
    const P* k = shift.data();
    sum_rows<P>(size, sum.data(), squares.data(), [&](std::int64_t row, std::int64_t stop, P* s, P* q) {
      for (; row < stop; ++row) {
        const T* in = x.at(row);
        GADOLIN_IVDEP
        for (std::int64_t c = 0; c < c_count; ++c) {
          const P d = convert<P>(in[c]) - k[c];
          s[c] += d;
          q[c] += d * d;
        }
      }
    });
    for (std::int64_t c = 0; c < c_count; ++c) {
      const std::size_t i = static_cast<std::size_t>(c);
      const double n = static_cast<double>(size.rows), d = sum[i] / n;
      mean[c] = static_cast<P>(static_cast<double>(k[c]) + d);
      variance[c] = static_cast<P>(std::max(0.0, squares[i] / n - d * d));
    }
  }

  // What normalises: these statistics in training (and the running ones are moved), the running ones otherwise.
  void use_statistics(const BatchNormFunction& f, const P* batch_mean, const P* batch_variance) const {
    const double n = static_cast<double>(size.rows), m = f.options.momentum;
    P* running_mean = f.running_mean.data<P>();
    P* running_var = f.running_var.data<P>();
    for (std::int64_t c = 0; c < size.channels; ++c) {
      const double mean = static_cast<double>(batch_mean ? batch_mean[c] : running_mean[c]);
      const double variance = static_cast<double>(batch_mean ? batch_variance[c] : running_var[c]);
      f.mean.data<P>()[c] = static_cast<P>(mean);
      f.rstd.data<P>()[c] = static_cast<P>(1 / std::sqrt(variance + f.options.eps));
      if (!batch_mean) continue;
      running_mean[c] = static_cast<P>((1 - m) * static_cast<double>(running_mean[c]) + m * mean);
      running_var[c] = static_cast<P>((1 - m) * static_cast<double>(running_var[c]) + m * variance * n / (n - 1));
    }
  }

  struct Line { std::vector<P> scale, offset; };  // y = scale x + offset
  Line line(const BatchNormFunction& f, const Tensor& weight, const Tensor& bias) const {
    Line l{std::vector<P>(static_cast<std::size_t>(size.channels)), {}};
    l.offset = l.scale;
    for (std::int64_t c = 0; c < size.channels; ++c) {
      const std::size_t i = static_cast<std::size_t>(c);
      l.scale[i] = weight.data<P>()[c] * f.rstd.data<P>()[c];
      l.offset[i] = bias.data<P>()[c];
    }
    return l;
  }

  template <bool relu, bool adds>
  void normalise(const Rows<const T>& x, const Rows<const T>& addend, const Rows<T>& y, const Line& l, const P* mean) const {
    const P* scale = l.scale.data();
    const P* offset = l.offset.data();
    for_rows(size, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const T *in = x.at(row), *extra = addend.at(row);
        T* out = y.at(row);
        GADOLIN_IVDEP
        for (std::int64_t c = 0; c < size.channels; ++c) {
          P v = scale[c] * (convert<P>(in[c]) - mean[c]) + offset[c];
          if constexpr (adds) v += convert<P>(extra[c]);
          if constexpr (relu) v = v < P(0) ? P(0) : v;
          out[c] = convert<T>(v);
        }
      }
    });
  }

  // g = dy where the result was positive; sums of g and of g (x - mean) a channel.
  enum class Mask { none, from_x, from_y };
  template <Mask mask> P masked(P g, P x, P y, P scale, P mean, P offset) const {
    if constexpr (mask == Mask::from_x) return scale * (x - mean) + offset <= P(0) ? P(0) : g;
    if constexpr (mask == Mask::from_y) return y <= P(0) ? P(0) : g;
    return g;
  }
  template <Mask mask>
  void gradient(const BatchNormFunction& f, const Rows<const T>& x, const Rows<const T>& y, const Rows<const T>& dy, const Line& l,
                const Rows<T>& dx, const Rows<T>& dadd, P* dweight, P* dbias) const {
    const std::int64_t c_count = size.channels;
    const P* mean = f.mean.data<P>();
    const P* rstd = f.rstd.data<P>();
    const P* scale = l.scale.data();
    const P* offset = l.offset.data();
    std::vector<double> sum(static_cast<std::size_t>(c_count)), product(sum.size());
    sum_rows<P>(size, sum.data(), product.data(), [&](std::int64_t row, std::int64_t stop, P* s, P* q) {
      for (; row < stop; ++row) {
        const T *in = x.at(row), *up = dy.at(row), *result = y.at(row);
        GADOLIN_IVDEP
        for (std::int64_t c = 0; c < c_count; ++c) {
          const P v = convert<P>(in[c]);
          P out = P(0);
          if constexpr (mask == Mask::from_y) out = convert<P>(result[c]);
          const P g = masked<mask>(convert<P>(up[c]), v, out, scale[c], mean[c], offset[c]);
          s[c] += g;
          q[c] += g * (v - mean[c]);
        }
      }
    });
    // dx = scale (g - sum(g) / n - xhat sum(g xhat) / n) in training, scale g otherwise.
    std::vector<P> shift(sum.size(), P(0)), slope(sum.size(), P(0));
    const double n = static_cast<double>(size.rows);
    for (std::int64_t c = 0; c < c_count; ++c) {
      const std::size_t i = static_cast<std::size_t>(c);
      const double r = static_cast<double>(rstd[c]);
      if (dweight) dweight[c] = static_cast<P>(product[i] * r);
      if (dbias) dbias[c] = static_cast<P>(sum[i]);
      if (f.options.training) {
        shift[i] = static_cast<P>(sum[i] / n);
        slope[i] = static_cast<P>(product[i] * r * r / n);
      }
    }
    if (!dx.data && !dadd.data) return;
    const P* a = shift.data();
    const P* b = slope.data();
    const bool adds = f.adds();
    for_rows(size, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const T *in = x.at(row), *up = dy.at(row), *result = y.at(row);
        T *to_x = dx.at(row), *to_addend = dadd.at(row);
        const auto loop = [&](auto with_dx, auto with_dadd, auto adding) {
          GADOLIN_IVDEP
          for (std::int64_t c = 0; c < c_count; ++c) {
            const P v = convert<P>(in[c]);
            P out = P(0);
            if constexpr (mask == Mask::from_y) out = convert<P>(result[c]);
            const P g = masked<mask>(convert<P>(up[c]), v, out, scale[c], mean[c], offset[c]);
            if constexpr (decltype(with_dadd)::value) to_addend[c] = convert<T>(g);
            if constexpr (decltype(with_dx)::value) {
              P d = scale[c] * (g - a[c] - (v - mean[c]) * b[c]);
              if constexpr (decltype(adding)::value) d += convert<P>(to_x[c]);
              to_x[c] = convert<T>(d);
            }
          }
        };
        const std::true_type yes;
        const std::false_type no;
        if (dx.data && adds) {
          dadd.data ? loop(yes, yes, yes) : loop(yes, no, yes);
        } else if (dx.data) {
          dadd.data ? loop(yes, yes, no) : loop(yes, no, no);
        } else {
          loop(no, yes, no);
        }
      }
    });
  }
};

template <class F> void by_types(const Tensor& x, F&& f) {
  dispatch_floating(x.dtype(), "batch_norm", [&](auto tag) {
    using T = typename decltype(tag)::type;
    f(Kernels<T, math_type<T>>{norm_sizes(x)}, tag, Tag<math_type<T>>{});
  });
}

}  // namespace

void BatchNormFunction::statistics(Cpu, const Tensor& in) const {
  by_types(in, [&](const auto& kernels, auto, auto parameter) {
    using P = typename decltype(parameter)::type;
    if (!options.training) return kernels.use_statistics(*this, nullptr, nullptr);
    ChannelStatistics batch = known;
    if (!batch.mean.defined()) {
      batch = {mean, empty_like(mean)};
      batch_statistics(Cpu{}, in, batch);
    }
    kernels.use_statistics(*this, batch.mean.template data<P>(), batch.variance.template data<P>());
    running_mean.storage().bump_version();
    running_var.storage().bump_version();
    if (batches.defined()) ++*batches.data<std::int64_t>();
  });
}

void BatchNormFunction::normalise(Cpu, const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend, Tensor& result) const {
  const Tensor rows = as_rows(in), added = addend.defined() ? as_rows(addend) : addend;
  by_types(in, [&](const auto& kernels, auto element, auto parameter) {
    using T = typename decltype(element)::type;
    using P = typename decltype(parameter)::type;
    const auto line = kernels.line(*this, w, b);
    const Rows<const T> x_rows(rows), a_rows(added);
    const Rows<T> y_rows(result);
    const P* m = mean.template data<P>();
    if (options.relu && a_rows.data) {
      kernels.template normalise<true, true>(x_rows, a_rows, y_rows, line, m);
    } else if (options.relu) {
      kernels.template normalise<true, false>(x_rows, a_rows, y_rows, line, m);
    } else if (a_rows.data) {
      kernels.template normalise<false, true>(x_rows, a_rows, y_rows, line, m);
    } else {
      kernels.template normalise<false, false>(x_rows, a_rows, y_rows, line, m);
    }
  });
}

Grads BatchNormFunction::backward(Cpu, const Tensor& dy_any, Need need) const {
  const Tensor in = as_rows(x), dy = as_rows(dy_any);
  Tensor dx, dadd, dweight, dbias;
  if (need[0]) dx = adds() ? into : empty_rows(in);
  if (need[1]) dweight = empty_like(weight.get()).zero_();
  if (need[2]) dbias = empty_like(bias.get()).zero_();
  // Without relu the addend's gradient is dy itself.
  if (need[3]) dadd = options.relu ? empty_rows(in) : dy;
  if (in.numel() > 0) {
    by_types(in, [&](const auto& kernels, auto element, auto parameter) {
      using T = typename decltype(element)::type;
      using P = typename decltype(parameter)::type;
      using Mask = typename std::decay_t<decltype(kernels)>::Mask;
      const auto line = kernels.line(*this, weight, bias);
      const Tensor result = y.defined() ? as_rows(y) : Tensor();
      const auto run = [&]<Mask mask>() {
        kernels.template gradient<mask>(*this, Rows<const T>(in), Rows<const T>(result), Rows<const T>(dy), line, Rows<T>(dx),
                                        need[3] && options.relu ? Rows<T>(dadd) : Rows<T>(),
                                        dweight.defined() ? dweight.template data<P>() : nullptr,
                                        dbias.defined() ? dbias.template data<P>() : nullptr);
      };
      if (!options.relu) {
        run.template operator()<Mask::none>();
      } else if (has_addend) {
        run.template operator()<Mask::from_y>();
      } else {
        run.template operator()<Mask::from_x>();
      }
    });
  }
  return {dx, dweight, dbias, dadd};
}

void batch_statistics(Cpu, const Tensor& rows, const ChannelStatistics& into) {
  by_types(rows, [&](const auto& kernels, auto element, auto parameter) {
    using P = typename decltype(parameter)::type;
    kernels.statistics(Rows<const typename decltype(element)::type>(rows), into.mean.template data<P>(), into.variance.template data<P>());
  });
}

}  // namespace gadolin::detail
