// From stored values to Hounsfield units and to pictures.
#include <algorithm>
#include <cmath>

#include "data/dicom/codec.h"
#include "data/dicom/image.h"
#include "tensor/check.h"

namespace gadolin {

double DicomLut::operator()(double v) const {
  const double at = v - first, last = static_cast<double>(values.size() - 1);
  return values[static_cast<std::size_t>(at > 0 ? std::min(at, last) : 0)];  // of NaN the first
}

namespace {

double rescaled(const DicomImage& image, std::int32_t v, int frame) {
  if (image.modality_lut) return (*image.modality_lut)(v);
  const auto& r = image.rescale[std::min(image.rescale.size() - 1, static_cast<std::size_t>(frame))];
  return r.slope * v + r.intercept;
}

// 0 to 1.
double windowed(const DicomWindow& w, double v) {
  if (w.function == "SIGMOID") return 1 / (1 + std::exp(-4 * (v - w.center) / w.width));
  if (w.function == "LINEAR_EXACT" || w.width < 1)
    return std::clamp((v - w.center) / w.width + 0.5, 0.0, 1.0);
  if (w.width == 1) return v > w.center - 0.5 ? 1 : 0;
  return std::clamp((v - (w.center - 0.5)) / (w.width - 1) + 0.5, 0.0, 1.0);
}

struct Span {
  std::int32_t low = 0, high = 0;
  bool any = false;
};

Span range_of(const DicomImage& image, const std::int32_t* v, std::int64_t n) {
  Span s;
  for (std::int64_t i = 0; i < n; ++i) {
    if (image.padding_low && image.is_padding(v[i])) continue;
    s.low = s.any ? std::min(s.low, v[i]) : v[i];
    s.high = s.any ? std::max(s.high, v[i]) : v[i];
    s.any = true;
  }
  return s;
}

// Stored values below which `low` and `high` percent of the pixels lie, padding left out.
Span percentiles(const DicomImage& image, const std::int32_t* v, std::int64_t n, double low, double high) {
  const Span all = range_of(image, v, n);
  if (!all.any) return all;
  const std::int64_t width = std::int64_t{all.high} - all.low + 1;
  std::vector<std::int32_t> kept;
  std::vector<std::int64_t> counts;
  std::int64_t total = 0;
  if (width <= 1 << 20) counts.assign(static_cast<std::size_t>(width), 0);
  for (std::int64_t i = 0; i < n; ++i) {
    if (image.padding_low && image.is_padding(v[i])) continue;
    ++total;
    if (!counts.empty())
      ++counts[static_cast<std::size_t>(std::int64_t{v[i]} - all.low)];
    else
      kept.push_back(v[i]);
  }
  const auto at = [&](double percent) {
    const auto rank = std::clamp<std::int64_t>(
        static_cast<std::int64_t>(percent / 100 * static_cast<double>(total - 1)), 0, total - 1);
    if (counts.empty()) {
      std::nth_element(kept.begin(), kept.begin() + rank, kept.end());
      return kept[static_cast<std::size_t>(rank)];
    }
    std::int64_t seen = 0, value = 0;
    while (seen + counts[static_cast<std::size_t>(value)] <= rank)
      seen += counts[static_cast<std::size_t>(value++)];
    return static_cast<std::int32_t>(value + all.low);
  };
  return {at(low), at(high), true};
}

// A rule from stored values to 0..1, by the options.
struct Tone {
  const DicomImage& image;
  const DicomDisplayOptions& options;
  int frame;
  enum { window, lut, range } kind = range;
  DicomWindow chosen;
  double low = 0, high = 0;

