// What a DICOM file that is refused is told, word for word.
#include <gtest/gtest.h>

#include "data/dicom/dicom.h"
#include "io/atomic_file.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

constexpr const char *baseline = "1.2.840.10008.1.2.4.50", *lossless = "1.2.840.10008.1.2.4.70",
                     *rle = "1.2.840.10008.1.2.5", *j2k = "1.2.840.10008.1.2.4.90";

struct DicomMessages : testing::Test {
  void SetUp() override {
    if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  }
};

std::string says(const std::string& bytes, const DicomOptions& options = {}) {
  return message_of<FormatError>([&] { image_of(bytes, options); });
}
template <class F> std::string value_says(F&& f) { return message_of<ValueError>(f); }

Picture eight_bits() {
  Picture p;
  p.allocated = p.stored = 8;
  return p;
}
// `bytes` with one element put before Rows.
std::string with(std::string bytes, const std::string& more) {
  return bytes.insert(bytes.find(little(0x00100028, 4)), more);
}
std::string big(std::uint64_t v, int bytes) {
  std::string out = little(v, bytes);
  return {out.rbegin(), out.rend()};
}

TEST_F(DicomMessages, Limits) {
  const std::string good = picture({}, words({1, 2, 3, 4}));
  const auto limited = [&](auto change) {
    DicomOptions options;
    change(options.limits);
    return says(good, options);
  };
  EXPECT_EQ(limited([](DicomLimits& l) { l.file_bytes = 200; }),
            "dicom: made has 270 B, at most 200 B are read");
  EXPECT_EQ(limited([](DicomLimits& l) { l.elements = 5; }), "dicom: made has more than 5 elements");
  EXPECT_EQ(limited([](DicomLimits& l) { l.element_bytes = 10; }),
            "dicom: made: element (0002,0010) has 20 B, at most 10 B are read");
  EXPECT_EQ(limited([](DicomLimits& l) { l.samples = 3; }),
            "dicom: made has 1 x 2 x 2 x 1 samples, at most 3 are read");
  EXPECT_EQ(says(with(good, element(dicom::number_of_frames, "IS", "4097"))),
            "dicom: made has 4097 frames, at most 4096 are read");
  DicomOptions small;
  small.limits.inflated_bytes = 10'000;
  EXPECT_EQ(says(read_file(fixture("dicom/pydicom/image_dfl.dcm"), 1 << 20), small),
            "dicom: made unpacks to more than 9.8 KiB");
  small.limits.free_bytes = 8;
  small.limits.ratio = 2;
  Picture p = eight_bits();
  p.rows = p.columns = 100;
  EXPECT_EQ(says(coded_picture(p, baseline, {std::string(30, 'x')}), small),
            "dicom: made would unpack 46 B to 39.1 KiB, more than 2 times its size");
}

TEST_F(DicomMessages, DamagedElements) {
  const std::string open_item = little(0xe000fffe, 4) + little(0xffffffff, 4),
                    modality = element(dicom::modality, "CS", "CT");
  const std::string head = little(0x11400008, 4), sequence = head + "SQ" + std::string(2, '\0'),
                    open = sequence + little(0xffffffff, 4);
  const auto damage = [](const std::string& content) { return says(meta() + content); };
  EXPECT_EQ(damage("abc"), "dicom: made is damaged at byte 160: 3 bytes are left, an element has at least 8");
  EXPECT_EQ(damage(open + open_item + modality),
            "dicom: made is damaged at byte 190: the file ends inside an item");
  EXPECT_EQ(damage(open + item(modality)),
            "dicom: made is damaged at byte 190: the file ends inside a sequence");
  EXPECT_EQ(damage(sequence + little(4, 4) + "abcd"),
            "dicom: made is damaged at byte 172: the sequence ends inside an item");
  EXPECT_EQ(damage(element(0x00081140, "SQ", "no item here")),
            "dicom: made is damaged at byte 172: an item was expected, (6f6e,6920) is there");
  EXPECT_EQ(damage(element(0x00081140, "SQ", little(0xe000fffe, 4) + little(9, 4) + "abcd")),
            "dicom: made is damaged at byte 172: an item has 9 bytes, but only 4 follow");
  EXPECT_EQ(damage(sequence),
            "dicom: made is damaged at byte 160: 8 bytes are left, element (0008,1140) has at least 12");
  EXPECT_EQ(damage(little(0x10300008, 4) + "UT" + std::string(2, '\0') + little(0xffffffff, 4)),
            "dicom: made is damaged at byte 160: element (0008,1030) of representation UT has no length");
  EXPECT_EQ(damage(little(0x00600008, 4) + "\x01S" + little(9, 2)),
            "dicom: made is damaged at byte 160: element (0008,0060) has the value representation '\\x01S', "
            "which does not exist");
  EXPECT_EQ(says(meta("1.2.840.10008.1.2.1.99") + std::string(16, '\xff')),
            "dicom: made is damaged at byte 163: the deflated data set cannot be unpacked");
  std::string nested = modality;
  for (int i = 0; i < 17; ++i) nested = element(0x00081140, "SQ", item(nested));
  EXPECT_EQ(damage(nested), "dicom: made is nested more than 16 sequences deep at byte 492");
}

