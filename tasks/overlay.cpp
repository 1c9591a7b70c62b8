#include "tasks/overlay.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tensor/check.h"

namespace gadolin {
namespace {

// Where along one side of the net's input a pixel of the picture lies: input = (pixel - first) / step, both
// in pixel numbers.
struct Axis {
  double first = 0, step = 1;
  double at(int pixel) const { return (pixel - first) / step; }
};

// The pipeline is asked rather than understood: it gets a picture whose grey values are the places
// themselves, and another one that tells what is picture and what the pipeline added.
Axis axis_of(const Pipeline& pipeline, int width, int height, bool across) {
  const int length = across ? width : height;
  Image ramp(width, height, 1, 16), cover(width, height, 1, 16);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const double place = length > 1 ? 65535.0 * (across ? x : y) / (length - 1) : 0;
      ramp.row<std::uint16_t>(y)[x] = static_cast<std::uint16_t>(std::lround(place));
      cover.row<std::uint16_t>(y)[x] = 65535;
    }
  }
  const Image seen = pipeline.apply(ramp, {}), covered = pipeline.apply(cover, {});
  const auto value = [&](const Image& image, int i) {
    const int x = across ? i : image.width / 2, y = across ? image.height / 2 : i;
    const std::size_t at =
        (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(x)) *
        static_cast<std::size_t>(image.channels);
    return image.bits == 16 ? image.data<std::uint16_t>()[at] / 65535.0
                            : image.data<std::uint8_t>()[at] / 255.0;
  };
  std::vector<int> inside;
  const int input = across ? seen.width : seen.height;
  for (int i = 0; i < input; ++i) {
    if (value(covered, i) > 0.999) inside.push_back(i);
  }
  const double whole = static_cast<double>(length) / input;
  if (inside.size() < 2) return {(whole - 1) / 2, whole};
  // Away from the ends, where resizing sees neighbours on one side only.
  const int low = inside[inside.size() / 4],
            high = inside[std::max(inside.size() - 1 - inside.size() / 4, inside.size() / 4 + 1)];
  const double step = (value(seen, high) - value(seen, low)) * (length - 1) / (high - low);
  if (!(step > 0)) return {(whole - 1) / 2, whole};
  return {value(seen, low) * (length - 1) - low * step, step};
}

// Bilinear, with the edge's value beyond it; `place` in pixels of the map.
struct Between {
  std::int64_t low, high;
  double share;
};
Between between(double place, std::int64_t size) {
  const double inside = std::clamp(place, 0.0, static_cast<double>(size - 1));
  const auto low = static_cast<std::int64_t>(inside);
  return {low, std::min(low + 1, size - 1), inside - static_cast<double>(low)};
}

double to_srgb(double linear) {
  const double v = std::clamp(linear, 0.0, 1.0);
  return v <= 0.0031308 ? 12.92 * v : 1.055 * std::pow(v, 1 / 2.4) - 0.055;
}

}  // namespace

// OKLab: B. Ottosson, "A perceptual color space for image processing", 2020.
Colour heat_colour(double value) {
  const double t = std::clamp(value, 0.0, 1.0), lightness = 0.25 + 0.7 * t;
  const double chroma = 0.05 + 0.16 * std::sin(std::numbers::pi * (0.15 + 0.72 * t));
  const double hue = (300 + 165 * t) * std::numbers::pi / 180;
  const double a = chroma * std::cos(hue), b = chroma * std::sin(hue);
  const auto cube = [](double v) { return v * v * v; };
  const double l = cube(lightness + 0.3963377774 * a + 0.2158037573 * b);
  const double m = cube(lightness - 0.1055613458 * a - 0.0638541728 * b);
  const double s = cube(lightness - 0.0894841775 * a - 1.2914855480 * b);
  return {to_srgb(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
          to_srgb(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
          to_srgb(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s)};
}

Image overlay(const Image& picture, const Pipeline& pipeline, const Tensor& heat, double alpha) {
  require<ShapeError>(heat.dim() == 2 && heat.numel() > 0, "overlay: heat ", heat.shape(), " is not [h, w]");
  Image result = to_rgb(to_8bit(picture));
  const Axis across = axis_of(pipeline, picture.width, picture.height, true),
             down = axis_of(pipeline, picture.width, picture.height, false);
  const Image input = pipeline.apply(Image(picture.width, picture.height, 1), {});
  const std::vector<double> map = heat.to_vector<double>();
  const std::int64_t h = heat.size(0), w = heat.size(1);
  for (int y = 0; y < result.height; ++y) {
    const double v = down.at(y);
    if (v < -0.5 || v > input.height - 0.5) continue;
    const Between row = between((v + 0.5) * static_cast<double>(h) / input.height - 0.5, h);
    for (int x = 0; x < result.width; ++x) {
      const double u = across.at(x);
      if (u < -0.5 || u > input.width - 0.5) continue;
      const Between column = between((u + 0.5) * static_cast<double>(w) / input.width - 0.5, w);
      const auto at = [&](std::int64_t i, std::int64_t k) {
        return map[static_cast<std::size_t>(i * w + k)];
      };
      const double upper = std::lerp(at(row.low, column.low), at(row.low, column.high), column.share);
      const double lower = std::lerp(at(row.high, column.low), at(row.high, column.high), column.share);
      const double value = std::lerp(upper, lower, row.share), cover = alpha * value;
      const Colour colour = heat_colour(value);
      std::uint8_t* pixel = result.row<std::uint8_t>(y) + 3 * x;
      const double parts[3] = {colour.red, colour.green, colour.blue};
      for (int c = 0; c < 3; ++c)
        pixel[c] = static_cast<std::uint8_t>(std::lround(std::lerp(pixel[c], 255 * parts[c], cover)));
    }
  }
  return result;
}

}  // namespace gadolin