  Tone(const DicomImage& i, const DicomDisplayOptions& o, const std::int32_t* v)
      : image(i), options(o), frame(o.frame) {
    const bool automatic = o.mode == DicomDisplay::automatic;
    const std::vector<DicomWindow>& windows = i.windows_of(o.frame);
    if (o.mode == DicomDisplay::window || (automatic && (o.window || !windows.empty()))) {
      require<ValueError>(o.window || !windows.empty(),
                          "dicom: the file has no window; give one as center/width");
      chosen = o.window ? *o.window : windows[0];
      require<ValueError>(chosen.width > 0, "dicom: window width ", chosen.width, " is not above 0");
      kind = window;
    } else if (automatic && i.voi_lut) {
      kind = lut;
    } else {
      const std::int64_t n = std::int64_t{i.rows} * i.columns;
      const Span s = o.mode == DicomDisplay::full ? range_of(i, v, n) : percentiles(i, v, n, o.low, o.high);
      low = rescaled(i, s.low, frame);
      high = rescaled(i, s.high, frame);
      if (low > high) std::swap(low, high);
    }
  }

  double operator()(std::int32_t stored) const {
    if (image.is_padding(stored)) return 0;
    const double v = rescaled(image, stored, frame);
    double y = 0;
    if (kind == window)
      y = windowed(chosen, v);
    else if (kind == lut)
      y = (*image.voi_lut)(v) / static_cast<double>((1 << image.voi_lut->bits) - 1);
    else if (!(high > low))
      return 0;
    else
      y = (v - low) / (high - low);
    y = std::clamp(y, 0.0, 1.0);
    return image.photometric == "MONOCHROME1" ? 1 - y : y;
  }
};

template <class T>
void grey(const DicomImage& image, const Tone& tone, const std::int32_t* v, std::int64_t n, T* out) {
  constexpr double white = static_cast<double>(T(~T{0}));
  const auto level = [&](std::int32_t stored) { return static_cast<T>(tone(stored) * white + 0.5); };
  if (image.bits_stored > 16 || n < 1 << image.bits_stored) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = level(v[i]);
    return;
  }
  const std::int32_t first = image.is_signed ? -(1 << (image.bits_stored - 1)) : 0;
  std::vector<T> table(std::size_t{1} << image.bits_stored);
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = level(static_cast<std::int32_t>(i) + first);
  for (std::int64_t i = 0; i < n; ++i) out[i] = table[static_cast<std::size_t>(v[i] - first)];
}

std::uint8_t byte_of(double v) { return static_cast<std::uint8_t>(std::clamp(v + 0.5, 0.0, 255.0)); }

// Nothing of RGB; refuses colours that are neither this nor YBR.
std::optional<detail::YbrRange> range_of_ybr(const DicomImage& image, int bits) {
  const auto ybr = detail::ybr_range(image.photometric, bits);
  require<ValueError>(ybr || image.photometric == "RGB", "dicom: colours of photometric interpretation ",
                      printable(image.photometric), " cannot be shown");
  return ybr;
}

Image colour(const DicomImage& image, const std::int32_t* v) {
  Image out(image.columns, image.rows, 3, 8);
  const std::int64_t n = std::int64_t{image.rows} * image.columns;
  std::uint8_t* to = out.pixels.data();
  const auto ybr = range_of_ybr(image, 8);
  const double scale = 255.0 / (std::pow(2.0, image.bits_stored) - 1);
  for (std::int64_t i = 0; i < n; ++i, to += 3) {
    const double a = v[i] * scale, b = v[n + i] * scale, c = v[2 * n + i] * scale;
    if (ybr) {
      const double y = (a - ybr->low) * ybr->luma, blue = (b - 128) * ybr->chroma,
                   red = (c - 128) * ybr->chroma;
      to[0] = byte_of(y + 1.402 * red);
      to[1] = byte_of(y - 0.344136 * blue - 0.714136 * red);
      to[2] = byte_of(y + 1.772 * blue);
    } else {
      to[0] = byte_of(a);
      to[1] = byte_of(b);
      to[2] = byte_of(c);
    }
  }
  return out;
}

Image through_palette(const DicomImage& image, const std::int32_t* v) {
  require<ValueError>(image.palette.size() == 3,
                      "dicom: the palette of the file is missing or segmented, colours cannot be shown");
  Image out(image.columns, image.rows, 3, 8);
  for (std::size_t c = 0; c < 3; ++c) {
    const DicomLut& lut = image.palette[c];
    const int shift = std::max(lut.bits - 8, 0);
    for (std::size_t i = 0; i < out.numel() / 3; ++i)
      out.pixels[3 * i + c] = static_cast<std::uint8_t>(static_cast<int>(lut(v[i])) >> shift);
  }
  return out;
}

}  // namespace

