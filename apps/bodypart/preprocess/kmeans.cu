// k-means of a picture's colours. The host steers with exact sums; they come from a histogram of the colours,
// or from lanes over the pixels.
#include <algorithm>
#include <memory>
#include <mutex>

#include "apps/bodypart/preprocess/lanes.h"
#include "apps/bodypart/preprocess/preprocess.h"
#include "tensor/cpu/parallel.h"
#include "tensor/random.h"

namespace gadolin {
namespace {

using namespace detail;

constexpr std::uint64_t centers_purpose = 0x6b6d65616e73;
constexpr int restarts = 10, rounds = 10;
using Totals = std::array<std::int64_t, 4 * most_centers>;  // as Assign leaves them
using Facts = std::array<std::int64_t, 7>;                  // as Survey does

class Points {
 public:
  virtual ~Points() = default;
  virtual Facts survey() = 0;
  virtual Totals assign(const Centers& centers) = 0;
  virtual std::int64_t farthest(const Centers& centers, int cluster) = 0;  // distance_key
};

// Each colour once, with its number of pixels.
class Histogram : public Points {
 public:
  explicit Histogram(const Tensor& image) {
    const std::uint8_t* in = image.data<std::uint8_t>();
    const std::int64_t n = image.size(0) * image.size(1);
    if (image.size(2) == 1) {
      std::int64_t count[256] = {};
      for (std::int64_t i = 0; i < n; ++i) ++count[in[i]];
      for (int v = 0; v < 256; ++v) {
        if (count[v] > 0) add({v, 0, 0}, count[v]);
      }
      return;
    }
    std::vector<std::uint32_t> packed(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i) {
      packed[static_cast<std::size_t>(i)] =
          static_cast<std::uint32_t>(in[3 * i] << 16 | in[3 * i + 1] << 8 | in[3 * i + 2]);
    }
    std::sort(packed.begin(), packed.end());
    for (std::size_t i = 0; i < packed.size();) {
      std::size_t end = i + 1;
      while (end < packed.size() && packed[end] == packed[i]) ++end;
      const auto v = static_cast<std::int32_t>(packed[i]);
      add({v >> 16, v >> 8 & 255, v & 255}, static_cast<std::int64_t>(end - i));
      i = end;
    }
  }
  Facts survey() override {
    Facts f{};
    for (std::size_t i = 0; i < r_.size(); ++i) {
      const std::int64_t v[3] = {r_[i], g_[i], b_[i]};
      for (std::size_t c = 0; c < 3; ++c) {
        f[c] = std::max(f[c], v[c]);
        f[3 + c] = std::max(f[3 + c], 255 - v[c]);
        f[6] += v[c] * v[c] * weight_[i];
      }
    }
    return f;
  }
  Totals assign(const Centers& centers) override {
    Totals all{};
    std::mutex mutex;
    parallel_for(static_cast<std::int64_t>(r_.size()), 8192, [&](std::int64_t begin, std::int64_t end) {
      Totals here{};
      constexpr std::int64_t block = 1024;
      std::int32_t least[block], label[block];
      for (; begin < end; begin += block) {
        const std::int64_t n = std::min(block, end - begin);
        const std::int32_t *r = r_.data() + begin, *g = g_.data() + begin, *b = b_.data() + begin;
        const std::int64_t* weight = weight_.data() + begin;
        for (std::int64_t i = 0; i < n; ++i) {
          least[i] = score(centers, 0, r[i], g[i], b[i]);
          label[i] = 0;
        }
        for (int k = 1; k < centers.count; ++k) {
          GADOLIN_IVDEP
          for (std::int64_t i = 0; i < n; ++i) {
            const std::int32_t s = score(centers, k, r[i], g[i], b[i]);
            label[i] = s < least[i] ? k : label[i];
            least[i] = s < least[i] ? s : least[i];
          }
        }
        for (std::int64_t i = 0; i < n; ++i) {
          std::int64_t* t = here.data() + 4 * label[i];
          t[0] += r[i] * weight[i];
          t[1] += g[i] * weight[i];
          t[2] += b[i] * weight[i];
          t[3] += weight[i];
        }
      }
      const std::lock_guard lock(mutex);
      for (std::size_t i = 0; i < all.size(); ++i) all[i] += here[i];
    });
    return all;
  }
  std::int64_t farthest(const Centers& centers, int cluster) override {
    std::int64_t key = -1;
    for (std::size_t i = 0; i < r_.size(); ++i) {
      if (nearest_center(centers, r_[i], g_[i], b_[i]) == cluster)
        key = std::max(key, distance_key(centers, cluster, {r_[i], g_[i], b_[i]}));
    }
    return key;
  }

