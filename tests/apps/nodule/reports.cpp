// Reports of Open-i in their three forms: names of images, labels in doubt, and what is refused.
#include "apps/nodule/reports.h"

#include <gtest/gtest.h>

#include "apps/nodule/keywords.h"
#include "tests/data/messages.h"

namespace gadolin::nodule {
namespace {

using test::expect_says;
using test::Scratch;

TEST(NoduleImageIds, OneImageUnderItsNames) {
  for (const char* name :
       {"CXR1_1_IM-0001-3001", "CXR1_IM-0001-3001", "1_IM-0001-3001.dcm.png",
        " images/CXR1_IM-0001-3001.PNG ",
        "https://openi.nlm.nih.gov/imgs/512/1/1/CXR1_IM-0001-3001.png?keywords=a/b", "1_IM-0001-3001.dcm"}) {
    const auto id = image_id(name);
    ASSERT_TRUE(id.has_value()) << name;
    EXPECT_EQ(id->patient, "1");
    EXPECT_EQ(id->key, "1_IM-0001-3001");
  }
  for (const char* name : {"", "CXR", "12.png", "CXR_IM-0001-1", "CXR1IM-0001", "CXR1_x_IM-1-1",
                           "CXR1_IM-00 1", "1234567890123_IM-1-1", "CXR1_IM-1/..", "\xff_IM-1-1"})
    EXPECT_FALSE(image_id(name).has_value()) << name;
}

TEST(NoduleReports, WordsThatWereBlanked) {
  for (const char* text : {"XXXX", "XXXX, XXXX.", " xxxx/XXXX "}) EXPECT_TRUE(is_blanked(text)) << text;
  for (const char* text : {"", "x-ray", ", .", "XXXX clear", "1", "\xc3\xa9XXXX"})
    EXPECT_FALSE(is_blanked(text)) << text;
}

std::string doubt(const std::vector<std::string>& terms) {
  Report report;
  report.id = "CXR7";
  report.terms = terms;
  const auto found = doubt_of(report);
  return found ? found->kind + ": " + found->text : "";
}

TEST(NoduleReports, E6LabelsInDoubt) {
  EXPECT_EQ(doubt({"normal"}), "");
  EXPECT_EQ(doubt({"Nodule/lung", "XXXX"}), "");
  EXPECT_EQ(doubt({}), "empty label: the report has no MeSH term");
  EXPECT_EQ(doubt({"", " "}), "empty label: the report has no MeSH term");
  EXPECT_EQ(doubt({"XXXX", "XXXX/XXXX"}), "blanked label: every term is a blanked word");
  EXPECT_EQ(doubt({"No Indexing"}), "not indexed: No Indexing stands for its terms");
  EXPECT_EQ(doubt({"No Indexing", "Stents"}), "");
  EXPECT_EQ(doubt({"Normal ", "Nodule/lung"}), "contradiction: normal beside Nodule/lung");
  EXPECT_EQ(doubt({"normal", "No Indexing"}), "contradiction: normal beside No Indexing");
}

TEST(NoduleKeywords, TheListOfTheOriginal) {
  EXPECT_EQ(keywords().size(), 15u);
  EXPECT_EQ(composite_label({"normal"}), "normal");
  EXPECT_EQ(composite_label({"Stents"}), "missing");
  EXPECT_EQ(composite_label({}), "missing");
  EXPECT_EQ(composite_label({"Nodule/lung/right", "Calcinosis/lung"}), "calcinosisnodule");
  EXPECT_EQ(composite_label({"Scoliosis", "Opacity/lung", "Lung/hypoinflation"}),
            "opacitylung/hypoinflationscoliosis");
  EXPECT_EQ(composite_label({"Catheters, Indwelling/right"}), "catheters, indwelling");
  // Its blank is the original's: behind the word stands a slash, or nothing.
  EXPECT_EQ(composite_label({"Spine/degenerative"}), "missing");
  EXPECT_EQ(composite_label({"Spine/degenerative "}), "spine/degenerative ");
  EXPECT_EQ(composite_label({"Opacity/lung/abnormal"}), "normalopacity");
  EXPECT_TRUE(normal_within_a_word({"Pleura/base/abnormal/chronic"}));
  EXPECT_FALSE(normal_within_a_word({"Pleura/abnormal", "normal"}));
  EXPECT_FALSE(normal_within_a_word({"Stents"}));
  EXPECT_TRUE(mentions_nodule({"Lung/nodules"}));
  EXPECT_EQ(terms_of("a|b c|"), (std::vector<std::string>{"a", "b c", ""}));
  EXPECT_TRUE(terms_of("").empty());
}

constexpr const char* xml = R"(<?xml version="1.0" encoding="utf-8"?>
<eCitation>
  <uId id="CXR7"/>
  <MedlineCitation><Article><Abstract>
    <AbstractText Label="FINDINGS"> Clear &amp; wide. </AbstractText>
    <AbstractText Label="IMPRESSION"/>
  </Abstract></Article></MedlineCitation>
  <MeSH><major>Nodule/lung/left</major><automatic>nodule</automatic><major>Stents </major></MeSH>
  <parentImage id="CXR7_IM-2263-1001"><caption/></parentImage>
  <parentImage id="CXR7_IM-2263-2001"/>
</eCitation>
)";

TEST(NoduleReports, Xml) {
  const Report report = parse_report_xml(xml, "7.xml");
  EXPECT_EQ(report.id, "CXR7");
  EXPECT_EQ(report.terms, (std::vector<std::string>{"Nodule/lung/left", "Stents "}));
  EXPECT_EQ(report.findings, "Clear & wide.");
  EXPECT_EQ(report.impression, "");
  ASSERT_EQ(report.images.size(), 2u);
  EXPECT_EQ(report.images[1].id, "CXR7_IM-2263-2001");
}

TEST(NoduleReports, XmlThatIsNone) {
  const Scratch dir;
  const auto says = [&](const std::string& text, const std::string& want) {
    expect_says<DataError>(
        dir, [&] { parse_report_xml(text, "7.xml"); }, want);
  };
  says("", "reports: 7.xml:1: no XML: No document element found");
  says("<a/>", "reports: 7.xml:1: there is no eCitation; is it a report of ecgen-radiology?");
  says("<eCitation/>", "reports: 7.xml:1: the report has no uId with an id");
  says("<eCitation>\n<uId id=\"\xff\"/></eCitation>", "reports: 7.xml:2: uId '\\xff' is not text in UTF-8");
  says("<eCitation><uId id='1'/>\n<MeSH>\n<major>a\nb</major></MeSH></eCitation>",
       "reports: 7.xml:3: MeSH term 'a\\x0ab' is not text in UTF-8 on one line");
  says("<eCitation><uId id='1'/>\n<parentImage/></eCitation>",
       "reports: 7.xml:2: the image has the id ''; an id such as CXR1_1_IM-0001-3001 is needed");
  // Cut anywhere, it is refused or a report.
  const std::string whole = xml;
  for (std::size_t n = 0; n < whole.size(); n += 7) {
    try {
      parse_report_xml(whole.substr(0, n), "7.xml");
    } catch (const DataError&) {
    }
  }
  std::string deep = "<eCitation><uId id='1'/>";
  for (int i = 0; i < 20000; ++i) deep += "<a>";
  EXPECT_THROW(parse_report_xml(deep, "deep.xml"), DataError);
}

TEST(NoduleReports, TheScrapersJson) {
  const Reports reports = parse_scraper_json(
      R"({"10": {"type": "Major", "items": ["normal"], "img": "https://x/CXR3_IM-1-1.png"},
          "2": {"type": "Major", "items": ["Nodule/lung", "b"], "img": "https://x/CXR7_IM-2-1001.png"}})",
      "datas.json");
  ASSERT_EQ(reports.reports.size(), 2u);
  EXPECT_EQ(reports.reports[0].images[0].file, "2.png");  // by number
  EXPECT_EQ(reports.reports[0].id, "CXR7");
  EXPECT_EQ(reports.reports[0].terms, (std::vector<std::string>{"Nodule/lung", "b"}));
  EXPECT_EQ(reports.reports[1].images[0].id, "CXR3_IM-1-1");
  EXPECT_FALSE(reports.reports[0].texts);
}

