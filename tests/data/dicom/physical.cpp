// DICOM files as input of a net: windows, ranges and percentiles of rescaled values.
#include <gtest/gtest.h>

#include <cmath>

#include "data/dicom/dicom.h"
#include "data/image/transforms.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

std::span<const std::uint8_t> byte_span(const std::string& s) {
  return {reinterpret_cast<const std::uint8_t*>(s.data()), s.size()};
}
Image seen(const Pipeline& pipeline, const std::string& file) {
  return pipeline.apply(byte_span(file), "made.dcm", {});
}
std::vector<int> values(const Image& image) {
  std::vector<int> out;
  for (std::size_t i = 0; i < image.numel(); ++i) out.push_back(static_cast<int>(sample_at(image, i)));
  return out;
}
// A signed CT slice of one row with these Hounsfield units, stored by slope 2 and intercept -1000, and a
// window of its own that must not matter.
std::string ct(std::initializer_list<int> units, const std::string& more = "") {
  Picture p;
  p.rows = 1;
  p.columns = static_cast<int>(units.size());
  p.is_signed = 1;
  p.more = more + element(dicom::window_center, "DS", "7") + element(dicom::window_width, "DS", "3") +
           element(dicom::rescale_intercept, "DS", "-1000") + element(dicom::rescale_slope, "DS", "2");
  std::string pixels;
  for (const int u : units) pixels += little(static_cast<std::uint64_t>((u + 1000) / 2) & 0xffff, 2);
  return picture(p, pixels);
}

struct PhysicalSteps : testing::Test {
  void SetUp() override {
    if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  }
};

// apps-spec.md 8.3, the windows of the head CT programs; there in 0..255.
TEST_F(PhysicalSteps, WindowsMakeChannels) {
  const std::string file = ct({-1000, 0, 50, 100, 300, 1000});
  const double brain[] = {0, 0, 159.375, 255, 255, 255}, subdural[] = {0, 25.5, 89.25, 153, 255, 255},
               bone[] = {0, 72.857143, 77.410714, 81.964286, 100.178571, 163.928571},
               soft[] = {0, 100.657895, 134.210526, 167.763158, 255, 255};
  const Image three = seen(Pipeline("window:40/80|80/200|600/2800"), file);
  ASSERT_EQ(three.channels, 3);
  ASSERT_EQ(three.bits, 16);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(sample_at(three, 3 * i), brain[i] * 257, 0.6) << i;
    EXPECT_NEAR(sample_at(three, 3 * i + 1), subdural[i] * 257, 0.6) << i;
    EXPECT_NEAR(sample_at(three, 3 * i + 2), bone[i] * 257, 0.6) << i;
  }
  const Image one = seen(Pipeline(Windows({{40, 380}})), file);
  ASSERT_EQ(one.channels, 1);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(sample_at(one, i), soft[i] * 257, 0.6) << i;
  EXPECT_EQ(seen(Pipeline("rgb,window:40/380"), file), to_rgb(one));
  EXPECT_EQ(seen(Pipeline("grey,window:40/380"), file), one);
  // Without a step the file's own window shows: 7/3.
  EXPECT_EQ(values(seen(Pipeline(), file)), (std::vector<int>{0, 0, 65535, 65535, 65535, 65535}));
}

TEST_F(PhysicalSteps, RescaleIsAStraightLine) {
  const std::string file = ct({-1000, -500, 0, 500, 1000, 3000});
  EXPECT_EQ(values(seen(Pipeline("rescale:-1000:1000"), file)),
            (std::vector<int>{0, 16384, 32768, 49151, 65535, 65535}));
  EXPECT_EQ(values(seen(Pipeline(Rescale(0, 500)), file)), (std::vector<int>{0, 0, 0, 65535, 65535, 65535}));
}

TEST_F(PhysicalSteps, PercentilesAreThoseOfTheDisplay) {
  for (const char* name :
       {"pydicom/MR_small.dcm", "pydicom/MR_small_padded.dcm", "pydicom/JPGExtended.dcm",
        "ct-transfer-syntaxes/CTImage.dcm_JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70.dcm"}) {
    const std::string path = fixture(std::string("dicom/") + name);
    const DicomImage image = read_dicom_image(DicomFile::open(path), 0);
    for (const auto& [low, high] : {std::pair{0.5, 99.5}, {0.0, 100.0}, {10.0, 60.0}}) {
      DicomDisplayOptions how;
      how.mode = DicomDisplay::percentile;
      how.low = low;
      how.high = high;
      how.bits = 16;
      const Image got = Pipeline(Percentile(low, high)).apply(read_bytes(path), name, {});
      EXPECT_LE(largest_difference(got, to_image(image, how)), 1) << name << " " << low;
    }
  }
}

