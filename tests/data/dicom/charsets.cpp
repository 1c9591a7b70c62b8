// Text in every character set of PS3.3 C.12.1.1.2, in their misspellings, and bytes that mean nothing: two
// patients never become one.
#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "data/dicom/dicom.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

struct DicomCharsets : testing::Test {
  void SetUp() override {
    if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  }
};

DicomFile with_text(const std::string& charset, const std::string& vr, const std::string& bytes) {
  static std::deque<std::string> kept;  // a file does not own its bytes
  const DicomTag tag = vr == "PN" ? dicom::patient_name : vr == "LO" ? dicom::patient_id : 0x00104000;
  kept.push_back(meta() + (charset.empty() ? "" : element(dicom::character_set, "CS", charset)) +
                 element(tag, vr, bytes));
  return {kept.back(), "made"};
}
std::string read_text(const std::string& charset, const std::string& bytes, const std::string& vr = "LO") {
  const DicomFile file = with_text(charset, vr, bytes);
  return file.text(vr == "PN" ? dicom::patient_name : vr == "LO" ? dicom::patient_id : 0x00104000);
}

TEST_F(DicomCharsets, EveryDefinedTerm) {
  struct Case {
    const char *number, *escape, *bytes, *text;
  };
  const Case singles[] = {
      {"100", "-A", "\xc4\xe9", "Äé"}, {"101", "-B", "\xb1\xe8", "ąč"}, {"109", "-C", "\xa6\xf8", "Ĥĝ"},
      {"110", "-D", "\xb6\xe0", "ļā"}, {"144", "-L", "\xbb\xee", "Лю"}, {"127", "-G", "\xe2\xc8", "قب"},
      {"126", "-F", "\xc4\xe9", "Δι"}, {"138", "-H", "\xf9\xf8", "שר"}, {"148", "-M", "\xdd\xfe", "İş"},
      {"166", "-T", "\xa1\xd2", "กา"}, {"203", "-b", "\xa4\xbd", "€œ"}, {"13", ")I", "\xd4\xcf", "ﾔﾏ"}};
  for (const Case& c : singles) {
    EXPECT_EQ(read_text(cat("ISO_IR ", c.number), c.bytes), c.text) << c.number;
    EXPECT_EQ(read_text(cat("ISO 2022 IR ", c.number), c.bytes), c.text) << c.number;  // alone
    EXPECT_EQ(read_text(cat("ISO 2022 IR 6\\ISO 2022 IR ", c.number), cat("a\x1b", c.escape, c.bytes)),
              std::string("a") + c.text)
        << c.number;
    EXPECT_EQ(read_text(cat("\\ISO 2022 IR ", c.number), cat("a\x1b", c.escape, c.bytes)),
              std::string("a") + c.text)
        << c.number;
  }
  const Case pairs[] = {{"87", "$B", "\x3b\x33\x45\x44", "山田"},
                        {"159", "$(D", "\x30\x21\x30\x22", "丂丄"},
                        {"149", "$)C", "\xc8\xab\xb1\xe6", "홍길"},
                        {"58", "$)A", "\xcd\xf5\xd0\xa1", "王小"}};
  for (const Case& c : pairs) {
    for (const char* first : {"", "ISO 2022 IR 6", "ISO_IR 100"})
      EXPECT_EQ(read_text(cat(first, "\\ISO 2022 IR ", c.number), cat("a\x1b", c.escape, c.bytes, "\x1b(B!")),
                cat("a", c.text, "!"))
          << c.number;
    EXPECT_EQ(read_text(cat("ISO 2022 IR ", c.number), cat("\x1b", c.escape, c.bytes)), c.text) << c.number;
  }
  EXPECT_EQ(read_text("ISO 2022 IR 149", "\xc8\xab\xb1\xe6"), "홍길");  // without its escape sequence
  EXPECT_EQ(read_text("ISO_IR 192", "Wang^\xe7\x8e\x8b"), "Wang^王");
  EXPECT_EQ(read_text("GB18030", "\xcd\xf5\x81\x30\x81\x30"), "王\xc2\x80");
  EXPECT_EQ(read_text("GBK", "\xcd\xf5\x81\x40"), "王丂");
  EXPECT_EQ(read_text("ISO_IR 6", "abc"), "abc");
  EXPECT_EQ(read_text("", "J\xe9r\xf4me"), "Jérôme");
}

