// Steps that change values but not places: brightness, a shift of it, contrast, gamma.
#include <algorithm>
#include <array>
#include <cmath>

#include "data/image/transform_steps.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

using detail::checked;
using detail::short_number;

// Applies f, a function of 0..white, to every sample; by a table for 8 bits.
template <class F> Image mapped(const Image& image, F&& f) {
  Image out = image;
  if (image.bits == 8) {
    std::array<std::uint8_t, 256> table;
    for (int v = 0; v < 256; ++v) {
      table[static_cast<std::size_t>(v)] = static_cast<std::uint8_t>(std::clamp(f(double(v)), 0.0, 255.0));
    }
    for (auto& p : out.pixels) p = table[p];
    return out;
  }
  std::uint16_t* p = out.data<std::uint16_t>();
  for (std::size_t i = 0; i < out.numel(); ++i) {
    p[i] = static_cast<std::uint16_t>(std::clamp(f(double(p[i])), 0.0, 65535.0));
  }
  return out;
}

// f(hue in sixths of the circle, saturation in 0..1) of every pixel of T; the value stays.
template <class T, class F> void coloured(Image& image, F&& f) {
  constexpr double white = static_cast<double>(T(~T{0}));
  T* p = image.data<T>();
  for (std::size_t i = 0; i < image.numel(); i += 3) {
    const double r = p[i], g = p[i + 1], b = p[i + 2];
    const double most = std::max({r, g, b}), chroma = most - std::min({r, g, b});
    if (chroma == 0) continue;
    double hue = most == r ? (g - b) / chroma : most == g ? 2 + (b - r) / chroma : 4 + (r - g) / chroma;
    double saturation = chroma / most;
    f(hue, saturation);
    const double c = most * std::clamp(saturation, 0.0, 1.0);
    for (int k = 0; k < 3; ++k) {  // red, green, blue: how far the hue is from where each is strongest
      const double at = std::fmod(hue + 12 + (k == 0 ? 5 : k == 1 ? 3 : 1), 6.0);
      const double v = most - c * std::clamp(std::min(at, 4 - at), 0.0, 1.0);
      p[i + static_cast<std::size_t>(k)] = static_cast<T>(std::clamp(v + 0.5, 0.0, white));
    }
  }
}
template <class F> Image coloured(const Image& image, F&& f) {
  Image out = image;
  if (image.channels != 3) return out;
  image.bits == 8 ? coloured<std::uint8_t>(out, f) : coloured<std::uint16_t>(out, f);
  return out;
}

double white_of(const Image& image) { return image.bits == 8 ? 255 : 65535; }

double mean_grey(const Image& image) {
  const Image grey = to_grey(image);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < grey.numel(); ++i) {
    sum += grey.bits == 8 ? grey.data<std::uint8_t>()[i] : grey.data<std::uint16_t>()[i];
  }
  return static_cast<double>(sum) / static_cast<double>(std::max<std::size_t>(grey.numel(), 1));
}

}  // namespace

Image adjust_brightness(const Image& image, double factor) {
  return mapped(image, [=](double v) { return v * factor; });
}
Image shift_brightness(const Image& image, double share) {
  const double shift = share * white_of(image);
  return mapped(image, [=](double v) { return v + shift; });
}
Image adjust_contrast(const Image& image, double factor) {
  const double mean = std::floor(mean_grey(image) + 0.5);
  return mapped(image, [=](double v) { return mean + (v - mean) * factor; });
}
Image shift_hue(const Image& image, double share) {
  return coloured(image, [=](double& hue, double&) { hue += 3 * share; });
}
Image adjust_saturation(const Image& image, double factor) {
  return coloured(image, [=](double&, double& saturation) { saturation *= factor; });
}
Image adjust_gamma(const Image& image, double gamma) {
  const double white = white_of(image), most = white + 1 - 1e-3;
  return mapped(image, [=](double v) { return most * std::pow(v / white, gamma); });
}

// Steps.

Transformed ToneStep::apply(Image image, RandomStream& random) const {
  return {change_(image, low_ + (high_ - low_) * random.uniform()), {}};
}

Brightness::Brightness(double amount)
    : ToneStep(cat("brightness:", short_number(checked("brightness", amount, 0, 10))), adjust_brightness,
               std::max(0.0, 1 - amount), 1 + amount) {}
Contrast::Contrast(double amount)
    : ToneStep(cat("contrast:", short_number(checked("contrast", amount, 0, 10))), adjust_contrast,
               std::max(0.0, 1 - amount), 1 + amount) {}
BrightnessShift::BrightnessShift(double share)
    : ToneStep(cat("brightness-shift:", short_number(checked("brightness-shift", share, 0, 1))),
               shift_brightness, -share, share) {}
Hue::Hue(double share)
    : ToneStep(cat("hue:", short_number(checked("hue", share, 0, 1))), shift_hue, -share, share) {}
Saturation::Saturation(double amount)
    : ToneStep(cat("saturation:", short_number(checked("saturation", amount, 0, 10))), adjust_saturation,
               std::max(0.0, 1 - amount), 1 + amount) {}
Gamma::Gamma(double low, double high)
    : ToneStep(cat("gamma:", short_number(checked("gamma", low, 0.01, 100)), ":",
                   short_number(checked("gamma", high, low, 100))),
               adjust_gamma, low, high) {}

}  // namespace gadolin
