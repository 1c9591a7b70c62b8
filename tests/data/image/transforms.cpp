// Transforms against Pillow's and torchvision's pixels, and the textual form of pipelines.
#include "data/image/transforms.h"

#include <cmath>
#include <map>

#include "data/image/warp.h"
#include "tests/data/scratch.h"
#include "tests/distance.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

Image known(const std::string& name) { return read_image(fixture("transforms/" + name + ".png")); }

}  // namespace

TEST(Resize, AgreesWithPillow) {
  for (const char* kind : {"rgb", "grey"}) {
    const Image in = known(kind);
    for (const auto& [w, h] : {std::pair{40, 30}, {150, 120}, {97, 20}, {1, 1}, {13, 71}}) {
      EXPECT_LE(
          largest_difference(resize(in, w, h), known(cat("resize_", kind, "_", w, "x", h, "_bilinear"))), 1)
          << w << "x" << h;
      EXPECT_LE(largest_difference(resize(in, w, h, Filter::bicubic),
                                   known(cat("resize_", kind, "_", w, "x", h, "_bicubic"))),
                1)
          << w << "x" << h;
    }
  }
  const BoxF box{10.5, 7.25, 90.0 - 10.5, 60.125 - 7.25};
  EXPECT_LE(
      largest_difference(resize(known("rgb"), 32, 32, Filter::bilinear, box), known("resize_box_bilinear")),
      1);
  EXPECT_LE(
      largest_difference(resize(known("rgb"), 32, 32, Filter::bicubic, box), known("resize_box_bicubic")), 1);
}

TEST(Resize, SixteenBitsFollowEight) {
  const Image eight = known("rgb");
  Image deep(eight.width, eight.height, 3, 16);
  for (std::size_t i = 0; i < eight.numel(); ++i)
    deep.data<std::uint16_t>()[i] = static_cast<std::uint16_t>(eight.pixels[i] * 257);
  EXPECT_LE(largest_difference(to_8bit(resize(deep, 41, 33, Filter::bicubic)),
                               resize(eight, 41, 33, Filter::bicubic)),
            1);
  Image white(5, 4, 1, 16);
  std::fill(white.pixels.begin(), white.pixels.end(), std::uint8_t{255});
  const Image larger = resize(white, 9, 9, Filter::bicubic);
  for (std::size_t i = 0; i < larger.numel(); ++i) EXPECT_EQ(larger.data<std::uint16_t>()[i], 65535);
}

TEST(Resize, WeightsAreAShareEach) {
  for (const Filter filter : {Filter::bilinear, Filter::bicubic}) {
    for (const auto& [in, out] : {std::pair{100, 7}, {7, 100}, {1, 5}, {5, 1}, {1000, 999}}) {
      const Taps taps = resize_taps(in, 0, in, out, filter);
      ASSERT_EQ(taps.spans.size(), static_cast<std::size_t>(out));
      for (const auto& span : taps.spans) {
        ASSERT_GE(span.begin, 0);
        ASSERT_GE(span.count, 1);
        ASSERT_LE(span.begin + span.count, in);
        double sum = 0;
        for (int k = 0; k < span.count; ++k) sum += taps.weights[static_cast<std::size_t>(span.first + k)];
        ASSERT_TRUE(std::fabs(sum - 1) <= 1e-5);
      }
    }
  }
  EXPECT_EQ(message_of<ValueError>([] { resize(Image(4, 4, 1), 0, 3); }),
            "resize: to 0 x 3, sides are 1 to 65536");
  EXPECT_EQ(message_of<ShapeError>([] { resize(Image(), 2, 3); }), "resize: the image has no pixels");
  EXPECT_EQ(message_of<ValueError>([] {
              resize(Image(4, 4, 1), 2, 2, Filter::bilinear, {1, 0, 4, 4});
            }),
            "resize: the box at (1, 0) of 4 x 4 leaves the image of 4 x 4");
}

TEST(Warp, AgreesWithPillow) {
  const Image rgb = known("rgb");
  EXPECT_LE(largest_difference(rotate(rgb, 17.5), known("rotate_17.5")), 1);
  EXPECT_LE(largest_difference(horizontal_flip(rgb), known("hflip")), 0);
  EXPECT_EQ(vertical_flip(vertical_flip(rgb)), rgb);
  EXPECT_LE(largest_difference(horizontal_flip(vertical_flip(rgb)), rotate(rgb, 180)), 1);
  const AffineOptions o{20, 7, -5, 1.2, 10, 4};
  EXPECT_LE(largest_difference(warp(rgb, affine_map(rgb.width, rgb.height, o)), known("affine")), 1);
  EXPECT_EQ(warp(rgb, affine_map(rgb.width, rgb.height, {})), rgb);
}