TEST_F(DicomCharsets, Misspellings) {
  for (const char* term : {"ISO_IR 100", "ISO-IR 100", "ISO IR 100", "ISO_IR_100", "ISO_IR100", "iso_ir 100",
                           "ISOIR100", "IR 100", "ISO 2022 IR 100", "ISO2022IR100", "ISO_2022_IR_100",
                           "ISO 2022-IR 100", "ISO8859-1", "ISO-8859-1", "ISO_8859-1", "8859-1", "latin1"})
    EXPECT_EQ(read_text(term, "\xc4"), "Ä") << term;
  for (const char* term :
       {"ISO_IR 192", "ISO IR 192", "ISO-IR192", "ISO 2022 IR 192", "UTF-8", "UTF8", "utf_8"})
    EXPECT_EQ(read_text(term, "\xc3\x84"), "Ä") << term;
  for (const char* term : {"ISO 2022 58", "ISO_2022_IR_58", "GB2312"})
    EXPECT_EQ(read_text(term, "\x1b$)A\xcd\xf5"), "王") << term;
  for (const char* term : {"GBK", "ISO 2022 GBK", "GB 18030"})
    EXPECT_EQ(read_text(term, "\xcd\xf5"), "王") << term;
  EXPECT_EQ(read_text("WINDOWS-1251", "\xcb\xfe"), "Лю");
  EXPECT_EQ(read_text("SHIFT_JIS", "\x8e\x52"), "山");
  EXPECT_EQ(read_text("ISO8859-15", "\xa4"), "€");
}

// PS3.5 H.3.1 and H.3.2, I.2, K.2: behind ^ and = the first set holds again.
TEST_F(DicomCharsets, GroupsOfNames) {
  EXPECT_EQ(
      read_text("ISO 2022 IR 13\\ISO 2022 IR 87",
                "\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?"
                "$m$&\x1b(J",
                "PN"),
      "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう");
  EXPECT_EQ(
      read_text(
          "\\ISO 2022 IR 149",
          "Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
          "PN"),
      "Hong^Gildong=洪^吉洞=홍^길동");
  EXPECT_EQ(read_text("\\ISO 2022 IR 58", "Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", "PN"),
            "Zhang^XiaoDong=张^小东=");
  // Greek ends at the delimiter; the second set of three is named anew.
  EXPECT_EQ(
      read_text("ISO 2022 IR 100\\ISO 2022 IR 126\\ISO 2022 IR 144", "\xc4\x1b-F\xc4^\xc4\x1b-L\xbb", "PN"),
      "ÄΔ^ÄЛ");
  // A text of many lines: the line ends it, a backslash does not.
  EXPECT_EQ(read_text("ISO 2022 IR 100\\ISO 2022 IR 126", "\x1b-F\xc4\\\xc4\r\n\xc4", "LT"), "Δ\\Δ\r\nÄ");
}

TEST_F(DicomCharsets, ItemsMayHaveTheirOwn) {
  const std::string name = element(dicom::patient_name, "PN", "\xc4\xe9"),
                    greek = element(dicom::character_set, "CS", "ISO_IR 126");
  const std::string bytes =
      meta() + element(dicom::character_set, "CS", "ISO_IR 100") +
      element(0x00081140, "SQ",
              item(name) + item(greek + element(0x00081199, "SQ", item(name)) + name) + item(name)) +
      name;
  const DicomFile file(bytes, "made");
  std::vector<std::string> names;
  for (const DicomElement& e : file.elements())
    if (e.tag == dicom::patient_name) names.push_back(file.text(e));
  EXPECT_EQ(names, (std::vector<std::string>{"Äé", "Δι", "Δι", "Äé", "Äé"}));
}

