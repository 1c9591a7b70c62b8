#include "tasks/colours.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gadolin {
namespace {

double to_srgb(double linear) {
  const double v = std::clamp(linear, 0.0, 1.0);
  return v <= 0.0031308 ? 12.92 * v : 1.055 * std::pow(v, 1 / 2.4) - 0.055;
}

// OKLab: B. Ottosson, "A perceptual color space for image processing", 2020. `hue` in degrees.
Colour from_oklab(double lightness, double chroma, double hue) {
  const double angle = hue * std::numbers::pi / 180;
  const double a = chroma * std::cos(angle), b = chroma * std::sin(angle);
  const auto cube = [](double v) { return v * v * v; };
  const double l = cube(lightness + 0.3963377774 * a + 0.2158037573 * b);
  const double m = cube(lightness - 0.1055613458 * a - 0.0638541728 * b);
  const double s = cube(lightness - 0.0894841775 * a - 1.2914855480 * b);
  return {to_srgb(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
          to_srgb(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
          to_srgb(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s)};
}

}  // namespace

Colour heat_colour(double value) {
  const double t = std::clamp(value, 0.0, 1.0);
  return from_oklab(0.25 + 0.7 * t, 0.05 + 0.16 * std::sin(std::numbers::pi * (0.15 + 0.72 * t)),
                    300 + 165 * t);
}

const Colour good_colour{0, 158 / 255.0, 115 / 255.0}, bad_colour{213 / 255.0, 94 / 255.0, 0};

// The golden angle spreads any number of hues; three lightnesses keep hues apart that come close.
Colour class_colour(int number) {
  constexpr double golden_angle = 137.50776405003785, lightness[] = {0.62, 0.85, 0.72};
  static constexpr int first[7][3] = {{230, 159, 0},   {86, 180, 233}, {0, 158, 115}, {240, 228, 66},
                                      {204, 121, 167}, {213, 94, 0},   {0, 114, 178}};
  if (number >= 0 && number < 7)
    return {first[number][0] / 255.0, first[number][1] / 255.0, first[number][2] / 255.0};
  return from_oklab(lightness[(number % 3 + 3) % 3], 0.18, 295 + golden_angle * number);
}

Colour ink_on(const Colour& c) {
  const auto linear = [](double v) { return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); };
  const double luminance = 0.2126 * linear(c.red) + 0.7152 * linear(c.green) + 0.0722 * linear(c.blue);
  return luminance > 0.179 ? Colour{0, 0, 0} : Colour{1, 1, 1};  // equal contrast by WCAG 2.1
}

}  // namespace gadolin
