// DICOM files that lie: each is one error with its code, and nothing large is allocated first.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>

#include "data/dicom/dicom.h"
#include "io/atomic_file.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/hostile.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

struct DicomHostile : testing::Test {
  void SetUp() override {
    if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  }
};

// Everything a reader would do with a file.
void use(const std::string& bytes, const DicomOptions& options = {}) {
  const DicomFile file(bytes, "made", options);
  dump_json(file);
  to_image(read_dicom_image(file));
}
std::string code_of(const std::string& bytes, const DicomOptions& options = {}) {
  try {
    use(bytes, options);
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
    return e.code();
  }
  return "accepted";
}
// A file that was cut off is refused, unless all its pixels are there and come out as they were.
void expect_refused_or_whole(const std::string& bytes, std::size_t n, const std::string& name) {
  const std::string cut = bytes.substr(0, n), code = code_of(cut);
  if (code == "accepted")
    ASSERT_EQ(to_image(image_of(cut)), to_image(image_of(bytes))) << name << " cut to " << n;
  else
    ASSERT_TRUE(code.starts_with("GD-FORMAT-06")) << name << " cut to " << n << ": " << code;
}
std::string whole(const std::string& name) { return read_file(fixture("dicom/" + name), 1 << 24); }

TEST_F(DicomHostile, Messages) {
  Picture p;
  const std::string good = picture(p, words({1, 2, 3, 4}));
  const auto says = [](const std::string& bytes) { return message_of<FormatError>([&] { use(bytes); }); };
  EXPECT_EQ(says("no DICOM at all, but some text"), "dicom: made is not a DICOM file");
  EXPECT_EQ(says(""), "dicom: made is not a DICOM file");
  EXPECT_EQ(says(good.substr(0, good.size() - 1)),
            "dicom: made: pixels cannot be decoded, 8 bytes are needed, 7 are left of the file");
  EXPECT_EQ(says(meta() + element(dicom::modality, "CS", "CT")), "dicom: made has no pixel data");
  EXPECT_EQ(says(meta("1.2.840.10008.1.2.4.100") + element(dicom::pixel_data, "OW", words({1}))),
            "dicom: made is in transfer syntax MPEG2 Main Profile, which is not read; convert it to Explicit "
            "VR Little Endian");
  std::string program = good;
  program.replace(0, 2, "MZ");
  EXPECT_EQ(says(program),
            "dicom: made carries a program in its preamble; do not open it, convert a copy with the first "
            "128 bytes set to zero");
  p.stored = 17;
  EXPECT_EQ(says(picture(p, words({1, 2, 3, 4}))),
            "dicom: made: BitsStored is 17, from 1 to 16 are possible");
  p.stored = 16;
  p.rows = 0;
  EXPECT_EQ(says(picture(p, words({1, 2, 3, 4}))), "dicom: made: Rows is 0, from 1 to 65535 are possible");
  const std::string cut = meta() + element(dicom::modality, "CS", "CT");
  EXPECT_EQ(says(cut.substr(0, cut.size() - 1)),
            "dicom: made is damaged at byte 160: element (0008,0060) has 2 bytes, but only 1 follow");
}

TEST_F(DicomHostile, EveryTruncationIsAnError) {
  for (const char* name :
       {"pydicom/MR_small.dcm", "pydicom/MR_small_RLE.dcm", "pydicom/MR_small_bigendian.dcm",
        "pydicom/MR_small_implicit.dcm", "pydicom/JPEG2000.dcm", "pydicom/JPGExtended.dcm",
        "pydicom/SC_rgb_jpeg.dcm", "pydicom/JPEGLSNearLossless_08.dcm", "pydicom/image_dfl.dcm"}) {
    const std::string bytes = whole(name);
    const std::size_t step = std::max<std::size_t>(1, bytes.size() / 300);
    for (std::size_t n = 0; n + 8 < bytes.size();
         n += step) {  // the last eight close the fragments: without them all pixels are there
      expect_refused_or_whole(bytes, n, name);
    }
  }
}

TEST_F(DicomHostile, EveryKilobyteOfCompressedImages) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(fixture("dicom"))) {
    if (!entry.is_regular_file() || entry.file_size() < 60'000) continue;
    const std::string bytes = read_file(entry.path().string(), 1 << 24);
    for (std::size_t n = 1024; n + 512 < bytes.size(); n += 1024) {
      expect_refused_or_whole(bytes, n, entry.path().filename().string());
    }
  }
}

