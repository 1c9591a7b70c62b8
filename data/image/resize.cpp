// Separable resampling: rows are mixed first, straight over memory, then columns, four lanes at a time.
#include "data/image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tensor/check.h"

namespace gadolin {
namespace {

double triangle(double x) {
  x = std::fabs(x);
  return x < 1 ? 1 - x : 0;
}
// Keys 1981 with a = -0.5.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

// Four floats; the compilers turn arithmetic on them into one instruction.
typedef float Lanes __attribute__((vector_size(16)));
Lanes load(const float* p) {
  Lanes v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// out[i] = sum of weights[k] * rows[k][i] for `count` rows that lie `stride` samples apart.
template <class T>
void mix_rows(const T* in, std::size_t stride, const float* weights, int count, float* out, std::size_t n) {
  constexpr std::size_t block = 64;  // stays in registers while the rows pass by
  std::size_t i = 0;
  for (; i + block <= n; i += block) {
    float sum[block] = {};
    for (int k = 0; k < count; ++k) {
      const T* row = in + static_cast<std::size_t>(k) * stride + i;
      const float w = weights[k];
      for (std::size_t j = 0; j < block; ++j) sum[j] += w * static_cast<float>(row[j]);
    }
    std::memcpy(out + i, sum, sizeof sum);
  }
  for (; i < n; ++i) {
    float sum = 0;
    for (int k = 0; k < count; ++k)
      sum += weights[k] * static_cast<float>(in[static_cast<std::size_t>(k) * stride + i]);
    out[i] = sum;
  }
}

template <class T> T rounded(float v) {
  constexpr float most = static_cast<float>(T(~T{0}));
  v = std::min(std::max(v + 0.5f, 0.f), most);  // truncation rounds to nearest; `most` + 0.5 is cut to `most`
  return static_cast<T>(v);
}

// Weighted sum of pixels that are `step` floats apart, up to four channels at once.
template <int step> Lanes mix_pixels(const float* in, const float* weights, int count) {
  Lanes even{}, odd{};
  int k = 0;
  for (; k + 1 < count; k += 2) {
    even += weights[k] * load(in + k * step);
    odd += weights[k + 1] * load(in + (k + 1) * step);
  }
  if (k < count) even += weights[k] * load(in + k * step);
  return even + odd;
}

template <class T> class Resizer {
 public:
  Resizer(const Image& in, Image& out, const Taps& columns, const Taps& rows)
      : in_(in), out_(out), columns_(columns), rows_(rows) {
    for (const auto& span : columns.spans) {
      left_ = std::min(left_, span.begin);
      right_ = std::max(right_, span.begin + span.count);
    }
    used_ = static_cast<std::size_t>(right_ - left_);
  }

  void colour() {
    std::vector<float> line(used_ * 3 + 4);  // the last pixel is read as four floats
    for (int y = 0; y < out_.height; ++y) {
      source_row(y, line.data());
      T* out = out_.row<T>(y);
      for (int x = 0; x < out_.width; ++x) {
        const auto& span = columns_.spans[static_cast<std::size_t>(x)];
        const Lanes v = mix_pixels<3>(line.data() + (span.begin - left_) * 3,
                                      &columns_.weights[index(span.first)], span.count);
        for (int c = 0; c < 3; ++c) out[3 * x + c] = rounded<T>(v[c]);
      }
    }
  }

  // Grey has no channels to fill the lanes with; four rows do.
  void grey() {
    std::vector<float> line(used_), four(used_ * 4);
    for (int y = 0; y < out_.height; y += 4) {
      const int count = std::min(4, out_.height - y);
      for (int r = 0; r < count; ++r) {
        source_row(y + r, line.data());
        for (std::size_t x = 0; x < used_; ++x) four[4 * x + index(r)] = line[x];
      }
      T* rows[4];
      for (int r = 0; r < 4; ++r) rows[r] = out_.row<T>(y + std::min(r, count - 1));
      for (int x = 0; x < out_.width; ++x) {
        const auto& span = columns_.spans[index(x)];
        const Lanes v = mix_pixels<4>(four.data() + (span.begin - left_) * 4,
                                      &columns_.weights[index(span.first)], span.count);
        for (int r = 0; r < count; ++r) rows[r][x] = rounded<T>(v[r]);
      }
    }
  }

 private:
  static std::size_t index(int i) { return static_cast<std::size_t>(i); }
  void source_row(int y, float* line) const {
    const auto& span = rows_.spans[index(y)];
    const auto channels = index(in_.channels);
    mix_rows(in_.row<T>(span.begin) + index(left_) * channels, in_.row_samples(),
             &rows_.weights[index(span.first)], span.count, line, used_ * channels);
  }

  const Image& in_;
  Image& out_;
  const Taps &columns_, &rows_;
  int left_ = 1 << 30, right_ = 0;
  std::size_t used_ = 0;
};

template <class T> void run(const Image& in, Image& out, const Taps& columns, const Taps& rows) {
  Resizer<T> resizer(in, out, columns, rows);
  if (in.channels == 3)
    resizer.colour();
  else
    resizer.grey();
}

}  // namespace

Taps resize_taps(int in, double start, double extent, int out, Filter filter) {
  const auto shape = filter == Filter::bilinear ? triangle : cubic;
  const double scale = extent / out, wide = std::max(scale, 1.0);
  const double support = (filter == Filter::bilinear ? 1.0 : 2.0) * wide;
  Taps taps;
  taps.spans.reserve(static_cast<std::size_t>(out));
  std::vector<double> weights;
  for (int i = 0; i < out; ++i) {
    const double center = start + (i + 0.5) * scale;
    const int begin = std::max(static_cast<int>(center - support + 0.5), 0);
    const int end = std::min(static_cast<int>(center + support + 0.5), in);
    weights.clear();
    double sum = 0;
    for (int k = begin; k < end; ++k) {
      weights.push_back(shape((k - center + 0.5) / wide));
      sum += weights.back();
    }
    taps.spans.push_back({begin, end - begin, static_cast<int>(taps.weights.size())});
    for (const double w : weights) taps.weights.push_back(static_cast<float>(sum != 0 ? w / sum : w));
  }
  return taps;
}

Image resize(const Image& image, int width, int height, Filter filter, BoxF source) {
  require<ShapeError>(image.numel() > 0, "resize: the image has no pixels");
  require<ValueError>(width > 0 && height > 0 && width <= 65536 && height <= 65536, "resize: to ", width,
                      " x ", height, ", sides are 1 to 65536");
  if (source.width == 0) source = {0, 0, static_cast<double>(image.width), static_cast<double>(image.height)};
  require<ValueError>(source.x >= 0 && source.y >= 0 && source.width > 0 && source.height > 0 &&
                          source.x + source.width <= image.width && source.y + source.height <= image.height,
                      "resize: the box at (", source.x, ", ", source.y, ") of ", source.width, " x ",
                      source.height, " leaves the image of ", image.width, " x ", image.height);
  const bool whole =
      source.x == 0 && source.y == 0 && source.width == image.width && source.height == image.height;
  if (whole && width == image.width && height == image.height) return image;
  const Taps columns = resize_taps(image.width, source.x, source.width, width, filter);
  const Taps rows = resize_taps(image.height, source.y, source.height, height, filter);
  const auto pass = [](const Image& in, int w, int h, const Taps& across, const Taps& down) {
    Image out(w, h, in.channels, in.bits);
    if (in.bits == 8)
      run<std::uint8_t>(in, out, across, down);
    else
      run<std::uint16_t>(in, out, across, down);
    return out;
  };
  if (filter == Filter::bilinear) return pass(image, width, height, columns, rows);
  // The cubic overshoots at edges. Pillow mixes columns first and cuts the result to the range of the
  // samples, which shows.
  const Taps as_they_are = resize_taps(image.height, 0, image.height, image.height, Filter::bilinear);
  const Image narrow = pass(image, width, image.height, columns, as_they_are);
  return pass(narrow, width, height, resize_taps(width, 0, width, width, Filter::bilinear), rows);
}

}  // namespace gadolin
