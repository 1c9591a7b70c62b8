// CBIS-DDSM: rows and files brought together (D5), people (D4), masks of another size (D6), swapped files.
#include <gtest/gtest.h>

#include <filesystem>

#include "apps/mammography/cbis_files.h"
#include "apps/mammography/source.h"
#include "apps/mammography/synth_mammo.h"
#include "data/dicom/dicom.h"
#include "io/csv.h"
#include "tests/apps/program.h"
#include "tests/data/messages.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;
using namespace gadolin::mammography;

TEST(CbisIds, APersonIsAPartOfPatientID) {
  const auto id = cbis_id("Calc-Training_P_00038_RIGHT_CC_1");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->part, "Calc-Training");
  EXPECT_EQ(id->patient, "P_00038");
  EXPECT_EQ(id->side, "R");
  EXPECT_EQ(id->view, "CC");
  EXPECT_EQ(id->number, 1);
  const auto whole = cbis_id("Calc-Test_P_00038_LEFT_MLO");
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->patient, "P_00038");
  EXPECT_EQ(whole->number, 0);
  for (const char* text : {"", "P", "P_1", "P_00038_LEFT", "P_00038_UP_CC", "P_00038_LEFT_XX",
                           "P_00038_LEFT_CC_0", "P_00038_LEFT_CC_x", "P_00038_LEFT_CC_1_2", "P_abc_LEFT_CC"})
    EXPECT_FALSE(cbis_id(text)) << text;
}

TEST(CbisMasks, AspectOfRealFiles) {
  EXPECT_TRUE(same_aspect(5041, 2056, 4386, 1789));
  EXPECT_FALSE(same_aspect(4688, 3088, 4624, 3056));
  EXPECT_TRUE(same_aspect(400, 300, 400, 300));
  EXPECT_EQ(scaled({10, 20, 30, 40}, 0.5, 0.25), (Corners{5, 5, 15, 10}));
}

struct CbisSource : testing::Test {
  void SetUp() override {
    if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  }
  // Few patients, of whom enough have lesions.
  void make(std::set<std::string> faults) {
    fs::remove_all(dir / "c");
    fs::create_directory(dir / "c");
    write_synth_cbis(dir / "c",
                     {.patients = 7, .size = 128, .seed = 7, .abnormal = 1, .faults = std::move(faults)});
  }
  Source read(const SourceOptions& o = {}) const { return read_source(dir / "c", "auto", o); }
  static std::string text_of(const std::vector<Remainder>& list) {
    std::string text;
    for (const Remainder& r : list)
      text += r.kind + " " + r.name.substr(0, r.name.find("/2.25")) + ": " + r.reason + "\n";
    return text;
  }
  const Scratch dir;
};

// Boxes of a source against the lesions that were drawn, to a pixel.
void expect_drawn(const Source& s) {
  const SynthMammoOptions o{.patients = 7, .size = 128, .seed = 7, .abnormal = 1};
  for (const Film& film : s.films) {
    const SynthMammogram drawn =
        synth_mammogram(o, std::stoi(film.patient.substr(2)) - 1, film.side == "L", film.view == "CC");
    EXPECT_EQ(drawn.lesions.size(), film.lesions.size()) << film.file;
    for (const Lesion& lesion : film.lesions) {
      bool found = false;
      for (const SynthLesion& l : drawn.lesions) {
        Corners box{1e9, 1e9, 0, 0};
        for (const Point& p : l.outline(360))
          box = {std::min(box.x1, p.x), std::min(box.y1, p.y), std::max(box.x2, p.x), std::max(box.y2, p.y)};
        const auto near = [](double a, double b) { return std::abs(a - b) <= 1.6; };
        found =
            found || (near(box.x1, lesion.box.x1) && near(box.y1, lesion.box.y1) &&
                      near(box.x2, lesion.box.x2) && near(box.y2, lesion.box.y2) &&
                      l.mass == (lesion.kind == "mass") && l.malignant == (lesion.verdict == "malignant"));
      }
      EXPECT_TRUE(found) << film.file << " " << lesion.box.x1 << " " << lesion.box.y1;
    }
  }
}

TEST_F(CbisSource, AsTheArchiveShouldBe) {
  make({});
  const Source s = read();
  EXPECT_EQ(s.name, "cbis-ddsm");
  EXPECT_EQ(text_of(s.unmatched) + text_of(s.left_out), "");
  ASSERT_EQ(s.films.size(), 14u) << "two views of seven people";
  std::set<std::string> people;
  std::size_t lesions = 0;
  for (const Film& film : s.films) {
    people.insert(film.patient);
    lesions += film.lesions.size();
    EXPECT_EQ(film.split, film.patient == "P_00005" ? Split::test : Split::train) << film.file;
  }
  EXPECT_EQ(people.size(), 7u);
  EXPECT_GT(s.ids.size(), 13u) << "ids hold side and view";
  EXPECT_EQ(static_cast<std::int64_t>(lesions), s.rows);
  EXPECT_EQ(s.rows, 17) << "three films have two lesions";
  EXPECT_EQ(s.notes,
            std::vector<std::string>{"3 films are in the archive twice, with masses and with calcifications; "
                                     "each is one picture with both"});
  expect_drawn(s);
}

