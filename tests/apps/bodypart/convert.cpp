// gadolin bodypart convert-data: names and features of the records, splits by patient, and every mistake.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "data/sets/dataset.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/tfrecord.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;
namespace fs = std::filesystem;

namespace {

// 48 pictures of three body parts, 2 of each of 24 patients, as fetch-image leaves them.
class BodypartConvert : public testing::Test {
 protected:
  void SetUp() override {
    std::string rows = "path,patient_id,study_id,label\n";
    for (int i = 0; i < 48; ++i) {
      const std::string stem = cat("CHEST_1.2.", i, "_CR"), label = i % 4 == 0   ? "Abdomen"
                                                                    : i % 4 == 3 ? "Hand"
                                                                                 : "Chest";
      dir_.write(cat("set/images/", stem, i == 5 ? ".jpg" : ".png"),
                 i == 5 ? encode_jpeg(pattern(9, 7, 1)) : encode_png(pattern(6 + i, 7, 1)));
      dir_.write("set/labels/" + stem + ".txt", label);
      rows += cat("images/", stem, ".png,P", i % 24, ",1.2.840.", i % 24, ",", label, "\n");
    }
    dir_.write("set/manifest.csv", rows);
  }
  Outcome convert(const std::vector<std::string>& more, const std::string& out = "out") {
    std::vector<std::string> args{"bodypart",      "convert-data", "--dataset_name", "dicom",
                                  "--dataset_dir", dir_ / "set",   "--output_dir",   dir_ / out};
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  }
  // What the tool says, and that nothing stands in the output folder or beside it.
  void expect_refused(const std::vector<std::string>& more, int code, const std::string& want) {
    const Outcome run = convert(more);
    EXPECT_EQ(last_line(run, dir_.path()), want);
    EXPECT_EQ(run.code, code) << want;
    EXPECT_FALSE(fs::exists(dir_ / "out")) << want;
    EXPECT_EQ(leftovers(dir_.path()), std::vector<std::string>()) << want;
    fs::remove_all(dir_ / "out");
  }
  std::map<std::string, Example> records(const std::string& name) {
    std::map<std::string, Example> all;
    for (const std::string& path : tfrecord_files(dir_ / "out/" + name)) {
      const TfRecordFile file(path);
      for (std::int64_t i = 0; i < file.size(); ++i) {
        Example e = parse_example(file.record(i), path);
        all[e.at("image/filename").bytes.at(0)] = e;
      }
    }
    return all;
  }
  Scratch dir_;
};

TEST_F(BodypartConvert, SplitsByPatientWithEveryFeature) {
  const Outcome run = convert({"--need_split", "tvt_split", "--seed", "3"});
  ASSERT_EQ(run.code, 0) << run.err;
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(dir_ / "out"))
    names.insert(entry.path().filename().string());
  EXPECT_EQ(names, (std::set<std::string>{"train-dicom.tfrecord", "train-dicom.tfrecord.index",
                                          "validation-dicom.tfrecord", "validation-dicom.tfrecord.index",
                                          "test-dicom.tfrecord", "test-dicom.tfrecord.index", "labels.txt",
                                          "split.csv"}));
  EXPECT_EQ(read_file(dir_ / "out/labels.txt", 100), "0:Abdomen\n1:Chest\n2:Hand\n");
  const std::vector<std::string> classes{"Abdomen", "Chest", "Hand"};
  std::map<std::string, std::string> split_of;  // of a patient
  std::map<std::string, std::int64_t> counts;
  std::map<std::string, std::pair<std::string, std::string>> seen;  // file: split, patient
  for (const char* split : {"train", "validation", "test"}) {
    std::set<std::int64_t> labels;
    for (const auto& [name, e] : records(cat(split, "-dicom.tfrecord"))) {
      ++counts[split];
      EXPECT_EQ(e.size(), 7u);
      const std::string bytes = read_file(dir_ / "set/images/" + name, 100000),
                        stem = fs::path(name).stem().string();
      const Image image =
          decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, name);
      EXPECT_EQ(e.at("image/encoded"), Feature::of_bytes({bytes}));
      EXPECT_EQ(e.at("image/format"), Feature::of_bytes({name.ends_with("jpg") ? "jpg" : "png"}));
      EXPECT_EQ(e.at("image/height"), Feature::of_ints({image.height}));
      EXPECT_EQ(e.at("image/width"), Feature::of_ints({image.width}));
      const std::int64_t label = e.at("image/class/label").ints.at(0);
      labels.insert(label);
      EXPECT_EQ(classes.at(static_cast<std::size_t>(label)),
                read_file(dir_ / "set/labels/" + stem + ".txt", 100));
      const std::string patient = e.at("image/patient_id").bytes.at(0);
      EXPECT_EQ(patient, cat("P", std::stoi(stem.substr(10)) % 24));
      EXPECT_EQ(split_of.emplace(patient, split).first->second, split) << patient << " is on two sides";
      seen[name] = {split, patient};
    }
    EXPECT_EQ(labels.size(), 3u) << split << " has every class";
  }
  EXPECT_EQ(counts["train"] + counts["validation"] + counts["test"], 48);
  EXPECT_NEAR(static_cast<double>(counts["train"]), 0.7 * 48, 4);
  EXPECT_NEAR(static_cast<double>(counts["test"]), 0.15 * 48, 3);
  const CsvTable table = read_csv(dir_ / "out/split.csv");
  EXPECT_EQ(table.header, (std::vector<std::string>{"path", "patient_id", "study_id", "label", "split"}));
  ASSERT_EQ(table.rows.size(), 48u);
  for (const auto& row : table.rows) {
    EXPECT_TRUE(fs::exists(dir_ / "out/" + row[0])) << row[0];
    const auto& [split, patient] = seen.at(fs::path(row[0]).filename().string());
    EXPECT_EQ(row[1], patient);
    EXPECT_EQ(row[2], "1.2.840." + patient.substr(1));
    EXPECT_EQ(row[4], split == "validation" ? "val" : split);
  }
  EXPECT_EQ(leftovers(dir_.path()), std::vector<std::string>());

  // The seed decides, nothing else.
  ASSERT_EQ(convert({"--need-split", "tvt_split", "--seed", "3"}, "same").code, 0);
  ASSERT_EQ(convert({"--need_split", "tvt_split", "--seed", "4"}, "other").code, 0);
  for (const char* name : {"train-dicom.tfrecord", "validation-dicom.tfrecord", "test-dicom.tfrecord"}) {
    EXPECT_TRUE(contents_of(dir_ / "same/" + name) == contents_of(dir_ / "out/" + name));
    EXPECT_FALSE(contents_of(dir_ / "other/" + name) == contents_of(dir_ / "out/" + name));
  }
}

