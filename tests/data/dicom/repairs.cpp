// Files that break the standard where nothing is lost: bytes behind the pixels, pixel data in items, items
// without a sequence.
#include <gtest/gtest.h>

#include "data/dicom/dicom.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

struct DicomRepairs : testing::Test {
  void SetUp() override {
    if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  }
};
using Sentences = std::vector<std::string>;

std::vector<float> samples_of(const DicomFile& file) {
  return read_dicom_image(file).samples.to_vector<float>();
}
// Lengths that are not known when they are written.
std::string open_sequence(DicomTag tag, const std::string& items, const char* vr = "SQ") {
  return little(tag >> 16, 2) + little(tag & 0xffff, 2) + vr + std::string(2, '\0') + little(0xffffffff, 4) +
         items + end_of(dicom::sequence_end);
}
std::string open_item(const std::string& content) {
  return little(0xe000fffe, 4) + little(0xffffffff, 4) + content + end_of(dicom::item_end);
}
std::string fragments(DicomTag tag = dicom::pixel_data, const char* vr = "OB") {
  return open_sequence(tag, item("") + item("\xff\xd8\xff\xd9"), vr);
}
// Uncompressed pixels behind an icon and the like.
std::string with_front(const std::string& front) {
  Picture p;
  p.more = front;
  return picture(p, words({1, 2, 3, 4}));
}
const std::vector<float> one_to_four{1, 2, 3, 4};

TEST_F(DicomRepairs, WhatFollowsThePixelsCostsNobodyThePicture) {
  const std::string good = with_front("");
  const auto behind = [&](const std::string& rest, const std::string& whole) {
    const std::string bytes = whole + rest;
    const DicomFile file(bytes, "made");
    EXPECT_EQ(samples_of(file), one_to_four) << rest;
    return file.warnings();
  };
  const Sentences line{cat("blanks or a line break follow the last element at byte ", good.size())},
      other{cat("what follows the pixel data at byte ", good.size(), " is damaged and not read")};
  EXPECT_EQ(behind("\r\n", good), line);
  EXPECT_EQ(behind("\n", good), line);
  EXPECT_EQ(behind("  ", good), line);
  EXPECT_EQ(behind(std::string(3, '\0'), good), Sentences{});
  EXPECT_EQ(behind("\r\n--boundary--\r\n", good), other);
  EXPECT_EQ(behind("garbage", good), other);
  EXPECT_EQ(behind(std::string(1000, '\xff'), good), other);
  EXPECT_EQ(behind(element(dicom::trailing_padding, "OB", std::string(40, '\0')).substr(0, 30), good), other);
  EXPECT_EQ(behind(std::string(64, '\0'), good), Sentences{});
  EXPECT_EQ(behind(element(dicom::trailing_padding, "OB", std::string(40, '\0')), good), Sentences{});
  // Without pixels a line break is harmless, anything else is damage.
  const std::string report = meta() + element(dicom::modality, "CS", "SR");
  const std::string broken = report + "\r\n";
  EXPECT_EQ(DicomFile(broken, "made").text(dicom::modality), "SR");
  EXPECT_EQ(message_of<FormatError>([&] { DicomFile(report + "ab", "made"); }),
            "dicom: made is damaged at byte 170: 2 bytes are left, an element has at least 8");
  // Pixels that are not complete are not forgiven.
  EXPECT_EQ(message_of<FormatError>([&] {
              const std::string cut = good.substr(0, good.size() - 4);
              samples_of(DicomFile(cut, "made"));
            }),
            "dicom: made: pixels cannot be decoded, 8 bytes are needed, 4 are left of the file");
}