TEST(Warp, CropPadsOutside) {
  const Image image = pattern(4, 3, 3);
  const Image out = crop(image, {-1, 1, 3, 4}, 1.0);
  EXPECT_EQ(out.row<std::uint8_t>(0)[0], 255);
  EXPECT_EQ(out.row<std::uint8_t>(0)[3], image.row<std::uint8_t>(1)[0]);
  EXPECT_EQ(out.row<std::uint8_t>(3)[5], 255);
  EXPECT_EQ(crop(image, {10, 10, 2, 2}), Image(2, 2, 3));
}

TEST(Tone, AgreesWithTorchvision) {
  EXPECT_LE(largest_difference(adjust_brightness(known("rgb"), 1.3), known("brightness_1.3")), 1);
  EXPECT_LE(largest_difference(adjust_contrast(known("rgb"), 0.6), known("contrast_0.6")), 1);
  EXPECT_LE(largest_difference(adjust_gamma(known("rgb"), 1.7), known("gamma_1.7")), 1);
}

TEST(Pipeline, AgreesWithTorchvision) {
  const auto file = encode_png(known("rgb"));
  const auto run = [&](const char* text) { return Pipeline(text).apply(file, "rgb.png", {}); };
  EXPECT_LE(largest_difference(run("resize:50"), known("torchvision_resize_50")), 1);
  EXPECT_LE(largest_difference(run("resize:50,center-crop:44"), known("torchvision_resize_50_crop_44")), 1);
  EXPECT_LE(largest_difference(run("center-crop:120x80"), known("torchvision_crop_120x80")), 0);
}

TEST(Pipeline, TextComesBackUnchanged) {
  for (const char* text :
       {"", "grey", "resize:128,center-crop:112,normalize:0.5:0.25", "rgb,resize:20x30:bicubic", "vflip:1",
        "random-resized-crop:224:0.08:1:0.75:1.25,hflip:0.5,normalize:0.485/0.456/0.406:0.229/0.224/0.225",
        "random-crop:32:4,rotate:10,affine:5:0.1:0.9:1.1:3,brightness:0.2,contrast:0.3,gamma:0.7:1.5",
        "rgb,random-resize:256:512,random-crop:224,hflip:0.5",
        "central-fraction:0.875,resize:299x299,brightness-shift:0.125"}) {
    EXPECT_EQ(Pipeline(text).text(), text);
  }
  for (const char* text :
       {" resize:64 , center-crop:64x64, hflip", "random-resized-crop:96", "affine:3,resize:8:bilinear"}) {
    const std::string canonical = Pipeline(text).text();
    EXPECT_EQ(Pipeline(canonical).text(), canonical);
  }
  EXPECT_EQ(Pipeline("resize:128,center-crop:112").output_size(), (std::pair{112, 112}));
  EXPECT_EQ(Pipeline("center-crop:112,resize:64").output_size(), std::nullopt);
  EXPECT_EQ(Pipeline("resize:64x64,central-fraction:0.5").output_size(), std::nullopt);
  EXPECT_EQ(Pipeline("resize:64x64,random-resize:8:9").output_size(), std::nullopt);
  EXPECT_FALSE(Pipeline("central-fraction:0.875").random());
  EXPECT_FALSE(Pipeline("resize:128,center-crop:112").random());
  EXPECT_TRUE(Pipeline("hflip").random());
}

TEST(Pipeline, OfStepsByNameIsThatOfTheText) {
  const std::pair<Pipeline, const char*> same[] = {
      {Pipeline(Grey(), Resize(128), CenterCrop(112), HorizontalFlip(), Normalize{{0.5}, {0.25}}),
       "grey,resize:128,center-crop:112,hflip:0.5,normalize:0.5:0.25"},
      {Pipeline(Rgb(), Resize({20, 30}, Filter::bicubic), VerticalFlip(1)),
       "rgb,resize:20x30:bicubic,vflip:1"},
      {Pipeline(RandomResize(256, 512), RandomCrop({64, 32}, 4), CentralFraction(0.875)),
       "random-resize:256:512,random-crop:64x32:4,central-fraction:0.875"},
      {Pipeline(RandomResizedCrop(24), Rotate(20), RandomAffine({.degrees = 5, .shift = 0.1, .shear = 3})),
       "random-resized-crop:24,rotate:20,affine:5:0.1:1:1:3"},
      {Pipeline(Brightness(0.2), Contrast(0.3), BrightnessShift(0.125), Gamma(0.7, 1.5)),
       "brightness:0.2,contrast:0.3,brightness-shift:0.125,gamma:0.7:1.5"}};
  const Image image = known("rgb");
  for (const auto& [typed, text] : same) {
    const Pipeline read(text);
    EXPECT_EQ(typed.text(), read.text());
    EXPECT_EQ(typed.normalize(), read.normalize());
    EXPECT_EQ(typed.apply(image, {1, 2, 3}), read.apply(image, {1, 2, 3})) << text;
  }
  Pipeline grown;
  grown.add(Resize(40)).add(HorizontalFlip()).add(Normalize{{0.5}, {0.5}});
  EXPECT_EQ(grown.text(), "resize:40,hflip:0.5,normalize:0.5:0.5");
}