TEST_F(DicomMessages, PixelModules) {
  const std::string pixels = words({1, 2, 3, 4}), good = picture({}, pixels);
  std::string none = good;
  none.replace(none.find(us(dicom::rows, 2)), 10, us(0x00280009, 2));
  EXPECT_EQ(says(none), "dicom: made has no readable Rows, pixels need it");
  Picture p;
  p.samples = 2;
  EXPECT_EQ(says(picture(p, pixels)), "dicom: made: SamplesPerPixel is 2, 1 or 3 are possible");
  p.samples = 3;
  EXPECT_EQ(says(picture(p, pixels)),
            "dicom: made: MONOCHROME2 with 3 samples per pixel contradict each other");
  p.samples = 1;
  p.allocated = p.stored = 24;
  EXPECT_EQ(says(picture(p, std::string(12, 'x'))),
            "dicom: made: BitsAllocated is 24, 1, 8, 12, 16 and 32 are read");
  p.allocated = p.stored = 33;
  EXPECT_EQ(says(picture(p, pixels)), "dicom: made: BitsAllocated is 33, from 1 to 32 are possible");
  EXPECT_EQ(says(with(good, element(dicom::number_of_frames, "IS", "x"))),
            "dicom: made: NumberOfFrames is no number");
  EXPECT_EQ(says(picture({}, words({1, 2, 3}))),
            "dicom: made: pixels cannot be decoded, 8 bytes are needed, 6 are there");
  EXPECT_EQ(
      says(picture({}, pixels, baseline)),
      "dicom: made: transfer syntax JPEG Baseline (Process 1) has fragments, but the pixel data has none");
  EXPECT_EQ(
      says(coded_picture({}, "1.2.840.10008.1.2.1", {"abcd"})),
      "dicom: made: transfer syntax Explicit VR Little Endian has no fragments, but the pixel data has");
  const std::string coded = coded_picture({}, baseline, {"abcd"});
  EXPECT_EQ(says(coded.substr(0, coded.size() - 10)),
            "dicom: made: pixels cannot be decoded, the file ends inside them");
  EXPECT_EQ(says(meta() + element(dicom::float_pixels, "OF", "abcd")),
            "dicom: made holds floating-point pixels, which are not read");
  const DicomFile file(good, "made");
  EXPECT_EQ(value_says([&] { read_dicom_image(file, 1); }),
            "dicom: frame 1 of made, it has 1, counted from 0");
}

TEST_F(DicomMessages, Display) {
  Picture p = eight_bits();
  const DicomImage grey = image_of(picture(p, std::string("\1\2\3\4")));
  p.samples = 3;
  p.photometric = "RGB";
  const DicomImage colour = image_of(picture(p, std::string(12, 'x')));
  p.samples = 1;
  p.photometric = "PALETTE COLOR";
  const DicomImage palette = image_of(picture(p, std::string(4, 'x')));
  const auto shown = [](const DicomImage& image, auto change) {
    DicomDisplayOptions how;
    change(how);
    return value_says([&] { to_image(image, how); });
  };
  const auto as_is = [](DicomDisplayOptions&) {};
  EXPECT_EQ(shown(grey, [](auto& o) { o.mode = DicomDisplay::window; }),
            "dicom: the file has no window; give one as center/width");
  EXPECT_EQ(shown(grey,
                  [](auto& o) {
                    o.window = DicomWindow{40, -0.5, "", "LINEAR"};
                  }),
            "dicom: window width -0.5 is not above 0");
  EXPECT_EQ(shown(grey, [](auto& o) { o.frame = 1; }), "dicom: frame 1, the image has 1, counted from 0");
  EXPECT_EQ(shown(grey, [](auto& o) { o.bits = 12; }), "dicom: pictures have 8 or 16 bits, not 12");
  EXPECT_EQ(shown(grey, [](auto& o) { o.low = 60, o.high = 40; }),
            "dicom: percentiles 60 and 40 are not in order between 0 and 100");
  EXPECT_EQ(shown(palette, as_is),
            "dicom: the palette of the file is missing or segmented, colours cannot be shown");
  EXPECT_EQ(value_says([&] { to_rgb_samples(grey); }),
            "dicom: colours of photometric interpretation MONOCHROME2 cannot be shown");
  EXPECT_EQ(value_says([&] { to_hounsfield(colour); }), "dicom: a RGB image has no rescaled values");
}