// Every file of the shared sets, cut at every kilobyte: an error, or a header that is whole without its
// pixels.
TEST_F(DicomHostile, EveryKilobyteOfTheSharedSets) {
  const std::string sets = fixture("../../../shared/data/");
  if (!std::filesystem::exists(sets + "dicom-pydicom"))
    GTEST_SKIP() << "the reference data set is not on this machine";
  int cut = 0;
  for (const char* set : {"dicom-pydicom", "dicom-barre", "dicom-ct-transfer-syntaxes", "dicom-fragments",
                          "dicom-fodicom", "dicom-misc", "dicom-nema-wg04"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(sets + set)) {
      if (!entry.is_regular_file()) continue;
      const std::string bytes = read_file(entry.path().string(), 1 << 26);
      if (!DicomFile::looks_like(bytes)) continue;
      for (std::size_t n = 1024; n + 512 < bytes.size(); n += 1024, ++cut) {
        expect_refused_or_whole(bytes, n, entry.path().filename().string());
      }
    }
  }
  EXPECT_GT(cut, 1000);
}

TEST_F(DicomHostile, RandomChangesNeverDoMoreThanThrow) {
  DicomOptions options;
  options.limits.samples = 4 << 20;
  for (const char* name :
       {"pydicom/CT_small.dcm", "pydicom/MR_small.dcm", "pydicom/MR_small_RLE.dcm", "pydicom/JPEG2000.dcm",
        "pydicom/JPGExtended.dcm", "pydicom/SC_rgb_jpeg.dcm", "pydicom/JPEGLSNearLossless_08.dcm",
        "pydicom/image_dfl.dcm", "pydicom/reportsi.dcm", "pydicom/nested_priv_SQ.dcm",
        "streams/jpegls-restarts.dcm", "streams/jpegls-by-line.dcm",
        "streams/j2k-12-unsigned-says-16-signed.dcm", "streams/jpeg-adobe-0-says-ybr.dcm"}) {
    if (!std::filesystem::exists(fixture("dicom/" + std::string(name)))) continue;
    const std::string bytes = whole(name);
    survive_changes(bytes, 150, bytes.size(), [&](const std::string& damaged) { use(damaged, options); });
  }
}

TEST_F(DicomHostile, NestedSequencesEndAtTheLimit) {
  const auto nested = [](int depth) {
    std::string content = element(dicom::modality, "CS", "CT");
    for (int i = 0; i < depth; ++i) content = element(0x00081140, "SQ", item(content));
    return meta() + content;
  };
  EXPECT_EQ(code_of(nested(16)), "GD-FORMAT-066");
  EXPECT_EQ(code_of(nested(17)), "GD-FORMAT-063");
  // A bomb of undefined lengths: eight bytes a level.
  std::string bomb = meta();
  for (int i = 0; i < 100'000; ++i)
    bomb += little(0x0008, 2) + little(0x1140, 2) + "SQ" + std::string(2, '\0') + little(0xffffffff, 4) +
            little(0xfffe, 2) + little(0xe000, 2) + little(0xffffffff, 4);
  EXPECT_EQ(code_of(bomb), "GD-FORMAT-063");
}

TEST_F(DicomHostile, TooManyElements) {
  std::string many = meta();
  for (int i = 0; i < 2000; ++i) many += us(0x00280010, i);
  DicomOptions options;
  options.limits.elements = 1000;
  EXPECT_EQ(code_of(many, options), "GD-FORMAT-062");
}

TEST_F(DicomHostile, HugeDimensionsAreRefusedBeforeAllocation) {
  rusage before{};
  getrusage(RUSAGE_SELF, &before);
  Picture p;
  p.rows = p.columns = 65535;
  EXPECT_EQ(code_of(picture(p, words({1, 2}))), "GD-FORMAT-062");
  p.rows = p.columns = 16000;
  EXPECT_EQ(code_of(picture(p, words({1, 2}))), "GD-FORMAT-067");
  const std::string frames = picture(p, words({1, 2}));
  std::string many = frames;
  many.insert(many.find(us(dicom::rows, 16000)), element(dicom::number_of_frames, "IS", "100000"));
  EXPECT_EQ(code_of(many), "GD-FORMAT-062");
  // Fragments of a few bytes that promise a quarter of a gigabyte.
  const std::string fragment =
      item("") + item(std::string("\xff\xd8\xff\xc0", 4)) + end_of(dicom::sequence_end);
  std::string coded = picture(p, "", "1.2.840.10008.1.2.4.50");
  coded = coded.substr(0, coded.size() - 4) + little(0xffffffff, 4) + fragment;
  EXPECT_EQ(code_of(coded), "GD-FORMAT-062");
  rusage after{};
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 * 1024) << "KiB more than before";
}

