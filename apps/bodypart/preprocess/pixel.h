// What a GPU does to pixels when it preprocesses, as functors that the host runs too: integers only, so the
// order of threads cannot be seen in the result.
#pragma once

#include <cstdint>

#include "tensor/half.h"

namespace gadolin::detail {

// Sums and extremes that many threads share: those of a GPU, or of the device made of software, for which no
// nvcc reads this.
#if defined(__CUDA_ARCH__) || (defined(__CUDACC__) && !defined(__NVCC__))
#define GADOLIN_THREADS_SHARE 1
#endif
GADOLIN_HD void add_to(std::int64_t* place, std::int64_t v) {
#ifdef GADOLIN_THREADS_SHARE
  atomicAdd(reinterpret_cast<unsigned long long*>(place), static_cast<unsigned long long>(v));
#else
  *place += v;
#endif
}
GADOLIN_HD void raise_to(std::int64_t* place, std::int64_t v) {
#ifdef GADOLIN_THREADS_SHARE
  atomicMax(reinterpret_cast<long long*>(place), static_cast<long long>(v));
#else
  if (*place < v) *place = v;
#endif
}
GADOLIN_HD void raise_to(std::int32_t* place, std::int32_t v) {
#ifdef GADOLIN_THREADS_SHARE
  atomicMax(place, v);
#else
  if (*place < v) *place = v;
#endif
}
// Returns what stood there.
GADOLIN_HD std::int32_t lower_to(std::int32_t* place, std::int32_t v) {
#ifdef GADOLIN_THREADS_SHARE
  return atomicMin(place, v);
#else
  const std::int32_t before = *place;
  if (v < before) *place = v;
  return before;
#endif
}
// The same for what every lane has: lanes of a GPU come in whole warps, and a warp goes to the place once.
// The few lanes of the host do not.
GADOLIN_HD void add_of_all(std::int64_t* place, std::int64_t v, [[maybe_unused]] std::int64_t lanes) {
#ifdef GADOLIN_THREADS_SHARE
  if (lanes % 32 == 0) {
    for (int by = 16; by > 0; by /= 2) v += __shfl_xor_sync(0xffffffffu, v, by);
    if (threadIdx.x % 32 != 0) return;
  }
#endif
  add_to(place, v);
}
GADOLIN_HD void raise_of_all(std::int64_t* place, std::int64_t v, [[maybe_unused]] std::int64_t lanes) {
#ifdef GADOLIN_THREADS_SHARE
  if (lanes % 32 == 0) {
    for (int by = 16; by > 0; by /= 2) {
      const std::int64_t other = __shfl_xor_sync(0xffffffffu, v, by);
      v = other > v ? other : v;
    }
    if (threadIdx.x % 32 != 0) return;
  }
#endif
  raise_to(place, v);
}

// p - p mod 2^(8 - bits).
GADOLIN_HD std::uint8_t keep_bits(std::uint8_t p, int bits) {
  return static_cast<std::uint8_t>(p & (0xff00 >> bits));
}

// Pillow's luminance of a colour, rounded.
GADOLIN_HD int luma(int r, int g, int b) { return (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16; }
GADOLIN_HD int grey_at(const std::uint8_t* pixels, std::int64_t i, int channels) {
  return channels == 1 ? pixels[i] : luma(pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]);
}

struct Stretch {
  std::int16_t mean, factor;
  GADOLIN_HD std::uint8_t operator()(std::uint8_t p) const {
    const auto v = static_cast<std::int16_t>(mean + factor * (p - mean));
    return static_cast<std::uint8_t>(v < 0 ? 0 : v > 255 ? 255 : v);
  }
};
// The mean rounded: floor(sum / n + 1/2).
inline Stretch stretch_of(std::int64_t sum, std::int64_t n, int factor) {
  return {static_cast<std::int16_t>(n == 0 ? 0 : (2 * sum + n) / (2 * n)), static_cast<std::int16_t>(factor)};
}

constexpr int window_radius = 25, window_area = 51 * 51, margin = 2, size_divisor = 15;
// p <= round(sum / area) - 2 without a division. The area is odd, so no mean lies in the middle between two
// levels.
GADOLIN_HD bool is_dark(int p, std::int32_t window_sum) {
  return 2 * window_sum + window_area >= 2 * window_area * (p + margin);
}
GADOLIN_HD bool is_large(std::int64_t width, std::int64_t height, std::int64_t columns, std::int64_t rows) {
  return height * size_divisor > rows || width * size_divisor > columns;
}

// Lanes share the work: lane l takes l, l + lanes, ...
struct KeepBits {
  const std::uint8_t* in;
  std::uint8_t* out;
  std::int64_t n;
  int bits;
  GADOLIN_HD void operator()(std::int64_t lane, std::int64_t lanes) const {
    for (std::int64_t i = lane; i < n; i += lanes) out[i] = keep_bits(in[i], bits);
  }
};
struct SumGrey {
  const std::uint8_t* in;
  std::int64_t* sum;
  std::int64_t n;
  int channels;
  GADOLIN_HD void operator()(std::int64_t lane, std::int64_t lanes) const {
    std::int64_t here = 0;
    for (std::int64_t i = lane; i < n; i += lanes) here += grey_at(in, i, channels);
    add_of_all(sum, here, lanes);
  }
};
struct StretchAll {
  const std::uint8_t* in;
  std::uint8_t* out;
  std::int64_t n;
  Stretch stretch;
  GADOLIN_HD void operator()(std::int64_t lane, std::int64_t lanes) const {
    for (std::int64_t i = lane; i < n; i += lanes) out[i] = stretch(in[i]);
  }
};
struct GreyAll {
  const std::uint8_t* in;
  std::uint8_t* out;
  std::int64_t n;
  int channels;
  GADOLIN_HD void operator()(std::int64_t lane, std::int64_t lanes) const {
    for (std::int64_t i = lane; i < n; i += lanes)
      out[i] = static_cast<std::uint8_t>(grey_at(in, i, channels));
  }
};
struct Mask {
  const std::uint8_t *in, *mask;
  std::uint8_t* out;
  std::int64_t n;
  int channels;
  GADOLIN_HD void operator()(std::int64_t lane, std::int64_t lanes) const {
    for (std::int64_t i = lane; i < n; i += lanes) out[i] = mask[i / channels] ? in[i] : std::uint8_t{0};
  }
};

// Sums of 51 samples along rows, then of 51 of those along columns and the comparison.
struct RowSums {
  const std::uint8_t* in;
  std::int32_t* out;
  std::int64_t width, height;
  GADOLIN_HD void operator()(std::int64_t lane, std::int64_t lanes) const {
    for (std::int64_t i = lane; i < width * height; i += lanes) {
      const std::int64_t x = i % width, row = i - x;
      std::int32_t sum = 0;
      for (std::int64_t k = x - window_radius; k <= x + window_radius; ++k)
        sum += in[row + (k < 0 ? 0 : k >= width ? width - 1 : k)];
      out[i] = sum;
    }
  }
};
struct Threshold {
  const std::uint8_t* in;
  const std::int32_t* row_sums;
  std::int32_t* labels;  // a dark pixel is its own component, others have -1
  std::int64_t width, height;
  GADOLIN_HD void operator()(std::int64_t lane, std::int64_t lanes) const {
    for (std::int64_t i = lane; i < width * height; i += lanes) {
      const std::int64_t x = i % width, y = i / width;
      std::int32_t sum = 0;
      for (std::int64_t k = y - window_radius; k <= y + window_radius; ++k)
        sum += row_sums[(k < 0 ? 0 : k >= height ? height - 1 : k) * width + x];
      labels[i] = is_dark(in[i], sum) ? static_cast<std::int32_t>(i) : -1;
    }
  }
};

// Trees of labels: a label points to a lower one of its component, the root to itself.
GADOLIN_HD std::int32_t root_of(const std::int32_t* labels, std::int32_t i) {
  const volatile std::int32_t* now = labels;  // other threads lower them
  while (now[i] != i) i = now[i];
  return i;
}
GADOLIN_HD void unite(std::int32_t* labels, std::int32_t a, std::int32_t b) {
  for (;;) {
    a = root_of(labels, a);
    b = root_of(labels, b);
    if (a == b) return;
    if (a < b) {
      const std::int32_t held = a;
      a = b;
      b = held;
    }
    const std::int32_t before = lower_to(labels + a, b);
    if (before == a) return;
    a = before;  // somebody else hung it elsewhere meanwhile: that tree has to be joined
  }
}
struct Link {
  std::int32_t* labels;
  std::int64_t width, height;
  GADOLIN_HD void operator()(std::int64_t lane, std::int64_t lanes) const {
    const volatile std::int32_t* now = labels;  // other threads lower them, though never below 0
    for (std::int64_t i = lane; i < width * height; i += lanes) {
      if (now[i] < 0) continue;
      const std::int64_t x = i % width;
      const auto join = [&](std::int64_t other) {
        if (now[other] >= 0) unite(labels, static_cast<std::int32_t>(i), static_cast<std::int32_t>(other));
      };
      if (x > 0) join(i - 1);
      if (i < width) continue;
      join(i - width);
      if (x > 0) join(i - width - 1);
      if (x + 1 < width) join(i - width + 1);
    }
  }
};
// Bounding boxes at the roots: first and last row and column.
struct Boxes {
  const std::int32_t* labels;
  std::int32_t* boxes;  // [4, n]: -1 - first x, last x, -1 - first y, last y; begin at the least int
  std::int64_t width, height;
  GADOLIN_HD void operator()(std::int64_t lane, std::int64_t lanes) const {
    const std::int64_t n = width * height;
    for (std::int64_t i = lane; i < n; i += lanes) {
      if (labels[i] < 0) continue;
      const std::int32_t root = root_of(labels, static_cast<std::int32_t>(i));
      const auto x = static_cast<std::int32_t>(i % width), y = static_cast<std::int32_t>(i / width);
      raise_to(boxes + root, -1 - x);
      raise_to(boxes + n + root, x);
      raise_to(boxes + 2 * n + root, -1 - y);
      raise_to(boxes + 3 * n + root, y);
    }
  }
};
struct KeepLarge {
  const std::int32_t *labels, *boxes;
  std::uint8_t* mask;
  std::int64_t width, height;
  GADOLIN_HD void operator()(std::int64_t lane, std::int64_t lanes) const {
    const std::int64_t n = width * height;
    for (std::int64_t i = lane; i < n; i += lanes) {
      mask[i] = 0;
      if (labels[i] < 0) continue;
      const std::int32_t root = root_of(labels, static_cast<std::int32_t>(i));
      const std::int64_t w = boxes[n + root] + boxes[root] + 2,
                         h = boxes[3 * n + root] + boxes[2 * n + root] + 2;
      mask[i] = is_large(w, h, width, height) ? 255 : 0;
    }
  }
};

// Centres of k-means with 8 fractional bits. The nearest to colour p is the k with the least |c|^2 / 2 - p c,
// in 1/256.
constexpr int most_centers = 10;
struct Centers {
  int count = 0, channels = 3;
  std::int32_t at[most_centers][3] = {}, half_norm[most_centers] = {};
};
GADOLIN_HD std::int32_t score(const Centers& c, int k, std::int32_t r, std::int32_t g, std::int32_t b) {
  return c.half_norm[k] - (r * c.at[k][0] + g * c.at[k][1] + b * c.at[k][2]);
}
GADOLIN_HD int nearest_center(const Centers& c, std::int32_t r, std::int32_t g, std::int32_t b) {
  int best = 0;
  std::int32_t least = score(c, 0, r, g, b);
  for (int k = 1; k < c.count; ++k) {
    const std::int32_t s = score(c, k, r, g, b);
    if (s < least) {
      least = s;
      best = k;
    }
  }
  return best;
}
// Grey is a colour whose other channels are 0.
struct Rgb {
  std::int32_t r, g, b;
};
GADOLIN_HD Rgb colour_at(const std::uint8_t* pixels, std::int64_t i, int channels) {
  if (channels == 1) return {pixels[i], 0, 0};
  return {pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]};
}
// Distance of a colour from centre k and the colour in one number: the farthest, and of several the first, is
// the largest.
GADOLIN_HD std::int64_t distance_key(const Centers& c, int k, const Rgb& p) {
  const std::int64_t r = p.r * 256 - c.at[k][0], g = p.g * 256 - c.at[k][1], b = p.b * 256 - c.at[k][2];
  return ((r * r + g * g + b * b) << 24) | (0xffffff - (p.r << 16 | p.g << 8 | p.b));
}
// totals [10, 4]: sums of the channels and number of pixels of each cluster.
struct Assign {
  const std::uint8_t* in;
  std::int64_t* totals;
  std::int64_t n;
  Centers centers;
  GADOLIN_HD void operator()(std::int64_t lane, std::int64_t lanes) const {
    std::int64_t here[most_centers][4] = {};
    for (std::int64_t i = lane; i < n; i += lanes) {
      const Rgb p = colour_at(in, i, centers.channels);
      std::int64_t* t = here[nearest_center(centers, p.r, p.g, p.b)];
      t[0] += p.r;
      t[1] += p.g;
      t[2] += p.b;
      t[3] += 1;
    }
    for (int k = 0; k < centers.count; ++k) {
      for (int c = 0; c < 4; ++c) {
        add_of_all(totals + 4 * k + c, here[k][c], lanes);
      }
    }
  }
};
struct Farthest {
  const std::uint8_t* in;
  std::int64_t* key;
  std::int64_t n;
  Centers centers;
  int cluster;
  GADOLIN_HD void operator()(std::int64_t lane, std::int64_t lanes) const {
    std::int64_t here = -1;
    for (std::int64_t i = lane; i < n; i += lanes) {
      const Rgb p = colour_at(in, i, centers.channels);
      if (nearest_center(centers, p.r, p.g, p.b) != cluster) continue;
      const std::int64_t k = distance_key(centers, cluster, p);
      here = here < k ? k : here;
    }
    raise_of_all(key, here, lanes);
  }
};
// facts [7]: the largest r, g, b, the largest 255 - r, 255 - g, 255 - b, the sum of squares.
struct Survey {
  const std::uint8_t* in;
  std::int64_t* facts;
  std::int64_t n;
  int channels;
  GADOLIN_HD void operator()(std::int64_t lane, std::int64_t lanes) const {
    std::int64_t most[6] = {}, squares = 0;
    for (std::int64_t i = lane; i < n; i += lanes) {
      const Rgb p = colour_at(in, i, channels);
      const std::int32_t v[3] = {p.r, p.g, p.b};
      for (int c = 0; c < 3; ++c) {
        most[c] = most[c] < v[c] ? v[c] : most[c];
        most[3 + c] = most[3 + c] < 255 - v[c] ? 255 - v[c] : most[3 + c];
        squares += static_cast<std::int64_t>(v[c]) * v[c];
      }
    }
    for (int c = 0; c < 6; ++c) raise_of_all(facts + c, most[c], lanes);
    add_of_all(facts + 6, squares, lanes);
  }
};
struct Paint {
  const std::uint8_t* in;
  std::uint8_t* out;
  std::int64_t n;
  Centers centers;
  std::uint8_t colours[most_centers][3];
  GADOLIN_HD void operator()(std::int64_t lane, std::int64_t lanes) const {
    for (std::int64_t i = lane; i < n; i += lanes) {
      const Rgb p = colour_at(in, i, centers.channels);
      const std::uint8_t* c = colours[nearest_center(centers, p.r, p.g, p.b)];
      for (int k = 0; k < centers.channels; ++k) out[i * centers.channels + k] = c[k];
    }
  }
};

}  // namespace gadolin::detail
