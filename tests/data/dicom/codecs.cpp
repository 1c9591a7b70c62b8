// Streams of the codecs' own test suites, wrapped into DICOM files: lossless JPEG with every predictor,
// JPEG-LS, JPEG 2000, damage.
#include <gtest/gtest.h>

#include <filesystem>

#include "data/dicom/dicom.h"
#include "io/atomic_file.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;

const std::string shared_data = fixture("../../../shared/data/");

struct DicomCodecs : testing::Test {
  void SetUp() override {
    if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
    if (!fs::exists(shared_data + "codec-jpeg"))
      GTEST_SKIP() << "the reference data set is not on this machine";
  }
};

struct Head {
  int precision = 8, rows = 1, columns = 1, channels = 1;
};

// Of a JPEG, JPEG-LS or JPEG 2000 stream; what is not found stays 1.
Head head_of(const std::string& b) {
  const auto at = [&](std::size_t i) { return i < b.size() ? static_cast<unsigned char>(b[i]) : 0; };
  Head h;
  if (at(1) == 0x4f) {
    const auto be32 = [&](std::size_t i) {
      return at(i) << 24 | at(i + 1) << 16 | at(i + 2) << 8 | at(i + 3);
    };
    return {(at(42) & 127) + 1, be32(12) - be32(20), be32(8) - be32(16), at(41)};
  }
  for (std::size_t i = 2; i + 9 < b.size();) {
    const int marker = at(i + 1);
    if ((marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) ||
        marker == 0xf7) {
      return {at(i + 4), at(i + 5) << 8 | at(i + 6), at(i + 7) << 8 | at(i + 8), at(i + 9)};
    }
    i += 2 + static_cast<std::size_t>(at(i + 2) << 8 | at(i + 3));
  }
  return h;
}

DicomImage decoded(const std::string& stream, const char* syntax) {
  const Head h = head_of(stream);
  Picture p;
  p.rows = h.rows;
  p.columns = h.columns;
  p.allocated = h.precision > 8 ? 16 : 8;
  p.stored = h.precision;
  p.samples = h.channels;
  if (h.channels == 3) p.photometric = "RGB";
  const std::string bytes = coded_picture(p, syntax, {stream});
  return read_dicom_image(DicomFile(bytes, "wrapped"));
}
std::string file_bytes(const std::string& path) { return read_file(path, 1 << 26); }

// Largest difference of the samples; `shift` scales a picture that stores fewer bits in 16.
int difference(const DicomImage& a, const Image& b, int shift = 0) {
  EXPECT_EQ(a.rows, b.height);
  EXPECT_EQ(a.columns, b.width);
  EXPECT_EQ(a.channels, b.channels);
  if (a.rows != b.height || a.columns != b.width || a.channels != b.channels) return 1 << 30;
  const auto* v = a.samples.data<std::int32_t>();
  const std::int64_t n = std::int64_t{a.rows} * a.columns;
  int most = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    for (int c = 0; c < a.channels; ++c) {
      most = std::max(
          most,
          std::abs(v[c * n + i] -
                   static_cast<int>(sample_at(b, static_cast<std::size_t>(i * a.channels + c)) >> shift)));
    }
  }
  return most;
}

TEST_F(DicomCodecs, LosslessJpegWithEveryPredictor) {
  int checked = 0;
  for (const auto& entry : fs::recursive_directory_iterator(shared_data + "codec-jpeg/lossless")) {
    fs::path png = entry.path();
    if (png.extension() != ".jpg") continue;
    const DicomImage image = decoded(file_bytes(png.string()), "1.2.840.10008.1.2.4.57");
    const Image want = read_image(png.replace_extension(".png").string());
    EXPECT_EQ(std::min(difference(image, want), difference(image, want, want.bits - image.bits_stored)), 0)
        << entry.path();
    ++checked;
  }
  EXPECT_EQ(checked, 5);
}

TEST_F(DicomCodecs, JpegLsConformance) {
  const std::string folder = shared_data + "codec-jpegls/conformance/";
  const struct {
    const char *stream, *picture;
    int error;
  } cases[] = {{"t8c0e0", "test8.ppm", 0},
               {"t8c2e0", "test8.ppm", 0},
               {"t8c0e3", "test8.ppm", 3},
               {"t8nde0", "test8bs2.pgm", 0}};
  for (const auto& c : cases) {
    EXPECT_LE(difference(decoded(file_bytes(folder + c.stream + ".jls"), "1.2.840.10008.1.2.4.81"),
                         read_image(folder + c.picture)),
              c.error)
        << c.stream;
  }
}

TEST_F(DicomCodecs, Jpeg2000Conformance) {
  for (const char* name : {"a1_mono", "a3_mono", "b1_mono", "c1_mono", "d1_colr"}) {
    const std::string path = shared_data + "codec-jpeg2000/" + name;
    const DicomImage image = decoded(file_bytes(path + ".j2c"), "1.2.840.10008.1.2.4.91");
    EXPECT_LE(difference(image, image.channels == 1 ? to_grey(read_image(path + ".ppm"))
                                                    : read_image(path + ".ppm")),
              2)
        << name;
  }
}

TEST_F(DicomCodecs, DamagedStreamsAreErrors) {
  const auto refused = [](const std::string& path, const char* syntax) {
    try {
      decoded(file_bytes(path), syntax);
    } catch (const FormatError&) {
      return true;
    }
    return false;
  };
  for (const auto& entry : fs::directory_iterator(shared_data + "codec-jpegls/bad")) {
    EXPECT_TRUE(refused(entry.path().string(), "1.2.840.10008.1.2.4.80")) << entry.path();
  }
  for (const auto& entry : fs::directory_iterator(shared_data + "codec-jpeg/crash")) {
    refused(entry.path().string(), "1.2.840.10008.1.2.4.50");  // some are whole as far as a decoder must look
    EXPECT_TRUE(refused(entry.path().string(), "1.2.840.10008.1.2.4.90")) << entry.path();
  }
}

}  // namespace
}  // namespace gadolin::test
