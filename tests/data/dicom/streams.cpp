// Headers that contradict their streams: colours by markers, names of components and transforms, bits and
// signs of JPEG 2000 and JPEG-LS; 4:2:2 that is none. The files are from tools/fixtures/dicom_streams.py.
#include <gtest/gtest.h>

#include "data/dicom/dicom.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

struct DicomStreams : testing::Test {
  void SetUp() override {
    if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  }
};

DicomFile stream_file(const std::string& name) {
  return DicomFile::open(fixture("dicom/streams/" + name + ".dcm"));
}

// How far the middles of the three thirds are from (200,40,40), (40,200,40) and (40,40,200).
int distance(const Image& picture) {
  if (picture.channels != 3) return 1 << 30;
  int most = 0;
  for (int third = 0; third < 3; ++third) {
    const std::uint8_t* pixel =
        picture.row<std::uint8_t>(picture.height / 2) + 3 * (picture.width * (2 * third + 1) / 6);
    for (int c = 0; c < 3; ++c) most = std::max(most, std::abs(pixel[c] - (c == third ? 200 : 40)));
  }
  return most;
}

TEST_F(DicomStreams, ColoursAreThoseOfTheStream) {
  const std::string rgb = "PhotometricInterpretation is RGB, the stream is YBR_FULL; the stream counts",
                    ybr = "PhotometricInterpretation is YBR_FULL, the stream is RGB; the stream counts";
  const std::pair<const char*, std::vector<std::string>> files[] = {{"jpeg-jfif-says-rgb", {rgb}},
                                                                    {"jpeg-adobe-1-says-rgb", {rgb}},
                                                                    {"jpeg-halved-says-rgb", {rgb}},
                                                                    {"jpeg-silent-says-ybr", {}},
                                                                    {"jpeg-names-rgb-says-ybr", {ybr}},
                                                                    {"jpeg-adobe-0-says-ybr", {ybr}},
                                                                    {"jpeg-silent-says-rgb", {}},
                                                                    {"j2k-transformed-says-ybr", {ybr}},
                                                                    {"j2k-transformed-says-rgb", {}},
                                                                    {"j2k-plain-says-rct", {}},
                                                                    {"j2k-plain-ycc-says-422", {}},
                                                                    {"jpegls-by-plane", {}},
                                                                    {"jpegls-by-line", {}},
                                                                    {"jpegls-by-sample", {}}};
  for (const auto& [name, warnings] : files) {
    const DicomFile file = stream_file(name);
    const DicomImage image = read_dicom_image(file);
    EXPECT_LE(distance(to_image(image)), 3) << name;
    EXPECT_EQ(file.warnings(), warnings) << name;
    // The array of `dicom convert` has the colours side by side.
    const Tensor array = to_rgb_samples(image);
    EXPECT_EQ(array.shape(), (Shape{1, image.rows, image.columns, 3})) << name;
    const std::vector<float> v = array.to_vector<float>();
    for (std::size_t c = 0; c < 3; ++c) {
      EXPECT_NEAR(v[c], c == 0 ? 200 : 40, 3) << name;
      EXPECT_NEAR(v[v.size() - 3 + c], c == 2 ? 200 : 40, 3) << name;
    }
  }
}

TEST_F(DicomStreams, BitsAndSignsAreThoseOfTheStream) {
  struct Case {
    const char* name;
    float first, second, last;
    std::vector<std::string> warnings;
  };
  const std::string unsigned_stream =
                        "the stream is unsigned, PixelRepresentation is 1; its bits are read as "
                        "PixelRepresentation says",
                    signed_stream =
                        "the stream is signed, PixelRepresentation is 0; its bits are read as "
                        "PixelRepresentation says";
  const auto bits = [](int stream, int header) {
    return cat("the stream has ", stream, " bits a sample, BitsStored is ", header, "; the stream counts");
  };
  const Case cases[] = {{"j2k-12-unsigned-says-16-signed", -1000, -969, 953, {unsigned_stream, bits(12, 16)}},
                        {"j2k-13-signed-says-16-signed", -1000, -969, 953, {bits(13, 16)}},
                        {"j2k-12-signed-says-12-unsigned", 0, 65, 4095, {signed_stream}},
                        {"j2k-12-says-8", 0, 65, 4095, {bits(12, 8)}},
                        {"jpegls-12-says-16-signed", -1000, -969, 953, {bits(12, 16)}},
                        {"jpegls-7-bits", 0, 2, 126, {}},
                        {"jpegls-restarts", 255, 252, 66, {}}};
  for (const Case& c : cases) {
    const DicomFile file = stream_file(c.name);
    const DicomImage image = read_dicom_image(file);
    const std::vector<float> v = image.samples.to_vector<float>();
    EXPECT_EQ(v[0], c.first) << c.name;
    EXPECT_EQ(v[static_cast<std::size_t>(image.columns / 8)], c.second) << c.name;
    EXPECT_EQ(v.back(), c.last) << c.name;
    EXPECT_EQ(file.warnings(), c.warnings) << c.name;
    to_image(image);  // its table has an entry for every value
  }
}