TEST_F(DicomCharsets, WhatMeansNothingStaysDifferent) {
  const std::string lost =
      "PatientID has bytes that mean nothing in its character set; they are shown as \\xNN";
  struct Case {
    const char *charset, *bytes, *text;
  };
  const Case cases[] = {{"ISO_IR 192",
                         "\xc4"
                         "17",
                         "\\xc417"},
                        {"ISO_IR 192",
                         "\xd6"
                         "17",
                         "\\xd617"},
                        {"ISO_IR 999",
                         "\xc4"
                         "17",
                         "\\xc417"},
                        {"KLINGON", "\xc4", "\\xc4"},
                        {"ISO_IR 126",
                         "\xff"
                         "17",
                         "\\xff17"},
                        {"ISO_IR 100",
                         "\x92"
                         "17",
                         "\\x9217"},
                        {"\\ISO 2022 IR 87", "\x1b$B;", "\\x3b"},
                        {"\\ISO 2022 IR 87", "\xb1", "\\xb1"},
                        {"\\ISO 2022 IR 149", "\x1b$)C\xc8", "\\xc8"},
                        {"ISO_IR 100", "a\x1b%z", "a\\x1b%z"},
                        {"GB18030",
                         "\xff"
                         "17",
                         "\\xff17"},
                        {"GBK", "17\x81", "17\\x81"}};
  for (const Case& c : cases) {
    const DicomFile file = with_text(c.charset, "LO", c.bytes);
    EXPECT_EQ(file.text(dicom::patient_id), c.text) << c.charset;
    EXPECT_EQ(file.warnings(), std::vector<std::string>{lost}) << c.charset;
  }
  EXPECT_EQ(read_text("", std::string("a\0b", 3)), "a\\x00b");
  // Each byte above 127 alone, in each set: no two of them become the same.
  for (const char* charset :
       {"", "ISO_IR 6", "ISO_IR 100", "ISO_IR 13", "ISO_IR 166", "ISO_IR 192", "GB18030", "GBK",
        "ISO 2022 IR 100", "ISO 2022 IR 149", "\\ISO 2022 IR 87", "NONE"}) {
    std::set<std::string> seen;
    for (int b = 128; b < 256; ++b)
      seen.insert(read_text(charset, cat("P", std::string(1, static_cast<char>(b)), "7")));
    EXPECT_EQ(seen.size(), 128u) << charset;
    EXPECT_EQ(seen.count("P7"), 0u) << charset;
  }
}

TEST_F(DicomCharsets, PatientsOfAnIndex) {
  const Scratch dir;
  const auto write = [&](const char* name, const std::string& charset, const std::string& id) {
    dir.write(name, meta() + element(dicom::character_set, "CS", charset) +
                        element(dicom::modality, "CS", "CT") + element(dicom::patient_id, "LO", id));
  };
  write("a.dcm", "ISO 2022 IR 100",
        "\xc4"
        "17");
  write("b.dcm", "ISO 2022 IR 100",
        "\xd6"
        "17");
  write("c.dcm", "ISO_IR 192",
        "\xc3\x84"
        "17");
  write("d.dcm", "ISO_IR 192",
        "\xc4"
        "17");
  const DicomIndex kept = index_dicom(dir.path(),
                                      {.keep_patient_ids = true, .key = "", .more = {}, .limits = {}}),
                   hidden = index_dicom(dir.path());
  std::vector<std::string> ids;
  std::set<std::string> pseudonyms;
  const auto column = static_cast<std::size_t>(kept.table.find("patient_id")),
             warning = static_cast<std::size_t>(kept.table.find("warning"));
  for (std::size_t i = 0; i < 4; ++i) {
    ids.push_back(kept.table.rows[i][column]);
    pseudonyms.insert(hidden.table.rows[i][column]);
  }
  EXPECT_EQ(ids, (std::vector<std::string>{"Ä17", "Ö17", "Ä17", "\\xc417"}));
  EXPECT_EQ(pseudonyms.size(), 3u);
  EXPECT_EQ(kept.table.rows[0][warning], "");
  EXPECT_EQ(kept.table.rows[3][warning],
            "PatientID has bytes that mean nothing in its character set; they are shown as \\xNN");
}

}  // namespace
}  // namespace gadolin::test
