// From stored values to Hounsfield units and pictures: windows, percentiles, inversion, padding, tables,
// palettes.
#include <gtest/gtest.h>

#include "data/dicom/dicom.h"
#include "data/sets/dataset.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

std::vector<int> shown(const DicomImage& image, const DicomDisplayOptions& options = {}) {
  const Image picture = to_image(image, options);
  std::vector<int> out;
  for (std::size_t i = 0; i < picture.numel(); ++i) out.push_back(static_cast<int>(sample_at(picture, i)));
  return out;
}
std::string rescale(const char* slope, const char* intercept) {
  return element(dicom::rescale_intercept, "DS", intercept) + element(dicom::rescale_slope, "DS", slope);
}
std::string window(const char* center, const char* width) {
  return element(dicom::window_center, "DS", center) + element(dicom::window_width, "DS", width);
}

struct DicomDisplayTest : testing::Test {
  void SetUp() override {
    if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  }
};

TEST_F(DicomDisplayTest, HounsfieldUnits) {
  Picture p;
  p.is_signed = 1;
  p.more = rescale("2", "-1024");
  EXPECT_EQ(to_hounsfield(image_of(picture(p, words({0, 512, -1, 2000})))).to_vector<float>(),
            (std::vector<float>{-1024, 0, -1026, 2976}));
}

// PS3.3 C.11.2.1.2: at c - 0.5 - (w-1)/2 and below black, at c - 0.5 + (w-1)/2 and above white, (w-1) wide
// between.
TEST_F(DicomDisplayTest, TheFirstWindowOfTheFile) {
  Picture p;
  p.is_signed = 1;
  p.more = window("40\\600", "80\\2800") + rescale("1", "0");
  const DicomImage image = image_of(picture(p, words({0, 79, 39, -5})));
  ASSERT_EQ(image.windows.size(), 2u);
  EXPECT_EQ(shown(image), (std::vector<int>{0, 255, 126, 0}));  // (39 - 39.5) / 79 + 0.5 = 0.49367
  DicomDisplayOptions other;
  other.window = DicomWindow{0, 2, "", "LINEAR"};
  EXPECT_EQ(shown(image, other), (std::vector<int>{255, 255, 255, 0}));
  other.window = DicomWindow{0, 100, "", "SIGMOID"};
  EXPECT_EQ(shown(image, other)[0], 128);
}

TEST_F(DicomDisplayTest, Monochrome1IsInvertedAndPaddingBlack) {
  Picture p;
  p.photometric = "MONOCHROME1";
  p.more = us(dicom::padding_value, 5000);
  DicomDisplayOptions full;
  full.mode = DicomDisplay::full;
  full.bits = 16;
  EXPECT_EQ(shown(image_of(picture(p, words({0, 50, 100, 5000}))), full),
            (std::vector<int>{65535, 32768, 0, 0}));
}

TEST_F(DicomDisplayTest, ARangeOfPaddingIsBlackAndOutOfTheRange) {
  Picture p;
  p.is_signed = 1;
  p.more = element(dicom::padding_value, "SS", words({-2000})) +
           element(dicom::padding_limit, "SS", words({-1990}));
  DicomDisplayOptions full;
  full.mode = DicomDisplay::full;
  const DicomImage image = image_of(picture(p, words({-2000, -1990, -1989, 11})));
  EXPECT_EQ(image.padding_low, -2000);
  EXPECT_EQ(image.padding_high, -1990);
  EXPECT_EQ(shown(image, full), (std::vector<int>{0, 0, 0, 255}));
  const DicomImage middle = image_of(picture(p, words({-1995, 0, 50, 100})));
  EXPECT_EQ(shown(middle, full), (std::vector<int>{0, 0, 128, 255}));
  // Some writers store the value of a signed picture as unsigned.
  p.more = us(dicom::padding_value, 63536);
  EXPECT_EQ(image_of(picture(p, words({-2000, 0, 50, 100}))).padding_low, -2000);
}

TEST_F(DicomDisplayTest, ExactWindowsAndThoseOfTheFileByName) {
  Picture p;
  p.is_signed = 1;
  p.more = window("50\\40\\600", "100\\80\\2800") +
           element(dicom::window_explanation, "LO", "FIRST\\BRAIN\\BONE") +
           element(dicom::voi_function, "CS", "LINEAR_EXACT");
  const DicomImage image = image_of(picture(p, words({0, 25, 50, 100})));
  ASSERT_EQ(image.windows.size(), 3u);
  EXPECT_EQ(image.windows[1].explanation, "BRAIN");
  EXPECT_EQ(image.windows[1].center, 40);
  EXPECT_EQ(image.windows[1].width, 80);
  EXPECT_EQ(image.windows[2].width, 2800);
  EXPECT_EQ(shown(image), (std::vector<int>{0, 64, 128, 255}));  // (v - 50) / 100 + 0.5
  DicomDisplayOptions bone;
  bone.window = image.windows[2];
  EXPECT_EQ(shown(image, bone), (std::vector<int>{73, 75, 77, 82}));  // (v + 800) / 2800
}

