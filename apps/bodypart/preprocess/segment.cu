// The body apart from its background: local threshold, connected components by union-find in one pass, the
// large ones kept.
#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <vector>

#include "apps/bodypart/preprocess/host.h"
#include "apps/bodypart/preprocess/lanes.h"
#include "apps/bodypart/preprocess/preprocess.h"
#include "tensor/cpu/parallel.h"

namespace gadolin {
namespace {

using namespace detail;

Tensor to_one_channel(const Tensor& image) {
  if (image.size(2) == 1) return image;
  const std::int64_t n = image.size(0) * image.size(1);
  const Tensor grey = empty({image.size(0), image.size(1), 1}, DType::uint8, image.device());
  const GreyAll work{image.data<std::uint8_t>(), grey.data<std::uint8_t>(), n, 3};
  if (by_lanes(image))
    run_lanes("segment_target", image.device(), n, work);
  else
    work(0, 1);
  return grey;
}

// Rows begin to end of the threshold: 255 where dark. Sums of columns roll down, sums of 51 of them roll to
// the right.
void threshold_rows(const std::uint8_t* in, std::uint8_t* out, std::int64_t width, std::int64_t height,
                    std::int64_t begin, std::int64_t end) {
  const auto row = [&](std::int64_t y) { return in + std::clamp<std::int64_t>(y, 0, height - 1) * width; };
  constexpr std::int64_t r = window_radius;
  std::vector<std::int32_t> column(static_cast<std::size_t>(width + 2 * r + 1)),
      step(static_cast<std::size_t>(width));
  std::int32_t* c = column.data() + r;
  for (std::int64_t y = begin - r; y <= begin + r; ++y) {
    const std::uint8_t* p = row(y);
    for (std::int64_t x = 0; x < width; ++x) c[x] += p[x];
  }
  for (std::int64_t y = begin; y < end; ++y) {
    std::fill(c - r, c, c[0]);
    std::fill(c + width, c + width + r + 1, c[width - 1]);
    for (std::int64_t x = 0; x < width; ++x) step[static_cast<std::size_t>(x)] = c[x + r + 1] - c[x - r];
    std::int32_t sum = 0;
    for (std::int64_t x = -r; x <= r; ++x) sum += c[std::min(x, width - 1)];
    for (std::int64_t x = 0; x < width; ++x) {
      const std::int32_t now = sum;
      sum += step[static_cast<std::size_t>(x)];
      step[static_cast<std::size_t>(x)] = now;
    }
    const std::uint8_t* p = row(y);
    std::uint8_t* to = out + y * width;
    for (std::int64_t x = 0; x < width; ++x)
      to[x] = is_dark(p[x], step[static_cast<std::size_t>(x)]) ? 255 : 0;
    const std::uint8_t *gone = row(y - r), *come = row(y + r + 1);
    for (std::int64_t x = 0; x < width; ++x) c[x] += come[x] - gone[x];
  }
}

// Dark pixels side by side: [begin, end) of a row, and a box that grows at the root.
struct Run {
  std::int32_t begin, end, row, left, right, top;
};

// First place from x on that holds 0 or 255, eight bytes at a time; width when there is none.
template <int level> std::int64_t first_of(const std::uint8_t* p, std::int64_t x, std::int64_t width) {
  for (; x + 8 <= width; x += 8) {
    std::uint64_t word;
    std::memcpy(&word, p + x, 8);
    if (level == 0) word = ~word;
    if (word != 0) return x + std::countr_zero(word) / 8;
  }
  while (x < width && p[x] != level) ++x;
  return x < width ? x : width;
}

void keep_large_runs(std::uint8_t* mask, std::int64_t width, std::int64_t height) {
  std::vector<Run> runs;
  std::vector<std::int32_t> labels;
  std::size_t above = 0, above_end = 0;
  for (std::int64_t y = 0; y < height; ++y) {
    const std::uint8_t* p = mask + y * width;
    const std::size_t first = runs.size();
    for (std::int64_t x = first_of<255>(p, 0, width); x < width;) {
      const std::int64_t end = first_of<0>(p, x + 1, width);
      const auto label = static_cast<std::int32_t>(runs.size());
      const auto x0 = static_cast<std::int32_t>(x), x1 = static_cast<std::int32_t>(end),
                 at = static_cast<std::int32_t>(y);
      runs.push_back({x0, x1, at, x0, x1, at});
      while (above < above_end && runs[above].end < x)
        ++above;  // 8-connected: one column beyond either end touches
      std::size_t k = above;
      const bool joins = k < above_end && runs[k].begin <= end;
      labels.push_back(joins ? root_of(labels.data(), static_cast<std::int32_t>(k)) : label);
      if (joins) {
        for (++k; k < above_end && runs[k].begin <= end; ++k)
          unite(labels.data(), label, static_cast<std::int32_t>(k));
      }
      x = first_of<255>(p, end + 1, width);
    }
    above = first;
    above_end = runs.size();
  }
  // A root is the lowest number of its component, so it begins at the top.
  std::vector<std::int32_t> bottom(runs.size());
  for (std::size_t i = 0; i < runs.size(); ++i) {
    labels[i] = root_of(labels.data(), static_cast<std::int32_t>(i));
    const auto root = static_cast<std::size_t>(labels[i]);
    runs[root].left = std::min(runs[root].left, runs[i].begin);
    runs[root].right = std::max(runs[root].right, runs[i].end);
    bottom[root] = runs[i].row;
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto at = static_cast<std::size_t>(labels[i]);
    const Run& root = runs[at];
    if (!is_large(root.right - root.left, bottom[at] - root.top + 1, width, height)) {
      std::memset(mask + runs[i].row * width + runs[i].begin, 0,
                  static_cast<std::size_t>(runs[i].end - runs[i].begin));
    }
  }
}

void segment_by_lanes(const Tensor& grey, const Tensor& mask) {
  const std::int64_t height = grey.size(0), width = grey.size(1), n = width * height;
  const Device device = grey.device();
  const std::uint8_t* in = grey.data<std::uint8_t>();
  const Tensor sums = empty({n}, DType::int32, device), labels = empty({n}, DType::int32, device);
  Tensor boxes = empty({4, n}, DType::int32, device);
  boxes.fill_(std::numeric_limits<std::int32_t>::min());
  std::int32_t *s = sums.data<std::int32_t>(), *l = labels.data<std::int32_t>(),
               *b = boxes.data<std::int32_t>();
  run_lanes("segment_target", device, n, RowSums{in, s, width, height});
  run_lanes("segment_target", device, n, Threshold{in, s, l, width, height});
  run_lanes("segment_target", device, n, Link{l, width, height});
  run_lanes("segment_target", device, n, Boxes{l, b, width, height});
  run_lanes("segment_target", device, n, KeepLarge{l, b, mask.data<std::uint8_t>(), width, height});
}

}  // namespace

void detail::segment(const std::uint8_t* in, std::uint8_t* mask, std::int64_t width, std::int64_t height) {
  parallel_for(height, 128, [=](std::int64_t begin, std::int64_t end) {
    threshold_rows(in, mask, width, height, begin, end);
  });
  keep_large_runs(mask, width, height);
}

Tensor segment_target(const Tensor& image, int factor) {
  check_picture("segment_target", image);
  check_value("segment_target", "factor", factor, 1, 10);
  const Tensor grey = to_one_channel(enhance_contrast(image, factor));
  const Tensor mask = empty(grey.shape(), DType::uint8, grey.device());
  if (mask.numel() == 0) return mask;
  if (by_lanes(grey)) {
    segment_by_lanes(grey, mask);
    return mask;
  }
  segment(grey.data<std::uint8_t>(), mask.data<std::uint8_t>(), grey.size(1), grey.size(0));
  return mask;
}

}  // namespace gadolin
