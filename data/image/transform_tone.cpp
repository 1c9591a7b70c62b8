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
Gamma::Gamma(double low, double high)
    : ToneStep(cat("gamma:", short_number(checked("gamma", low, 0.01, 100)), ":",
                   short_number(checked("gamma", high, low, 100))),
               adjust_gamma, low, high) {}

}  // namespace gadolin