// The same boxes where crops and masks are swapped, masks are larger, and UIDs of the tables are in no file.
TEST_F(CbisSource, AsTheArchiveIs) {
  make({"swapped", "mask-size", "uids"});
  const Source s = read();
  EXPECT_EQ(text_of(s.unmatched) + text_of(s.left_out), "");
  EXPECT_EQ(s.films.size(), 14u);
  expect_drawn(s);
  bool said = false;
  for (const std::string& note : s.notes)
    said =
        said || note.ends_with(" films have no UID of their rows and were found by patient, side and view");
  EXPECT_TRUE(said);
}

TEST_F(CbisSource, WhatHasNoPartnerAndAnotherAspect) {
  make({"unmatched", "aspect"});
  const Source s = read();
  const CsvTable table = read_csv(dir / "c/mass_case_description_train_set.csv");
  EXPECT_EQ(text_of(s.unmatched),
            "row mass_case_description_train_set.csv:" + std::to_string(table.lines.back()) +
                ": there is no film of it, neither by UID nor by patient, side and view\n"
                "file CBIS-DDSM/Mass-Test_P_88888_LEFT_CC: no row of a table is about it\n");
  const std::string left = text_of(s.left_out);
  EXPECT_NE(left.find("its mask of 130 x 153 has another aspect than the film of 104 x 128\n"),
            std::string::npos)
      << left;
  EXPECT_NE(left.find("a lesion on it has no mask that can be used\n"), std::string::npos) << left;
  EXPECT_EQ(s.films.size(), 13u) << "a film with a lesion at an unknown place is no film to learn from";
}

TEST_F(CbisSource, FindingsAndFolds) {
  make({});
  const Source masses = read({.findings = {"mass"}});
  for (const Film& film : masses.films)
    for (const Lesion& lesion : film.lesions) EXPECT_EQ(lesion.kind, "mass");
  EXPECT_LT(masses.films.size(), 14u);
  // A patient in the training part of one table and the test part of the other.
  fs::rename(dir / "c/calc_case_description_train_set.csv", dir / "c/kept.csv");
  std::string text = contents_of(dir / "c/kept.csv");
  dir.write("c/calc_case_description_test_set.csv", text);
  fs::remove(dir / "c/kept.csv");
  const Source both = read();
  std::map<std::string, std::set<Split>> splits;
  for (const Film& film : both.films) splits[film.patient].insert(film.split);
  for (const auto& [patient, of] : splits) EXPECT_EQ(of.size(), 1u) << patient;
}

TEST_F(CbisSource, DamagedFiles) {
  make({});
  std::string victim;
  for (const auto& entry : fs::recursive_directory_iterator(dir / "c/CBIS-DDSM"))
    if (entry.path().string().find("_CC_1/") != std::string::npos && entry.path().filename() == "1-2.dcm")
      victim = entry.path().string();
  const std::string whole = contents_of(victim);
  std::ofstream(victim, std::ios::binary).write(whole.data(), static_cast<std::streamsize>(whole.size() / 2));
  EXPECT_EQ(read().films.size(), 13u) << text_of(read().left_out);
  std::ofstream(victim, std::ios::binary).write("no DICOM", 8);
  const Source s = read();
  EXPECT_EQ(s.films.size(), 13u);
  EXPECT_NE(text_of(s.unmatched).find("file CBIS-DDSM/"), std::string::npos);
  EXPECT_NE(text_of(s.left_out).find("none of its 1 files is a mask: all have more than two values"),
            std::string::npos)
      << text_of(s.left_out);
}

TEST_F(CbisSource, Mistakes) {
  const std::string header =
      "patient_id,left or right breast,image view,abnormality id,abnormality type,pathology,image file "
      "path,cropped "
      "image file path,ROI mask file path\n";
  const auto says = [&](const std::string& row) {
    dir.write("c/mass_case_description_train_set.csv", header + row);
    return said<DataError>(dir, [&] { read(); });
  };
  EXPECT_EQ(
      says(""),
      "cbis-ddsm: DIR/c has no mass_case_description_*.csv and no calc_case_description_*.csv with rows");
  EXPECT_EQ(says("38,LEFT,CC,1,mass,BENIGN,a,b,c\n"),
            "cbis-ddsm: mass_case_description_train_set.csv:2: patient 38, side LEFT, view CC, number 1 are "
            "not like "
            "P_00038, LEFT or RIGHT, CC or MLO, 1");
  EXPECT_EQ(says("P_00038,LEFT,CC,1,lump,BENIGN,a,b,c\n"),
            "cbis-ddsm: mass_case_description_train_set.csv:2: abnormality type 'lump' is neither mass nor "
            "calcification");
  EXPECT_EQ(says("P_00038,LEFT,CC,1,mass,FINE,a,b,c\n"),
            "cbis-ddsm: mass_case_description_train_set.csv:2: pathology 'FINE' is not MALIGNANT, BENIGN or "
            "BENIGN_WITHOUT_CALLBACK");
}

}  // namespace
}  // namespace gadolin::test
