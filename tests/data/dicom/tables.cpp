// Look-up tables whose descriptors lie: the sign of the first value, the bits of the entries, palettes.
#include <gtest/gtest.h>

#include "data/dicom/dicom.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

struct DicomTables : testing::Test {
  void SetUp() override {
    if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  }
};
using Levels = std::vector<int>;

// A table of 256 entries 0..255 from `first` on.
std::string lut(DicomTag sequence, int first, const char* vr = "US", int bits = 8, int step = 1,
                int entries = 256) {
  std::string data;
  for (int i = 0; i < entries; ++i) data += little(static_cast<std::uint64_t>(i * step), 2);
  return element(sequence, "SQ",
                 item(element(dicom::lut_descriptor, vr, words({entries, first, bits})) +
                      element(dicom::lut_data, "OW", data)));
}
std::string slope_1(const char* intercept) {
  return element(dicom::rescale_intercept, "DS", intercept) + element(dicom::rescale_slope, "DS", "1");
}
Levels through(const std::string& more, std::initializer_list<int> stored, int is_signed = 0) {
  Picture p;
  p.is_signed = is_signed;
  p.more = more;
  const Image shown = to_image(image_of(picture(p, words(stored))));
  return {shown.pixels.begin(), shown.pixels.end()};
}

TEST_F(DicomTables, TheFirstValueOfAVoiLut) {
  const Levels ramp{0, 4, 232, 255};
  EXPECT_EQ(through(lut(dicom::voi_lut, 40000), {40000, 40004, 40232, 40255}), ramp);
  EXPECT_EQ(through(slope_1("33000") + lut(dicom::voi_lut, 33000), {0, 4, 232, 255}, 1), ramp);
  EXPECT_EQ(through(slope_1("33000") + lut(dicom::voi_lut, 33000, "SS"), {0, 4, 232, 255}), ramp);
  EXPECT_EQ(through(lut(dicom::voi_lut, -100, "SS"), {-100, -96, 132, 155}, 1), ramp);
  EXPECT_EQ(through(lut(dicom::voi_lut, -100, "US"), {-100, -96, 132, 155}, 1),
            ramp);  // no value is at 65436
  EXPECT_EQ(through(slope_1("-1024") + lut(dicom::voi_lut, -1024, "SS"), {0, 4, 232, 255}), ramp);
  EXPECT_EQ(through(slope_1("-1024") + lut(dicom::voi_lut, -1024, "US"), {0, 4, 232, 255}), ramp);
  EXPECT_EQ(through(lut(dicom::voi_lut, 65280), {65280, 65284, 65512, 65535}), ramp);
}

TEST_F(DicomTables, BehindAModalityLutNothingHasASign) {
  std::string data;
  for (int i = 0; i < 256; ++i) data += little(static_cast<std::uint64_t>(40000 + i), 2);
  const std::string modality = element(
      dicom::modality_lut, "SQ",
      item(element(dicom::lut_descriptor, "US", words({256, 0, 16})) + element(dicom::lut_data, "OW", data)));
  const Levels ramp{0, 4, 232, 255};
  for (const char* vr : {"US", "SS"}) {
    EXPECT_EQ(through(modality + lut(dicom::voi_lut, 40000, vr), {0, 4, 232, 255}), ramp) << vr;
    EXPECT_EQ(through(modality + lut(dicom::voi_lut, 40000, vr), {0, 4, 232, 255}, 1), ramp) << vr;
  }
  // Of a signed picture the modality LUT itself begins below 0.
  EXPECT_EQ(through(lut(dicom::modality_lut, -128, "US") + lut(dicom::voi_lut, 0), {-128, -124, 104, 127}, 1),
            ramp);
}

TEST_F(DicomTables, EntriesAsTheyAre) {
  // 0 entries stand for 65,536.
  Picture p;
  p.more = lut(dicom::modality_lut, 0, "US", 16, 1, 0);
  std::string data;
  for (int i = 0; i < 65536; ++i) data += little(static_cast<std::uint64_t>(65535 - i), 2);
  p.more = element(
      dicom::modality_lut, "SQ",
      item(element(dicom::lut_descriptor, "US", words({0, 0, 16})) + element(dicom::lut_data, "OW", data)));
  EXPECT_EQ(to_hounsfield(image_of(picture(p, words({0, 1, 65534, 65535})))).to_vector<float>(),
            (std::vector<float>{65535, 65534, 1, 0}));
  // A descriptor of 8 bits over entries of 16.
  EXPECT_EQ(through(lut(dicom::voi_lut, 0, "US", 8, 257), {0, 4, 232, 255}), (Levels{0, 4, 232, 255}));
  // One of 16 bits over entries of 8, two in a word.
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_EQ(through(element(dicom::voi_lut, "SQ",
                            item(element(dicom::lut_descriptor, "US", words({256, 0, 16})) +
                                 element(dicom::lut_data, "OW", bytes))),
                    {0, 4, 232, 255}),
            (Levels{0, 4, 232, 255}));
}

