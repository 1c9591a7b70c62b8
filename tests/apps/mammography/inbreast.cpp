// INbreast: contours, sheet, films (complaint D3).
#include <gtest/gtest.h>

#include "apps/mammography/inbreast_xml.h"
#include "apps/mammography/source.h"
#include "tests/data/messages.h"

namespace gadolin::test {
namespace {
using namespace gadolin::mammography;

std::string plist(const std::string& rois) {
  return "<?xml version=\"1.0\"?>\n<plist version=\"1.0\">\n<dict>\n<key>Images</key>\n<array>\n<dict>\n"
         "<key>ROIs</key>\n<array>\n" +
         rois + "</array>\n</dict>\n</array>\n</dict>\n</plist>\n";
}
std::string roi(const std::string& name, const std::vector<std::string>& points) {
  std::string text = "<dict><key>Name</key><string>" + name + "</string><key>Point_px</key><array>";
  for (const std::string& p : points) text += "<string>" + p + "</string>";
  return text + "</array></dict>\n";
}

TEST(InbreastXml, PolygonsAndSinglePoints) {
  const auto contours = parse_inbreast_xml(
      plist(roi("Mass", {"(10.5, 20)", "(30, 25.25)", "( 18 , 4e1 )"}) + roi("Calcification", {"(100, 50)"})),
      "a.xml");
  ASSERT_EQ(contours.size(), 2u);
  EXPECT_EQ(contours[0].name, "Mass");
  EXPECT_EQ(contours[0].line, 9);
  EXPECT_EQ(contours[1].line, 10);
  EXPECT_EQ(box_of(contours[0], 10), (Corners{10.5, 20, 30, 40}));
  EXPECT_EQ(box_of(contours[1], 10), (Corners{95, 45, 105, 55})) << "a point gets the stated size";
  EXPECT_EQ(box_of({"line", {{5, 5}, {5.5, 9}}, 0}, 4), (Corners{3.25, 5, 7.25, 9}))
      << "a line in one direction";
}

TEST(InbreastXml, Mistakes) {
  const auto says = [](const std::string& text) {
    return message_of<DataError>([&] { parse_inbreast_xml(text, "a.xml"); });
  };
  EXPECT_EQ(says("<plist><dict>"), "inbreast: a.xml:1: no XML: Start-end tags mismatch");
  EXPECT_EQ(says(""), "inbreast: a.xml:1: no XML: No document element found");
  EXPECT_EQ(says("<html/>"),
            "inbreast: a.xml:1: there is no list of images; is it a file of contours of INbreast?");
  EXPECT_EQ(says(plist("")),
            "inbreast: a.xml:1: there is no contour; a film without findings has no such file");
  EXPECT_EQ(says(plist("<dict><key>Point_px</key><array/></dict>")),
            "inbreast: a.xml:9: the contour has no Name");
  EXPECT_EQ(says(plist(roi("\xff", {"(1, 2)"}))), "inbreast: a.xml:9: Name '\\xff' is not text in UTF-8");
  EXPECT_EQ(says(plist(roi("Mass", {}))), "inbreast: a.xml:9: contour 'Mass' has no points under Point_px");
  for (const char* point : {"1, 2", "(1 2)", "(1, )", "(nan, 2)", "(1, 2, 3)", "(1, 1e9)", "()"})
    EXPECT_EQ(says(plist(roi("Mass", {"(1, 1)", point}))),
              "inbreast: a.xml:9: point '" + std::string(point) + "' is not like (12.5, 30.0)");
}

// Films by name alone: their pixels are not read here.
struct InbreastSource : testing::Test {
  InbreastSource() {
    dir.write("films/20_aa_MG_L_CC_ANON.dcm", "");
    dir.write("films/21_aa_MG_L_ML_ANON.dcm", "");
    dir.write("films/22_bb_MG_R_CC_ANON.dcm", "");
    dir.write("films/20.xml", plist(roi("Mass", {"(1, 2)", "(30, 40)"}) + roi("Calcifications", {"(5, 5)"})));
    dir.write("films/21.xml", plist(roi("Espiculated Region", {"(1, 2)", "(30, 40)"}) +
                                    roi("Cluster", {"(5, 5)", "(9, 9)"})));
    sheet("20;L;4a\n21;L;3\n22;R;1\n");
  }
  void sheet(const std::string& rows) {
    dir.write("films/INbreast.csv", "File Name;Laterality;Bi-Rads\n" + rows);
  }
  Source read(const SourceOptions& o = {}) const { return read_source(dir / "films", "auto", o); }
  std::string says(const SourceOptions& o = {}) const {
    return said<DataError>(dir, [&] { read(o); });
  }
  const Scratch dir;
};

TEST_F(InbreastSource, MassesByDefault) {
  const Source s = read();
  EXPECT_EQ(s.name, "inbreast");
  ASSERT_EQ(s.films.size(), 2u) << "a film with other findings only is not normal";
  EXPECT_EQ(s.films[0].patient, "aa");
  EXPECT_EQ(s.films[0].view, "CC");
  ASSERT_EQ(s.films[0].lesions.size(), 1u);
  EXPECT_EQ(s.films[0].lesions[0].box, (Corners{1, 2, 30, 40}));
  EXPECT_EQ(s.films[0].lesions[0].verdict, "") << "BI-RADS is of the film, no biopsy of a lesion";
  EXPECT_EQ(s.films[0].verdict, "malignant");
  EXPECT_EQ(s.films[1].verdict, "benign");
  ASSERT_EQ(s.left_out.size(), 1u);
  EXPECT_EQ(s.left_out[0].reason, "it has findings, but none that is wanted");
  EXPECT_EQ(
      s.notes[0],
      "1 calcification, 1 cluster, 1 spiculated not wanted; 1 films with nothing else are left out, as they "
      "are not normal");
  EXPECT_EQ(
      s.malignant,
      "BI-RADS of the film 4 to 6; 1 and 2 are benign, 3 is unknown; an assessment of the whole film, no "
      "biopsy of a lesion");
}

TEST_F(InbreastSource, MoreFindingsAndBirads3) {
  const Source s = read({.findings = {"all"}, .birads_3 = "benign", .point_size = 20});
  ASSERT_EQ(s.films.size(), 3u);
  EXPECT_EQ(s.films[0].lesions[1].kind, "calcification");
  EXPECT_EQ(s.films[0].lesions[1].box, (Corners{-5, -5, 15, 15}));
  EXPECT_EQ(s.films[1].lesions[0].kind, "spiculated");
  EXPECT_EQ(s.films[1].verdict, "benign");
  EXPECT_EQ(read({.findings = {"all"}}).films[1].verdict, "");
}

TEST_F(InbreastSource, OneFileOfContours) {
  const Source s = read({.findings = {"all"}, .xml = dir / "films/21.xml"});
  ASSERT_EQ(s.films.size(), 1u);
  EXPECT_EQ(s.films[0].file, "21_aa_MG_L_ML_ANON.dcm");
  EXPECT_EQ(s.films[0].view, "MLO");
  EXPECT_EQ(s.films[0].lesions.size(), 2u);
  dir.write("more/20.xml", plist(roi("Mass", {"(1, 2)", "(3, 4)"})));
  EXPECT_EQ(read({.xml = dir / "more"}).films.size(), 3u) << "a folder: the other films have no findings";
  dir.write("99.xml", plist(roi("Mass", {"(1, 2)", "(3, 4)"})));
  EXPECT_EQ(says({.xml = dir / "99.xml"}), "inbreast: DIR/99.xml: there is no film 99_....dcm in DIR/films");
  dir.write("none/a.txt", "");
  EXPECT_EQ(says({.xml = dir / "none"}), "inbreast: DIR/none holds no .xml files");
}

TEST_F(InbreastSource, OneBrokenFileOfContours) {
  dir.write("films/21.xml", "<plist><dict>");
  const std::string broken = "inbreast: DIR/films/21.xml:1: no XML: Start-end tags mismatch";
  EXPECT_EQ(says(), broken);
  const Source s = read({.skip_wrong = true});
  ASSERT_EQ(s.films.size(), 2u);
  EXPECT_EQ(s.films[0].file, "20_aa_MG_L_CC_ANON.dcm");
  EXPECT_EQ(s.films[1].file, "22_bb_MG_R_CC_ANON.dcm");
  ASSERT_EQ(s.left_out.size(), 1u);
  EXPECT_EQ(s.left_out[0].name, "21_aa_MG_L_ML_ANON.dcm") << "what lies on it is unknown";
  EXPECT_EQ(said<DataError>(dir, [&] { fail<DataError>(s.left_out[0].reason); }), broken);
  EXPECT_EQ(s.rows, 2);
}

TEST_F(InbreastSource, WhatHasNoPartner) {
  dir.write("films/77.xml", plist(roi("Mass", {"(1, 2)", "(3, 4)"})));
  dir.write("films/film_ANON.dcm", "");
  sheet("20;R;4a\n21;L;3\n55;L;2\n;;\n");
  const Source s = read();
  std::string list;
  for (const Remainder& r : s.unmatched) list += r.kind + " " + r.name + ": " + r.reason + "\n";
  for (std::size_t at; (at = list.find(dir.path())) != std::string::npos;)
    list.replace(at, dir.path().size(), "DIR");
  EXPECT_EQ(list,
            "file film_ANON.dcm: its name is not NUMBER_PATIENT_MG_SIDE_VIEW_ANON.dcm\n"
            "row DIR/films/INbreast.csv:4: there is no film 55_....dcm\n"
            "file 22_bb_MG_R_CC_ANON.dcm: no row of the sheet names it\n"
            "file 77.xml: there is no film of this number\n");
  ASSERT_EQ(s.sides.size(), 1u);
  EXPECT_NE(s.sides[0].find("20_aa_MG_L_CC_ANON.dcm: its name says L, "), std::string::npos);
}

TEST_F(InbreastSource, Mistakes) {
  EXPECT_EQ(says({.findings = {"asymmetry"}}),
            "inbreast: none of 4 findings is wanted; found are 1 calcification, 1 cluster, 1 mass, 1 "
            "spiculated; give "
            "their kinds to --findings, or all");
  sheet("20;L;7\n");
  EXPECT_EQ(says(), "inbreast: DIR/films/INbreast.csv:2: BI-RADS '7' is not 0 to 6, or 4a, 4b, 4c");
  sheet("20;L;1\n20;L;1\n");
  EXPECT_EQ(says(), "inbreast: DIR/films/INbreast.csv:3: film 20 is listed twice");
  dir.write("INbreast.xls", "\xD0\xCF\x11\xE0 and so on");
  EXPECT_EQ(says({.sheet = dir / "INbreast.xls"}),
            "inbreast: DIR/INbreast.xls is a file of Excel; save it there as CSV and give that to --sheet");
  dir.write("films/more/20_cc_MG_L_CC_ANON.dcm", "");
  EXPECT_EQ(says(), "inbreast: more/20_cc_MG_L_CC_ANON.dcm and 20_aa_MG_L_CC_ANON.dcm have one number");
  dir.write("empty/a.txt", "");
  EXPECT_EQ(said<DataError>(dir, [&] { read_source(dir / "empty", "inbreast", {}); }),
            "inbreast: DIR/empty holds no .dcm files");
  EXPECT_EQ(said<DataError>(dir, [&] { read_source(dir / "nothing", "auto", {}); }),
            "mammography convert: DIR/nothing is not a folder");
}

TEST(InbreastBirads, Rule) {
  SourceOptions o;
  const auto of = [&](const char* text) { return verdict_of_birads(text, o, "x"); };
  EXPECT_EQ(of("0"), "");
  EXPECT_EQ(of("1"), "benign");
  EXPECT_EQ(of("2 "), "benign");
  EXPECT_EQ(of("3"), "");
  EXPECT_EQ(of("4a"), "malignant");
  EXPECT_EQ(of("6"), "malignant");
  o.birads_3 = "malignant";
  EXPECT_EQ(of("3"), "malignant");
}

// Lesion, image and breast are three levels.
TEST(InbreastBirads, TheWorstOfSeveral) {
  EXPECT_EQ(worse("malignant", ""), "malignant");
  EXPECT_EQ(worse("benign", ""), "");
  EXPECT_EQ(worse("normal", "benign"), "benign");
  Film film;
  EXPECT_EQ(verdict_of(film), "normal");
  film.lesions = {{{}, "mass", "benign"}, {{}, "mass", ""}};
  EXPECT_EQ(verdict_of(film), "");
  film.lesions.push_back({{}, "mass", "malignant"});
  EXPECT_EQ(verdict_of(film), "malignant");
  film.verdict = "benign";
  EXPECT_EQ(verdict_of(film), "benign") << "what the source says of the film itself";
  EXPECT_EQ(verdict_of(film, film.lesions[1]), "benign");
  EXPECT_EQ(verdict_of(film, film.lesions[2]), "malignant");
}

}  // namespace
}  // namespace gadolin::test
