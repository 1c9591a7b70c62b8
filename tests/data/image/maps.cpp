// The map that every step states, against the pixels that it moved: pictures that hold their own coordinates,
// spots in JPEG files, painted boxes.
#include <cmath>

#include "data/image/transforms.h"
#include "tensor/random.h"
#include "tests/data/scratch.h"
#include "tests/distance.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

// Red is x, green is y (`units_a_pixel`), blue is white: where blue is full, nothing but the picture went
// into a pixel of the result. Resizing and turning keep straight slopes, so red and green say where a pixel
// of the result comes from.
constexpr int units_a_pixel = 400;
Image coordinates(int width, int height) {
  Image image(width, height, 3, 16);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      std::uint16_t* p = image.row<std::uint16_t>(y) + 3 * x;
      p[0] = static_cast<std::uint16_t>(units_a_pixel * x + units_a_pixel / 2);
      p[1] = static_cast<std::uint16_t>(units_a_pixel * y + units_a_pixel / 2);
      p[2] = 65535;
    }
  }
  return image;
}

struct Agreement {
  Largest error;  // in pixels of the original picture
  int pixels = 0;
};

// Compares what pixels say with the map, `margin` pixels away from all edges: resizing has neighbours on one
// side only there.
Agreement compare_with_map(const Transformed& t, int margin) {
  Agreement found;
  const Image& image = t.image;
  const Affine back = t.map.inverse();
  const auto full = [&](int x, int y) {
    return x >= 0 && y >= 0 && x < image.width && y < image.height &&
           image.row<std::uint16_t>(y)[3 * x + 2] >= 65530;
  };
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      bool sound = true;
      for (int v = -margin; sound && v <= margin; v += std::max(1, margin))
        for (int u = -margin; sound && u <= margin; u += std::max(1, margin)) sound = full(x + u, y + v);
      if (!sound) continue;
      const std::uint16_t* p = image.row<std::uint16_t>(y) + 3 * x;
      const Point from = back({x + 0.5, y + 0.5});
      found.error.see(
          std::hypot(p[0] / double{units_a_pixel} - from.x, p[1] / double{units_a_pixel} - from.y));
      ++found.pixels;
    }
  }
  return found;
}

// A black picture with one smooth spot.
Image spot(int width, int height, Point at, double radius) {
  Image image(width, height, 1, 8);
  const int reach = static_cast<int>(3 * radius), left = static_cast<int>(at.x), top = static_cast<int>(at.y);
  for (int y = std::max(0, top - reach); y < std::min(height, top + reach); ++y) {
    for (int x = std::max(0, left - reach); x < std::min(width, left + reach); ++x) {
      const double d = std::hypot(x + 0.5 - at.x, y + 0.5 - at.y) / radius;
      image.row<std::uint8_t>(y)[x] = static_cast<std::uint8_t>(std::lround(255 * std::exp(-d * d)));
    }
  }
  return image;
}

// Where the light of a picture lies in the middle.
Point centre_of(const Image& image) {
  double sum = 0, x_sum = 0, y_sum = 0;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const std::size_t i = static_cast<std::size_t>(y) * image.row_samples() +
                            static_cast<std::size_t>(x) * static_cast<std::size_t>(image.channels);
      const double v = sample_at(image, i);
      sum += v;
      x_sum += v * (x + 0.5);
      y_sum += v * (y + 0.5);
    }
  }
  return {x_sum / sum, y_sum / sum};
}

std::string chosen(RandomStream& random, const std::vector<std::string>& from) {
  return from[random.below(from.size())];
}

}  // namespace

TEST(Maps, AreStatedAsNumbers) {
  const Image image(120, 80, 1);
  const auto map = [&](const char* text) { return Pipeline(text).transform(image, {}).map; };
  EXPECT_EQ(map(""), Affine());
  EXPECT_EQ(map("rgb,brightness:0.3,contrast:0.2,gamma:0.5:2,brightness-shift:0.1"), Affine());
  EXPECT_EQ(map("resize:40"), (Affine{0.5, 0, 0, 0, 0.5, 0}));
  EXPECT_EQ(map("resize:30x160:bicubic"), (Affine{0.25, 0, 0, 0, 2, 0}));
  EXPECT_EQ(map("resize:40,center-crop:32"), (Affine{0.5, 0, -14, 0, 0.5, -4}));
  EXPECT_EQ(map("center-crop:140x60"), (Affine{1, 0, 10, 0, 1, -10}));
  EXPECT_EQ(map("central-fraction:0.5"), (Affine{1, 0, -30, 0, 1, -20}));
  EXPECT_EQ(map("hflip:1"), (Affine{-1, 0, 120, 0, 1, 0}));
  EXPECT_EQ(map("vflip:1"), (Affine{1, 0, 0, 0, -1, 80}));
  EXPECT_EQ(map("hflip:0"), Affine());
  EXPECT_EQ(map("hflip:1,hflip:1"), Affine());
  EXPECT_EQ(map("rotate:0"), Affine());
  EXPECT_EQ(map("resize:60x40,hflip:1"), (Affine{-0.5, 0, 60, 0, 0.5, 0}));
  EXPECT_EQ(map("random-resized-crop:60:1:1:1.5:1.5"), (Affine{0.5, 0, 0, 0, 0.75, 0}));
}