TEST_F(DicomTables, OnesThatCannotBeRead) {
  const auto broken = [](DicomTag sequence) {
    return element(sequence, "SQ",
                   item(element(dicom::lut_descriptor, "US", words({256, 0, 8})) +
                        element(dicom::lut_data, "OW", words({1, 2, 3}))));
  };
  EXPECT_EQ(
      message_of<FormatError>([&] {
        through(broken(dicom::modality_lut), {1, 2, 3, 4});
      }),
      "dicom: made: ModalityLUTSequence has no table that can be read, and values without it would be wrong; "
      "write the table anew or remove it");
  Picture p;
  p.more = broken(dicom::voi_lut);
  const std::string bytes = picture(p, words({1, 2, 3, 4}));
  const DicomFile file(bytes, "made");
  EXPECT_FALSE(read_dicom_image(file).voi_lut);
  EXPECT_EQ(file.warnings(),
            std::vector<std::string>{"VOILUTSequence has no table that can be read, it is left out"});
}

// A pixel through palettes of 256 entries `red(i)` and so on; `wide`: words, else bytes.
template <class R, class G, class B>
Levels coloured(int said, bool wide, R red, G green, B blue, int index,
                std::vector<std::string>* warnings = nullptr) {
  Picture p;
  p.rows = p.columns = 1;
  p.allocated = p.stored = 8;
  p.photometric = "PALETTE COLOR";
  for (DicomTag c = 0; c < 3; ++c)
    p.more += element(dicom::palette_descriptor + c, "US", words({256, 0, said}));
  DicomTag c = 0;
  const auto add = [&](auto value) {
    std::string data;
    for (int i = 0; i < 256; ++i) data += little(static_cast<std::uint64_t>(value(i)), wide ? 2 : 1);
    p.more += element(dicom::palette_data + c++, "OW", data);
  };
  add(red);
  add(green);
  add(blue);
  const std::string bytes = picture(p, std::string(1, static_cast<char>(index)));
  const DicomFile file(bytes, "made");
  const Image shown = to_image(read_dicom_image(file));
  if (warnings) *warnings = file.warnings();
  return {shown.pixels.begin(), shown.pixels.end()};
}

TEST_F(DicomTables, PalettesSayOneDepthAndHoldAnother) {
  const auto up = [](int i) { return i; };
  const auto down = [](int i) { return 255 - i; };
  const auto half = [](int i) { return i / 2; };
  const auto words_of = [](auto f) { return [f](int i) { return f(i) << 8; }; };
  const auto dark = [](int) { return 200; };  // below 1 of 255, in 16 bits
  const Levels want{99, 156, 49};
  std::vector<std::string> warnings;
  EXPECT_EQ(coloured(16, true, words_of(up), words_of(down), words_of(half), 99), want);
  EXPECT_EQ(coloured(8, true, words_of(up), words_of(down), words_of(half), 99, &warnings), want);
  EXPECT_EQ(warnings, std::vector<std::string>{"a palette says 8 bits, its table has 16"});
  EXPECT_EQ(coloured(16, true, up, down, half, 99, &warnings), want);
  EXPECT_EQ(warnings, std::vector<std::string>{"a palette says 16 bits, its table has 8"});
  EXPECT_EQ(coloured(8, true, up, down, half, 99), want);
  EXPECT_EQ(coloured(8, false, up, down, half, 99), want);
  EXPECT_EQ(coloured(16, false, up, down, half, 99), want);
  // A channel that is dark is dark, however deep its table.
  EXPECT_EQ(coloured(16, true, words_of(up), dark, words_of(half), 99), (Levels{99, 0, 49}));
  EXPECT_EQ(coloured(8, true, dark, dark, words_of(half), 99), (Levels{0, 0, 49}));
  const auto twelve = [](int i) { return i << 4; };
  EXPECT_EQ(coloured(12, true, twelve, twelve, twelve, 99), (Levels{99, 99, 99}));
}

// Green in bytes between red and blue in words.
TEST_F(DicomTables, APaletteOfBytesBesideOnesOfWords) {
  Picture p;
  p.rows = p.columns = 1;
  p.allocated = p.stored = 8;
  p.photometric = "PALETTE COLOR";
  for (DicomTag c = 0; c < 3; ++c)
    p.more += element(dicom::palette_descriptor + c, "US", words({256, 0, c == 1 ? 8 : 16}));
  for (DicomTag c = 0; c < 3; ++c) {
    std::string data;
    for (int i = 0; i < 256; ++i)
      data +=
          c == 1 ? little(static_cast<std::uint64_t>(i), 1) : little(static_cast<std::uint64_t>(i) << 8, 2);
    p.more += element(dicom::palette_data + c, "OW", data);
  }
  const std::string bytes = picture(p, "c");
  const DicomFile file(bytes, "made");
  EXPECT_EQ(to_image(read_dicom_image(file)).pixels, (std::vector<std::uint8_t>{99, 99, 99}));
  EXPECT_EQ(file.warnings(), std::vector<std::string>{});
}

}  // namespace
}  // namespace gadolin::test
