// Values of elements: character sets, numbers, byte orders, missing headers, elements that an anonymiser left
// as UN.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "data/dicom/dicom.h"
#include "io/csv.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

struct DicomValues : testing::Test {
  void SetUp() override {
    if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  }
};

TEST_F(DicomValues, Dictionary) {
  EXPECT_EQ(dicom_keyword(0x00280010), "Rows");
  EXPECT_EQ(dicom_vr(0x00280010), "US");
  EXPECT_EQ(dicom_keyword(0x60020010), "OverlayRows");
  EXPECT_EQ(dicom_keyword(0x00091001), "");
  EXPECT_EQ(dicom_keyword(0x00090010), "PrivateCreator");
  EXPECT_EQ(dicom_vr(0x00120099), "UN");
  EXPECT_EQ(dicom_tag("PatientID"), 0x00100020u);
  EXPECT_EQ(dicom_tag("(0010,0020)"), 0x00100020u);
  EXPECT_EQ(dicom_tag("00100020"), 0x00100020u);
  EXPECT_EQ(
      message_of<UsageError>([] { dicom_tag("PatientId"); }),
      "dicom: 'PatientId' is no attribute; keywords are written like PatientID, numbers like 0010,0020");
}

TEST_F(DicomValues, NamesInManyCharacterSets) {
  const std::pair<const char*, const char*> names[] = {{"chrArab", "قباني^لنزار"},
                                                       {"chrFren", "Buc^Jérôme"},
                                                       {"chrGerm", "Äneas^Rüdiger"},
                                                       {"chrGreek", "Διονυσιος"},
                                                       {"chrH31", "Yamada^Tarou=山田^太郎=やまだ^たろう"},
                                                       {"chrI2", "Hong^Gildong=洪^吉洞=홍^길동"},
                                                       {"chrJapMulti", "やまだ^たろう"},
                                                       {"chrKoreanMulti", "김희중"},
                                                       {"chrRuss", "Люкceмбypг"},
                                                       {"chrX1", "Wang^XiaoDong=王^小東="}};
  for (const auto& [file, name] : names) {
    EXPECT_EQ(DicomFile::open(fixture(cat("dicom/pydicom/charset/", file, ".dcm"))).text(dicom::patient_name),
              name)
        << file;
  }
}

TEST_F(DicomValues, OneHeaderInFourCodings) {
  for (const char* name :
       {"MR_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm"}) {
    const DicomFile file = DicomFile::open(fixture(std::string("dicom/pydicom/") + name));
    EXPECT_EQ(file.integer(dicom::rows, 0), 64) << name;
    EXPECT_EQ(file.text(dicom::modality), "MR") << name;
    EXPECT_EQ(file.numbers(dicom::pixel_spacing).size(), 2u) << name;
    EXPECT_EQ(file.text(dicom::patient_name), "CompressedSamples^MR1") << name;
  }
}

TEST_F(DicomValues, WithoutPreambleAndMetaHeader) {
  Picture p;
  const std::string whole = picture(p, words({1, 2, 3, 4}));
  const std::string bare =
      whole.substr(meta().size());  // begins with (0028,0002): known by its representation
  EXPECT_TRUE(DicomFile::looks_like(bare));
  const DicomFile file(bare, "bare");
  EXPECT_FALSE(file.has_meta());
  EXPECT_EQ(read_dicom_image(file).samples.to_vector<float>(), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_FALSE(DicomFile::looks_like("PK\x03\x04 is a zip archive and no DICOM"));
  EXPECT_FALSE(DicomFile::looks_like(std::string(64, '\0')));
}

// Text stripped of NULs and blanks, integers little endian: apps-spec 1.3.
TEST_F(DicomValues, ElementsLeftAsUnAreRepaired) {
  const auto un = [](DicomTag tag, const std::string& value) { return element(tag, "UN", value); };
  std::string bytes = meta() + un(dicom::modality, "CT") + un(dicom::body_part, std::string("CHEST\0 ", 7)) +
                      un(dicom::samples_per_pixel, words({1})) + un(dicom::photometric, "MONOCHROME2 ") +
                      un(dicom::rows, words({2})) + un(dicom::columns, words({2})) +
                      un(dicom::bits_allocated, words({16})) + un(dicom::bits_stored, words({16})) +
                      un(dicom::high_bit, words({15})) + un(dicom::pixel_representation, words({1})) +
                      un(dicom::rescale_intercept, "-1024 ") + un(dicom::rescale_slope, words({1})) +
                      un(dicom::pixel_data, words({0, 1, -1, 5}));
  const DicomFile file(bytes, "anonymised");
  EXPECT_EQ(file.text(dicom::body_part), "CHEST");
  EXPECT_EQ(file.integer(dicom::rows, 0), 2);
  EXPECT_EQ(to_hounsfield(read_dicom_image(file)).to_vector<float>(),
            (std::vector<float>{-1024, -1023, -1025, -1019}));
  const std::string foreign = meta() + un(dicom::patient_name, std::string("A\xff\xfe"
                                                                           "B\0",
                                                                           5));
  const DicomFile bad(foreign, "x");
  EXPECT_EQ(bad.text(dicom::patient_name), "AÿþB");  // not UTF-8: most often Latin-1
}

TEST_F(DicomValues, HeadersOnlyStopBeforePixels) {
  const DicomFile file =
      DicomFile::open(fixture("dicom/pydicom/MR_small.dcm"), {.pixels = false, .limits = {}});
  EXPECT_EQ(file.find(dicom::pixel_data), nullptr);
  EXPECT_EQ(file.integer(dicom::columns, 0), 64);
}

TEST_F(DicomValues, Dumps) {
  const std::string bytes = meta() + element(dicom::modality, "CS", "CT") +
                            element(0x00081140, "SQ", item(element(0x00081150, "UI", "1.2"))) +
                            element(dicom::patient_name, "PN", "Doe^J\x1b[2J") + us(dicom::rows, 2);
  const DicomFile file(bytes, "made");
  EXPECT_EQ(dump_text(file, {.only = {0x00081140, dicom::patient_name, dicom::rows}, .show_identity = true}),
            "(0008,1140) SQ ReferencedImageSequence = 1 items\n  item\n    (0008,1150) UI "
            "ReferencedSOPClassUID = 1.2\n"
            "(0010,0010) PN PatientName = Doe^J\\x1b[2J\n(0028,0010) US Rows = 2\n");
  EXPECT_NE(dump_text(file, {.only = {}, .show_identity = false}).find("PatientName = [hidden]"),
            std::string::npos);
  const auto json = nlohmann::json::parse(dump_json(file));
  EXPECT_EQ(json["00280010"]["Value"][0], 2);
  EXPECT_EQ(json["00081140"]["Value"][0]["00081150"]["Value"][0], "1.2");
  const CsvTable table = parse_csv(dump_csv(file), "dump");
  ASSERT_EQ(table.rows.size(), 6u);
  EXPECT_EQ(table.rows[3], (std::vector<std::string>{"ReferencedImageSequence[1]", "(0008,1150)", "UI",
                                                     "ReferencedSOPClassUID", "1.2"}));
}

}  // namespace
}  // namespace gadolin::test
