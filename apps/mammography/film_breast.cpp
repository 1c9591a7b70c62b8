// Where on a film the breast is.
#include <algorithm>
#include <array>
#include <cmath>

#include "apps/mammography/film.h"
#include "apps/mammography/film_component.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace {

constexpr int levels = 4096;

// Levels of values, 0 the darkest; padding is -1.
struct Leveller {
  double low, step;
  bool inverted;
  int operator()(float v) const {
    if (std::isnan(v)) return -1;
    return std::min(levels - 1, static_cast<int>(((inverted ? -v : v) - low) / step));
  }
};

Leveller leveller_of(const PhysicalImage& film, std::string_view name) {
  float low = INFINITY, high = -INFINITY;
  for (const float v : film.values) {
    if (std::isnan(v)) continue;
    low = std::min(low, v);
    high = std::max(high, v);
  }
  require<DataError>(low <= high, "film: ", printable(name), ": there is nothing but padding");
  require<DataError>(low < high, "film: ", printable(name), ": every value is ", low,
                     "; nothing can be seen");
  return {film.inverted ? -high : low, (double{high} - low) / levels, film.inverted};
}

// The level above which the brighter class begins. Between two classes with nothing between them every level
// is as good; it is the middle one.
int otsu(const std::array<std::int64_t, levels>& count) {
  double total = 0, sum = 0;
  for (int i = 0; i < levels; ++i) {
    total += static_cast<double>(count[static_cast<std::size_t>(i)]);
    sum += i * static_cast<double>(count[static_cast<std::size_t>(i)]);
  }
  double below = 0, sum_below = 0, best = -1;
  int first = 0, last = 0;
  for (int i = 0; i + 1 < levels; ++i) {
    below += static_cast<double>(count[static_cast<std::size_t>(i)]);
    sum_below += i * static_cast<double>(count[static_cast<std::size_t>(i)]);
    if (below == 0 || below == total) continue;
    const double gap = sum_below / below - (sum - sum_below) / (total - below),
                 between = below * (total - below) * gap * gap;
    if (between > best) {
      best = between;
      first = i;
    }
    if (between == best) last = i;
  }
  return (first + last) / 2;
}

// The outline of a breast is highest where it leaves the film.
Wall wall_of(const Breast& breast, int width) {
  const Box& b = breast.box;
  const int band = std::max(1, b.width / 10);
  std::int64_t left = 0, right = 0;
  for (int y = b.y; y < b.y + b.height; ++y) {
    const auto row = breast.mask.begin() + static_cast<std::ptrdiff_t>(y) * width + b.x;
    left += std::count(row, row + band, true);
    right += std::count(row + b.width - band, row + b.width, true);
  }
  return right > left ? Wall::right : Wall::left;
}

}  // namespace

const char* wall_name(Wall wall) { return wall == Wall::left ? "left" : "right"; }

Breast find_breast(const PhysicalImage& film, std::string_view name) {
  const Leveller level = leveller_of(film, name);
  std::array<std::int64_t, levels> count{};
  for (const float v : film.values) ++count[static_cast<std::size_t>(std::max(level(v), 0))];
  const int threshold = otsu(count);
  Breast breast;
  breast.mask.resize(film.values.size());
  for (std::size_t i = 0; i < film.values.size(); ++i) breast.mask[i] = level(film.values[i]) > threshold;
  const Component kept = keep_largest(breast.mask, film.width, film.height);
  breast.box = kept.box;
  breast.pixels = kept.pixels;
  breast.wall = wall_of(breast, film.width);
  return breast;
}

}  // namespace gadolin::mammography