std::optional<detail::YbrRange> detail::ybr_range(const std::string& photometric, int bits) {
  if (photometric == "YBR_FULL") return YbrRange{};
  if (photometric != "YBR_PARTIAL_422") return {};
  const double step = std::pow(2.0, bits - 8), white = std::pow(2.0, bits) - 1;
  return YbrRange{16 * step, white / (219 * step), white / (224 * step)};
}

Tensor to_hounsfield(const DicomImage& image) {
  require<ValueError>(image.channels == 1 && image.photometric != "PALETTE COLOR", "dicom: a ",
                      printable(image.photometric), " image has no rescaled values");
  Tensor out = empty(image.samples.shape());
  const auto* in = image.samples.data<std::int32_t>();
  auto* to = out.data<float>();
  const std::int64_t n = std::int64_t{image.rows} * image.columns;
  for (int f = 0; f < image.frames; ++f) {
    const auto& r = image.rescale[std::min(image.rescale.size() - 1, static_cast<std::size_t>(f))];
    for (std::int64_t i = f * n; i < (f + 1) * n; ++i) {
      to[i] = static_cast<float>(image.modality_lut ? (*image.modality_lut)(in[i])
                                                    : r.slope * in[i] + r.intercept);
    }
  }
  return out;
}

Tensor to_rgb_samples(const DicomImage& image) {
  const auto ybr = range_of_ybr(image, image.bits_stored);
  const double white = std::pow(2.0, image.bits_stored) - 1, middle = std::pow(2.0, image.bits_stored - 1);
  const auto whole = [&](double v) { return static_cast<std::int32_t>(std::clamp(v, 0.0, white) + 0.5); };
  const std::int64_t n = std::int64_t{image.rows} * image.columns;
  Tensor out = empty({image.frames, image.rows, image.columns, 3}, DType::int32);
  const auto* in = image.samples.data<std::int32_t>();
  auto* to = out.data<std::int32_t>();
  for (int f = 0; f < image.frames; ++f, in += 3 * n) {
    for (std::int64_t i = 0; i < n; ++i, to += 3) {
      if (!ybr) {
        for (std::int64_t c = 0; c < 3; ++c) to[c] = in[c * n + i];
        continue;
      }
      const double y = (in[i] - ybr->low) * ybr->luma, blue = (in[n + i] - middle) * ybr->chroma,
                   red = (in[2 * n + i] - middle) * ybr->chroma;
      to[0] = whole(y + 1.402 * red);
      to[1] = whole(y - 0.344136 * blue - 0.714136 * red);
      to[2] = whole(y + 1.772 * blue);
    }
  }
  return out;
}

Image to_image(const DicomImage& image, const DicomDisplayOptions& options) {
  require<ValueError>(options.frame >= 0 && options.frame < image.frames, "dicom: frame ", options.frame,
                      ", the image has ", image.frames, ", counted from 0");
  require<ValueError>(options.bits == 8 || options.bits == 16, "dicom: pictures have 8 or 16 bits, not ",
                      options.bits);
  require<ValueError>(options.low >= 0 && options.high <= 100 && options.low < options.high,
                      "dicom: percentiles ", options.low, " and ", options.high,
                      " are not in order between 0 and 100");
  const std::int64_t n = std::int64_t{image.rows} * image.columns;
  const auto* v = image.samples.data<std::int32_t>() + options.frame * n * image.channels;
  if (image.channels == 3) return colour(image, v);
  if (image.photometric == "PALETTE COLOR") return through_palette(image, v);
  const Tone tone(image, options, v);
  Image out(image.columns, image.rows, 1, options.bits);
  if (options.bits == 8)
    grey(image, tone, v, n, out.data<std::uint8_t>());
  else
    grey(image, tone, v, n, out.data<std::uint16_t>());
  return out;
}

}  // namespace gadolin
