// Steps that change values but not places: brightness, a shift of it, contrast, gamma.
#include <algorithm>
#include <array>
#include <cmath>

#include "data/image/transform_steps.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

// Applies f, a function of 0..white, to every sample; by a table for 8 bits.
template <class F>
Image mapped(const Image& image, F&& f) {
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

namespace detail {
namespace {

class Tone : public Transform {
 public:
  Tone(std::string name, Image (*change)(const Image&, double), double low, double high)
      : name_(std::move(name)), change_(change), low_(low), high_(high) {}
  Image apply(Image image, RandomStream& random) const override {
    return change_(image, low_ + (high_ - low_) * random.uniform());
  }
  std::string text() const override { return cat(name_, ":", short_number(low_), ":", short_number(high_)); }

 protected:
  std::string name_;
  Image (*change_)(const Image&, double);
  double low_, high_;
};

// Factor in 1 - amount .. 1 + amount.
class SymmetricTone : public Tone {
 public:
  SymmetricTone(std::string name, Image (*change)(const Image&, double), double amount)
      : Tone(std::move(name), change, std::max(0.0, 1 - amount), 1 + amount), amount_(amount) {}
  std::string text() const override { return cat(name_, ":", short_number(amount_)); }

 private:
  double amount_;
};

// By a share of white in -amount .. amount.
class Shift : public Tone {
 public:
  explicit Shift(double amount) : Tone("brightness-shift", shift_brightness, -amount, amount) {}
  std::string text() const override { return cat(name_, ":", short_number(high_)); }
};

}  // namespace

std::shared_ptr<const Transform> make_tone_step(StepText& t) {
  if (t.name == "brightness" || t.name == "contrast") {
    t.usage = cat(t.name, ":AMOUNT");
    t.counts(1, 1);
    return std::make_shared<SymmetricTone>(t.name, t.name == "contrast" ? adjust_contrast : adjust_brightness,
                                           t.number(0, 0, 10));
  }
  if (t.name == "brightness-shift") {
    t.usage = "brightness-shift:SHARE";
    t.counts(1, 1);
    return std::make_shared<Shift>(t.number(0, 0, 1));
  }
  if (t.name == "gamma") {
    t.usage = "gamma:LO:HI";
    t.counts(2, 2);
    const double low = t.number(0, 0.01, 100);
    return std::make_shared<Tone>(t.name, adjust_gamma, low, t.number(1, low, 100));
  }
  return nullptr;
}

}  // namespace detail
}  // namespace gadolin
