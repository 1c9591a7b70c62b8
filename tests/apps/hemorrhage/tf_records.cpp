// hemorrhage create-tf-records: a patient in one shard, and shards that appear whole or not at all.
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <set>

#include "apps/hemorrhage/labels.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/tfrecord.h"
#include "io/zip_file.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;

// A made-up archive through the steps before; in a folder that only the archive was put into (G15).
class TfRecordSteps : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = new Scratch;
    ASSERT_EQ(run_here({"data", "synth", "ct-series", *dir_ / "made", "--patients", "12", "--slices", "6",
                        "--size", "32", "--json"})
                  .code,
              0);
    const std::string from = *dir_ / "made", to = *dir_ / "ct";
    for (const std::vector<std::string>& step :
         {std::vector<std::string>{"img-extract", "--size", "16", "--min-brain", "-1"},
          {"create-metadata"},
          {"process-labels"}}) {
      std::vector<std::string> args{"hemorrhage"};
      args.insert(args.end(), step.begin(), step.end());
      args.insert(args.end(), {"--zip_dir", from, "--data_dir", to, "--json"});
      const Outcome run = run_here(args);
      ASSERT_EQ(run.code, 0) << run.err;
    }
  }
  static void TearDownTestSuite() { delete dir_, dir_ = nullptr; }
  // A copy of what the steps made, to be changed.
  std::string copy() {
    const std::string to = own_ / "ct";
    fs::remove_all(to);
    fs::copy(*dir_ / "ct", to, fs::copy_options::recursive);
    return to;
  }
  static Outcome records(const std::string& folder, std::vector<std::string> more = {}) {
    std::vector<std::string> args{"hemorrhage", "create-tf-records", "--data_dir", folder, "--json"};
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  }
  static Scratch* dir_;
  Scratch own_;
};
Scratch* TfRecordSteps::dir_ = nullptr;

TEST_F(TfRecordSteps, EachPatientInOneShardWithItsLabels) {
  const std::string ct = copy();
  const Outcome run = records(ct, {"--shards", "4", "--validation", "1"});
  ASSERT_EQ(run.code, 0) << run.err;
  std::map<std::string, std::string> patient_of;
  const CsvTable metadata = read_csv(ct + "/train_metadata.csv");
  const auto column = [&](const char* name) { return static_cast<std::size_t>(metadata.column(name)); };
  for (const auto& row : metadata.rows)
    if (row[column("SameAs")].empty()) patient_of[row[0]] = row[column("PatientID")];
  const auto labels = hemorrhage::read_reshaped_labels(ct + "/reshaped_stage_2_train.csv");
  std::map<std::string, std::set<std::string>> shards;  // of a patient
  std::map<std::string, std::int64_t> sizes;
  for (const char* name : {"train/train-01-of-04", "train/train-02-of-04", "train/train-03-of-04",
                           "validation/train-04-of-04"}) {
    const TfRecordFile file(ct + "/" + name + ".tfrecord");
    sizes[name] = file.size();
    for (std::int64_t i = 0; i < file.size(); ++i) {
      const Example e = parse_example(file.record(i), file.place(i));
      EXPECT_EQ(e.size(), 5u);
      const std::string picture = e.at("filename").bytes.at(0), id = picture.substr(0, picture.size() - 4);
      ASSERT_EQ(patient_of.count(id), 1u) << picture;
      shards[patient_of[id]].insert(name);
      EXPECT_EQ(e.at("rows").ints, std::vector<std::int64_t>{16});
      EXPECT_EQ(e.at("cols").ints, std::vector<std::int64_t>{16});
      EXPECT_EQ(e.at("image").bytes.at(0).substr(0, 2), "\xff\xd8");
      for (std::size_t s = 0; s < 6; ++s)
        EXPECT_EQ(e.at("label").ints.at(s), labels.find(id)->second.label(s) ? 1 : 0) << id;
    }
  }
  std::int64_t least = 1 << 20, most = 0, all = 0;
  for (const auto& [name, n] : sizes) {
    least = std::min(least, n);
    most = std::max(most, n);
    all += n;
  }
  EXPECT_LE(most - least, 12) << "a patient has 12 slices at most";
  EXPECT_EQ(all, done(run)["metrics"]["train"].get<int>() + done(run)["metrics"]["validation"].get<int>());
  EXPECT_EQ(done(run)["metrics"]["copies_left_out"], 1);
  EXPECT_EQ(shards.size(), 9u);
  for (const auto& [patient, where] : shards) EXPECT_EQ(where.size(), 1u) << patient;
  const TfRecordFile test(ct + "/test/test.tfrecord");
  EXPECT_EQ(parse_example(test.record(0), "").count("label"), 0u);
  const Json record = Json::parse(read_file(ct + "/create_tf_records.json", 1 << 16));
  EXPECT_EQ(record["seed"], 0);
  EXPECT_EQ(record["shards"]["test/test.tfrecord"]["records"], test.size());
  EXPECT_EQ(record["labels"].get<std::string>().size(), 64u);
}