namespace {
// A program's own step: black on white.
struct Negative : Transform {
  Transformed apply(Image image, RandomStream&) const override {
    for (auto& p : image.pixels) p = static_cast<std::uint8_t>(255 - p);
    return {std::move(image), {}};
  }
  std::string text() const override { return "negative"; }
  bool random() const override { return false; }
};
}  // namespace

TEST(Pipeline, TakesAProgramsOwnSteps) {
  const Pipeline pipeline(Resize({8, 8}), Negative(), HorizontalFlip(1));
  EXPECT_EQ(pipeline.text(), "resize:8x8,negative,hflip:1");
  EXPECT_EQ(pipeline.output_size(), (std::pair{8, 8}));
  EXPECT_EQ(pipeline.apply(Image(4, 4, 1), {}).pixels, std::vector<std::uint8_t>(64, 255));
  // First in line it gets what the decoder has; the map begins at the file's picture.
  const auto file = read_bytes(fixture("images/large.jpg"));
  const Pipeline first((Negative()), CenterCrop(32));
  EXPECT_EQ(first.apply(file, "large.jpg", {}), first.apply(decode_image(file, "large.jpg"), {}));
}

TEST(Pipeline, IsRandomWhenResultsDiffer) {
  for (const char* text : {"", "rgb,resize:8,center-crop:4", "hflip:1,vflip:0", "rotate:0", "affine:0",
                           "brightness:0,contrast:0,gamma:2:2,brightness-shift:0", "random-resize:9:9"}) {
    EXPECT_FALSE(Pipeline(text).random()) << text;
  }
  for (const char* text :
       {"hflip", "vflip:0.1", "rotate:1", "affine:1", "affine:0:0.1", "affine:0:0:1:2", "affine:0:0:1:1:5",
        "brightness:0.1", "contrast:0.1", "gamma:1:2", "brightness-shift:0.1", "random-resize:8:9",
        "random-crop:4", "random-resized-crop:4", "resize:8,hflip,center-crop:4"}) {
    EXPECT_TRUE(Pipeline(text).random()) << text;
  }
}

TEST(Pipeline, StepsRefuseSettingsOutOfRange) {
  EXPECT_EQ(message_of<ValueError>([] { Rotate(200); }), "rotate: 200 is not in 0..180");
  EXPECT_EQ(message_of<ValueError>([] { Resize(0); }), "resize: sides are 1 to 16384 pixels");
  EXPECT_EQ(message_of<ValueError>([] { CenterCrop({5, 0}); }), "center-crop: sides are 1 to 16384 pixels");
  EXPECT_EQ(message_of<ValueError>([] { RandomResize(9, 8); }), "random-resize: the lower bound comes first");
  EXPECT_EQ(message_of<ValueError>([] {
              Pipeline(Normalize{{0.5, 0.5}, {1}});
            }),
            "normalize: one value or three, one a channel");
  EXPECT_EQ(message_of<ValueError>([] {
              Pipeline(Normalize{{0.5}, {-1}});
            }),
            "normalize: a deviation must be above 0");
  EXPECT_EQ(message_of<UsageError>([] { Pipeline(Normalize(), Rotate(3)); }),
            "transform: 'rotate' stands behind normalize; put normalize last");
  EXPECT_THROW(HorizontalFlip(std::nan("")), ValueError);
  EXPECT_THROW(RandomAffine({.smallest = 2, .largest = 1}), ValueError);
}