 private:
  void add(const Rgb& colour, std::int64_t weight) {
    r_.push_back(colour.r);
    g_.push_back(colour.g);
    b_.push_back(colour.b);
    weight_.push_back(weight);
  }
  std::vector<std::int32_t> r_, g_, b_;
  std::vector<std::int64_t> weight_;
};

class Pixels : public Points {
 public:
  explicit Pixels(const Tensor& image)
      : image_(image), n_(image.size(0) * image.size(1)), in_(image.data<std::uint8_t>()) {}
  Facts survey() override {
    Facts f{};
    run(f.data(), 7, 0, [&](std::int64_t* place) {
      return Survey{in_, place, n_, static_cast<int>(image_.size(2))};
    });
    return f;
  }
  Totals assign(const Centers& centers) override {
    Totals t{};
    run(t.data(), 4 * most_centers, 0, [&](std::int64_t* place) { return Assign{in_, place, n_, centers}; });
    return t;
  }
  std::int64_t farthest(const Centers& centers, int cluster) override {
    std::int64_t key = -1;
    run(&key, 1, -1, [&](std::int64_t* place) { return Farthest{in_, place, n_, centers, cluster}; });
    return key;
  }

 private:
  template <class Make> void run(std::int64_t* to, std::int64_t count, int start, Make make) {
    Tensor place = zeros({count}, DType::int64, image_.device());
    if (start != 0) place.fill_(start);
    run_lanes("quantize_colors", image_.device(), n_, make(place.data<std::int64_t>()));
    const std::vector<std::int64_t> values = place.to_vector<std::int64_t>();
    std::copy(values.begin(), values.end(), to);
  }
  Tensor image_;
  std::int64_t n_;
  const std::uint8_t* in_;
};

void note_norms(Centers& centers) {
  for (int k = 0; k < centers.count; ++k) {
    std::int64_t squares = 0;
    for (const std::int64_t c : centers.at[k]) squares += c * c;
    centers.half_norm[k] = static_cast<std::int32_t>(squares / 512);
  }
}

// lowest + (highest - lowest) (5 u - 1) / 3 with u in [0, 1): the box and a third of it on either side.
Centers random_centers(int k, int channels, const Facts& facts, std::uint64_t seed, int restart) {
  Centers centers;
  centers.count = k;
  centers.channels = channels;
  RandomStream random(seed, stream_id(centers_purpose, static_cast<std::uint64_t>(restart)));
  for (int i = 0; i < k; ++i) {
    for (int c = 0; c < channels; ++c) {
      const std::int64_t high = facts[static_cast<std::size_t>(c)],
                         low = 255 - facts[static_cast<std::size_t>(3 + c)];
      const std::int64_t u = random.next() >> 8;
      centers.at[i][c] =
          static_cast<std::int32_t>(256 * low + 256 * (high - low) * (5 * u - (1 << 24)) / (3 << 24));
    }
  }
  note_norms(centers);
  return centers;
}

Centers means_of(const Totals& t, const Centers& before, Points& points) {
  Centers next = before;
  int largest = 0;
  for (int k = 1; k < next.count; ++k) {
    if (t[static_cast<std::size_t>(4 * k + 3)] > t[static_cast<std::size_t>(4 * largest + 3)]) largest = k;
  }
  for (int k = 0; k < next.count; ++k) {
    const std::int64_t* sums = t.data() + 4 * k;
    if (sums[3] > 0) {
      for (int c = 0; c < 3; ++c)
        next.at[k][c] = static_cast<std::int32_t>((256 * sums[c] + sums[3] / 2) / sums[3]);
    } else {
      const auto colour = static_cast<std::int32_t>(0xffffff - (points.farthest(before, largest) & 0xffffff));
      for (int c = 0; c < 3; ++c) next.at[k][c] = 256 * (colour >> (16 - 8 * c) & 255);
    }
  }
  note_norms(next);
  return next;
}

bool has_settled(const Centers& a, const Centers& b) {
  std::int64_t most = 0;
  for (int k = 0; k < a.count; ++k) {
    std::int64_t squares = 0;
    for (int c = 0; c < 3; ++c)
      squares += static_cast<std::int64_t>(a.at[k][c] - b.at[k][c]) * (a.at[k][c] - b.at[k][c]);
    most = std::max(most, squares);
  }
  return most <= 256 * 256;
}

// Sum of squared distances to the means: all squares less |S|^2 / W of each cluster.
double compactness_of(const Totals& t, std::int64_t squares) {
  double within = static_cast<double>(squares);
  for (std::size_t k = 0; k < most_centers; ++k) {
    const auto w = static_cast<double>(t[4 * k + 3]);
    for (std::size_t c = 0; c < 3 && w > 0; ++c)
      within -= static_cast<double>(t[4 * k + c]) / w * static_cast<double>(t[4 * k + c]);
  }
  return within;
}

}  // namespace

Quantized quantize_colors(const Tensor& image, int k, std::uint64_t seed) {
  check_picture("quantize_colors", image);
  check_value("quantize_colors", "k", k, 2, most_centers);
  Quantized result;
  result.image = empty(image.shape(), DType::uint8, image.device());
  if (image.numel() == 0) return result;
  const int channels = static_cast<int>(image.size(2));
  std::unique_ptr<Points> points;
  if (by_lanes(image))
    points = std::make_unique<Pixels>(image);
  else
    points = std::make_unique<Histogram>(image);
  const Facts facts = points->survey();
  Centers assigned;  // those that the best result was assigned by
  Totals totals{};
  for (int restart = 0; restart < restarts; ++restart) {
    Centers centers = random_centers(k, channels, facts, seed, restart);
    for (int round = 2;; ++round) {
      const Totals t = points->assign(centers);
      const Centers next = means_of(t, centers, *points);
      if (round < rounds && !has_settled(centers, next)) {
        centers = next;
        continue;
      }
      const double compactness = compactness_of(t, facts[6]);
      if (restart == 0 || compactness < result.compactness) {
        result.compactness = compactness;
        assigned = centers;
        totals = t;
      }
      break;
    }
  }
  const std::int64_t n = image.size(0) * image.size(1);
  Paint paint{image.data<std::uint8_t>(), result.image.data<std::uint8_t>(), n, assigned, {}};
  for (int i = 0; i < k; ++i) {
    const std::int64_t* t = totals.data() + 4 * i;
    if (t[3] == 0) continue;
    for (int c = 0; c < 3; ++c)
      paint.colours[i][c] = static_cast<std::uint8_t>(t[channels == 1 ? 0 : c] / t[3]);
    result.centers.push_back({paint.colours[i][0], paint.colours[i][1], paint.colours[i][2]});
  }
  if (by_lanes(image)) {
    run_lanes("quantize_colors", image.device(), n, paint);
    return result;
  }
  if (channels == 1) {
    std::uint8_t levels[256];
    for (int v = 0; v < 256; ++v) levels[v] = paint.colours[nearest_center(assigned, v, 0, 0)][0];
    parallel_for(n, 1 << 17, [&](std::int64_t begin, std::int64_t end) {
      const std::uint8_t* from = paint.in;
      std::uint8_t* to = paint.out;
      for (std::int64_t i = begin; i < end; ++i) to[i] = levels[from[i]];
    });
    return result;
  }
  parallel_for(n, 1 << 15, [&](std::int64_t begin, std::int64_t end) {
    Paint part = paint;
    part.in += 3 * begin;
    part.out += 3 * begin;
    part.n = end - begin;
    part(0, 1);
  });
  return result;
}

}  // namespace gadolin
