// Stored values of real files against the checksums on which independent readers agree: the committed files, and every
// shared set where this machine has them.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "data/csv.h"
#include "data/dicom.h"
#include "data/sha256.h"
#include "tests/data/dicom_parts.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

// Samples in the order frame, row, column, component, four bytes each.
std::string interleaved(const DicomImage& image) {
  const auto* v = image.samples.data<std::int32_t>();
  const std::int64_t n = std::int64_t{image.rows} * image.columns;
  std::string out(static_cast<std::size_t>(image.samples.numel()) * 4, '\0');
  char* to = out.data();
  for (int f = 0; f < image.frames; ++f) {
    for (std::int64_t i = 0; i < n; ++i) {
      for (int c = 0; c < image.channels; ++c, to += 4) std::memcpy(to, &v[(f * image.channels + c) * n + i], 4);
    }
  }
  return out;
}

void expect_close(const DicomImage& image, const CsvTable& t, std::size_t row) {
  const auto field = [&](const char* name) { return std::stod(t.rows[row][static_cast<std::size_t>(t.column(name))]); };
  const std::vector<double> all = image.samples.to_vector<double>();
  double sum = 0, low = all[0], high = all[0];
  for (const double v : all) {
    sum += v;
    low = std::min(low, v);
    high = std::max(high, v);
  }
  EXPECT_LE(std::abs(sum - field("sample_sum")), 0.5 * static_cast<double>(all.size())) << t.place(row);
  EXPECT_LE(std::abs(low - field("sample_min")), 8) << t.place(row);
  EXPECT_LE(std::abs(high - field("sample_max")), 8) << t.place(row);
}

struct Counts { int equal = 0, close = 0, refused = 0, decoded = 0; };

// Every file of a manifest: equal where it has a checksum and is lossless, close where it is lossy, and an error or an image where
// independent readers had no agreement.
Counts check_manifest(const std::string& folder) {
  const CsvTable t = read_csv(folder + "/manifest.csv");
  const auto column = [&](const char* name) { return static_cast<std::size_t>(t.column(name)); };
  Counts counts;
  for (std::size_t i = 0; i < t.rows.size(); ++i) {
    const std::string path = folder + "/" + t.rows[i][column("file")], want = t.rows[i][column("samples_sha256")];
    const bool lossy = t.rows[i][column("note")].find("lossy") != std::string::npos;
    try {
      const DicomImage image = read_dicom_image(DicomFile::open(path));
      if (want.empty()) {
        ++counts.decoded;
      } else if (sha256_hex(interleaved(image)) == want) {
        ++counts.equal;
      } else {
        EXPECT_TRUE(lossy) << path;
        expect_close(image, t, i);
        ++counts.close;
      }
    } catch (const FormatError& error) {
      EXPECT_TRUE(want.empty()) << error.what();
      EXPECT_GE(error.code(), "GD-FORMAT-060") << error.what();
      ++counts.refused;
    }
  }
  return counts;
}

TEST(DicomPixels, CommittedFilesEqualIndependentReaders) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  const Counts c = check_manifest(fixture("dicom"));
  EXPECT_EQ(c.equal + c.close, 60);
  EXPECT_GE(c.refused, 15);
}

TEST(DicomPixels, SharedSetsEqualIndependentReaders) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  int equal = 0;
  for (const char* set : {"dicom-pydicom", "dicom-nema-wg04", "dicom-barre", "dicom-ct-transfer-syntaxes", "dicom-fragments", "dicom-fodicom",
                          "dicom-head-ct-series", "dicom-misc"}) {
    const std::string folder = fixture("../../../shared/data/") + set;
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the reference data set is not on this machine";
    const Counts c = check_manifest(folder);
    equal += c.equal + c.close;
  }
  EXPECT_EQ(equal, 185);
}

DicomImage image_of(const std::string& bytes) { return read_dicom_image(DicomFile(bytes, "made")); }
std::vector<int> values_of(const DicomImage& image) {
  std::vector<int> out;
  for (const double v : image.samples.to_vector<double>()) out.push_back(static_cast<int>(v));
  return out;
}

TEST(DicomPixels, UnusedHighBitsAreIgnoredAndSignsExtended) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  Picture p;
  p.stored = 12;
  EXPECT_EQ(values_of(image_of(picture(p, words({0x0fff, 0xf001, 0x8000, 0x7abc})))), (std::vector<int>{4095, 1, 0, 0xabc}));
  p.is_signed = 1;
  EXPECT_EQ(values_of(image_of(picture(p, words({0x0fff, 0xf001, 0x0800, 0x07ff})))), (std::vector<int>{-1, 1, -2048, 2047}));
}

TEST(DicomPixels, TwelveBitsAllocatedAndOneBit) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  Picture p;
  p.allocated = p.stored = 12;
  EXPECT_EQ(values_of(image_of(picture(p, std::string("\x21\x43\x65\x87\xa9\xcb", 6)))), (std::vector<int>{0x321, 0x654, 0x987, 0xcba}));
  p.allocated = p.stored = 1;
  EXPECT_EQ(values_of(image_of(picture(p, std::string("\x0d\x00", 2)))), (std::vector<int>{1, 0, 1, 1}));
}

TEST(DicomPixels, ColourByPlaneAndByPixel) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  Picture p;
  p.rows = 1;
  p.allocated = p.stored = 8;
  p.samples = 3;
  p.photometric = "RGB";
  const std::vector<int> want{1, 4, 2, 5, 3, 6};
  EXPECT_EQ(values_of(image_of(picture(p, std::string("\1\2\3\4\5\6")))), want);
  EXPECT_EQ(image_of(picture(p, std::string("\1\2\3\4\5\6"))).samples.shape(), (Shape{1, 3, 1, 2}));
  std::string planar = picture(p, std::string("\1\4\2\5\3\6"));
  const std::string rows = us(dicom::rows, 1);
  planar.insert(planar.find(rows), us(dicom::planar, 1));
  EXPECT_EQ(values_of(image_of(planar)), want);
}

TEST(DicomPixels, OneFrameOfSeveral) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  const DicomFile file = DicomFile::open(fixture("dicom/pydicom/SC_rgb_rle_2frame.dcm"));
  const DicomImage all = read_dicom_image(file), second = read_dicom_image(file, 1);
  ASSERT_EQ(all.frames, 2);
  ASSERT_EQ(second.frames, 1);
  const std::vector<double> a = all.samples.to_vector<double>(), b = second.samples.to_vector<double>();
  EXPECT_TRUE(std::equal(b.begin(), b.end(), a.begin() + static_cast<std::ptrdiff_t>(a.size() / 2)));
  EXPECT_THROW(read_dicom_image(file, 2), ValueError);
}

}  // namespace
}  // namespace gadolin::test