TEST(Pipeline, WrongTextIsExplained) {
  const auto message = [](const char* text) {
    return message_of<UsageError>([&] { Pipeline pipeline(text); });
  };
  EXPECT_EQ(
      message("resise:3"),
      "transform: there is no step 'resise'; known are grey, rgb, window, rescale, percentile, resize, fit, "
      "random-resize, central-fraction, center-crop, random-crop, random-resized-crop, hflip, vflip, rotate, "
      "affine, random-transform, brightness, brightness-shift, contrast, hue, saturation, gamma, normalize");
  EXPECT_EQ(message("random-resize:256"),
            "transform: 'random-resize:256': 1 parameter; write random-resize:LOW:HIGH");
  EXPECT_EQ(message("random-resize:8x8:9"),
            "transform: 'random-resize:8x8:9': lengths of the shorter side are needed; write "
            "random-resize:LOW:HIGH");
  EXPECT_EQ(message("random-resize:512:256"),
            "transform: 'random-resize:512:256': the lower bound comes first; write random-resize:LOW:HIGH");
  EXPECT_EQ(message("central-fraction:0"),
            "transform: 'central-fraction:0': 0 is not in 0.01..1; write central-fraction:SHARE");
  EXPECT_EQ(message("brightness-shift:2"),
            "transform: 'brightness-shift:2': 2 is not in 0..1; write brightness-shift:SHARE");
  EXPECT_EQ(message("resize"),
            "transform: 'resize': 0 parameters; write resize:S[:bilinear|bicubic] or "
            "resize:WxH[:bilinear|bicubic]");
  EXPECT_EQ(message("resize:0"),
            "transform: 'resize:0': sides are 1 to 16384 pixels; write resize:S[:bilinear|bicubic] or "
            "resize:WxH[:bilinear|bicubic]");
  EXPECT_EQ(message("resize:8x"),
            "transform: 'resize:8x': '8x' is no size; write resize:S[:bilinear|bicubic] or "
            "resize:WxH[:bilinear|bicubic]");
  EXPECT_EQ(message("resize:8:cubic"),
            "transform: 'resize:8:cubic': 'cubic' is no filter; write resize:S[:bilinear|bicubic] or "
            "resize:WxH[:bilinear|bicubic]");
  EXPECT_EQ(message("hflip:1.5"), "transform: 'hflip:1.5': 1.5 is not in 0..1; write hflip[:PROBABILITY]");
  EXPECT_EQ(message("hflip:nan"), "transform: 'hflip:nan': 'nan' is no number; write hflip[:PROBABILITY]");
  EXPECT_EQ(message("gamma:2:1"), "transform: 'gamma:2:1': 1 is not in 2..100; write gamma:LO:HI");
  EXPECT_EQ(message("normalize:0:0"),
            "transform: 'normalize:0:0': a deviation must be above 0; write normalize:MEAN:DEVIATION, or "
            "of three channels MEAN/MEAN/MEAN:DEVIATION/DEVIATION/DEVIATION");
  EXPECT_EQ(
      message("normalize:1/2:1"),
      "transform: 'normalize:1/2:1': one value or three, one a channel; write normalize:MEAN:DEVIATION, "
      "or of three channels MEAN/MEAN/MEAN:DEVIATION/DEVIATION/DEVIATION");
  EXPECT_EQ(message("random-crop:8:2.5"),
            "transform: 'random-crop:8:2.5': '2.5' is no whole number; write random-crop:S[:PAD]");
  EXPECT_EQ(message("normalize:0:1,hflip"), "transform: 'hflip' stands behind normalize; put normalize last");
  EXPECT_EQ(message("normalize:0:1,grey"), "transform: 'grey' stands behind normalize; put normalize last");
  for (const char* text : {",",
                           "resize:1e9",
                           "resize:-3",
                           "rotate:x",
                           "affine:1:2",
                           "normalize:1/2:1",
                           "random-resized-crop:8:2",
                           "a:b",
                           "resize:8x0",
                           "resize:0x8",
                           "resize:8x8x8",
                           "resize:99999999999",
                           "random-crop:8:-1",
                           "random-crop:8:4097",
                           "random-crop:8:99999999999",
                           "random-resize:0:5",
                           "gamma:0:1",
                           "gamma:1:inf",
                           "affine:10:0:2:1",
                           "affine:10:0:1:1:90",
                           "rotate:181",
                           "contrast:-1",
                           "center-crop:16385",
                           "resize:",
                           "hflip:",
                           "normalize::",
                           "normalize:1:1:1",
                           "grey:3",
                           ":",
                           "resize :8x",
                           "\x1b[31m"}) {
    EXPECT_THROW(Pipeline{text}, UsageError) << text;
  }
}

TEST(Pipeline, KeysDecideAndNothingElse) {
  const Image rgb = known("rgb");
  const Pipeline pipeline("random-resized-crop:24,hflip,rotate:20,brightness:0.3");
  const Image first = pipeline.apply(rgb, {1, 2, 3});
  EXPECT_EQ(pipeline.apply(rgb, {1, 2, 3}), first);
  EXPECT_NE(pipeline.apply(rgb, {2, 2, 3}), first);
  EXPECT_NE(pipeline.apply(rgb, {1, 3, 3}), first);
  EXPECT_NE(pipeline.apply(rgb, {1, 2, 4}), first);
  EXPECT_EQ(pipeline.apply(encode_png(rgb), "rgb.png", {1, 2, 3}),
            first);  // the file and the picture draw alike
}

