// What a header calls its colours: retired kinds of YBR, names in other spellings, names of nothing; and
// attributes of one value that have several.
#include <gtest/gtest.h>

#include "data/dicom/dicom.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

struct DicomPhotometric : testing::Test {
  void SetUp() override {
    if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  }
};
using Warnings = std::vector<std::string>;
using Bytes = std::vector<std::uint8_t>;

// One row of bytes.
Picture row_of(int columns, int samples, const std::string& name) {
  Picture p;
  p.rows = 1;
  p.columns = columns;
  p.allocated = p.stored = 8;
  p.samples = samples;
  p.photometric = name;
  return p;
}
struct Seen {
  Bytes pixels;
  std::string photometric;
  Warnings warnings;
};
Seen seen(const std::string& bytes) {
  const DicomFile file(bytes, "made");
  const DicomImage image = read_dicom_image(file);
  return {to_image(image).pixels, image.photometric, file.warnings()};
}
std::string refusal(const std::string& bytes) {
  return message_of<FormatError>([&] { image_of(bytes); });
}

// PS3.3-2003 C.7.6.3.1.2: Y from 16 to 235, differences from 16 to 240. The four colours and their samples
// are those of ITU-R BT.601.
TEST_F(DicomPhotometric, PartialRange) {
  const std::string black_white("\x10\xeb\x80\x80", 4), red_red("\x51\x51\x5a\xf0", 4),
      blue_blue("\x29\x29\xf0\x6e", 4);
  const Bytes want{0, 0, 0, 255, 255, 255, 254, 0, 0, 254, 0, 0, 0, 0, 255, 0, 0, 255};
  const Seen halved = seen(picture(row_of(6, 3, "YBR_PARTIAL_422"), black_white + red_red + blue_blue));
  ASSERT_EQ(halved.pixels.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(halved.pixels[i], want[i], 1) << i;
  EXPECT_EQ(halved.photometric, "YBR_PARTIAL_422");
  EXPECT_TRUE(halved.warnings.empty());
  // Three bytes a pixel, whatever the name says.
  for (const char* name : {"YBR_PARTIAL_422", "YBR_PARTIAL_420"}) {
    const Seen whole = seen(picture(row_of(2, 3, name), std::string("\x10\x80\x80\x51\x5a\xf0", 6)));
    EXPECT_EQ(whole.pixels, (Bytes{0, 0, 0, 254, 0, 0})) << name;
  }
  EXPECT_EQ(seen(picture(row_of(2, 3, "YBR_PARTIAL_422"), std::string(6, '\x80'))).warnings,
            Warnings{"PhotometricInterpretation is YBR_PARTIAL_422, but the pixel data is not subsampled"});
  EXPECT_EQ(refusal(picture(row_of(4, 3, "YBR_PARTIAL_420"), std::string(6, '\x80'))),
            "dicom: made: pixels cannot be decoded, 12 bytes are needed, 6 are there");
  // The array of `dicom convert`, also of 16 bits: 16, 128 and 235 times 256.
  Picture deep = row_of(2, 3, "YBR_PARTIAL_422");
  deep.allocated = deep.stored = 16;
  const Tensor rgb = to_rgb_samples(
      image_of(picture(deep, words({16 * 256, 128 * 256, 128 * 256, 235 * 256, 128 * 256, 128 * 256}))));
  EXPECT_EQ(rgb.to_vector<float>(), (std::vector<float>{0, 0, 0, 65535, 65535, 65535}));
}

// A stream that names its colours, or is JFIF, has the full range.
TEST_F(DicomPhotometric, PartialRangeOfStreams) {
  const auto stream = [](const char* name) {
    const DicomFile file = DicomFile::open(fixture(cat("dicom/streams/", name, ".dcm")));
    return std::pair(std::string(file.raw(*file.find(dicom::pixel_data)).substr(20)),
                     std::pair(file.integer(dicom::rows, 0), file.integer(dicom::columns, 0)));
  };
  const auto photometric = [&](const char* name, Warnings* warnings) {
    const auto [bytes, size] = stream(name);
    Picture p = row_of(static_cast<int>(size.second), 3, "YBR_PARTIAL_422");
    p.rows = static_cast<int>(size.first);
    const Seen got = seen(coded_picture(p, "1.2.840.10008.1.2.4.50", {bytes}));
    *warnings = got.warnings;
    return got.photometric;
  };
  Warnings warnings;
  EXPECT_EQ(photometric("jpeg-jfif-says-rgb", &warnings), "YBR_FULL");
  EXPECT_EQ(warnings, Warnings{"PhotometricInterpretation is YBR_PARTIAL_422, the stream is YBR_FULL; the "
                               "stream counts"});
  EXPECT_EQ(photometric("jpeg-names-rgb-says-ybr", &warnings), "RGB");
  EXPECT_EQ(photometric("jpeg-halved-says-rgb", &warnings), "YBR_PARTIAL_422");
  EXPECT_TRUE(warnings.empty());
  EXPECT_EQ(photometric("jpeg-silent-says-ybr", &warnings), "YBR_PARTIAL_422");
}

TEST_F(DicomPhotometric, NamesInOtherSpellings) {
  const auto written = [](const std::string& as, const std::string& means) {
    return Warnings{cat("PhotometricInterpretation is written ", as, ", it is read as ", means)};
  };
  for (const char* name : {"monochrome1", "Monochrome1", "MONOCHROME 1", "MONOCHROME_1"}) {
    Picture p = row_of(2, 1, name);
    p.more = element(dicom::window_center, "DS", "128") + element(dicom::window_width, "DS", "256");
    const Seen got = seen(picture(p, std::string("\x00\xff", 2)));
    EXPECT_EQ(got.photometric, "MONOCHROME1") << name;
    EXPECT_EQ(got.pixels, (Bytes{255, 0})) << name;
    EXPECT_EQ(got.warnings, written(name, "MONOCHROME1")) << name;
  }
  EXPECT_EQ(seen(picture(row_of(2, 1, "monochrome2"), "ab")).photometric, "MONOCHROME2");
  const std::string rgb("\1\2\3\4\5\6");
  EXPECT_EQ(seen(picture(row_of(2, 3, "rgb"), rgb)).pixels, (Bytes{1, 2, 3, 4, 5, 6}));
  const std::string half("\x80\x40\x80\x80", 4);
  for (const char* name : {"ybr_full_422", "YBR FULL 422", "YBR-FULL-422"}) {
    const Seen got = seen(picture(row_of(2, 3, name), half));
    EXPECT_EQ(got.pixels, (Bytes{128, 128, 128, 64, 64, 64})) << name;
    EXPECT_EQ(got.warnings, written(name, "YBR_FULL_422")) << name;
  }
  for (const char* name : {"palette color", "PALETTE_COLOR", "PaletteColor"}) {
    Picture p = row_of(2, 1, name);
    for (DicomTag c = 0; c < 3; ++c) p.more += element(dicom::palette_descriptor + c, "US", words({2, 0, 8}));
    for (DicomTag c = 0; c < 3; ++c)
      p.more += element(dicom::palette_data + c, "OW", std::string("\x0a\x14", 2));
    const Seen got = seen(picture(p, std::string("\0\1", 2)));
    EXPECT_EQ(got.pixels, (Bytes{10, 10, 10, 20, 20, 20})) << name;
    EXPECT_EQ(got.warnings, written(name, "PALETTE COLOR")) << name;
  }
}

TEST_F(DicomPhotometric, NamesOfNothing) {
  for (const char* name : {"MONOCHROME", "MONOCHROME3", "monochrome0"})
    EXPECT_EQ(seen(picture(row_of(2, 1, name), "ab")).warnings,
              Warnings{cat("PhotometricInterpretation is ", name,
                           ", which is unknown; it is read as MONOCHROME2")});
  EXPECT_EQ(seen(picture(row_of(2, 1, ""), "ab")).warnings,
            Warnings{"PhotometricInterpretation is missing, the samples are read as MONOCHROME2"});
  EXPECT_EQ(seen(picture(row_of(1, 3, ""), "abc")).photometric, "RGB");
  EXPECT_EQ(
      refusal(picture(row_of(2, 1, "GREY"), "ab")),
      "dicom: made: PhotometricInterpretation GREY is not read in Explicit VR Little Endian; convert the "
      "pixels to MONOCHROME2");
  for (const char* name : {"HSV", "CMYK", "YBR_ICT", "YBR_RCT", "XYB"})
    EXPECT_EQ(refusal(picture(row_of(2, 3, name), "abcdef")),
              cat("dicom: made: PhotometricInterpretation ", name,
                  " is not read in Explicit VR Little Endian; convert the pixels to RGB"));
  EXPECT_EQ(refusal(picture(row_of(2, 1, "ybr_partial_422"), "ab")),
            "dicom: made: YBR_PARTIAL_422 with 1 samples per pixel contradict each other");
}

TEST_F(DicomPhotometric, FunctionsOfWindowsInOtherSpellings) {
  const auto shown = [](const std::string& function) {
    Picture p = row_of(2, 1, "MONOCHROME2");
    p.more = element(dicom::window_center, "DS", "128") + element(dicom::window_width, "DS", "100") +
             element(dicom::voi_function, "CS", function);
    const std::string bytes = picture(p, std::string("\x80\x90", 2));
    const DicomFile file(bytes, "made");
    const std::string read = read_dicom_image(file).windows.at(0).function;
    return std::pair(read, file.warnings());
  };
  using Shown = std::pair<std::string, Warnings>;
  EXPECT_EQ(shown("sigmoid"),
            (Shown{"SIGMOID", {"VOILUTFunction is written sigmoid, it is read as SIGMOID"}}));
  EXPECT_EQ(shown("LINEAR EXACT"),
            (Shown{"LINEAR_EXACT", {"VOILUTFunction is written LINEAR EXACT, it is read as LINEAR_EXACT"}}));
  EXPECT_EQ(shown("CUBIC"),
            (Shown{"LINEAR", {"VOILUTFunction is CUBIC, which is unknown; it is read as LINEAR"}}));
  EXPECT_EQ(shown("SIGMOID\\LINEAR"),
            (Shown{"SIGMOID", {"VOILUTFunction has 2 values, the first one counts"}}));
  EXPECT_EQ(shown(""), (Shown{"LINEAR", {}}));
}

// Nothing that a person meant to be a number is dropped in silence.
TEST_F(DicomPhotometric, OneOfSeveralValuesIsTold) {
  const auto warned = [](const std::string& front, const std::string& more) {
    Picture p = row_of(2, 1, "MONOCHROME2");
    p.front = front;
    p.more = more;
    return seen(picture(p, std::string("\1\2", 2))).warnings;
  };
  const auto first = [](const char* attribute, int values) {
    return cat(attribute, " has ", values, " values, the first one counts");
  };
  EXPECT_EQ(warned("", element(dicom::rescale_intercept, "DS", "-1024\\0") +
                           element(dicom::rescale_slope, "DS", "1\\2\\3")),
            (Warnings{first("RescaleSlope", 3), first("RescaleIntercept", 2)}));
  EXPECT_EQ(warned(element(dicom::number_of_frames, "IS", "1\\1"), ""), Warnings{first("NumberOfFrames", 2)});
  EXPECT_EQ(warned("", element(dicom::padding_value, "US", words({0, 7}))),
            Warnings{first("PixelPaddingValue", 2)});
  EXPECT_EQ(warned("", element(dicom::shared_groups, "SQ",
                               item(element(dicom::frame_pixel_values, "SQ",
                                            item(element(dicom::rescale_intercept, "DS", "1\\2")))))),
            Warnings{first("RescaleIntercept", 2)});
  EXPECT_EQ(warned("", element(dicom::rescale_slope, "DS", "1\\")), Warnings{});
  Picture odd = row_of(2, 1, "MONOCHROME2");
  odd.is_signed = 2;
  EXPECT_EQ(seen(picture(odd, "ab")).warnings,
            Warnings{"PixelRepresentation is 2, 0 and 1 are possible; it is read as 0"});
  Picture planar = row_of(1, 3, "RGB");
  planar.front = us(dicom::planar, 3);
  EXPECT_EQ(seen(picture(planar, "abc")).warnings,
            Warnings{"PlanarConfiguration is 3, 0 and 1 are possible; it is read as 0"});
}

}  // namespace
}  // namespace gadolin::test