TEST_F(BodypartConvert, TwoSplitsShardsAndOtherPictures) {
  for (int i = 0; i < 48; ++i)
    dir_.write(cat("set/preprocessed_images_seg/CHEST_1.2.", i, "_CR.png"), encode_png(pattern(4, 4, 1)));
  ASSERT_EQ(convert({"--need_split", "tt_split", "--test-fraction", "0.25", "--shards", "3", "--images",
                     "preprocessed_images_seg"})
                .code,
            0);
  EXPECT_EQ(tfrecord_files(dir_ / "out").size(), 6u);
  const auto train = records("train-dicom.tfrecord-*"), test = records("test-dicom.tfrecord-*");
  EXPECT_EQ(train.size(), 36u);
  EXPECT_EQ(test.size(), 12u);
  for (const auto& [name, e] : train) EXPECT_EQ(e.at("image/width"), Feature::of_ints({4})) << name;
  fs::remove_all(dir_ / "out");
  ASSERT_EQ(convert({"--output_name", "all", "--images", dir_ / "set/preprocessed_images_seg"}).code, 0);
  EXPECT_EQ(records("all.tfrecord").size(), 48u);
  const auto set = open_dataset(dir_ / "out");
  EXPECT_EQ(set->classes(), (std::vector<std::string>{"Abdomen", "Chest", "Hand"}));
  EXPECT_FALSE(set->has_split(Split::train));
}

TEST_F(BodypartConvert, StudiesStayTogetherWherePatientsAreUnknown) {
  std::string rows = "path,patient_id,study_id,label\n";
  for (int i = 0; i < 48; ++i) rows += cat("images/CHEST_1.2.", i, "_CR.png,,S", i % 12, ",x\n");
  dir_.write("set/manifest.csv", rows);
  ASSERT_EQ(convert({"--need_split", "tvt_split"}).code, 0);
  std::map<std::string, std::string> split_of;
  for (const auto& row : read_csv(dir_ / "out/split.csv").rows)
    EXPECT_EQ(split_of.emplace(row[2], row[4]).first->second, row[4]) << row[2];
  EXPECT_EQ(split_of.size(), 12u);
  for (const auto& [name, e] : records("train-dicom.tfrecord"))
    EXPECT_FALSE(e.contains("image/patient_id")) << name;

  fs::remove(dir_ / "set/manifest.csv");
  fs::remove_all(dir_ / "out");
  const Outcome alone = convert({"--need_split", "tt_split"});
  EXPECT_EQ(alone.code, 0);
  EXPECT_NE(alone.err.find(
                "no manifest.csv beside images and labels: every picture counts as a patient of its own"),
            std::string::npos);
}