// Against a loop over what read_dicom_image and to_hounsfield give.
TEST_F(PhysicalSteps, AgreeWithADirectComputation) {
  int bright = 0, grey = 0;
  for (const char* name :
       {"pydicom/MR_small.dcm", "pydicom/MR_small_bigendian.dcm", "pydicom/JPEG2000.dcm",
        "pydicom/rtdose_1frame.dcm",
        "ct-transfer-syntaxes/CTImage.dcm_JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90.dcm"}) {
    const std::string path = fixture(std::string("dicom/") + name);
    const DicomImage image = read_dicom_image(DicomFile::open(path), 0);
    const std::vector<float> units = to_hounsfield(image).to_vector<float>();
    const Image got = Pipeline("window:300/500").apply(read_bytes(path), name, {});
    const Image line = Pipeline("rescale:50:550").apply(read_bytes(path), name, {});
    EXPECT_LE(largest_difference(got, line), 1);  // the same window, said otherwise
    ASSERT_EQ(got.numel(), units.size()) << name;
    ASSERT_EQ(got.width, image.columns);
    for (std::size_t i = 0; i < units.size(); ++i) {
      double y = std::clamp((double{units[i]} - 300) / 500 + 0.5, 0.0, 1.0);
      if (image.photometric == "MONOCHROME1") y = 1 - y;
      if (image.is_padding(image.samples.data<std::int32_t>()[i])) y = 0;
      ASSERT_NEAR(sample_at(got, i), y * 65535, 1) << name << " " << i;
      bright += y == 1;
      grey += y > 0 && y < 1;
    }
  }
  EXPECT_GT(bright, 100);
  EXPECT_GT(grey, 1000);
}

TEST_F(PhysicalSteps, Monochrome1IsTurnedRoundAndPaddingBlack) {
  Picture p;
  p.photometric = "MONOCHROME1";
  p.more = us(dicom::padding_value, 5000);
  const std::string file = picture(p, words({0, 50, 100, 5000}));
  for (const char* text : {"window:50/100", "rescale:0:100", "percentile:0:100"})
    EXPECT_EQ(values(seen(Pipeline(text), file)), (std::vector<int>{65535, 32768, 0, 0})) << text;
  p.photometric = "MONOCHROME2";
  const std::string plain = picture(p, words({0, 50, 100, 5000}));
  for (const char* text : {"window:50/100", "rescale:0:100", "percentile:0:100"})
    EXPECT_EQ(values(seen(Pipeline(text), plain)), (std::vector<int>{0, 32768, 65535, 0})) << text;
  // Only padding, one value only: black, however the picture is meant.
  for (const char* kind : {"MONOCHROME1", "MONOCHROME2"}) {
    p.photometric = kind;
    EXPECT_EQ(values(seen(Pipeline("percentile:0:100"), picture(p, words({5000, 5000, 5000, 5000})))),
              (std::vector<int>{0, 0, 0, 0}));
    EXPECT_EQ(values(seen(Pipeline("percentile:1:99"), picture(p, words({7, 7, 7, 5000})))),
              (std::vector<int>{0, 0, 0, 0}));
  }
}

TEST_F(PhysicalSteps, TablesAndFallingLinesAreValuesToo) {
  Picture p;
  p.more = element(dicom::modality_lut, "SQ",
                   item(element(dicom::lut_descriptor, "US", words({4, 10, 16})) +
                        element(dicom::lut_data, "US", words({0, 100, 300, 400}))));
  EXPECT_EQ(values(seen(Pipeline("rescale:0:400"), picture(p, words({9, 11, 12, 40})))),
            (std::vector<int>{0, 16384, 49151, 65535}));
  // A falling line: the largest stored value is the smallest physical one.
  p.more = element(dicom::rescale_intercept, "DS", "0") + element(dicom::rescale_slope, "DS", "-1");
  EXPECT_EQ(values(seen(Pipeline("percentile:0:100"), picture(p, words({0, 50, 75, 100})))),
            (std::vector<int>{65535, 32768, 16384, 0}));
  // What overflows is no value.
  p.more = element(dicom::rescale_intercept, "DS", "0") + element(dicom::rescale_slope, "DS", "1e300");
  EXPECT_EQ(values(seen(Pipeline("percentile:0:100"), picture(p, words({0, 1, 2, 3})))),
            (std::vector<int>{0, 0, 0, 0}));
}