TEST_F(DicomDisplayTest, RescaleAndWindowOfEachFrame) {
  Picture p;
  p.rows = p.columns = 1;
  p.front = element(dicom::number_of_frames, "IS", "2");
  const auto group = [](const char* slope, const char* intercept) {
    return item(element(dicom::frame_voi, "SQ", item(window("5", "10"))) +
                element(dicom::frame_pixel_values, "SQ", item(rescale(slope, intercept))));
  };
  p.more = element(dicom::frame_groups, "SQ", group("1", "0") + group("2", "-3"));
  const DicomImage image = image_of(picture(p, words({4, 4})));
  EXPECT_EQ(to_hounsfield(image).to_vector<float>(), (std::vector<float>{4, 5}));
  ASSERT_EQ(image.windows.size(), 1u);
  EXPECT_EQ(image.windows[0].width, 10);
}

TEST_F(DicomDisplayTest, PercentilesLeaveOutTheBrightMarker) {
  Picture p;
  p.rows = p.columns = 100;
  std::string pixels;
  for (int i = 0; i < 10000; ++i) pixels += little(i == 7 ? 60000 : static_cast<std::uint64_t>(i % 100), 2);
  DicomDisplayOptions how;
  how.mode = DicomDisplay::percentile;
  const std::vector<int> grey = shown(image_of(picture(p, pixels)), how);
  EXPECT_EQ(grey[7], 255);
  EXPECT_EQ(grey[99], 255);
  EXPECT_EQ(grey[0], 0);
  EXPECT_NEAR(grey[50], 129, 1);
  how.low = 60, how.high = 40;
  EXPECT_THROW(shown(image_of(picture(p, pixels)), how), ValueError);
}

TEST_F(DicomDisplayTest, ABlankImageIsBlack) {
  Picture p;
  EXPECT_EQ(shown(image_of(picture(p, words({7, 7, 7, 7})))), (std::vector<int>{0, 0, 0, 0}));
}

TEST_F(DicomDisplayTest, TablesOfModalityAndVoi) {
  Picture p;
  const std::string descriptor = element(dicom::lut_descriptor, "US", words({4, 10, 8})),
                    entries = element(dicom::lut_data, "US", words({0, 10, 200, 255}));
  p.more = element(dicom::modality_lut, "SQ", item(descriptor + entries));
  const DicomImage a = image_of(picture(p, words({9, 11, 12, 40})));
  EXPECT_EQ(to_hounsfield(a).to_vector<float>(), (std::vector<float>{0, 10, 200, 255}));
  p.more = element(dicom::voi_lut, "SQ", item(descriptor + entries));
  EXPECT_EQ(shown(image_of(picture(p, words({9, 11, 12, 40})))), (std::vector<int>{0, 10, 200, 255}));
}

TEST_F(DicomDisplayTest, PaletteAndYbrBecomeRgb) {
  Picture p;
  p.rows = 1;
  p.allocated = p.stored = 8;
  p.photometric = "PALETTE COLOR";
  for (DicomTag c = 0; c < 3; ++c) p.more += element(dicom::palette_descriptor + c, "US", words({2, 0, 16}));
  p.more += element(dicom::palette_data, "OW", words({0, 0xff00})) +
            element(dicom::palette_data + 1, "OW", words({0x8000, 0})) +
            element(dicom::palette_data + 2, "OW", words({0, 0x1200}));
  EXPECT_EQ(shown(image_of(picture(p, std::string("\0\1", 2)))), (std::vector<int>{0, 128, 0, 255, 0, 18}));
  p.more.clear();
  p.samples = 3;
  p.photometric = "YBR_FULL";
  EXPECT_EQ(shown(image_of(picture(p, std::string("\x4c\x55\xff\xff\x80\x80", 6)))),
            (std::vector<int>{254, 0, 0, 255, 255, 255}));
  EXPECT_THROW(to_hounsfield(image_of(picture(p, std::string(6, '\0')))), ValueError);
}

TEST_F(DicomDisplayTest, DicomFilesArePicturesOfDataSets) {
  const std::string path = fixture("dicom/pydicom/MR_small_RLE.dcm");
  const Image deep = read_image(path), grey = read_image(path, {.reduce_to_8bit = true});
  EXPECT_EQ(deep.bits, 16);
  EXPECT_EQ(grey.bits, 8);
  EXPECT_EQ(grey.width, 64);
  EXPECT_EQ(grey, to_image(read_dicom_image(DicomFile::open(path))));
  EXPECT_EQ(read_image(fixture("dicom/pydicom/SC_rgb_jpeg.dcm")).channels, 3);
  EXPECT_TRUE(detail::is_image_name("slice.DCM"));
}

}  // namespace
}  // namespace gadolin::test
