// The four preprocessing methods: golden numbers, pictures of Pillow and OpenCV, the lanes of a GPU run here,
// and messages.
#include "apps/bodypart/preprocess/preprocess.h"

#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "io/atomic_file.h"
#include "tensor/device.h"
#include "tests/data/messages.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

using enum PreprocessKind;

Image known(const std::string& name) { return read_image(fixture("preprocess/" + name + ".png")); }

Image picture_row(const std::vector<std::uint8_t>& levels) {
  Image image(static_cast<int>(levels.size()), 1, 1);
  image.pixels = levels;
  return image;
}
std::vector<std::uint8_t> levels_after(const std::vector<std::uint8_t>& levels, PreprocessKind kind,
                                       int value) {
  return preprocess(picture_row(levels), {.kind = kind, .value = value}).pixels;
}
Tensor tensor_of(const Image& image) {
  const Tensor t = empty({image.height, image.width, image.channels}, DType::uint8);
  std::memcpy(t.raw(), image.pixels.data(), image.pixels.size());
  return t;
}

struct WithReference {
  Backend before = backend();
  WithReference() { set_backend(Backend::reference); }
  ~WithReference() { set_backend(before); }
};

using Levels = std::vector<std::uint8_t>;

TEST(Preprocess, GoldenNumbers) {
  EXPECT_EQ(levels_after({0, 15, 16, 200, 255}, bitwise_downsampling, 4), (Levels{0, 0, 16, 192, 240}));
  EXPECT_EQ(levels_after({127, 128}, bitwise_downsampling, 1), (Levels{0, 128}));
  Levels all(256);
  for (int v = 0; v < 256; ++v) all[static_cast<std::size_t>(v)] = static_cast<std::uint8_t>(v);
  EXPECT_EQ(levels_after(all, bitwise_downsampling, 8), all);
  EXPECT_EQ(levels_after({0, 100, 200}, contrast_enhancing, 4), (Levels{0, 100, 255}));
  EXPECT_EQ(levels_after({0, 100, 200}, contrast_enhancing, 1), (Levels{0, 100, 200}));
  EXPECT_EQ(levels_after({10, 11}, contrast_enhancing, 2), (Levels{9, 11})) << "a mean of 10.5 counts as 11";
  EXPECT_EQ(levels_after({0, 1, 1, 254, 253}, color_quantization, 2), (Levels{0, 0, 0, 253, 253}))
      << "means 0.67 and 253.5, rounded down";
}

TEST(Preprocess, EqualsPillowAndOpenCv) {
  for (const char* name : {"grey", "rgb"}) {
    const Image image = known(name);
    for (const int v : {1, 4, 7})
      EXPECT_EQ(preprocess(image, {bitwise_downsampling, v}), known(cat(name, "_bit_", v))) << name << v;
    for (const int v : {2, 5, 10})
      EXPECT_EQ(preprocess(image, {contrast_enhancing, v}), known(cat(name, "_contrast_", v))) << name << v;
    for (const int v : {1, 4, 10})
      EXPECT_EQ(preprocess(image, {target_segmentation, v}), known(cat(name, "_seg_", v))) << name << v;
  }
  Image two = known("grey");
  for (auto& p : two.pixels) p = p > 90 ? 200 : 7;
  EXPECT_EQ(preprocess(two, {color_quantization, 2}), known("two_levels"));
}

