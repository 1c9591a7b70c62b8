// From NIH's folder to a manifest: lists and their hash, validation by patient, everything that has no
// partner.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/chestxray/nih_division.h"
#include "apps/chestxray/nih_source.h"
#include "data/sets/division.h"
#include "data/sets/split.h"
#include "io/csv.h"
#include "io/sha256.h"
#include "tests/apps/chestxray/nih_made_up.h"
#include "tests/apps/in_process.h"
#include "tests/data/hostile.h"
#include "tests/data/messages.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;
using namespace gadolin::chestxray;

std::string image_name(int patient, int follow_up) { return nih_row(patient, follow_up, "").substr(0, 16); }

// What a command said last, without its code.
std::string message_in(const Outcome& run, const Scratch& dir) {
  const std::string line = last_line(run, dir.path());
  return line.substr(0, line.rfind(" [GD-DATA-001]") == std::string::npos ? line.rfind(" [GD-USAGE-001]")
                                                                          : line.rfind(" [GD-DATA-001]"));
}

// Twenty patients with two films each; the last five are the test list. Images lie at two depths.
class NihFolder : public testing::Test {
 protected:
  void SetUp() override {
    std::string table = nih_header, train_val, test;
    for (int p = 1; p <= 20; ++p)
      for (int f = 0; f < 2; ++f) {
        const char* finding = p % 4 == 0 ? "Mass|Nodule" : p % 4 == 1 ? "No Finding" : "Effusion";
        table += nih_row(p, f, finding, p == 3 ? "412" : "030Y", p % 2 ? "M" : "F", f ? "AP" : "PA");
        (p > 15 ? test : train_val) += image_name(p, f) + "\r\n";
        dir_.write((p < 10 ? "nih/images_001/images/" : "nih/") + image_name(p, f), "x");
      }
    dir_.write("nih/Data_Entry_2017.csv", table);
    dir_.write("nih/train_val_list.txt", train_val);
    dir_.write("nih/test_list.txt", test);
  }
  Outcome prepare(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"chestxray", "prepare", dir_ / "nih", dir_ / "out"});
    fs::remove_all(dir_ / "out");
    return run_here(more);
  }
  nlohmann::json facts() { return nlohmann::json::parse(contents_of(dir_ / "out/manifest.json")); }
  Scratch dir_;
};