class MapOf : public testing::TestWithParam<const char*> {};
TEST_P(MapOf, SaysWhereEveryPixelComesFrom) {
  const Pipeline pipeline(GetParam());
  for (const auto& [width, height] : {std::pair{120, 80}, {81, 127}}) {
    const Image image = coordinates(width, height);
    int pixels = 0;
    for (std::uint64_t i = 0; i < 8; ++i) {
      const Transformed t = pipeline.transform(image, {3, 0, i});
      EXPECT_EQ(t.image, pipeline.apply(image, {3, 0, i}));
      const Agreement found = compare_with_map(t, 4);
      EXPECT_LT(found.error.value(), 0.15) << i;
      pixels += found.pixels;
    }
    EXPECT_GT(pixels, 400);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Steps, MapOf,
    testing::Values("resize:50", "resize:131", "resize:50x90:bicubic", "resize:200x40",
                    "random-resize:30:150", "fit:40:55", "central-fraction:0.6", "center-crop:40",
                    "center-crop:150x40", "center-crop:151x131", "random-crop:48", "random-crop:48:20",
                    "random-crop:160:3", "random-resized-crop:40:0.2:0.9",
                    "random-resized-crop:90x60:0.1:0.3", "hflip", "vflip:1", "rotate:30", "rotate:180",
                    "affine:20:0.1:0.8:1.3:10",
                    "resize:64,random-crop:48:4,hflip,vflip,rotate:15,affine:10:0.1:0.9:1.1:5",
                    "random-resized-crop:64:0.3:1,rotate:20,hflip:1,central-fraction:0.9,resize:96x80",
                    "hflip,center-crop:100,brightness:0,resize:70,rotate:10,vflip:1,gamma:1:1"));

// Steps in any order and number. Their edges add up, so the margin is wider and the tolerance too.
TEST(Maps, OfRandomPipelinesAgreeWithTheirPictures) {
  RandomStream random(11, 1);
  int pixels = 0;
  for (std::uint64_t i = 0; i < 300; ++i) {
    std::string text;
    const int steps = 1 + static_cast<int>(random.below(5));
    for (int k = 0; k < steps; ++k) {
      const auto side = [&] { return std::to_string(60 + random.below(90)); };
      text += (k ? "," : "") +
              chosen(random, {"resize:" + side(), "resize:" + side() + "x" + side() + ":bicubic",
                              "random-resize:60:140", "central-fraction:0.8", "center-crop:" + side(),
                              "center-crop:" + side() + "x" + side(), "random-crop:" + side() + ":10",
                              "random-resized-crop:" + side() + ":0.4:1", "hflip", "vflip", "rotate:40",
                              "affine:25:0.1:0.7:1.4:12", "brightness:0", "gamma:1:1"});
    }
    SCOPED_TRACE(text);
    const Image image =
        coordinates(100 + static_cast<int>(random.below(60)), 90 + static_cast<int>(random.below(70)));
    const Transformed t = Pipeline(text).transform(image, {5, 1, i});
    const Agreement found = compare_with_map(t, 10);
    EXPECT_LT(found.error.value(), 0.25);
    pixels += found.pixels;
    ASSERT_EQ(Pipeline(Pipeline(text).text()).transform(image, {5, 1, i}).map, t.map);
  }
  EXPECT_GT(pixels, 100'000);
}

// Decoders leave parts out and shrink; maps begin at the whole picture all the same. The sides are no
// multiples of anything.
TEST(Maps, BeginAtTheWholePictureOfAFile) {
  const int width = 1003, height = 779;
  const auto shrink = [&](const Resize& step) {
    DecodeOptions options;
    RandomStream none(0, 0);
    options.region = [&](int w, int h) { return step.plan(w, h, none); };
    return decode_region(encode_jpeg(Image(width, height, 1)), "a.jpg", options).shrink;
  };
  ASSERT_EQ(shrink(Resize({200, 150})), 2);
  ASSERT_EQ(shrink(Resize(90)), 4);
  ASSERT_EQ(shrink(Resize(40)), 8);
  struct Spot {
    Point at;
    Image image;
    std::vector<std::uint8_t> jpeg;
  };
  std::vector<Spot> spots;
  RandomStream random(12, 1);
  for (int i = 0; i < 10; ++i) {
    const Point at{300 + 400.0 * random.uniform(), 250 + 280.0 * random.uniform()};
    Image image = spot(width, height, at, 24);
    auto jpeg = encode_jpeg(image, 95);
    spots.push_back({at, std::move(image), std::move(jpeg)});
  }
  for (const char* text :
       {"resize:90", "resize:40,center-crop:36", "resize:160x300", "resize:200x150:bicubic,hflip:1",
        "random-resize:40:200", "central-fraction:0.7", "central-fraction:0.9,resize:100,vflip:1",
        "random-resized-crop:64:0.5:1,hflip", "random-resized-crop:200x100:0.3:0.9",
        "center-crop:900x700,resize:64", "rotate:20,resize:80"}) {
    SCOPED_TRACE(text);
    const Pipeline pipeline(text);
    int seen = 0;
    Largest worst;
    for (std::uint64_t i = 0; i < spots.size(); ++i) {
      const auto& [at, image, jpeg] = spots[i];
      const Transformed t = pipeline.transform(jpeg, "spot.jpg", {9, 0, i}),
                        whole = pipeline.transform(image, {9, 0, i});
      // The same choices, the same map; scales are multiplied in another order.
      for (const Point p : {Point{0, 0}, Point{double(width), 0}, Point{0, double(height)}}) {
        EXPECT_NEAR(t.map(p).x, whole.map(p).x, 1e-9);
        EXPECT_NEAR(t.map(p).y, whole.map(p).y, 1e-9);
      }
      const Point want = t.map(at);
      const double wide = 60 * std::sqrt(std::abs(t.map.determinant()));
      if (want.x < wide || want.y < wide || want.x > t.image.width - wide || want.y > t.image.height - wide)
        continue;  // part of the spot was cut off
      const Point got = centre_of(t.image);
      worst.see(std::hypot(got.x - want.x, got.y - want.y));
      ++seen;
    }
    EXPECT_LT(worst.value(), 0.05);
    EXPECT_GE(seen, 3);
  }
}

TEST(Maps, MoveBoxesWithTheirPictures) {
  const Corners box{30, 20, 74, 61};
  Image image(121, 83, 1, 8);
  for (int y = 20; y < 61; ++y) std::fill_n(image.row<std::uint8_t>(y) + 30, 44, std::uint8_t{255});
  int cut = 0, whole = 0;
  for (const char* text :
       {"hflip:1", "vflip:1", "resize:60x99", "resize:166,hflip:1", "center-crop:70", "random-crop:50:10",
        "random-resized-crop:64:0.2:0.8,vflip:1", "random-crop:64,resize:90x40,hflip", "rotate:180"}) {
    for (std::uint64_t i = 0; i < 20; ++i) {
      SCOPED_TRACE(cat(text, " ", i));
      const Transformed t = Pipeline(text).transform(image, {2, 0, i});
      const MovedBox got = moved(box, t.map, t.image.width, t.image.height);
      Corners lit{1e9, 1e9, -1e9, -1e9};
      double light = 0;
      for (int y = 0; y < t.image.height; ++y) {
        for (int x = 0; x < t.image.width; ++x) {
          const int v = t.image.row<std::uint8_t>(y)[x];
          light += v / 255.0;
          if (v < 128) continue;
          lit = {std::min(lit.x1, double(x)), std::min(lit.y1, double(y)), std::max(lit.x2, x + 1.0),
                 std::max(lit.y2, y + 1.0)};
        }
      }
      // A box that is nearly gone has no pixel of its own.
      if (got.box.x2 - got.box.x1 < 3 || got.box.y2 - got.box.y1 < 3) continue;
      EXPECT_NEAR(got.box.x1, lit.x1, 1);
      EXPECT_NEAR(got.box.y1, lit.y1, 1);
      EXPECT_NEAR(got.box.x2, lit.x2, 1);
      EXPECT_NEAR(got.box.y2, lit.y2, 1);
      const double area = 44 * 41 * std::abs(t.map.determinant());
      EXPECT_NEAR(got.inside, light / area, 0.05);
      (got.inside < 0.99 ? cut : whole) += 1;
    }
  }
  EXPECT_GT(cut, 30);
  EXPECT_GT(whole, 60);
}
