// Batch normalisation on the CPU: rows of channels, vectorised over channels. Rows are cut into pieces whose
// number depends on the shape alone; a piece sums in the element's precision, pieces are added in double.
#include "course/todo.h"
#include <algorithm>
#include <cstring>
#include <vector>

#include "layers/norm_function.h"
#include "tensor/cpu/parallel.h"
#include "tensor/ops.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin::detail {
namespace {

struct Pieces {
  std::int64_t rows, count;
  Pieces(std::int64_t n, std::int64_t channels)
      : rows(n),
        count(std::clamp<std::int64_t>(n * channels / 16384, 1, std::clamp<std::int64_t>(n / 16, 1, 256))) {}
  std::int64_t begin(std::int64_t piece) const { return rows * piece / count; }
};

// N sums a channel over all rows: f(from, to, sums) adds the terms of some rows to sums [N][channels]. They
// come out in double.
template <class P, int N, class F> std::vector<double> sum_rows(const NormSizes& size, F&& f) {
  const Pieces pieces(size.rows, size.channels);
  const std::size_t c = static_cast<std::size_t>(size.channels) * N;
  std::vector<double> partial(static_cast<std::size_t>(pieces.count) * c, 0.0);
  parallel_for(pieces.count, 1, [&](std::int64_t from, std::int64_t to) {
    std::vector<P> sums(c);
    for (std::int64_t piece = from; piece < to; ++piece) {
      double* out = partial.data() + static_cast<std::size_t>(piece) * c;
      // At most 64 rows at once in the element's precision: long sums in float would lose digits.
      for (std::int64_t row = pieces.begin(piece); row < pieces.begin(piece + 1);) {
        const std::int64_t stop = std::min(row + 64, pieces.begin(piece + 1));
        std::fill(sums.begin(), sums.end(), P(0));
        f(row, stop, sums.data());
        for (std::size_t i = 0; i < c; ++i) out[i] += static_cast<double>(sums[i]);
        row = stop;
      }
    }
  });
  for (std::size_t at = c; at < partial.size(); at += c) {
    for (std::size_t i = 0; i < c; ++i) partial[i] += partial[at + i];
  }
  partial.resize(c);
  return partial;
}

// A row of a mask as a byte a channel, for loops that the compiler can put on vectors. Eight bytes of flags
// are one number, the first in its lowest bits; a product brings their bits together and another apart.
class Flags {
 public:
  explicit Flags(const MaskRows& mask)
      : mask_(mask), bytes_(static_cast<std::size_t>(mask.stride) * mask_channels) {}
  std::uint8_t* data() { return bytes_.data(); }
  void pack(std::int64_t row) const {
    std::uint8_t* to = mask_.at(row, 0);
    const std::uint8_t* from = bytes_.data();
    for (std::uint8_t* const end = to + mask_.stride; to != end; ++to, from += mask_channels) {
      std::uint64_t flags = 0;
      std::memcpy(&flags, from, sizeof(flags));
      *to = static_cast<std::uint8_t>(flags * 0x0102040810204080u >> 56);
    }
  }
  const std::uint8_t* unpack(std::int64_t row) {
    const std::uint8_t* from = mask_.at(row, 0);
    std::uint8_t* to = bytes_.data();
    for (const std::uint8_t* const end = from + mask_.stride; from != end; ++from, to += mask_channels) {
      const std::uint64_t flags = *from * 0x0101010101010101u & 0x8040201008040201u;
      std::memcpy(to, &flags, sizeof(flags));
    }
    return bytes_.data();
  }