TEST_F(DicomMessages, CopiesAndDirectories) {
  const std::string named =
      element(dicom::sop_class, "UI", "1.2.3") + element(dicom::sop_instance, "UI", "1.2.4");
  Picture p;
  EXPECT_EQ(message_of<FormatError>([&] {
              anonymized(DicomFile(picture(p, words({1, 2, 3, 4})), "made"), {"k"});
            }),
            "dicom: made has no SOPClassUID or SOPInstanceUID, a DICOM file cannot be written from it");
  p.front = named;
  const std::string whole = picture(p, words({1, 2, 3, 4}));
  EXPECT_EQ(message_of<FormatError>([&] {
              anonymized(DicomFile(std::string_view(whole).substr(0, whole.size() - 3), "made"), {"k"});
            }),
            "dicom: made ends inside its pixel data, no whole copy can be written");
  const Scratch dir;
  dir.write("DICOMDIR", meta() + element(dicom::record_sequence, "SQ",
                                         item(element(dicom::record_type, "CS", "IMAGE") +
                                              element(dicom::referenced_file_id, "CS", "..\\SECRET"))));
  std::string text = message_of<FormatError>([&] { index_dicom(dir / "DICOMDIR"); });
  text.replace(text.find(dir.path()), dir.path().size(), "DIR");
  EXPECT_EQ(text, "dicom: DIR/DICOMDIR names a file outside its folder");
}

// A JPEG stream up to its frame header.
std::string jpeg(int marker, int precision, int rows, int columns, int channels = 1) {
  std::string out = "\xff\xd8\xff" + std::string(1, static_cast<char>(marker)) +
                    big(static_cast<std::uint64_t>(8 + 3 * channels), 2) + static_cast<char>(precision) +
                    big(static_cast<std::uint64_t>(rows), 2) + big(static_cast<std::uint64_t>(columns), 2) +
                    static_cast<char>(channels);
  for (int c = 0; c < channels; ++c) out += std::string(1, static_cast<char>(c)) + '\x11' + '\0';
  return out;
}

TEST_F(DicomMessages, Frames) {
  const Picture p = eight_bits();
  const auto frame = [&](const std::string& stream, const char* syntax = baseline) {
    return says(coded_picture(p, syntax, {stream}));
  };
  const std::string two = element(dicom::number_of_frames, "IS", "2");
  EXPECT_EQ(says(with(coded_picture(p, baseline, {"a"}), two)),
            "dicom: made: pixels cannot be decoded, 2 frames are declared, the pixel data has 1 fragments");
  EXPECT_EQ(says(with(coded_picture(p, baseline, {"a", "b", "c"}), two)),
            "dicom: made: pixels cannot be decoded, its 3 fragments cannot be divided into 2 frames");
  EXPECT_EQ(frame("abcd"), "dicom: made: pixels cannot be decoded, the stream does not begin as JPEG does");
  EXPECT_EQ(frame("\xff\xd8"
                  "abcd"),
            "dicom: made: pixels cannot be decoded, a JPEG marker is missing at byte 2 of the frame");
  EXPECT_EQ(frame("\xff\xd8\xff\xe0\x7f\x7f"),
            "dicom: made: pixels cannot be decoded, the frame ends inside a JPEG header");
  EXPECT_EQ(frame(std::string("\xff\xd8\xff\xc0\0\6abcd", 10)),
            "dicom: made: pixels cannot be decoded, its JPEG frame header is too short");
  EXPECT_EQ(frame(std::string("\xff\xd8\xff\xd9\0\2", 6)),
            "dicom: made: pixels cannot be decoded, the JPEG stream has no frame header");
  EXPECT_EQ(frame(jpeg(0xc0, 8, 3, 2)),
            "dicom: made: pixels cannot be decoded, the JPEG stream has 1 x 3 x 2 samples, the header says 1 "
            "x 2 x 2");
  EXPECT_EQ(frame(jpeg(0xc1, 12, 2, 2)),
            "dicom: made: pixels cannot be decoded, the JPEG stream has 12 bits, BitsAllocated is 8");
  EXPECT_EQ(says(coded_picture({}, baseline, {jpeg(0xc2, 12, 2, 2)})),
            "dicom: made: pixels cannot be decoded, JPEG of frame type SOF2 with 12 bits is not read");
  const char* jpegls = "1.2.840.10008.1.2.4.80";
  EXPECT_EQ(frame(jpeg(0xc0, 8, 2, 2), jpegls),
            "dicom: made: pixels cannot be decoded, the stream is not JPEG-LS");
  const std::string charls = frame(jpeg(0xf7, 8, 2, 2), jpegls);
  EXPECT_TRUE(
      charls.starts_with("dicom: made: pixels cannot be decoded, the JPEG-LS stream is damaged, or CharLS "
                         "does not know what it uses ("))
      << charls;
  EXPECT_EQ(frame(jpeg(0xc3, 8, 2, 2), lossless),
            "dicom: made: pixels cannot be decoded, the JPEG stream ends before its last component");
  EXPECT_EQ(frame("abcd", rle),
            "dicom: made: pixels cannot be decoded, the RLE header has 64 bytes, the frame 4");
  EXPECT_EQ(frame(std::string(64, '\0'), rle),
            "dicom: made: pixels cannot be decoded, it has 0 RLE segments, 1 are needed");
  EXPECT_EQ(frame(little(1, 4) + little(99, 4) + std::string(58, '\0'), rle),
            "dicom: made: pixels cannot be decoded, RLE segment 1 lies outside the frame");
  EXPECT_EQ(frame(little(1, 4) + little(64, 4) + std::string(56, '\0') + "\xff\7", rle),
            "dicom: made: pixels cannot be decoded, RLE segment 1 ends before its 4 bytes");
}

