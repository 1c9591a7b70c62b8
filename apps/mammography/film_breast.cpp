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

using Counts = std::array<std::int64_t, levels>;  // of pixels at each level

// Otsu's threshold of the levels 0 to `end`: the level above which the brighter class begins, and the share
// of the variance that lies between the classes. Where nothing lies between them every level is as good; it
// is the middle one.
struct Threshold {
  int level = 0;
  double between = 0;
};
Threshold otsu(const Counts& count, int end) {
  double total = 0, sum = 0, squares = 0;
  for (int i = 0; i < end; ++i) {
    const auto n = static_cast<double>(count[static_cast<std::size_t>(i)]);
    total += n;
    sum += i * n;
    squares += static_cast<double>(i) * i * n;
  }
  double below = 0, sum_below = 0, best = 0;
  int first = 0, last = 0;
  for (int i = 0; i + 1 < end; ++i) {
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
  const double all = total * squares - sum * sum;
  return {(first + last) / 2, all > 0 ? best / all : 0};
}

// A plate of metal is so bright that the threshold falls between it and all else. Then the second one, among
// the darker levels, finds the breast, if there are two classes at all: of noise alone less than four fifths
// of the variance lie between them.
int breast_threshold(const Counts& count, std::int64_t pixels) {
  const int whole = otsu(count, levels).level;
  std::int64_t bright = 0;
  for (int i = whole + 1; i < levels; ++i) bright += count[static_cast<std::size_t>(i)];
  if (bright * 10 > pixels) return whole;
  const Threshold darker = otsu(count, whole + 1);
  return darker.between > 0.8 ? darker.level : whole;
}

// The outline of a breast is highest where it leaves the film. Of one that is as high on both sides: the edge
// of the film that it is nearer to.
Wall wall_of(const Breast& breast, int width) {
  const Box& b = breast.box;
  const int band = std::max(1, b.width / 10);
  std::int64_t left = 0, right = 0;
  for (int y = b.y; y < b.y + b.height; ++y) {
    const auto row = breast.mask.begin() + static_cast<std::ptrdiff_t>(y) * width + b.x;
    left += std::count(row, row + band, true);
    right += std::count(row + b.width - band, row + b.width, true);
  }
  if (left == right) return b.x > width - b.x - b.width ? Wall::right : Wall::left;
  return right > left ? Wall::right : Wall::left;
}

}  // namespace

const char* wall_name(Wall wall) { return wall == Wall::left ? "left" : "right"; }

Breast find_breast(const PhysicalImage& film, std::string_view name) {
  const Leveller level = leveller_of(film, name);
  Counts count{};
  for (const float v : film.values) ++count[static_cast<std::size_t>(std::max(level(v), 0))];
  const int threshold = breast_threshold(count, std::ssize(film.values));
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