 private:
  MaskRows mask_;
  std::vector<std::uint8_t> bytes_;  // not 0: passes
};

template <class F> void for_rows(const NormSizes& size, F&& f) {
  parallel_for(size.rows, 1 + 16384 / std::max<std::int64_t>(1, size.channels), f);
}

// T: elements; P: parameters and arithmetic.
template <class T, class P> struct Kernels {
  NormSizes size;

  // Mean and biased variance of each channel.
  void statistics(const Rows<const T>& x, P* mean, P* variance) const {
    course::todo("3.3a", "Kernels::statistics");
  }

  std::vector<P> scale_of(const NormLine<P>& line) const {
    std::vector<P> scale(static_cast<std::size_t>(line.mean ? size.channels : 0));
    for (std::size_t i = 0; i < scale.size(); ++i) scale[i] = line.weight[i] * line.rstd[i];
    return scale;
  }

  template <bool relu, Addend addend, bool bits> void forward(const NormPass& pass) const {
    const Rows<const T> x(pass.x), other(pass.other);
    const Rows<T> y(pass.y);
    const NormLine<P> first(pass.first, size), second(pass.second, size);
    const std::vector<P> first_scale = scale_of(first), second_scale = scale_of(second);
    const P *scale = first_scale.data(), *scale2 = second_scale.data();
    for_rows(size, [&](std::int64_t begin, std::int64_t end) {
      Flags flags(bits ? MaskRows(pass.mask) : MaskRows());
      std::uint8_t* passes = flags.data();
      for (std::int64_t row = begin; row < end; ++row) {
        const T *in = x.at(row), *extra = other.at(row);
        T* out = y.at(row);
        GADOLIN_IVDEP
        for (std::int64_t c = 0; c < size.channels; ++c) {
          P v = normalised(convert<P>(in[c]), first.mean[c], scale[c], first.bias[c]);
          if constexpr (addend == Addend::plain) v += convert<P>(extra[c]);
          if constexpr (addend == Addend::normed)
            v += normalised(convert<P>(extra[c]), second.mean[c], scale2[c], second.bias[c]);
          if constexpr (relu) v = rectified(v);
          out[c] = convert<T>(v);
        }
        // A loop of its own: one that also writes bytes is not put on vectors. The count is a local, because
        // a written byte may be part of anything else.
        if constexpr (bits) {
          const std::int64_t c_count = size.channels;
          GADOLIN_IVDEP
          for (std::int64_t c = 0; c < c_count; ++c) passes[c] = passes_relu(convert<P>(out[c])) ? 1 : 0;
          flags.pack(row);
        }
      }
    });
  }

  // Sums of g, g (x - mean) and in joins of g (other - its mean) a channel, then the gradients.
  template <ReluMask mask, bool joins> void backward(const NormPass& pass) const {
    const std::int64_t c_count = size.channels;
    const Rows<const T> x(pass.x), other(pass.other), dy(pass.dy);
    const Rows<T> dx(pass.dx), dother(pass.dother);
    const MaskRows bits(pass.mask);
    const NormLine<P> first(pass.first, size), second(pass.second, size);
    const std::vector<P> first_scale = scale_of(first), second_scale = scale_of(second);
    const P *mean = first.mean, *mean2 = second.mean, *scale = first_scale.data(),
            *scale2 = second_scale.data(), *bias = first.bias;
    constexpr int terms = joins ? 3 : 2;
    const std::vector<double> sums = sum_rows<P, terms>(size, [&](std::int64_t row, std::int64_t stop, P* s) {
      Flags flags(bits);
      P *q = s + c_count, *r = q + c_count;
      for (; row < stop; ++row) {
        const T *in = x.at(row), *in2 = other.at(row), *up = dy.at(row);
        const std::uint8_t* passes = flags.unpack(row);
        GADOLIN_IVDEP
        for (std::int64_t c = 0; c < c_count; ++c) {
          const P v = convert<P>(in[c]);
          const P g = masked<mask>(convert<P>(up[c]), mask == ReluMask::from_bits && passes[c], v, mean[c],
                                   scale[c], bias[c]);
          s[c] += g;
          q[c] += g * (v - mean[c]);
          if constexpr (joins) r[c] += g * (convert<P>(in2[c]) - mean2[c]);
        }
      }
    });
    for (std::size_t c = 0, n = static_cast<std::size_t>(c_count); c < n; ++c) {
      first.finish(static_cast<std::int64_t>(c), sums[c], sums[n + c]);
      if constexpr (joins) second.finish(static_cast<std::int64_t>(c), sums[c], sums[2 * n + c]);
    }
    if (pass.first.training && lines_of_all) lines_of_all(pass.first.lines, pass.second.lines, first.n);
    if (!dx.data && !dother.data) return;
    for_rows(size, [&](std::int64_t begin, std::int64_t end) {
      Flags flags(bits);
      for (std::int64_t row = begin; row < end; ++row) {
        const T *in = x.at(row), *in2 = other.at(row), *up = dy.at(row);
        T *to_x = dx.at(row), *to_other = dother.at(row);
        const std::uint8_t* passes = flags.unpack(row);
        const auto loop = [&](auto with_dx, auto with_dother, auto adding) {
          GADOLIN_IVDEP
          for (std::int64_t c = 0; c < c_count; ++c) {
            const P v = convert<P>(in[c]);
            const P g = masked<mask>(convert<P>(up[c]), mask == ReluMask::from_bits && passes[c], v, mean[c],
                                     scale[c], bias[c]);
            if constexpr (decltype(with_dother)::value && !joins) to_other[c] = convert<T>(g);
            if constexpr (decltype(with_dother)::value && joins) {
              to_other[c] = convert<T>(norm_gradient(g, convert<P>(in2[c]), mean2[c], scale2[c],
                                                     second.shift[c], second.slope[c]));
            }
            if constexpr (decltype(with_dx)::value) {
              P d = norm_gradient(g, v, mean[c], scale[c], first.shift[c], first.slope[c]);
              if constexpr (decltype(adding)::value) d += convert<P>(to_x[c]);
              to_x[c] = convert<T>(d);
            }
          }
        };
        const std::true_type yes;
        const std::false_type no;
        if (dx.data && pass.adds) {
          dother.data ? loop(yes, yes, yes) : loop(yes, no, yes);
        } else if (dx.data) {
          dother.data ? loop(yes, yes, no) : loop(yes, no, no);
        } else {
          loop(no, yes, no);
        }
      }
    });
  }
};

template <class F> void by_types(const Tensor& x, F&& f) {
  dispatch_floating(x.dtype(), "batch_norm", [&]<class T>(Tag<T>) {
    f(Kernels<T, math_type<T>>{norm_sizes(x)}, Tag<T>{}, Tag<math_type<T>>{});
  });
}

}  // namespace