// SOC and SIZ of a JPEG 2000 stream.
std::string size_of(int columns, int rows, int tile, int channels = 1) {
  const auto u32 = [](int v) { return big(static_cast<std::uint64_t>(v), 4); };
  std::string out = "\xff\x4f\xff\x51" + big(static_cast<std::uint64_t>(38 + 3 * channels), 2) + big(0, 2) +
                    u32(columns) + u32(rows) + u32(0) + u32(0) + u32(tile) + u32(tile) + u32(0) + u32(0) +
                    big(static_cast<std::uint64_t>(channels), 2);
  for (int c = 0; c < channels; ++c) out += "\x07\x01\x01";
  return out;
}

TEST_F(DicomMessages, Jpeg2000ClaimsAreHeldAgainstTheStreamFirst) {
  Picture p = eight_bits();
  const auto frame = [&](const std::string& stream) { return says(coded_picture(p, j2k, {stream})); };
  EXPECT_EQ(frame("abcd"),
            "dicom: made: pixels cannot be decoded, the stream does not begin as JPEG 2000 does");
  EXPECT_EQ(frame("\xff\x4f\xff\x51"),
            "dicom: made: pixels cannot be decoded, its JPEG 2000 header is damaged");
  EXPECT_EQ(frame(size_of(2, 2, 2)),
            "dicom: made: pixels cannot be decoded, its JPEG 2000 header is damaged");
  EXPECT_EQ(frame(size_of(3, 2, 2)),
            "dicom: made: pixels cannot be decoded, the JPEG 2000 stream has 1 x 2 x 3 samples, the header "
            "says 1 x 2 x 2");
  EXPECT_EQ(frame(size_of(2, 2, 2, 3)),
            "dicom: made: pixels cannot be decoded, the JPEG 2000 stream has 3 x 2 x 2 samples, the header "
            "says 1 x 2 x 2");
  // A tile a sample would cost OpenJPEG kilobytes each before it reads any.
  p.rows = p.columns = 250;
  EXPECT_EQ(frame(size_of(250, 250, 1)),
            "dicom: made: pixels cannot be decoded, the JPEG 2000 stream claims 62500 tiles in 46 bytes");
  // So would a precinct a sample: COD with precincts of 2^0 in its one resolution, in the main header and in
  // that of a tile.
  p.rows = p.columns = 2000;
  const std::string cod = std::string("\xff\x52\x00\x0d\x01\x00\x00\x01\x00\x00\x04\x04\x00\x01\x00", 15);
  const std::string want =
      "dicom: made: pixels cannot be decoded, the JPEG 2000 stream divides 2000 x 2000 samples into 4004001 "
      "precincts";
  EXPECT_EQ(frame(size_of(2000, 2000, 2000) + cod), want);
  EXPECT_EQ(frame(size_of(2000, 2000, 2000) + "\xff\x90" + big(10, 2) + big(0, 2) + big(27, 4) +
                  std::string("\0\1", 2) + cod),
            want);
}

}  // namespace
}  // namespace gadolin::test
