// TFRecords through the whole program: converted, trained from to the same weights as from the files,
// resumed, evaluated, predicted from, taken out again.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/sets/dataset.h"
#include "io/csv.h"
#include "io/tfrecord.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// The body parts of examples/data, or made-up pictures where that folder was left out.
class TfRecordTraining : public testing::Test {
 protected:
  void SetUp() override {
    set_ = examples("mednist-small");
    if (!fs::exists(set_)) {
      set_ = dir_ / "set";
      ASSERT_EQ(run_here({"data", "synth", set_, "--samples", "96", "--patients", "24", "--classes", "3",
                          "--size", "40"})
                    .code,
                0);
    }
  }
  std::vector<std::string> command(const std::string& data, const std::string& out,
                                   const std::vector<std::string>& more = {}) {
    std::vector<std::string> args{"train",      data, "--out",        dir_ / out, "--input-size", "16",
                                  "--width",    "4",  "--batch-size", "16",       "--epochs",     "2",
                                  "--channels", "1",  "--workers",    "2",        "--quiet"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  std::string digest(const std::string& run) {
    return weights_digest(dir_ / run + "/checkpoints/last.gdck", dir_.path());
  }
  Scratch dir_;
  std::string set_;
};

TEST_F(TfRecordTraining, SameWeightsAsFromTheFilesWhateverTheWorkers) {
  ASSERT_EQ(run_here({"data", "convert", set_, dir_ / "records"}).code, 0);
  EXPECT_TRUE(fs::exists(dir_ / "records/data.tfrecord.index"));
  EXPECT_EQ(open_dataset(dir_ / "records")->fingerprint(), open_dataset(set_)->fingerprint());
  ASSERT_EQ(run_program(command(set_, "files")).err, "");
  for (const char* workers : {"0", "3"}) {
    ASSERT_EQ(run_program(command(dir_ / "records", "run", {"--workers", workers, "--overwrite"})).err, "");
    EXPECT_EQ(digest("run"), digest("files")) << workers;
  }
  // The samples inside have no files; the split is taken with --splits, or with the set itself.
  const std::string best = dir_ / "run/checkpoints/best.gdck";
  const auto loss = [&](const std::string& data, const std::string& splits) {
    return done(run_here({"eval", data, "--checkpoint", best, "--splits", splits, "--resamples", "0",
                          "--workers", "2", "--json"}))["metrics"]["loss"];
  };
  EXPECT_EQ(loss(dir_ / "records", dir_ / "run/split.csv"), loss(set_, dir_ / "files/split.csv"));
}

TEST_F(TfRecordTraining, SplitsOfShardsStopResumeEval) {
  ASSERT_EQ(run_here({"data", "split", set_, "--out", dir_ / "split.csv"}).code, 0);
  ASSERT_EQ(
      run_here({"data", "convert", dir_ / "split.csv", dir_ / "records", "--shards", "3", "--allow-outside"})
          .code,
      0);
  EXPECT_EQ(tfrecord_files(dir_ / "records").size(), 9u);
  const std::string records = dir_ / "records", last = dir_ / "stopped/checkpoints/last.gdck";
  const std::vector<std::string> longer{"--epochs", "6", "--resume", "auto"};
  ASSERT_EQ(run_program(command(records, "whole", longer)).err, "");
  const Outcome stopped =
      run_program(command(records, "stopped", {"--epochs", "6", "--resume", "auto", "--save-every", "1"}),
                  {.signal = SIGTERM, .once = dir_ / "stopped/checkpoints/step-2.gdck"});
  ASSERT_EQ(stopped.code, 75) << stopped.err;
  ASSERT_EQ(run_program(command(records, "stopped", longer)).code, 0);
  EXPECT_EQ(digest("stopped"), digest("whole"));
  // One split by its shards, and all of them by the folder.
  const auto samples = [&](const std::string& data, const std::string& split) {
    return done(run_here({"eval", data, "--checkpoint", last, "--split", split, "--resamples", "0",
                          "--workers", "2", "--out", dir_ / "eval", "--json"}))["metrics"]["samples"]
        .get<std::int64_t>();
  };
  const std::int64_t test = samples(records, "test"), all = samples(records, "all");
  EXPECT_EQ(all, open_dataset(set_)->size());
  EXPECT_GT(test, 0);
  EXPECT_EQ(samples(records + "/test.tfrecord-*", "test"), test);
  const CsvTable predictions = read_csv(dir_ / "eval/predictions.csv");
  EXPECT_EQ(static_cast<std::int64_t>(predictions.rows.size()), test);
  EXPECT_EQ(predictions.rows[0][0].find("tfrecord"), std::string::npos) << "called by image/filename";
  // A shard that was not copied is no smaller set.
  fs::remove(records + "/test.tfrecord-00001-of-00003");
  EXPECT_EQ(last_line(run_here({"eval", records, "--checkpoint", last}), dir_.path()),
            "tfrecord: shard 1 of 3 of DIR/records/test.tfrecord is missing; copy it there or name the files "
            "you mean with ? and * [GD-DATA-001]");
}

TEST_F(TfRecordTraining, PredictCallsRecordsByTheirNames) {
  for (const char* name : {"set2/a/1.png", "set2/a/2.png", "set2/b/3.png", "set2/b/4.png"})
    dir_.write(name, encode_png(pattern(16, 16, 1)));
  ASSERT_EQ(
      run_here(command(dir_ / "set2", "run", {"--batch-size", "2", "--shares", "2/2/0", "--max-steps", "1"}))
          .code,
      0);
  const std::string checkpoint = dir_ / "run/checkpoints/last.gdck";
  ASSERT_EQ(run_here({"data", "convert", dir_ / "set2", dir_ / "records"}).code, 0);
  const auto predictions = [&](const std::vector<std::string>& inputs) {
    std::vector<std::string> args{"predict", "--checkpoint", checkpoint, "--json"};
    args.insert(args.begin() + 1, inputs.begin(), inputs.end());
    const Outcome run = run_here(args);
    EXPECT_EQ(run.code, 0) << run.err;
    std::vector<json> events;
    std::istringstream lines(run.out);
    for (std::string line; std::getline(lines, line);) {
      if (json event = json::parse(line); event["event"] == "prediction") events.push_back(event);
    }
    return events;
  };
  // Among files, in the order given; the same numbers as from the file.
  const auto mixed =
      predictions({dir_ / "set2/b/4.png", dir_ / "records/data.tfrecord", dir_ / "set2/a/1.png"});
  ASSERT_EQ(mixed.size(), 6u);
  EXPECT_EQ(mixed[0]["path"], dir_ / "set2/b/4.png");
  EXPECT_EQ(mixed[1]["path"], "a/1.png");
  EXPECT_EQ(mixed[4]["path"], "b/4.png");
  EXPECT_EQ(mixed[5]["path"], dir_ / "set2/a/1.png");
  EXPECT_EQ(mixed[4]["probabilities"], mixed[0]["probabilities"]);
  EXPECT_EQ(mixed[1]["probabilities"], mixed[5]["probabilities"]);
  EXPECT_EQ(predictions({dir_ / "records"}).size(), 4u);
  EXPECT_EQ(predictions({dir_ / "records/da*"}).size(), 4u);
  // Without labels, and with a record that is damaged: the others are looked at.
  TfRecordWriter writer(dir_ / "bare.tfrecord");
  const auto png = encode_png(pattern(16, 16, 1));
  for (int i = 0; i < 3; ++i)
    writer.append(Example{{"png", Feature::of_bytes({std::string(png.begin(), png.end())})}});
  writer.close();
  std::string bytes = contents_of(dir_ / "bare.tfrecord");
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  dir_.write("bare.tfrecord", bytes);
  const Outcome run = run_here(
      {"predict", dir_ / "bare.tfrecord", "--image-key", "png", "--checkpoint", checkpoint, "--json"});
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.out.find("\"path\":\"bare.tfrecord:2\",\"class\""), std::string::npos) << run.out;
  EXPECT_EQ(last_line(run, dir_.path()),
            "predict: 1 of 3 files could not be read (tfrecord: DIR/bare.tfrecord: record 1 at byte 185: its "
            "169 bytes do "
            "not match their checksum) [GD-DATA-042]");
  // Features of a labelled set in records.
  ASSERT_EQ(run_here({"predict", dir_ / "records", "--layer", "embedding", "--checkpoint", checkpoint,
                      "--out", dir_ / "features"})
                .code,
            0);
  EXPECT_EQ(read_csv(dir_ / "features/index.csv").rows.size(), 4u);
}

TEST_F(TfRecordTraining, SeveralLabelsASample) {
  ASSERT_EQ(run_here({"data", "synth", dir_ / "many", "--samples", "32", "--patients", "16", "--classes", "3",
                      "--size", "16", "--multi-label"})
                .code,
            0);
  ASSERT_EQ(run_here({"data", "convert", dir_ / "many", dir_ / "records"}).code, 0);
  const auto from = open_dataset(dir_ / "many"), read = open_dataset(dir_ / "records");
  ASSERT_TRUE(read->multi_label());
  EXPECT_EQ(read->class_counts(), from->class_counts());
  ASSERT_EQ(run_here(command(dir_ / "records", "run")).err, "");
  EXPECT_EQ(done(run_here({"eval", dir_ / "records", "--splits", dir_ / "run/split.csv", "--split", "all",
                           "--checkpoint", dir_ / "run/checkpoints/last.gdck", "--resamples", "0",
                           "--json"}))["metrics"]["samples"],
            32);
}

TEST_F(TfRecordTraining, ConvertBackAndForthAndItsMistakes) {
  const std::string csv =
      dir_.write("in/list.csv", "path,patient,labels,split\n1.png,p,a,train\n2.png,q,b,test\n");
  dir_.write("in/1.png", encode_png(pattern(5, 4, 1)));
  dir_.write("in/2.png", encode_png(pattern(6, 4, 3)));
  ASSERT_EQ(run_here({"data", "convert", csv, dir_ / "records"}).code, 0);
  ASSERT_EQ(run_here({"data", "convert", dir_ / "records", dir_ / "back", "--format", "manifest"}).code, 0);
  EXPECT_EQ(contents_of(dir_ / "back/manifest.csv"),
            "path,patient,labels,split\nimages/000000.png,q,b,test\nimages/000001.png,p,a,train\n");
  EXPECT_TRUE(contents_of(dir_ / "back/images/000001.png") == contents_of(dir_ / "in/1.png"));
  const auto says = [&](const std::vector<std::string>& more) {
    std::vector<std::string> args{"data", "convert", csv, dir_ / "out"};
    args.insert(args.end(), more.begin(), more.end());
    const Outcome run = run_here(args);
    EXPECT_FALSE(fs::exists(dir_ / "out/labels.txt"));
    return last_line(run, dir_.path());
  };
  EXPECT_EQ(says({"--format", "lmdb"}),
            "data convert: --format lmdb is unknown; use tfrecord or manifest, or csv, voc or coco for boxes "
            "[GD-USAGE-001]");
  EXPECT_EQ(says({"--shards", "513"}), "--shards 513 is not in 1..512 [GD-USAGE-001]");
  dir_.write("in/2.png", "not a picture");
  EXPECT_EQ(says({}),
            "decode: 2.png is not a JPEG, PNG, BMP, PNM or DICOM file; convert it first [GD-FORMAT-001]");
  EXPECT_FALSE(fs::exists(dir_ / "out")) << "nothing is written in part";
  dir_.write("out/mine", "");
  EXPECT_EQ(says({}),
            "data convert: DIR/out exists and is no empty folder; give another or remove it [GD-USAGE-001]");
  EXPECT_EQ(leftovers(dir_.path()), std::vector<std::string>());
}

}  // namespace