void NormPart::statistics(Cpu, const Tensor& in) const {
  by_types(in, [&](const auto& kernels, auto, auto parameter) {
    const ChannelStatistics batch = batch_of(in, true);
    const UseStatistics<typename decltype(parameter)::type> use(*this, batch, kernels.size);
    for (std::int64_t c = 0; c < kernels.size.channels; ++c) use(c);
    if (!options.training) return;
    running_mean.storage().bump_version();
    running_var.storage().bump_version();
  });
}

void norm_forward(Cpu, const NormPass& pass) {
  by_types(pass.x, [&](const auto& kernels, auto, auto) {
    by_forward(pass, [&]<bool relu, Addend addend, bool bits>() {
      kernels.template forward<relu, addend, bits>(pass);
    });
  });
}

void norm_backward(Cpu, const NormPass& pass) {
  by_types(pass.x, [&](const auto& kernels, auto, auto) {
    by_backward(pass, [&]<ReluMask mask, bool joins>() { kernels.template backward<mask, joins>(pass); });
  });
}

void batch_statistics(Cpu, const Tensor& rows, const ChannelStatistics& into) {
  by_types(rows, [&](const auto& kernels, auto element, auto parameter) {
    using P = typename decltype(parameter)::type;
    kernels.statistics(Rows<const typename decltype(element)::type>(rows), into.mean.template data<P>(),
                       into.variance.template data<P>());
  });
}

}  // namespace gadolin::detail