TEST(Pipeline, CroppedDecodingEqualsCroppingTheWhole) {
  const auto file = read_bytes(fixture("images/large.jpg"));
  const Image whole = decode_image(file, "large.jpg");
  const Pipeline pipeline(
      "random-resized-crop:200:0.1:0.4,hflip");  // crops below twice the target: no shrinking
  for (std::uint64_t i = 0; i < 30; ++i)
    EXPECT_EQ(pipeline.apply(file, "large.jpg", {0, 0, i}), pipeline.apply(whole, {0, 0, i})) << i;
}

TEST(Pipeline, ShrunkDecodingStaysNearTheWhole) {
  const auto file = read_bytes(fixture("images/large.jpg"));
  const Image whole = decode_image(file, "large.jpg");
  const Pipeline pipeline("random-resized-crop:48:0.5:1");
  test::Largest worst;
  for (std::uint64_t i = 0; i < 30; ++i) {
    const Image a = pipeline.apply(file, "large.jpg", {0, 0, i}), b = pipeline.apply(whole, {0, 0, i});
    double sum = 0;
    for (std::size_t k = 0; k < a.numel(); ++k) sum += std::abs(a.pixels[k] - b.pixels[k]);
    worst.see(sum / static_cast<double>(a.numel()));
  }
  EXPECT_LT(worst.value(), 6.0);  // the scene has stripes of two pixels, the hardest case
}

TEST(Pipeline, TheMiddleOfBothSides) {
  const auto file = read_bytes(fixture("images/large.jpg"));
  const Image whole = decode_image(file, "large.jpg");
  const Pipeline middle("central-fraction:0.875");
  const int x = static_cast<int>(whole.width / 16.0),
            y = static_cast<int>(whole.height / 16.0);  // margins of 1/16, cut
  const Image want = crop(whole, {x, y, whole.width - 2 * x, whole.height - 2 * y});
  EXPECT_EQ(middle.apply(whole, {}), want);
  EXPECT_EQ(middle.apply(file, "large.jpg", {}), want);
  EXPECT_EQ(middle.apply(Image(1, 1, 1, 8), {}).width, 1);
  EXPECT_EQ(Pipeline("central-fraction:0.01").apply(Image(3, 2, 1, 8), {}).width, 1);
}

TEST(Pipeline, RandomResizeDrawsTheShorterSideEvenly) {
  const Image image(100, 50, 1, 8);
  const Pipeline pipeline("random-resize:20:24");
  std::map<int, int> seen;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const Image out = pipeline.apply(image, {1, 0, i});
    EXPECT_EQ(out.width, 2 * out.height);
    ++seen[out.height];
  }
  ASSERT_EQ(seen.size(), 5u);
  for (int side = 20; side <= 24; ++side) EXPECT_NEAR(seen[side], 200, 50) << side;
  const auto file = encode_png(known("rgb"));
  for (std::uint64_t i = 0; i < 5; ++i)
    EXPECT_EQ(pipeline.apply(file, "rgb.png", {1, 0, i}), pipeline.apply(known("rgb"), {1, 0, i}));
}

TEST(Pipeline, BrightnessIsShifted) {
  Image grey(3, 1, 1, 8), wide(2, 1, 1, 16);
  grey.pixels = {0, 100, 250};
  EXPECT_EQ(shift_brightness(grey, 0.1).pixels, (std::vector<std::uint8_t>{25, 125, 255}));
  EXPECT_EQ(shift_brightness(grey, -0.1).pixels, (std::vector<std::uint8_t>{0, 74, 224}));
  wide.data<std::uint16_t>()[0] = 60000;
  wide.data<std::uint16_t>()[1] = 100;
  const Image more = shift_brightness(wide, 0.5);
  EXPECT_EQ(more.data<std::uint16_t>()[0], 65535);
  EXPECT_EQ(more.data<std::uint16_t>()[1], 32867);
  double low = 1, high = 0;
  for (std::uint64_t i = 0; i < 500; ++i) {
    const double shift =
        (Pipeline("brightness-shift:0.125").apply(wide, {2, 0, i}).data<std::uint16_t>()[1] - 100) / 65535.0;
    low = std::min(low, shift);
    high = std::max(high, shift);
  }
  EXPECT_NEAR(high, 0.125, 0.01);
  EXPECT_LE(low, 0.0);
}
