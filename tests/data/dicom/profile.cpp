// De-identified copies against the table of the standard: every attribute of PS3.15 E.1-1 gets what the basic
// profile asks for it, in the data set and in an item of a sequence.
#include <gtest/gtest.h>

#include <map>

#include "data/dicom/dicom.h"
#include "io/csv.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

// A value of the representation that names somebody.
std::string telling(std::string_view vr) {
  if (vr == "DA") return "19451224";
  if (vr == "DT") return "19451224112233";
  if (vr == "TM") return "112233";
  if (vr == "UI") return "1.2.826.77";
  if (vr == "IS" || vr == "DS") return "77";
  if (vr == "AS") return "077Y";
  if (vr == "US" || vr == "SS") return "zz";
  if (vr == "UL" || vr == "SL" || vr == "FL" || vr == "AT") return "zzzz";
  if (vr == "FD" || vr == "UV" || vr == "SV") return "zzzzzzzz";
  if (vr == "SQ") return item(element(0x00080100, "SH", "CANARY"));
  return "CANARY";
}

// In items attributes need no order; those of the data set stand before the pixels.
std::string file_with(const std::string& content, bool inside) {
  Picture p;
  p.front = element(dicom::sop_class, "UI", "1.2.840.10008.5.1.4.1.1.2") +
            element(dicom::sop_instance, "UI", "1.2.3") +
            (inside ? element(0x00081140, "SQ", item(content)) : content);
  return picture(p, words({1, 2, 3, 4}));
}

TEST(DicomProfile, EveryAttributeOfTheTableIsTreated) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  const CsvTable table = read_csv(fixture("dicom/basic-profile.csv"));
  ASSERT_EQ(table.rows.size(), 652u);
  std::map<std::string, int> seen;
  for (const auto& row : table.rows) {
    const auto tag = static_cast<DicomTag>(std::stoul(row[0], nullptr, 16));
    const std::string& action = row[1];
    ++seen[action];
    if (tag >> 16 <= 2) continue;  // commands and the meta header are written anew
    std::string vr(dicom_vr(tag));
    if (vr == "UN") vr = action == "U" ? "UI" : "LO";  // newer than the dictionary of DCMTK
    if (action == "X/Z/U*") vr = "SQ";
    const std::string before = telling(vr), content = element(tag, vr, before);
    for (const bool inside : {false, true}) {
      const bool own = tag == dicom::sop_instance || tag == dicom::patient_name || tag == dicom::patient_id;
      if (own && inside) continue;
      const std::string copy = anonymized(DicomFile(file_with(content, inside), "made"), {"key"});
      const DicomFile back(copy, "copy");
      EXPECT_EQ(copy.find("CANARY"), action == "X/Z/U*" ? copy.find("CANARY") : std::string::npos) << row[0];
      const DicomElement* sequence = back.find(0x00081140);
      const DicomElement* e = !inside ? back.find(tag) : back.find_in(back.items(*sequence).at(0), tag);
      if (action == "X") {
        EXPECT_EQ(e, nullptr) << row[0] << " stays";
        continue;
      }
      ASSERT_NE(e, nullptr) << row[0] << " is gone";
      const std::string after(back.raw(*e));
      if (own) continue;  // the pseudonym, or the new UID of the file: see DicomFiles
      if (action == "Z" || action == "X/Z") {
        EXPECT_EQ(after, "") << row[0];
      } else if (action == "U") {
        EXPECT_EQ(back.text(*e), replaced_uid("1.2.826.77", "key")) << row[0];
      } else if (action == "X/Z/U*") {
        EXPECT_EQ(back.items(*e).size(), 1u) << row[0];
      } else {
        EXPECT_NE(after, before) << row[0];
        const bool bulk = vr[0] == 'O' || vr == "SQ" || vr == "UN";
        EXPECT_EQ(after.empty(), bulk) << row[0] << " of " << vr;
      }
    }
  }
  const std::map<std::string, int> want{{"D", 93},    {"U", 55},     {"X", 412}, {"X/D", 23}, {"X/Z", 11},
                                        {"X/Z/D", 8}, {"X/Z/U*", 2}, {"Z", 42},  {"Z/D", 6}};
  EXPECT_EQ(seen, want);
}

TEST(DicomProfile, RangesOfTheTable) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  const DicomTag ranges[] = {0x50003000, 0x501E2500, 0x60003000, 0x60004000, 0x60220022,
                             0x00090010, 0x00290010, 0x7FE10010, 0x00110ABC};
  for (const DicomTag tag : ranges) {
    const std::string copy =
        anonymized(DicomFile(file_with(element(tag, "LO", "CANARY"), false), "made"), {"key"});
    EXPECT_EQ(copy.find("CANARY"), std::string::npos) << dicom_tag_text(tag);
    EXPECT_EQ(DicomFile(copy, "copy").find(tag), nullptr) << dicom_tag_text(tag);
  }
  // What is not in the table stays, byte by byte.
  const std::string kept = element(dicom::body_part, "CS", "CHEST");
  EXPECT_NE(anonymized(DicomFile(file_with(kept, false), "made"), {"key"}).find(kept), std::string::npos);
}

}  // namespace
}  // namespace gadolin::test