// E2
TEST_F(NihFolder, BecomesAManifestWithTheListsAndTheirHash) {
  const Outcome run = prepare({"--val-share", "0.2"});
  ASSERT_EQ(run.code, 0) << run.err;
  const CsvTable manifest = read_csv(dir_ / "out/manifest.csv");
  EXPECT_EQ(manifest.header, (std::vector<std::string>{"path", "patient", "labels", "split", "sex", "age",
                                                       "view", "outside"}));
  ASSERT_EQ(manifest.rows.size(), 40u);
  EXPECT_EQ(manifest.rows[0],
            (std::vector<std::string>{"../nih/images_001/images/00000001_000.png", "1", "No Finding",
                                      manifest.rows[0][3], "M", "30", "PA", "allowed"}));
  EXPECT_EQ(manifest.rows[4][5], "") << "412 years";
  std::map<std::string, std::set<std::string>> patients;
  for (const auto& row : manifest.rows) patients[row[3]].insert(row[1]);
  EXPECT_EQ(patients["test"], (std::set<std::string>{"16", "17", "18", "19", "20"}));
  EXPECT_NEAR(static_cast<double>(patients["val"].size()), 3, 1) << "whole patients, and shares of findings";
  EXPECT_EQ(patients["train"].size() + patients["val"].size(), 15u);
  for (const std::string& patient : patients["val"]) EXPECT_FALSE(patients["train"].contains(patient));

  std::string test;
  for (int p = 16; p <= 20; ++p)
    for (int f = 0; f < 2; ++f) test += image_name(p, f) + "\n";
  const auto division = facts()["division"];
  EXPECT_EQ(division["kind"], "lists") << "these are not NIH's own";
  EXPECT_EQ(division["test_list"]["sha256"], sha256_hex(test));
  EXPECT_EQ(division["test_list"]["names"], 10);
  const std::string text = division["text"];
  EXPECT_TRUE(
      text.starts_with("split: own lists, not the official ones (train_val_list.txt, 30 names, sha256 "))
      << text;
  EXPECT_TRUE(text.ends_with("; validation is 0.2 of the first, by patient, seed 0")) << text;
  EXPECT_NE(run.out.find(text), std::string::npos);
  EXPECT_NE(run.out.find("note: 2 ages are none a person has, and count as not told (00000003_000.png: 412)"),
            std::string::npos);
  EXPECT_NE(run.out.find("40 films of 20 patients"), std::string::npos) << run.out;
  EXPECT_FALSE(fs::exists(dir_ / "out/left_out.csv"));

  // What `eval` finds of it; after another division it says so.
  DatasetOptions options;
  options.allow_outside = true;
  auto set = open_dataset(dir_ / "out", options);
  EXPECT_EQ(division_of(dir_ / "out", *set)["text"], text);
  EXPECT_EQ(division_of(dir_ / "out/manifest.csv", *set)["sha256"], division["sha256"].get<std::string>());
  set->set_split(0, Split::test);
  const std::string now = division_sha256(*set);
  EXPECT_EQ(division_of(dir_ / "out", *set)["text"],
            "split: not the one of manifest.json, the set has other samples or splits (sha256 " +
                now.substr(0, 12) + ")");
  EXPECT_EQ(division_of(dir_ / "out", *set)["kind"], "other");
  EXPECT_TRUE(division_of(dir_ / "nih/Data_Entry_2017.csv", *set).empty());
}

TEST_F(NihFolder, SeedChoosesValidationAndNothingElse) {
  const auto splits = [&](const std::string& seed) {
    EXPECT_EQ(prepare({"--seed", seed, "--val-share", "0.3"}).code, 0);
    std::string val, test;
    for (const auto& row : read_csv(dir_ / "out/manifest.csv").rows) {
      if (row[3] == "val") val += row[0];
      if (row[3] == "test") test += row[0];
    }
    return std::pair(val, test);
  };
  const auto first = splits("1"), again = splits("1"), other = splits("2");
  EXPECT_EQ(first, again);
  EXPECT_NE(first.first, other.first);
  EXPECT_EQ(first.second, other.second);
}

TEST_F(NihFolder, ARandomDivisionIsCalledOne) {
  ASSERT_EQ(prepare({"--split", "random", "--shares", "0.5/0.25/0.25"}).code, 0);
  EXPECT_EQ(facts()["division"]["kind"], "random");
  EXPECT_EQ(facts()["division"]["text"],
            "split: random by patient, train/val/test 0.5/0.25/0.25, seed 0, not the official lists");
  std::map<std::string, std::set<std::string>> of;
  for (const auto& row : read_csv(dir_ / "out/manifest.csv").rows) of[row[1]].insert(row[3]);
  for (const auto& [patient, splits] : of) EXPECT_EQ(splits.size(), 1u) << patient;
}