TEST_F(DicomRepairs, FragmentsInItems) {
  const DicomTag icons = 0x00880200, creator = 0x00290010, own = 0x00291020;
  const std::string icon = us(dicom::rows, 64) + us(dicom::columns, 64);
  const std::string made_by = element(creator, "LO", "MAKER");
  for (const std::string& front :
       {element(icons, "SQ", item(icon + fragments())), open_sequence(icons, open_item(icon + fragments())),
        open_sequence(icons, item(icon + fragments())), element(icons, "SQ", open_item(icon + fragments())),
        made_by + element(own, "SQ", item(icon + fragments())),
        made_by + open_sequence(own, open_item(fragments())), made_by + fragments(own),
        made_by + open_sequence(own, item(fragments(0x00291021, "OW"))),
        element(icons, "SQ", item(icon + fragments(dicom::pixel_data, "UN"))),
        // Of unknown representation: implicit as the standard says, explicit as some write it.
        made_by + open_sequence(own, item(fragments()), "UN"),
        made_by + open_sequence(own,
                                item(little(0x00107fe0, 4) + little(0xffffffff, 4) + item("") + item("abcd") +
                                     end_of(dicom::sequence_end)),
                                "UN"),
        element(icons, "SQ", item(element(0x00081140, "SQ", item(fragments()))))}) {
    const std::string bytes = with_front(front);
    const DicomFile file(bytes, "made");
    EXPECT_EQ(samples_of(file), one_to_four);
    EXPECT_EQ(file.integer(dicom::rows, 0), 2);
    EXPECT_TRUE(file.warnings().empty());
  }
  // A de-identified copy reads again.
  Picture p;
  p.front = element(dicom::sop_class, "UI", "1.2.3") + element(dicom::sop_instance, "UI", "1.2.4");
  p.more = element(0x00400555, "SQ", item(fragments())) + element(icons, "SQ", item(icon + fragments()));
  const std::string bytes = picture(p, words({1, 2, 3, 4}));
  const std::string copy = anonymized(DicomFile(bytes, "made"), {"k"});
  EXPECT_EQ(samples_of(DicomFile(copy, "copy")), one_to_four);
}

TEST_F(DicomRepairs, ItemsWithoutTheirSequence) {
  const std::string inside = us(dicom::rows, 99) + element(dicom::patient_id, "LO", "OTHER");
  const std::string head = meta() + element(dicom::modality, "CS", "CT");
  const auto read = [&](const std::string& stray, const std::string& sequence_begin = "") {
    Picture p;
    p.front = element(dicom::modality, "CS", "CT") + sequence_begin + stray;
    const std::string bytes = picture(p, words({1, 2, 3, 4}));
    const DicomFile file(bytes, "made");
    EXPECT_EQ(samples_of(file), one_to_four);
    EXPECT_EQ(file.text(dicom::patient_id), "");
    return file.warnings();
  };
  const Sentences want{cat("items that belong to no sequence are left out, the first at byte ", head.size())};
  EXPECT_EQ(read(item(inside)), want);
  EXPECT_EQ(read(open_item(inside)), want);
  EXPECT_EQ(read(item(inside) + open_item(inside) + item("")), want);
  EXPECT_EQ(read(open_item(inside) + end_of(dicom::sequence_end)), want);
  // Inside an item; behind a sequence that says it is empty.
  EXPECT_EQ(read(open_sequence(0x00081140, open_item(item(inside) + end_of(dicom::sequence_end)))).size(),
            1u);
  EXPECT_EQ(read(element(0x00081140, "SQ", item(us(dicom::rows, 5) + open_item(inside)))).size(), 1u);
  EXPECT_EQ(read(item(inside), element(0x00081140, "SQ", "")).size(), 1u);
  // Thousands within each other end at the limit.
  std::string bomb = head;
  for (int i = 0; i < 50'000; ++i) bomb += little(0xe000fffe, 4) + little(0xffffffff, 4);
  EXPECT_EQ(message_of<FormatError>([&] { DicomFile(bomb, "made"); }),
            "dicom: made is nested more than 16 sequences deep at byte 298");
  EXPECT_EQ(message_of<FormatError>([&] {
              const std::string cut = head + little(0xe000fffe, 4) + little(999, 4);
              DicomFile(cut, "made");
            }),
            "dicom: made is damaged at byte 170: an item has 999 bytes, but only 0 follow");
}

}  // namespace
}  // namespace gadolin::test