TEST_F(TfRecordSteps, TheSameForOneSeedAndForAnyThreads) {
  const std::string ct = copy(), shard = ct + "/train/train-01-of-04.tfrecord";
  const std::vector<std::string> few{"--shards", "4", "--validation", "1"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), few.begin(), few.end());
    EXPECT_EQ(records(ct, more).code, 0);
    return read_file(shard, 1 << 24);
  };
  const std::string first = with({});
  EXPECT_EQ(with({"--threads", "1"}), first);
  EXPECT_NE(with({"--seed", "1"}), first);
  // Shards of another number of them would be read too.
  const Outcome fewer = records(ct, {"--shards", "2", "--validation", "1"});
  ASSERT_EQ(fewer.code, 0) << fewer.err;
  EXPECT_FALSE(fs::exists(shard));
  EXPECT_FALSE(fs::exists(shard + ".index"));
  EXPECT_NE(fewer.err.find("train-01-of-04.tfrecord, a shard of an earlier run"), std::string::npos);
}

int record_syncs = 0;

// G17: what is written appears whole, under all names, or not at all.
TEST_F(TfRecordSteps, G17AFullDiskLeavesWhatWasThere) {
  const std::string ct = copy();
  const std::vector<std::string> few{"--shards", "4", "--validation", "1"};
  record_syncs = 0;
  detail::file_fault = [](const char* call, const char* path) {
    const bool shard = std::string_view(path).find(".tfrecord") != std::string_view::npos;
    return shard && std::string_view(call) == "write" && ++record_syncs > 20 ? ENOSPC : 0;
  };
  const Outcome full = records(ct, few);
  detail::file_fault = nullptr;
  EXPECT_EQ(full.code, 6);
  EXPECT_NE(last_line(full, ct).find(".tfrecord: no space left on device; free some space or choose another "
                                     "folder [GD-FILE-002]"),
            std::string::npos)
      << full.err;
  for (const char* part : {"train", "validation", "test"}) EXPECT_TRUE(fs::is_empty(ct + "/" + part)) << part;
  ASSERT_EQ(records(ct, few).code, 0);
  // A copy that lost its last byte is named with file, record and byte.
  const std::string shard = ct + "/train/train-02-of-04.tfrecord", bytes = read_file(shard, 1 << 24);
  const std::int64_t count = TfRecordFile(shard).size(), last = TfRecordFile(shard).offset(count - 1);
  fs::remove(shard + ".index");
  write_file_atomically(shard, bytes.substr(0, bytes.size() - 1));
  const std::string said = message_of<FormatError>([&] { TfRecordFile{shard}; });
  EXPECT_NE(said.find(cat(shard, ": record ", count - 1, " at byte ", last)), std::string::npos) << said;
  EXPECT_NE(said.find("the file was cut"), std::string::npos) << said;
}