TEST_F(PhysicalSteps, StandInFrontOfGeometry) {
  const std::string path = fixture("dicom/pydicom/MR_small.dcm");
  const auto file = read_bytes(path);
  const Image whole = Pipeline("window:600/1200").apply(file, "a", {});
  const Transformed t = Pipeline("window:600/1200,resize:32,hflip:1").transform(file, "a", {});
  EXPECT_EQ(t.image, Pipeline("resize:32,hflip:1").apply(whole, {}));
  EXPECT_EQ(t.map, (Affine{-0.5, 0, 32, 0, 0.5, 0}));
  EXPECT_EQ(Pipeline("window:1/2|3/4|5/6,resize:8x8").channels(), 3);
  EXPECT_EQ(Pipeline("window:1/2").channels(), 1);
  EXPECT_EQ(Pipeline("rgb,percentile:1:99").channels(), 3);
  EXPECT_EQ(Pipeline("window:1/2,resize:8x8").output_size(), (std::pair{8, 8}));
  EXPECT_FALSE(Pipeline("window:1/2").random());
}

TEST(PhysicalStepsOfOtherFiles, PercentileTakesAnyGreyPicture) {
  Image grey(5, 1, 1, 8);
  grey.pixels = {10, 20, 30, 110, 255};
  const std::vector<int> want{0, 6554, 13107, 65535, 65535};
  const Pipeline pipeline("percentile:0:75");
  EXPECT_EQ(values(pipeline.apply(grey, {})), want);
  EXPECT_EQ(values(pipeline.apply(encode_png(grey), "a.png", {})), want);
  EXPECT_EQ(Pipeline("rgb,percentile:0:75").apply(encode_png(grey), "a.png", {}),
            to_rgb(pipeline.apply(grey, {})));
}

TEST(PhysicalStepsOfOtherFiles, ColoursBecomeGreyWhenAsked) {
  const Image colour = pattern(6, 4, 3);
  const Image grey = Pipeline("percentile:1:99").apply(to_grey(colour), {});
  EXPECT_EQ(Pipeline("grey,percentile:1:99").apply(encode_png(colour), "a.png", {}), grey);
  EXPECT_EQ(Pipeline("grey,percentile:1:99").apply(colour, {}), grey);
  EXPECT_EQ(Pipeline("rgb,percentile:1:99").apply(to_grey(colour), {}), to_rgb(grey));
  EXPECT_EQ(
      message_of<FormatError>([&] { Pipeline("percentile:1:99").apply(encode_png(colour), "a.png", {}); }),
      "transform: 'percentile:1:99' needs a grey picture, a.png has colours; put grey in front of it");
  EXPECT_EQ(message_of<ShapeError>([&] { Pipeline("rgb,percentile:1:99").apply(colour, {}); }),
            "values: of a picture in colour; make it grey first");
}

TEST(PhysicalStepsOfOtherFiles, UnitsAreNotGuessed) {
  const auto jpeg = encode_jpeg(Image(8, 8, 1));
  EXPECT_EQ(message_of<FormatError>([&] { Pipeline("window:40/80").apply(jpeg, "film.jpg", {}); }),
            "transform: 'window:40/80' needs values in units, film.jpg is a JPEG picture without; use "
            "percentile:LOW:HIGH, or leave the step out");
  EXPECT_EQ(message_of<FormatError>([&] { Pipeline("rescale:0:100,resize:8").apply(jpeg, "film.jpg", {}); }),
            "transform: 'rescale:0:100' needs values in units, film.jpg is a JPEG picture without; use "
            "percentile:LOW:HIGH, or leave the step out");
  EXPECT_EQ(message_of<ValueError>([&] { Pipeline("window:40/80").apply(Image(8, 8, 1), {}); }),
            "transform: 'window:40/80' needs values in units, a picture in memory has none; use "
            "percentile:LOW:HIGH");
  if (!dicom_available()) return;
  const auto colour = read_bytes(fixture("dicom/pydicom/SC_rgb_jpeg.dcm"));
  EXPECT_EQ(message_of<FormatError>([&] { Pipeline("window:40/80").apply(colour, "c.dcm", {}); }),
            "transform: 'window:40/80' needs values in units, c.dcm is a DICOM picture without; use "
            "percentile:LOW:HIGH, or leave the step out");
  EXPECT_EQ(Pipeline("grey,percentile:0:100").apply(colour, "c.dcm", {}).channels, 1);
  const auto damaged = read_bytes(fixture("dicom/pydicom/MR_truncated.dcm"));
  EXPECT_THROW(Pipeline("window:40/80").apply(damaged, "d.dcm", {}), FormatError);
  EXPECT_THROW(Pipeline("percentile:1:99").apply(std::vector<std::uint8_t>(40, 7), "x", {}), FormatError);
}