TEST_F(DicomStreams, FramesOfDifferentColoursAreRefused) {
  const auto stream = [](const char* name) {
    const DicomFile file = stream_file(name);
    const std::string_view all = file.raw(*file.find(dicom::pixel_data));
    return std::string(all.substr(20));  // behind the offset table and the header of the fragment
  };
  Picture p;
  p.rows = 8;
  p.columns = 24;
  p.samples = 3;
  p.allocated = p.stored = 8;
  p.photometric = "YBR_FULL_422";
  p.front = element(dicom::number_of_frames, "IS", "2");
  const std::string both = coded_picture(p, "1.2.840.10008.1.2.4.50",
                                         {stream("jpeg-names-rgb-says-ybr"), stream("jpeg-jfif-says-rgb")});
  EXPECT_EQ(message_of<FormatError>([&] { image_of(both); }),
            "dicom: made: pixels cannot be decoded, frame 1 is YBR_FULL, those before it are RGB");
  p.photometric = "RGB";
  const std::string mended = coded_picture(p, "1.2.840.10008.1.2.4.50",
                                           {stream("jpeg-names-rgb-says-ybr"), stream("jpeg-jfif-says-rgb")});
  DicomDisplayOptions second;
  second.frame = 1;
  EXPECT_LE(distance(to_image(image_of(mended), second)), 3);
}

TEST_F(DicomStreams, NotSubsampledAlthoughItIsCalled422) {
  Picture p;
  p.rows = 1;
  p.samples = 3;
  p.allocated = p.stored = 8;
  p.photometric = "YBR_FULL_422";
  const std::string grey = std::string("\x80\x80\x80\x40\x80\x80", 6);  // a pixel after the other
  const auto shown = [&](const Picture& q, const std::string& pixels) {
    return to_image(image_of(picture(q, pixels))).pixels;
  };
  const std::vector<std::uint8_t> want{128, 128, 128, 64, 64, 64};
  EXPECT_EQ(shown(p, grey), want);
  EXPECT_EQ(shown(p, std::string("\x80\x40\x80\x80", 4)), want);  // subsampled
  Picture planar = p;
  planar.more = "";
  planar.front = us(dicom::planar, 1);
  EXPECT_EQ(shown(planar, std::string("\x80\x40\x80\x80\x80\x80", 6)), want);
  Picture frames = p;
  frames.front = element(dicom::number_of_frames, "IS", "2");
  const std::string bytes = picture(frames, grey + grey);
  const DicomFile file(bytes, "made");
  EXPECT_EQ(read_dicom_image(file).samples.size(0), 2);
  EXPECT_EQ(file.warnings(),
            (std::vector<std::string>{
                "PhotometricInterpretation is YBR_FULL_422, but the pixel data is not subsampled"}));
  // An odd number of pixels shares its last pair with nobody.
  p.columns = 3;
  EXPECT_EQ(shown(p, std::string("\x80\x40\x80\x80\x20\x00\x80\x80", 8)).size(), 9u);
  EXPECT_EQ(message_of<FormatError>([&] { image_of(picture(p, std::string(6, '\x80'))); }),
            "dicom: made: pixels cannot be decoded, 8 bytes are needed, 6 are there");
}

}  // namespace
}  // namespace gadolin::test