TEST(Preprocess, ClustersAreAsCompactAsOpenCvs) {
  const auto json = nlohmann::json::parse(read_file(fixture("preprocess/compactness.json"), 1 << 16));
  int compared = 0;
  for (const char* name : {"grey", "rgb"}) {
    const Tensor image = tensor_of(known(name));
    for (const int k : {2, 4, 7, 10}) {
      double most = 0, least = 1e300;
      for (const double v : json.at("five_seeds").at(cat(name, "_", k))) {
        most = std::max(most, v);
        least = std::min(least, v);
      }
      for (const std::uint64_t seed : {0u, 1u, 2u}) {
        const Quantized ours = quantize_colors(image, k, seed);
        EXPECT_LE(ours.compactness, most * (1 + 1e-4))
            << name << " " << k << " seed " << seed << ", OpenCV's best " << least;
        EXPECT_EQ(ours.centers.size(), static_cast<std::size_t>(k));
        ++compared;
        // The figure is that of the picture itself, up to the rounding of its colours.
        double sum = 0;
        const std::uint8_t *a = image.data<std::uint8_t>(), *b = ours.image.data<std::uint8_t>();
        for (std::int64_t i = 0; i < image.numel(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
        const auto n = static_cast<double>(image.numel());
        EXPECT_TRUE(sum >= ours.compactness * (1 - 1e-9) && sum <= ours.compactness + n)
            << sum << " of " << ours.compactness;
      }
    }
  }
  EXPECT_EQ(compared, 24);
}

TEST(Preprocess, TheSeedDecidesAndNothingElse) {
  const Tensor image = tensor_of(known("rgb"));
  const auto bytes = [&](std::uint64_t seed) {
    return quantize_colors(image, 7, seed).image.to_vector<std::uint8_t>();
  };
  EXPECT_EQ(bytes(3), bytes(3));
  EXPECT_NE(bytes(3), bytes(4));
}

TEST(Preprocess, LanesOfADeviceGiveTheSameBytes) {
  for (const Image& image : {known("grey"), known("rgb"), pattern(40, 33, 1), pattern(19, 23, 3),
                             pattern(1, 90, 1), pattern(90, 1, 3), picture_row({5})}) {
    for (const PreprocessMethod& m : preprocess_methods()) {
      for (const int value : {m.least, 5, m.most}) {
        const PreprocessOptions options{m.kind, value, 9, Emit::masked};
        const Image here = preprocess(image, options);
        const WithReference lanes;
        EXPECT_TRUE(preprocess(image, options) == here) << m.name << " " << value << " of " << image.width
                                                        << "x" << image.height << "x" << image.channels;
      }
    }
  }
}

TEST(Preprocess, CudaGivesTheSameBytes) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  for (const Image& image : {pattern(40, 33, 1), pattern(19, 23, 3), pattern(1, 90, 1), picture_row({5})}) {
    for (const PreprocessMethod& m : preprocess_methods()) {
      const PreprocessOptions options{m.kind, 4, 9, Emit::masked};
      EXPECT_TRUE(preprocess(image, options, cuda) == preprocess(image, options))
          << m.name << " of " << image.width << "x" << image.height << "x" << image.channels;
    }
  }
}

TEST(Preprocess, ComponentsMeetAtCornersAndAreKeptBySize) {
  // Dark lines on white: 45 x 60, so more than 3 rows high or 4 columns wide stays.
  const auto kept = [](std::vector<std::pair<int, int>> dark) {
    Image image(60, 45, 1);
    std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{200});
    for (const auto& [x, y] : dark) image.row<std::uint8_t>(y)[x] = 0;
    const Image mask = preprocess(image, {target_segmentation, 1});
    std::size_t n = 0;
    for (const std::uint8_t p : mask.pixels) n += p == 255;
    for (const auto& [x, y] : dark) n -= mask.row<std::uint8_t>(y)[x] == 255 ? 0 : 1000;
    return n;
  };
  EXPECT_EQ(kept({{0, 0}, {1, 1}, {0, 2}, {1, 3}}), 4u) << "four rows, by corners";
  EXPECT_EQ(kept({{59, 41}, {58, 42}, {57, 43}, {56, 44}}), 4u);
  EXPECT_NE(kept({{0, 0}, {0, 1}, {0, 2}}), 3u) << "three rows are not more than 45 / 15";
  EXPECT_EQ(kept({{10, 9}, {11, 9}, {12, 9}, {13, 9}, {14, 9}}), 5u);
  EXPECT_NE(kept({{10, 9}, {11, 9}, {12, 9}, {13, 9}}), 4u);
  EXPECT_EQ(kept({{20, 20}, {24, 20}, {21, 21}, {23, 21}, {22, 22}}), 5u) << "two arms that meet below";
  EXPECT_NE(kept({{20, 20}, {21, 20}, {23, 20}, {24, 20}}), 4u) << "a gap of one pixel parts them";
}

TEST(Preprocess, PicturesWithoutPixelsOrWithFewColours) {
  for (const PreprocessMethod& m : preprocess_methods()) {
    EXPECT_EQ(preprocess(empty({0, 5, 3}, DType::uint8), {m.kind, 4}).numel(), 0) << m.name;
  }
  const Quantized flat = quantize_colors(tensor_of(picture_row({7, 7, 7})), 10);
  EXPECT_EQ(flat.image.to_vector<std::uint8_t>(), (Levels{7, 7, 7}));
  EXPECT_EQ(flat.compactness, 0);
  EXPECT_EQ(levels_after({0, 9, 200}, color_quantization, 10), (Levels{0, 9, 200}));
  EXPECT_EQ(preprocess(pattern(9, 9, 3, 16), {bitwise_downsampling, 3}),
            preprocess(to_8bit(pattern(9, 9, 3, 16)), {bitwise_downsampling, 3}));
}

TEST(Preprocess, Messages) {
  const Scratch dir;
  const Tensor grey = zeros({4, 5, 1}, DType::uint8);
  expect_says<UsageError>(
      dir, [] { preprocess_method("blur"); },
      "preprocess: method 'blur' is unknown; use bitwise_downsampling, contrast_enhancing, "
      "color_quantization or target_segmentation");
  expect_says<ValueError>(
      dir, [&] { reduce_bits(grey, 9); }, "reduce_bits: bits 9 is not 1 to 8");
  expect_says<ValueError>(
      dir,
      [&] {
        preprocess(picture_row({1}), {bitwise_downsampling, 9});
      },
      "bitwise_downsampling: value 9 is not 1 to 8");
  expect_says<ValueError>(
      dir, [&] { enhance_contrast(grey, 0); }, "enhance_contrast: factor 0 is not 1 to 10");
  expect_says<ValueError>(
      dir, [&] { quantize_colors(grey, 1); }, "quantize_colors: k 1 is not 2 to 10");
  expect_says<ValueError>(
      dir, [&] { segment_target(grey, 11); }, "segment_target: factor 11 is not 1 to 10");
  expect_says<ShapeError>(
      dir,
      [] {
        reduce_bits(zeros({4, 5, 2}, DType::uint8), 4);
      },
      "reduce_bits: image [4, 5, 2] is not [H, W, C] with C = 1 or 3");
  expect_says<ShapeError>(
      dir,
      [] {
        reduce_bits(zeros({1, 1, 1}, DType::uint8).expand({32768, 16384, 1}), 4);
      },
      "reduce_bits: image [32768, 16384, 1] has more than 268435456 pixels");
  expect_says<DTypeError>(
      dir,
      [] {
        reduce_bits(zeros({4, 5, 3}), 4);
      },
      "reduce_bits: image is fp32, not uint8");
  expect_says<ShapeError>(
      dir,
      [&] {
        reduce_bits(zeros({5, 4, 3}, DType::uint8).transpose(0, 1), 4);
      },
      "reduce_bits: image [4, 5, 3] is not contiguous; use contiguous()");
  expect_says<ShapeError>(
      dir,
      [&] {
        apply_mask(grey, zeros({5, 4, 1}, DType::uint8));
      },
      "apply_mask: mask [5, 4, 1] does not fit image [4, 5, 1]");
}

}  // namespace
