// NIH's table: both versions' spelling, which table it is, what is refused, and any bytes.
#include "apps/chestxray/nih_table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "data/sets/extra_columns.h"
#include "tests/apps/chestxray/nih_made_up.h"
#include "tests/data/hostile.h"
#include "tests/data/messages.h"

namespace gadolin::test {
namespace {
using namespace gadolin::chestxray;

NihTable nih_table_of(const std::string& rows, const std::string& name = "t.csv") {
  return parse_nih_table(nih_header + rows, name);
}

TEST(NihTable, BothVersionsOfItsColumns) {
  const NihTable old =
      nih_table_of(nih_row(61, 12, "Effusion|Edema") + nih_row(61, 13, "No Finding", "412", "F", "AP"));
  ASSERT_EQ(old.films.size(), 2u);
  EXPECT_EQ(old.films[0].image, "00000061_012.png");
  EXPECT_EQ(old.films[0].patient, "61");
  EXPECT_EQ(old.films[0].findings, "Edema|Effusion");
  EXPECT_EQ(old.films[0].age, 58);
  EXPECT_EQ(old.films[0].sex, "M");
  EXPECT_EQ(old.films[0].view, "PA");
  EXPECT_EQ(old.films[0].line, 2);
  EXPECT_TRUE(std::isnan(old.films[1].age));
  EXPECT_EQ(old.notes, (std::vector<std::string>{
                           "1 ages are none a person has, and count as not told (00000061_013.png: 412)"}));

  // As of 2020, by pandas with a column of row numbers, in other capitals, and with the longer word.
  const NihTable later = parse_nih_table(
      ",image_index,FindingLabels,Patient ID,Patient Age,Patient Sex\n0,00000061_012.jpg,effusion| edema "
      "|Edema,00000061,58,m\n1,00000061_013.jpg,No Finding,61,,x\n",
      "later.csv");
  EXPECT_EQ(later.films[0].findings, "Edema|Effusion");
  EXPECT_EQ(later.films[0].sex, "M");
  EXPECT_EQ(later.films[0].view, "");
  EXPECT_EQ(later.sha256, old.sha256) << "the same films, findings and patients";
  EXPECT_EQ(
      later.notes,
      (std::vector<std::string>{"1 sexes are neither M nor F, and count as not told (00000061_013.jpg: x)"}));
  EXPECT_EQ(nih_table_of(nih_row(61, 13, "No Finding") + nih_row(61, 12, "Edema|Effusion")).sha256,
            old.sha256);
  EXPECT_NE(nih_table_of(nih_row(61, 13, "Edema") + nih_row(61, 12, "Edema|Effusion")).sha256, old.sha256);
  EXPECT_EQ(nih_table_of(nih_row(7, 0, "Pleural Thickening")).films[0].findings, "Pleural_Thickening");
}

TEST(NihTable, Ages) {
  EXPECT_EQ(age_in_years("058Y"), 58);
  EXPECT_EQ(age_in_years(" 0 "), 0);
  EXPECT_EQ(age_in_years("006M"), 0.5);
  EXPECT_EQ(age_in_years("120"), 120);
  EXPECT_NEAR(age_in_years("010d"), 10 / 365.2425, 1e-15);
  EXPECT_NEAR(age_in_years("52W"), 52 / 52.1775, 1e-15);
  for (const char* none : {"", "Y", "412", "-3", "58 years", "5e1", "nan", "inf", "0x10", "121", "58YY"})
    EXPECT_TRUE(std::isnan(age_in_years(none))) << none;
}

// E9: the tables that go round, by the films of each label, and parts of them by films that differ.
TEST(NihTable, TellsWhichOfTheKnownTablesItIs) {
  std::string text = nih_sized_table(corrected_films);
  EXPECT_EQ(parse_nih_table(text, "t.csv").version, "the corrected table (1,431 films of pneumonia)");
  text.replace(text.find("No Finding"), 10, "Effusion");
  EXPECT_EQ(parse_nih_table(text, "t.csv").version,
            "112120 rows with other findings than the tables that are known");
  EXPECT_EQ(nih_table_of(nih_row(193, 19, "Pneumonia")).version,
            "a part of the corrected table (1,431 films of pneumonia)");
  EXPECT_EQ(nih_table_of(nih_row(193, 19, "No Finding")).version,
            "a part of the table of November 2017, before its correction (1,353 films of pneumonia)");
  EXPECT_EQ(nih_table_of(nih_row(194, 0, "Mass")).version,
            "1 rows, too few to tell which of NIH's tables they are of");
}

TEST(NihTable, TwoVersionsAreNotMixed) {
  const NihTable a = nih_table_of(nih_row(193, 19, "Pneumonia") + nih_row(1, 0, "Mass"), "a.csv"),
                 b = nih_table_of(nih_row(1, 0, "Mass") + nih_row(193, 19, "No Finding"), "b.csv");
  EXPECT_EQ(nih_differences(a, b),
            (std::vector<std::string>{"00000193_019.png is Pneumonia in a.csv:2 and No Finding in b.csv:3"}));
  EXPECT_EQ(message_of<DataError>([&] { join_nih_tables(a, b); }),
            "nih: two versions of the table cannot be mixed: 00000193_019.png is Pneumonia in a.csv:2 and No "
            "Finding in b.csv:3; name one of them with --table");
  std::string rows, others;
  for (int i = 0; i < 5; ++i) {
    rows += nih_row(i, 0, "Mass");
    others += nih_row(i, 0, "Nodule");
  }
  EXPECT_EQ(
      message_of<DataError>([&] { join_nih_tables(nih_table_of(rows, "a"), nih_table_of(others, "b")); }),
      "nih: two versions of the table cannot be mixed: 00000000_000.png is Mass in a:2 and Nodule in b:2, "
      "00000001_000.png is Mass in a:3 and Nodule in b:3, 00000002_000.png is Mass in a:4 and Nodule in "
      "b:4, and 2 more; name one of them with --table");
  const NihTable both =
      join_nih_tables(a, nih_table_of(nih_row(2, 0, "Edema") + nih_row(1, 0, "Mass"), "c.csv"));
  ASSERT_EQ(both.films.size(), 3u);
  EXPECT_EQ(both.films[2].image, "00000002_000.png");
  EXPECT_EQ(both.name, "a.csv and c.csv");
  EXPECT_EQ(
      both.sha256,
      nih_table_of(nih_row(1, 0, "Mass") + nih_row(2, 0, "Edema") + nih_row(193, 19, "Pneumonia")).sha256);
}

TEST(NihTable, Mistakes) {
  const auto said = [](const std::string& text) {
    return message_of<Error>([&] { parse_nih_table(text, "t.csv"); });
  };
  EXPECT_EQ(said("Image,Finding Labels,Patient ID\na.png,Mass,1\n"),
            "csv: t.csv:1: there is no column 'Image Index'; there are Image, Finding Labels, Patient ID");
  const std::string head = "Image Index,Finding Labels,Patient ID\n";
  EXPECT_EQ(said(head), "nih: t.csv has no rows");
  EXPECT_EQ(said(head + ",Mass,1\n"), "nih: t.csv:2: '' is no name of an image, such as 00000001_000.png");
  EXPECT_EQ(said(head + "../a.png,Mass,1\n"),
            "nih: t.csv:2: '../a.png' is no name of an image, such as 00000001_000.png");
  EXPECT_EQ(said(head + "a.png,Mass|,1\n"),
            "nih: t.csv:2: finding '' is none of Atelectasis, Cardiomegaly, Consolidation, Edema, Effusion, "
            "Emphysema, Fibrosis, Hernia, Infiltration, Mass, No Finding, Nodule, Pleural_Thickening, "
            "Pneumonia, Pneumothorax");
  EXPECT_EQ(said(head + "a.png,No Finding|Mass,1\n"),
            "nih: t.csv:2: No Finding beside 1 finding; one of them is wrong");
  EXPECT_EQ(said(head + "a.png,Mass|Nodule|No Finding,1\n"),
            "nih: t.csv:2: No Finding beside 2 findings; one of them is wrong");
  EXPECT_EQ(said(head + "a.png,Mass,\n"),
            "nih: t.csv:2: patient '' of a.png is no id; films are divided by patient");
  EXPECT_EQ(
      said(head + "00000061_012.png,Mass,62\n"),
      "nih: t.csv:2: patient 62 of 00000061_012.png, whose name says 61; are columns or rows of the table "
      "shifted?");
  EXPECT_EQ(said(head + "a.png,Mass,1\nb.png,Mass,1\na.jpg,Mass,1\n"),
            "nih: t.csv:4: a.jpg is in line 2 already");
}

// Any bytes: an error of ours, or films that are as the header promises.
TEST(NihTable, Hostile) {
  const std::string whole = nih_header + nih_row(61, 12, "Effusion|Edema") + nih_row(61, 13, "No Finding") +
                            nih_row(193, 19, "Pleural_Thickening", "003M", "F", "AP");
  const auto read = [](const std::string& bytes) {
    const NihTable table = parse_nih_table(bytes, "t.csv");
    ASSERT_FALSE(table.films.empty());
    for (const NihFilm& film : table.films) {
      ASSERT_FALSE(film.image.empty() || film.patient.empty() || film.findings.empty());
      ASSERT_TRUE(std::isnan(film.age) || (film.age >= 0 && film.age <= 120));
      ASSERT_TRUE(film.sex.empty() || film.sex == "M" || film.sex == "F");
      ASSERT_GT(film.line, 1);
    }
    ASSERT_EQ(table.sha256.size(), 64u);
  };
  EXPECT_GT(survive_truncations(whole, read), 0);
  EXPECT_GT(survive_changes(whole, 4000, whole.size(), read), 0);
}

}  // namespace
}  // namespace gadolin::test
