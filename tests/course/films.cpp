// The investigation of assignment 5: what is found is worth its points, and what is missed is said.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

#include "course/5/cases_films.h"
#include "data/dicom/file.h"
#include "data/dicom/image.h"
#include "io/csv.h"
#include "tests/course/kit.h"
#include "tests/scratch.h"

namespace gadolin::course {
namespace {

const Seed somebody{1, 2, 3};
Draw student() { return Draw(somebody); }

struct Inspected {
  double right = 0, all = 0;
  std::string lines;
};
Inspected inspected(const Files& files) {
  Draw draw(Seed{}, somebody);
  Inspected result;
  for (const Finding& finding : investigation().inspect(files, draw)) {
    result.all += finding.share;
    if (finding.wrong.empty())
      result.right += finding.share;
    else
      result.lines += finding.what + ": " + finding.wrong + "\n";
  }
  return result;
}
// The right files with lines of findings.csv that begin so left out.
Files without(const std::string& kind) {
  Files files = right_investigation(student());
  std::string kept;
  std::istringstream in(files["findings.csv"]);
  for (std::string line; std::getline(in, line);)
    if (!line.starts_with(kind)) kept += line + "\n";
  files["findings.csv"] = kept;
  return files;
}

TEST(Investigation, RightFilesGetAllAndNothingNone) {
  const Inspected right = inspected(right_investigation(student()));
  EXPECT_EQ(right.lines, "");
  EXPECT_EQ(right.right, 22);
  EXPECT_EQ(right.all, 22);
  EXPECT_EQ(inspected({}).right, 0);
  EXPECT_EQ(inspected({}).all, 22);
}

TEST(Investigation, WhatIsMissedIsSaid) {
  const Inspected spelling = inspected(without("patient"));
  EXPECT_EQ(spelling.right, 18);
  EXPECT_NE(
      spelling.lines.find("patients under two names: 9 of 9 not found: \"PAT0007\" and \"pat0007\" are one "
                          "patient; compare letters and digits alone"),
      std::string::npos)
      << spelling.lines;
  const Inspected copies = inspected(without("pixels"));
  EXPECT_EQ(copies.right, 18);
  EXPECT_NE(
      copies.lines.find("films stored twice: 8 of 8 not found: compare decoded pixels as a viewer shows "
                        "them, not bytes of files"),
      std::string::npos)
      << copies.lines;
  const Inspected mark = inspected(without("mark"));
  EXPECT_EQ(mark.right, 18);
  EXPECT_EQ(
      mark.lines,
      "a mark in a corner: you named none: your maps rest on a corner in nine of ten films of one class\n");
}

TEST(Investigation, NamingEverythingHelpsNobody) {
  Files files = right_investigation(student());
  for (int i = 1; i < 200; ++i)
    files["findings.csv"] += "pixels,F0001.dcm,F" + std::to_string(1000 + i) + ".dcm\n";
  const Inspected all = inspected(files);
  EXPECT_EQ(all.right, 18);
  EXPECT_NE(all.lines.find("199 are named that are none: look at both again"), std::string::npos)
      << all.lines;
}

TEST(Investigation, NumbersAreThoseOfTheFiles) {
  Files files = right_investigation(student());
  files["report.toml"] = "auc_before = 0.9\nauc_after = 0.999\ntemperature = 1\n";
  const Inspected wrong = inspected(files);
  EXPECT_EQ(wrong.right, 16);
  EXPECT_NE(wrong.lines.find("AUC before and after: auc_before: report.toml says 0.9000, your file gives "),
            std::string::npos)
      << wrong.lines;
  EXPECT_NE(wrong.lines.find("temperature: report.toml says 1.0000, your file gives "), std::string::npos)
      << wrong.lines;
  files = right_investigation(student());
  files["after.csv"] =
      "path,abdomen,chest,hand,head,musculoskeletal,pelvis,spine\nC0001.dcm,1,0,0,0,0,0,0\n"
      "C0001.dcm,1,0,0,0,0,0,0\n";
  EXPECT_NE(inspected(files).lines.find("after.csv:3: C0001.dcm stands there twice"), std::string::npos)
      << inspected(files).lines;
  files["after.csv"] =
      "path,abdomen,chest,hand,head,musculoskeletal,pelvis,spine\nC0001.dcm,nan,0,0,0,0,0,0\n";
  EXPECT_NE(inspected(files).lines.find("after.csv:2: 'nan' is no probability"), std::string::npos)
      << inspected(files).lines;
}

// The faults are in the files, and only there.
TEST(Investigation, FilmsHoldWhatIsPlanted) {
  const gadolin::test::Scratch scratch;
  const FilmSet set = draw_films(student());
  EXPECT_EQ(set.spellings.size(), 9u);
  EXPECT_EQ(set.copies.size(), 8u);
  try {
    write_films(set, scratch.path());
  } catch (const Unsupported& error) {
    GTEST_SKIP() << error.what();
  }
  const CsvTable spoilt = read_csv(scratch / "spoilt.csv"), clean = read_csv(scratch / "clean.csv");
  EXPECT_EQ(spoilt.rows.size(), 248u);
  EXPECT_EQ(clean.rows.size(), 84u);
  std::map<std::string, std::string> of;  // pixels as a viewer shows them, by file
  std::map<std::string, std::set<std::string>> files;
  for (const auto& row : spoilt.rows) {
    const Image shown = to_image(read_dicom_image(DicomFile::open(scratch / row[0])));
    files[std::string(shown.pixels.begin(), shown.pixels.end())].insert(row[0].substr(7));
  }
  std::set<std::set<std::string>> twice, planted;
  for (const auto& [pixels, names] : files)
    if (names.size() > 1) twice.insert(names);
  for (const auto& [a, b] : set.copies) planted.insert({a, b});
  EXPECT_EQ(twice, planted);
}

}  // namespace
}  // namespace gadolin::course