TEST(PhysicalStepsOfOtherFiles, WrongTextIsExplained) {
  const auto message = [](const char* text) {
    return message_of<UsageError>([&] { Pipeline pipeline(text); });
  };
  const std::string window =
      "; write window:CENTER/WIDTH, or of three channels window:CENTER/WIDTH|CENTER/WIDTH|CENTER/WIDTH";
  EXPECT_EQ(message("window"), "transform: 'window': 0 parameters" + window);
  EXPECT_EQ(message("window:40"), "transform: 'window:40': '40' is no window" + window);
  EXPECT_EQ(message("window:40/80|"), "transform: 'window:40/80|': '' is no window" + window);
  EXPECT_EQ(message("window:40/80|1/2"),
            "transform: 'window:40/80|1/2': one window or three, one a channel" + window);
  EXPECT_EQ(message("window:40/0"), "transform: 'window:40/0': a width must be 1e-6 to 1e9" + window);
  EXPECT_EQ(message("window:a/80"), "transform: 'window:a/80': 'a' is no number" + window);
  EXPECT_EQ(message("window:1e300/80"),
            "transform: 'window:1e300/80': 1e+300 is not in -1e+09..1e+09" + window);
  EXPECT_EQ(message("rescale:5:5"),
            "transform: 'rescale:5:5': the lower bound comes first; write rescale:LOW:HIGH");
  EXPECT_EQ(message("percentile:99:1"),
            "transform: 'percentile:99:1': the lower bound comes first; write percentile:LOW:HIGH");
  EXPECT_EQ(message("percentile:0:101"),
            "transform: 'percentile:0:101': 101 is not in 0..100; write percentile:LOW:HIGH");
  const std::string place =
      "; one step from values to a picture is possible, before all others but grey and rgb";
  EXPECT_EQ(message("resize:8,window:40/80"),
            "transform: 'window' stands behind 'resize:8'; one step from values to a picture is possible, "
            "before all others but "
            "grey and rgb");
  EXPECT_EQ(message("resize:8,window:40/80"), "transform: 'window' stands behind 'resize:8'" + place);
  EXPECT_EQ(message("window:40/80,percentile:1:99"),
            "transform: 'percentile' stands behind 'window:40/80'" + place);
  EXPECT_EQ(message("grey,window:1/2|3/4|5/6"),
            "transform: grey with three windows; leave grey out, or give one window");
  EXPECT_EQ(message("window:1/2|3/4|5/6,grey"),
            "transform: grey with three windows; leave grey out, or give one window");
  EXPECT_EQ(message_of<ValueError>([] { Windows({}); }), "window: one window or three, one a channel");
  EXPECT_EQ(message_of<ValueError>([] { Windows({{1, -2}}); }), "window: a width must be 1e-6 to 1e9");
  EXPECT_EQ(message_of<ValueError>([] { Rescale(2, 1); }), "rescale: the lower bound comes first");
  EXPECT_EQ(message_of<ValueError>([] { Percentile(50, 50); }), "percentile: the lower bound comes first");
  EXPECT_EQ(message_of<ShapeError>([] {
              Rescale(0, 1).apply({2, 2, {1, 2, 3}, false});
            }),
            "values: 3 of a picture of 2 x 2");
  for (const char* text :
       {"window:40/80|80/200|600/2800,resize:224x224", "rgb,window:-600/1500,normalize:0.5:0.25",
        "rescale:-1024:3071", "grey,percentile:0.5:99.5,resize:64"}) {
    EXPECT_EQ(Pipeline(text).text(), text);
  }
}

}  // namespace
}  // namespace gadolin::test
