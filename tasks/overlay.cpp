#include "tasks/overlay.h"

#include <algorithm>
#include <cmath>

#include "tasks/colours.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

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

}  // namespace

Image overlay(const Image& picture, const Transformed& seen, const Tensor& heat, double alpha) {
  require<ShapeError>(heat.dim() == 2 && heat.numel() > 0, "overlay: heat ", heat.shape(), " is not [h, w]");
  Image result = to_rgb(to_8bit(picture));
  const std::vector<double> values = heat.to_vector<double>();
  const std::int64_t h = heat.size(0), w = heat.size(1);
  const double width = seen.image.width, height = seen.image.height;
  // Straight to the pixels of the heat map.
  const Affine map =
      seen.map.then(Affine::scale(static_cast<double>(w) / width, static_cast<double>(h) / height));
  for (int y = 0; y < result.height; ++y) {
    for (int x = 0; x < result.width; ++x) {
      const Point at = map({x + 0.5, y + 0.5});
      if (!(at.x >= 0 && at.x <= static_cast<double>(w) && at.y >= 0 && at.y <= static_cast<double>(h)))
        continue;
      const Between row = between(at.y - 0.5, h), column = between(at.x - 0.5, w);
      const auto value_at = [&](std::int64_t i, std::int64_t k) {
        return values[static_cast<std::size_t>(i * w + k)];
      };
      const double upper =
          std::lerp(value_at(row.low, column.low), value_at(row.low, column.high), column.share);
      const double lower =
          std::lerp(value_at(row.high, column.low), value_at(row.high, column.high), column.share);
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