TEST_F(NihFolder, EverythingWithoutAPartnerIsCountedAndNamed) {
  fs::remove(dir_ / "nih/images_001/images/00000002_001.png");
  dir_.write("nih/more/00000099_000.png", "x");
  dir_.write("nih/more/00000001_000.jpg", "x");  // another file of a film that is there
  dir_.write("nih/more/readme.txt", "x");
  dir_.write("nih/test_list.txt", contents_of(dir_ / "nih/test_list.txt") + "00000098_000.png\n");
  dir_.write("nih/train_val_list.txt", contents_of(dir_ / "nih/train_val_list.txt").substr(18));
  const Outcome stopped = prepare();
  EXPECT_EQ(stopped.code, 3);
  EXPECT_EQ(
      message_in(stopped, dir_),
      "chestxray prepare: 2 rows without an image or a list, 2 images without a row and 1 names of the "
      "lists without a row; some are named above; with --skip-wrong they are left out, and left_out.csv "
      "names them all");
  EXPECT_NE(stopped.err.find("left over: row 00000002_001.png: no file of this name"), std::string::npos);
  EXPECT_FALSE(fs::exists(dir_ / "out"));
  ASSERT_EQ(prepare({"--skip-wrong"}).code, 0);
  EXPECT_EQ(contents_of(dir_ / "out/left_out.csv"),
            "kind,name,reason\n"
            "row,00000001_000.png,in neither list\n"
            "row,00000002_001.png,no file of this name\n"
            "file,more/00000099_000.png,no row of this name\n"
            "file,more/00000001_000.jpg,another file of this name was taken\n"
            "list,00000098_000.png,\"in test_list.txt, but no row of this name\"\n");
  EXPECT_EQ(facts()["images"], 38);
  EXPECT_EQ(facts()["left_out"], (nlohmann::json{{"rows", 2}, {"files", 2}, {"listed", 1}}));
}

// E9
TEST_F(NihFolder, TwoTablesInOneFolder) {
  const std::string table = contents_of(dir_ / "nih/Data_Entry_2017.csv");
  std::string other = table;
  other.replace(other.find("Effusion"), 8, "Edema");
  dir_.write("nih/Data_Entry_2017_v2020.csv", other);
  EXPECT_EQ(
      message_in(prepare(), dir_),
      "nih: two versions of the table cannot be mixed: 00000002_000.png is Effusion in "
      "DIR/nih/Data_Entry_2017.csv:4 and Edema in DIR/nih/Data_Entry_2017_v2020.csv:4; name one of them "
      "with --table");
  EXPECT_EQ(prepare({"--table", dir_ / "nih/Data_Entry_2017.csv"}).code, 0);
  dir_.write("nih/Data_Entry_2017_v2020.csv", table);
  EXPECT_EQ(prepare().code, 0) << "the same findings";
}

TEST_F(NihFolder, Mistakes) {
  const auto says = [&](std::vector<std::string> more) { return message_in(prepare(std::move(more)), dir_); };
  EXPECT_EQ(says({"--split", "random", "--test-list", "a.txt"}),
            "chestxray prepare: --split random takes no lists; leave out --train-val-list and --test-list");
  const std::string lists = contents_of(dir_ / "nih/train_val_list.txt");
  dir_.write("nih/train_val_list.txt", lists + image_name(16, 1) + "\n");
  EXPECT_EQ(says({}),
            "nih: 00000016_001.png is in train_val_list.txt and in test_list.txt; remove it from one of "
            "them, or divide by patient with --split random");
  // The film of a test patient, and only it, in the other list.
  std::string test = contents_of(dir_ / "nih/test_list.txt");
  dir_.write("nih/test_list.txt", test.substr(0, 16) + test.substr(34));
  EXPECT_EQ(says({}),
            "nih: 1 patient is in both lists: of one of them 00000016_000.png and 00000016_001.png; what is "
            "measured on the test list would be too good, mend the lists");
  dir_.write("nih/train_val_list.txt", lists);
  dir_.write("nih/test_list.txt", "\n\n");
  EXPECT_EQ(says({}), "nih: DIR/nih/test_list.txt lists no images; is it the right file, and whole?");
  dir_.write("nih/test_list.txt", "a.png\nimages/a.png\n");
  EXPECT_EQ(says({}),
            "nih: DIR/nih/test_list.txt: entry 2: a.png is listed twice; remove one of the entries");
  dir_.write("nih/test_list.txt", "a.png\n00000016_000\n");
  EXPECT_EQ(says({}),
            "nih: DIR/nih/test_list.txt: entry 2: '00000016_000' is no name of an image, such as "
            "00000001_000.png");
  fs::rename(dir_ / "nih/test_list.txt", dir_ / "nih/test_list_a.txt");
  dir_.write("nih/test_list_b.txt", "a.png");
  EXPECT_EQ(says({}),
            "nih: DIR/nih has 2 lists test_list*.txt; name one of them with --train-val-list or "
            "--test-list");
  fs::remove(dir_ / "nih/test_list_a.txt");
  fs::remove(dir_ / "nih/test_list_b.txt");
  EXPECT_EQ(says({}),
            "nih: DIR/nih has no test_list.txt; name the lists with --train-val-list and --test-list, "
            "or divide by patient with --split random");
  fs::remove(dir_ / "nih/Data_Entry_2017.csv");
  EXPECT_EQ(says({}), "nih: DIR/nih has no Data_Entry_2017.csv; name the table with --table");
  dir_.write("table.csv", nih_header + nih_row(77, 0, "Mass"));
  EXPECT_EQ(
      says({"--split", "random", "--table", dir_ / "table.csv"}),
      "nih: none of 1 rows of DIR/table.csv has an image among 40 that were found; is this the folder of "
      "the images?");
  EXPECT_EQ(message_in(run_here({"chestxray", "prepare", dir_ / "none", dir_ / "out"}), dir_),
            "chestxray prepare: DIR/none is no folder; it holds Data_Entry_2017.csv, the two lists and the "
            "images");
}