TEST_F(BodypartConvert, OptionsThatDoNotFit) {
  const std::vector<std::string> tvt{"--need_split", "tvt_split"};
  expect_refused({"--dataset_name", "flowers"}, 2,
                 "convert-data: --dataset_name flowers is unknown; it must be dicom [GD-USAGE-001]");
  expect_refused({"--need_split", "yes"}, 2,
                 "convert-data: --need_split yes is unknown; use None, tt_split or tvt_split [GD-USAGE-001]");
  expect_refused({"--need_split", "tvt_split", "--split-by", "study"}, 2,
                 "convert-data: --split-by study is unknown; use patient or file [GD-USAGE-001]");
  expect_refused({}, 2,
                 "convert-data: without a split the file needs a name; add --output_name or --need_split "
                 "[GD-USAGE-001]");
  expect_refused({"--need_split", "tt_split", "--output_name", "x"}, 2,
                 "convert-data: --output_name x is for --need_split None; a split is named train-dicom and "
                 "so on [GD-USAGE-001]");
  expect_refused({"--output_name", "a/b"}, 2,
                 "convert-data: --output_name a/b is a path; the folder is --output_dir [GD-USAGE-001]");
  expect_refused(
      {"--need_split", "tt_split", "--val-fraction", "0.1"}, 2,
      "convert-data: --need_split tt_split makes no validation set; leave the fraction out [GD-USAGE-001]");
  expect_refused({"--output_name", "x", "--test-fraction", "0.1"}, 2,
                 "convert-data: --need_split None makes no test or validation set; leave the fraction out "
                 "[GD-USAGE-001]");
  for (const auto& [val, test] : {std::pair{"0", "0.2"}, std::pair{"0.5", "0.5"}, std::pair{"0.2", "0"}}) {
    expect_refused({"--need_split", "tvt_split", "--val-fraction", val, "--test-fraction", test}, 2,
                   cat("convert-data: --val-fraction ", val, " and --test-fraction ", test,
                       " are not above 0 with a sum below 1 [GD-USAGE-001]"));
  }
  expect_refused({"--need_split", "tt_split", "--shards", "0"}, 2,
                 "--shards 0 is not in 1..512 [GD-USAGE-001]");
  expect_refused({"--need_split", "tt_split", "--test-fraction", "1.5"}, 2,
                 "--test-fraction 1.5 is not in 0..1 [GD-USAGE-001]");
  expect_refused({"--need_split", "tvt_split", "--val-fraction", "0.7", "--test-fraction", "0.6"}, 2,
                 "convert-data: --val-fraction 0.7 and --test-fraction 0.6 are not above 0 with a sum below "
                 "1 [GD-USAGE-001]");
  expect_refused({"--need_split", "tvt_split", "--val-fraction", "nan", "--test-fraction", "0.2"}, 2,
                 "--val-fraction nan is not in 0..1 [GD-USAGE-001]");
  dir_.write("out/mine", "x");
  const Outcome run = convert(tvt);
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(last_line(run, dir_.path()),
            "convert-data: DIR/out exists and is no empty folder; give another or remove it [GD-USAGE-001]");
  EXPECT_EQ(read_file(dir_ / "out/mine", 10), "x");
}

TEST_F(BodypartConvert, PicturesAndLabelsThatDoNotFit) {
  const std::vector<std::string> tvt{"--need_split", "tvt_split"};
  dir_.write("set/images/lost.png", encode_png(pattern(4, 4, 1)));
  dir_.write("set/labels/alone.txt", "Chest");
  expect_refused(tvt, 3,
                 "convert-data: DIR/set has 2 pictures or labels that cannot be used, among them: dataset: "
                 "images/lost.png has no file in labels/ [GD-DATA-001]");
  EXPECT_NE(convert(tvt).err.find("dataset: labels/alone.txt has no image in images/"), std::string::npos)
      << "every one is named";
  fs::remove(dir_ / "set/labels/alone.txt");
  dir_.write("set/labels/lost.txt", "");
  expect_refused(tvt, 3,
                 "convert-data: DIR/set has 1 pictures or labels that cannot be used, among them: dataset: "
                 "labels/lost.txt: images/lost.png has no label [GD-DATA-001]");
  dir_.write("set/labels/lost.txt", "Chest\nHand\n");
  expect_refused(
      tvt, 3,
      "convert-data: DIR/set/labels has files of several lines; one class a file is needed [GD-DATA-001]");
  dir_.write("set/labels/lost.txt", "Chest");
  expect_refused(tvt, 3,
                 "convert-data: lost.png is not in DIR/set/manifest.csv, its patient is unknown; fetch it "
                 "again, or add --split-by file [GD-DATA-001]");
  EXPECT_EQ(convert({"--need_split", "tvt_split", "--split-by", "file"}).code, 0);
  fs::remove_all(dir_ / "out");
  dir_.write("set/images/lost.png", "not a picture");
  expect_refused(
      {"--output_name", "x"}, 3,
      "decode: lost.png is not a JPEG, PNG, BMP, PNM or DICOM file; convert it first [GD-FORMAT-001]");
  fs::remove(dir_ / "set/images/lost.png");
  fs::remove(dir_ / "set/labels/lost.txt");
  const std::string rows = contents_of(dir_ / "set/manifest.csv");
  dir_.write("set/manifest.csv", rows + "images/CHEST_1.2.0_CR.png,Q,1,Chest\n");
  expect_refused(tvt, 3,
                 "convert-data: DIR/set/manifest.csv:50: CHEST_1.2.0_CR is listed twice [GD-DATA-001]");
  dir_.write("set/manifest.csv", rows);
  // Too little is left to train with.
  expect_refused({"--need_split", "tvt_split", "--val-fraction", "0.45", "--test-fraction", "0.5"}, 3,
                 "convert-data: no picture of class 'Abdomen' is left to train with, all 12 went to other "
                 "splits; add pictures of other patients, or "
                 "give --need_split None [GD-DATA-001]");
}

}  // namespace