TEST(NoduleReports, JsonThatIsNone) {
  const Scratch dir;
  const auto says = [&](const std::string& text, const std::string& want) {
    expect_says<DataError>(
        dir, [&] { parse_scraper_json(text, "d.json"); }, want);
  };
  for (const char* text : {"", "{", "[]", "{}", "12", "\xff", "{\"1\": "})
    says(text, R"(reports: d.json is no JSON of the scraper: )"
               R"({"1": {"type": "Major", "items": [...], "img": "..."}, ...})");
  const std::string good = R"({"items": ["normal"], "img": "CXR1_IM-1-1.png"})";
  says(R"({"1": )" + good + R"(, "1": )" + good + "}",
       "reports: d.json: entry 1 stands there twice; keep one of the two");
  for (const char* key : {"a", "0", "01", "-1", "1.5", ""})
    says(std::string(R"({")") + key + R"(": )" + good + "}",
         std::string("reports: d.json: entry ") + key +
             ": a number from 1 was expected, such as \"12\" for 12.png");
  says(R"({"1": 5})", "reports: d.json: entry 1 is no object with type, items and img");
  says(R"({"1": {"items": "normal", "img": "x"}})", "reports: d.json: entry 1: items is no list of texts");
  says(R"({"1": {"items": [1], "img": "x"}})", "reports: d.json: entry 1: items is no list of texts");
  says(R"({"1": {"items": ["a"]}})",
       "reports: d.json: entry 1: img is no text; the address names the patient");
  says(R"({"1": {"items": ["a"], "img": "https://x/y.png"}})",
       "reports: d.json: entry 1: the address https://x/y.png names no image such as CXR7_IM-2263-1001.png");
  says(R"({"1": {"items": ["a\nb"], "img": "CXR1_IM-1-1.png"}})",
       "reports: d.json: entry 1: item 'a\\x0ab' is not text on one line");
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "[";
  EXPECT_THROW(parse_scraper_json(deep, "deep.json"), DataError);
}

TEST(NoduleReports, TablesOfIndianaUniversity) {
  const Scratch dir;
  const std::string table = dir.write("indiana_reports.csv",
                                      "uid,MeSH,Problems,findings,impression\n"
                                      "1,normal,normal,Clear.,\n7,Nodule/lung;Stents,Nodule,XXXX,XXXX\n");
  dir.write("indiana_projections.csv",
            "uid,filename,projection\n1,1_IM-0001-4001.dcm.png,Frontal\n7,7_IM-2263-2001.dcm.png,Lateral\n"
            "9,9_IM-1-1.dcm.png,Frontal\n7,7_IM-2263-2002.dcm.png,pa\n7,7_IM-2263-2003.dcm.png,Oblique\n");
  const Reports reports = read_reports(table, {});
  ASSERT_EQ(reports.reports.size(), 2u);
  EXPECT_EQ(reports.reports[1].terms, (std::vector<std::string>{"Nodule/lung", "Stents"}));
  EXPECT_EQ(reports.reports[1].images[0].view, "lateral");
  EXPECT_EQ(reports.reports[0].images[0].view, "frontal");
  ASSERT_EQ(reports.reports[1].images.size(), 3u);
  EXPECT_EQ(reports.reports[1].images[1].view, "PA");
  EXPECT_EQ(reports.reports[1].images[2].view, "");
  ASSERT_EQ(reports.unread.size(), 2u);
  EXPECT_EQ(reports.unread[1].name, "7_IM-2263-2003.dcm.png");
  EXPECT_NE(
      reports.unread[1].text.find("indiana_projections.csv:6: projection Oblique is unknown; left open"),
      std::string::npos);
  EXPECT_EQ(reports.unread[0].name, "9_IM-1-1.dcm.png");
  EXPECT_NE(reports.unread[0].text.find("indiana_projections.csv:4: no report has the uid 9"),
            std::string::npos);
  dir.write("indiana_reports.csv", "uid,MeSH\n1,a\n1,b\n");
  expect_says<DataError>(
      dir, [&] { read_reports(table, {}); },
      "reports: DIR/indiana_reports.csv:3: uid '1' is empty or stands there twice");
  std::filesystem::remove(dir / "indiana_projections.csv");
  expect_says<DataError>(
      dir, [&] { read_reports(table, {}); },
      "nodule import: the images of DIR/indiana_reports.csv stand in another table, and there is no "
      "indiana_projections.csv beside it; name it with --projections");
}

TEST(NoduleReports, OtherFiles) {
  const Scratch dir;
  const auto says = [&](const std::string& name, const std::string& want) {
    expect_says<DataError>(
        dir, [&] { read_reports(dir / name, {}); }, want);
  };
  says("gone", "nodule import: DIR/gone does not exist; check the path");
  dir.write("a.txt", "");
  says("a.txt",
       "nodule import: DIR/a.txt is none of the scraper's .json, a table .csv and a folder of .xml files");
  dir.write("empty/readme", "");
  says("empty",
       "nodule import: DIR/empty holds no .xml file; name the scraper's .json, a table .csv, or a folder of "
       "reports");
  dir.write("some/10.xml", xml);
  dir.write("some/9.xml", "<eCitation>");
  says("some", "reports: 9.xml:1: no XML: Start-end tags mismatch");
  const Reports reports = read_reports(dir / "some", {.projections = {}, .skip_wrong = true});
  EXPECT_EQ(reports.reports.size(), 1u);
  ASSERT_EQ(reports.unread.size(), 1u);
  EXPECT_EQ(reports.unread[0].name, "9.xml");
}

TEST(NoduleReports, ViewsOfHeaders) {
  const Scratch dir;
  // As the real table: a column without a name that has content.
  const std::string path =
      dir.write("views.csv",
                "imageid,Patient Orientation,View Position,\n"
                "CXR1_IM-1-1,\"['L', 'F']\",PA,x\nCXR1_IM-1-2,\"['A', 'F']\",,\n"
                "CXR2_IM-1-1,,LARGE LATERAL,\nCXR3_IM-1-1,\"['P', 'F']\",AP,\n"
                "CXR4_IM-1-1,\"['R', 'F']\",,\nCXR5_IM-1-1,,OBLIQUE,\nnone,,PA,\nCXR6_IM-1-1\n"
                "CXR7_IM-1-1,,PA,\nCXR7_IM-1-1,,LL,\n");
  std::vector<Remark> remarks;
  const auto views = read_views(path, remarks);
  EXPECT_EQ(
      views,
      (std::map<std::string, std::string>{
          {"1_IM-1-1", "PA"}, {"1_IM-1-2", "lateral"}, {"2_IM-1-1", "lateral"}, {"4_IM-1-1", "frontal"}}));
  ASSERT_EQ(remarks.size(), 3u);
  EXPECT_EQ(remarks[2].text, "one row says that it is lateral, another that it is not");
  EXPECT_EQ(remarks[0].text, "View Position AP, but its rows are those of a lateral film");
  EXPECT_NE(remarks[1].text.find("imageid 'none' names no image"), std::string::npos);
  expect_says<DataError>(
      dir, [&] { read_views(dir / "x.csv.gz", remarks); },
      "nodule import: DIR/x.csv.gz is packed; unpack it with gunzip -k, and name the table");
  expect_says<DataError>(
      dir, [&] { read_views(dir.write("none.csv", ""), remarks); }, "nodule import: DIR/none.csv is empty");
  expect_says<DataError>(
      dir, [&] { read_views(dir.write("other.csv", "a,b\n1,2\n"), remarks); },
      "nodule import: DIR/other.csv has no columns imageid and View Position; name "
      "nlmcxr_dicom_metadata.csv with --views");
}

}  // namespace
}  // namespace gadolin::nodule