// A link back up is followed once; the official lists are known by their sizes.
TEST_F(NihFolder, LinksAndSizes) {
  fs::create_directory_symlink(dir_ / "nih", dir_ / "nih/images_001/up");
  const FoundImages found = find_images(dir_ / "nih");
  EXPECT_EQ(found.place.size(), 40u);
  EXPECT_TRUE(found.doubled.empty());
  NihList train_val, test;
  train_val.images.resize(86'524);
  test.images.resize(25'596);
  EXPECT_TRUE(official_lists(train_val, test));
  test.images.pop_back();
  EXPECT_FALSE(official_lists(train_val, test));
  EXPECT_THROW(find_images(dir_ / "none"), FileError);
}

TEST(NihLists, Hostile) {
  const auto read = [](const std::string& bytes) {
    const NihList list = parse_nih_list(bytes, "t.txt");
    ASSERT_FALSE(list.images.empty());
    for (const std::string& image : list.images) ASSERT_EQ(image.find('/'), std::string::npos);
  };
  const std::string whole =
      "\xef\xbb\xbf"
      "00000001_000.png\r\n images/00000002_000.png\n\n00000003_000.jpg";
  read(whole);
  EXPECT_GT(survive_truncations(whole, read), 0);
  EXPECT_GT(survive_changes(whole, 3000, whole.size(), read), 0);
}

TEST(Division, DamagedFacts) {
  const Scratch dir;
  const Dataset set({"a"}, false, {}, "");
  dir.write("m.csv", "");
  const auto says = [&](const std::string& json) {
    dir.write("m.json", json);
    return said<FormatError>(dir, [&] { division_of(dir / "m.csv", set); });
  };
  EXPECT_EQ(says("{"), "dataset: DIR/m.json is not a JSON object; remove it");
  for (const char* damaged : {"{\"division\": 3}", "{\"division\": {\"text\": 3, \"sha256\": \"\"}}",
                              "{\"division\": {\"text\": \"a\"}}"})
    EXPECT_EQ(
        says(damaged),
        "dataset: DIR/m.json: the division has no text or no sha256; remove the file, or prepare the data "
        "again");
  for (const char* damaged : {"{\"table\": 3}", "{\"table\": {\"version\": 3, \"sha256\": \"\"}}",
                              "{\"table\": {\"version\": \"a\"}}"}) {
    dir.write("m.json", damaged);
    EXPECT_EQ(said<FormatError>(dir, [&] { source_table(dir / "m.csv"); }),
              "dataset: DIR/m.json: the table has no version or no sha256; remove the file, or prepare the "
              "data again");
  }
  dir.write("m.json", "{}");
  EXPECT_TRUE(division_of(dir / "m.csv", set).empty());
  EXPECT_TRUE(source_table(dir / "m.csv").empty());
}

}  // namespace
}  // namespace gadolin::test