TEST_F(TfRecordSteps, WhatDoesNotFitIsNamed) {
  const std::string ct = copy(), folder = ct + "/rsna-intracranial-hemorrhage-detection/stage_2_train/";
  const auto said = [&](int code, std::vector<std::string> more = {"--shards", "4", "--validation", "1"}) {
    const Outcome run = records(ct, more);
    EXPECT_EQ(run.code, code) << run.out;
    return last_line(run, ct);
  };
  EXPECT_EQ(said(2, {"--shards", "2"}),
            "create-tf-records: --validation 2 of 2 shards leaves none for training; give "
            "fewer [GD-USAGE-001]");
  EXPECT_EQ(said(3, {}),
            "create-tf-records: 9 patients cannot fill 20 shards; give fewer --shards [GD-DATA-001]");
  const std::string picture = fs::directory_iterator(folder)->path().filename().string(),
                    bytes = read_file(folder + picture, 1 << 20);
  write_file_atomically(folder + "ID_x.jpg", bytes);
  EXPECT_EQ(said(3),
            "create-tf-records: ID_x.jpg is not in DIR/train_metadata.csv; make that again with hemorrhage "
            "create-metadata [GD-DATA-001]");
  fs::remove(folder + "ID_x.jpg");
  const std::string id = picture.substr(0, picture.size() - 4);
  write_file_atomically(folder + id + ".png", bytes);
  const auto both = [&](const char* first, const char* second) {
    return "create-tf-records: DIR/rsna-intracranial-hemorrhage-detection/stage_2_train has " + id + first +
           " and " + id + second + "; remove one, or extract again with --again [GD-DATA-001]";
  };
  const std::string twice = said(3);  // in the order of the folder
  EXPECT_TRUE(twice == both(".jpg", ".png") || twice == both(".png", ".jpg")) << twice;
  fs::remove(folder + id + ".png");
  const std::string table = ct + "/reshaped_stage_2_train.csv", labels = read_file(table, 1 << 20);
  const std::size_t row = labels.find(id);
  write_file_atomically(table, labels.substr(0, row) + labels.substr(labels.find('\n', row) + 1));
  EXPECT_EQ(said(3), "create-tf-records: " + picture +
                         " has no labels in DIR/reshaped_stage_2_train.csv; make that "
                         "again with hemorrhage process-labels [GD-DATA-001]");
  write_file_atomically(table, labels);
  const std::string metadata = ct + "/train_metadata.csv", known = read_file(metadata, 1 << 20),
                    line = known.substr(known.find('\n' + id) + 1);
  write_file_atomically(metadata, known + line.substr(0, line.find('\n') + 1));
  const auto rows = std::count(known.begin(), known.end(), '\n');
  EXPECT_EQ(said(3), "create-tf-records: DIR/train_metadata.csv:" + std::to_string(rows + 1) + ": image " +
                         id + " is listed twice [GD-DATA-001]");
  std::string nobody = known;
  const std::size_t at = nobody.find("CT,ID_", nobody.find('\n' + id)) + 3;
  nobody.erase(at, nobody.find(',', at) - at);
  write_file_atomically(metadata, nobody);
  EXPECT_EQ(said(3), "create-tf-records: " + picture +
                         " has no PatientID in DIR/train_metadata.csv; remove the "
                         "picture, or write whose it is [GD-DATA-001]");
  write_file_atomically(metadata, "ImgID,PatientID\n");
  EXPECT_EQ(said(3),
            "csv: DIR/train_metadata.csv:1: there is no column 'SameAs'; there are ImgID, PatientID "
            "[GD-DATA-001]");
  fs::remove(metadata);
  EXPECT_EQ(said(3),
            "create-tf-records: DIR/train_metadata.csv does not exist; make it with hemorrhage "
            "create-metadata [GD-DATA-001]");
  write_file_atomically(metadata, known);
  fs::remove_all(folder);
  EXPECT_EQ(said(3),
            "create-tf-records: DIR has no pictures in stage_2_train; make them with hemorrhage img-extract "
            "[GD-DATA-001]");
}

// G15: the archive has the table too; each step's record says what it was made from.
TEST_F(TfRecordSteps, G15TheArchiveAloneIsEnough) {
  const std::string ct = *dir_ / "ct";
  EXPECT_TRUE(fs::exists(ct + "/stage_2_train.csv"));
  const Json extract = Json::parse(read_file(ct + "/img_extract.json", 1 << 16)),
             metadata = Json::parse(read_file(ct + "/create_metadata.json", 1 << 16)),
             labels = Json::parse(read_file(ct + "/process_labels.json", 1 << 16));
  EXPECT_EQ(extract["settings"]["archive"], metadata["archive"]);
  EXPECT_EQ(labels["table"].get<std::string>().size(), 64u);
  Scratch empty;
  const Outcome none = run_here({"hemorrhage", "process-labels", "--data_dir", empty.path()});
  EXPECT_EQ(last_line(none, empty.path()),
            "process-labels: DIR has no rsna-intracranial-hemorrhage-detection.zip; name the folder that has "
            "it, or "
            "an archive itself [GD-DATA-001]");
  AtomicFile file(empty / "rsna-intracranial-hemorrhage-detection.zip");
  ZipWriter zip(file);
  zip.add("a.txt", "a");
  zip.finish();
  file.commit();
  const Outcome bare = run_here({"hemorrhage", "process-labels", "--data_dir", empty.path()});
  EXPECT_EQ(last_line(bare, empty.path()),
            "process-labels: DIR/rsna-intracranial-hemorrhage-detection.zip has no stage_2_train.csv; put "
            "the table "
            "in DIR [GD-DATA-001]");
}

}  // namespace
}  // namespace gadolin::test
