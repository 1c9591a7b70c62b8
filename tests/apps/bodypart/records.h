// What the tests of gadolin bodypart's train, eval and classify start from: made-up records, and a narrow net
// trained on them.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/sets/split.h"
#include "data/sets/tfrecord_dataset.h"
#include "io/csv.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

namespace gadolin::test {

// Four shapes in records as convert-data leaves them, and a narrow net trained on them for a few steps.
class BodypartRecords : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<Scratch>();
    ASSERT_EQ(run_here({"data", "synth", path("set"), "--samples", "96", "--patients", "32", "--classes", "4",
                        "--size", "40"})
                  .code,
              0);
    auto set = open_dataset(path("set/manifest.csv"));
    assign_splits(*set, {0.6, 0.2, 0.2, 0, true});
    std::filesystem::create_directories(path("records"));
    for (const auto& [split, name] :
         {std::pair{Split::train, "train"}, {Split::val, "validation"}, {Split::test, "test"}}) {
      write_tfrecords(path("records/") + name + "-dicom.tfrecord", *set->subset(split));
    }
    write_class_names(path("records/labels.txt"), set->classes());
    trained_ = set->subset(Split::train)->size();
    tested_ = set->subset(Split::test)->size();
    ASSERT_EQ(slim("run", {"--max_number_of_steps", "6", "--eval-every", "4", "--log_every_n_steps", "2",
                           "--moving_average_decay", "0.5"})
                  .code,
              0);
  }
  static void TearDownTestSuite() { scratch_.reset(); }
  static std::string path(const std::string& name) { return *scratch_ / name; }
  static Outcome bodypart(const std::string& command, const std::vector<std::string>& more) {
    std::vector<std::string> args{"bodypart", command};
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  }
  static Outcome train(const std::string& out, std::vector<std::string> more) {
    const std::vector<std::string> usual{"--train_dir",        path(out), "--dataset_dir", path("records"),
                                         "--train_image_size", "32",      "--batch_size",  "8",
                                         "--workers",          "0",       "--device",      "cpu"};
    more.insert(more.begin(), usual.begin(), usual.end());
    return bodypart("train", more);
  }
  static Outcome slim(const std::string& out, std::vector<std::string> more) {
    more.insert(more.begin(), {"--model_name", "vgg_a", "--net-option", "width_divisor=16"});
    return train(out, more);
  }
  static Outcome resnet(const std::string& out, std::vector<std::string> more) {
    more.insert(more.begin(), {"--trainer", "resnet", "--resnet_size", "18", "--net-option", "width=4"});
    return train(out, more);
  }
  static std::vector<std::string> steps_of(const std::string& run) {
    std::vector<std::string> steps;
    for (const auto& row : read_csv(path(run) + "/metrics.csv").rows) steps.push_back(row[0]);
    return steps;
  }
  static std::string last(const std::string& run) { return path(run) + "/checkpoints/last.gdck"; }
  static void expect_refused(const Outcome& run, int code, const std::string& want) {
    EXPECT_EQ(last_line(run, scratch_->path()), want);
    EXPECT_EQ(run.code, code) << want;
  }
  static inline std::unique_ptr<Scratch> scratch_;
  static inline std::int64_t trained_ = 0, tested_ = 0;
};

}  // namespace gadolin::test