// Values that no representation with a length of 16 bits can have: as UN they may be as long as the file.
TEST_F(DicomHostile, MillionsOfValuesInOneElement) {
  std::string ones;
  for (int i = 0; i < 1'200'000; ++i) ones += "1\\";
  const std::string bytes = meta() + element(dicom::image_type, "UN", std::string(200'000, '\\')) +
                            element(dicom::window_center, "UN", ones) +
                            element(0x00281054, "UN", std::string(200'000, '\\'));
  const DicomFile file(bytes, "made");
  EXPECT_EQ(file.texts(dicom::image_type).size(), 65'536u);
  EXPECT_EQ(file.numbers(dicom::window_center).size(), 1'048'576u);
  EXPECT_LT(dump_json(file).size(), 4u * bytes.size());
}

TEST_F(DicomHostile, ADeflatedBombStopsAtItsLimit) {
  DicomOptions options;
  options.limits.inflated_bytes = 100'000;
  EXPECT_EQ(code_of(whole("pydicom/image_dfl.dcm"), options), "GD-FORMAT-062");
}

TEST_F(DicomHostile, WrongRepresentationsAndLengths) {
  Picture p;
  const std::string good = picture(p, words({1, 2, 3, 4}));
  const std::size_t rows = good.find(us(dicom::rows, 2));
  std::string text = good;
  text.replace(rows, 10, element(dicom::rows, "IS", "2 "));  // a number as text is still a number
  EXPECT_EQ(code_of(text), "accepted");
  text.replace(rows, 10, element(dicom::rows, "IS", "xx"));
  EXPECT_EQ(code_of(text), "GD-FORMAT-064");
  std::string odd = good;
  odd[rows + 4] = '\x01';
  EXPECT_EQ(code_of(odd), "GD-FORMAT-061");
  std::string longer = good;
  longer[rows + 6] = '\x7f';
  longer[rows + 7] = '\x7f';
  EXPECT_EQ(code_of(longer), "GD-FORMAT-061");
  std::string sequence = meta() + element(0x00081140, "SQ", std::string("no item here"));
  EXPECT_EQ(code_of(sequence), "GD-FORMAT-061");
  EXPECT_EQ(code_of(meta() + element(0x00081140, "SQ", item("abc"))), "GD-FORMAT-061");
}

TEST_F(DicomHostile, ProgramsInThePreamble) {
  Picture p;
  for (const char* magic : {"MZ\x90",
                            "\x7f"
                            "ELF",
                            "#!/bin/sh", "\xcf\xfa\xed\xfe"}) {
    std::string bytes = picture(p, words({1, 2, 3, 4}));
    bytes.replace(0, std::string_view(magic).size(), magic);
    EXPECT_EQ(code_of(bytes), "GD-FORMAT-068") << magic;
  }
  std::string tiff = picture(p, words({1, 2, 3, 4}));
  tiff.replace(0, 4, std::string("II*\0", 4));  // whole-slide images are both
  EXPECT_EQ(code_of(tiff), "accepted");
}

// Eleven bytes order one more pass over the whole picture.
TEST_F(DicomHostile, ThousandsOfScans) {
  const std::string tables = "\xff\xdb" + std::string("\0\x43\0", 3) + std::string(64, '\x10') +
                             std::string("\xff\xc2\0\x0b\x08\0\x08\0\x08\1\1\x11\0", 13) +
                             std::string("\xff\xc4\0\x14\0\1", 6) + std::string(15, '\0') + '\x03';
  const auto stream = [&](int scans) {
    std::string out = "\xff\xd8" + tables;
    for (int i = 0; i < scans; ++i) out += std::string("\xff\xda\0\x08\1\1\0\0\0\1", 10) + '\x0f';
    return out + "\xff\xd9";
  };
  Picture p;
  p.rows = p.columns = p.allocated = p.stored = 8;
  EXPECT_EQ(code_of(coded_picture(p, "1.2.840.10008.1.2.4.50", {stream(60)})), "accepted");
  EXPECT_EQ(message_of<FormatError>([&] { use(coded_picture(p, "1.2.840.10008.1.2.4.50", {stream(5000)})); }),
            "dicom: made: pixels cannot be decoded, the JPEG stream is damaged (more than 64 scans)");
}

TEST_F(DicomHostile, StreamsOfAnotherSizeThanTheHeaderSays) {
  for (const char* name : {"pydicom/JPEG2000.dcm", "pydicom/JPGExtended.dcm",
                           "pydicom/JPEGLSNearLossless_08.dcm", "pydicom/MR_small_RLE.dcm"}) {
    std::string bytes = whole(name);
    const std::size_t at = bytes.find(std::string("\x28\x00\x10\x00US\x02\x00", 8));
    ASSERT_NE(at, std::string::npos) << name;
    bytes[at + 8] = static_cast<char>(bytes[at + 8] + 1);
    EXPECT_EQ(code_of(bytes), "GD-FORMAT-067") << name;
  }
}

}  // namespace
}  // namespace gadolin::test
