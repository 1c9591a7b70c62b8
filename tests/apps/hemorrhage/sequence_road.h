// What the tests of hemorrhage train, extract-features, train-lstm and predict share: toy head CTs, on which
// these steps have run once.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "apps/hemorrhage/labels.h"
#include "io/csv.h"
#include "tests/apps/hemorrhage/toy_head_cts.h"
#include "tests/apps/in_process.h"

namespace gadolin::test {

class HemorrhageRoad : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = new Scratch;
    write_toy_head_cts(*dir_, "ct");
    steps_.push_back(run_here(train_args(*dir_ / "slices", {"--folds", "2"})));
    steps_.push_back(run_here(extract_args({})));
    steps_.push_back(run_here(extract_args({"--base_data", "test"})));
    steps_.push_back(run_here(lstm_args(*dir_ / "series", {})));
  }
  static void TearDownTestSuite() {
    delete dir_;
    steps_.clear();
  }
  void SetUp() override {
    for (const Outcome& step : steps_) ASSERT_EQ(step.code, 0) << step.err;
  }
  static std::vector<std::string> with(std::vector<std::string> args, const std::vector<std::string>& more) {
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  static std::vector<std::string> train_args(const std::string& out, const std::vector<std::string>& more) {
    return with({"hemorrhage",
                 "train",
                 "--data_dir",
                 *dir_ / "ct",
                 "--pretrained_model",
                 "resnet18",
                 "--net-option",
                 "width=8",
                 "--net-option",
                 "small_input=true",
                 "--size",
                 "24",
                 "--augment",
                 "none",
                 "--num_epochs",
                 "3",
                 "--lr",
                 "0.003",
                 "--batch_size",
                 "32",
                 "--out",
                 out,
                 "--seed",
                 "1",
                 "--quiet"},
                more);
  }
  static std::vector<std::string> extract_args(const std::vector<std::string>& more) {
    return with({"hemorrhage", "extract-features", "--data_dir", *dir_ / "ct", "--model_id", *dir_ / "slices",
                 "--out", *dir_ / "features", "--logits"},
                more);
  }
  static std::vector<std::string> lstm_args(const std::string& out, const std::vector<std::string>& more) {
    return with({"hemorrhage",
                 "train-lstm",
                 *dir_ / "features",
                 "--num_layers",
                 "1",
                 "--cell_size",
                 "16",
                 "--dropout_rate",
                 "1",
                 "--num_epochs",
                 "12",
                 "--lr",
                 "0.01",
                 "--batch_size",
                 "8",
                 "--val_ratio",
                 "0.4",
                 "--out",
                 out,
                 "--data_dir",
                 *dir_ / "ct",
                 "--json"},
                more);
  }
  static std::vector<std::string> predict_args(const std::string& out, const std::vector<std::string>& more) {
    return with(
        {"hemorrhage", "predict", *dir_ / "features", "--model_id", *dir_ / "series", "--out", out, "--json"},
        more);
  }
  inline static Scratch* dir_ = nullptr;
  inline static std::vector<Outcome> steps_;
};

// The rows of a submission by image.
inline std::map<std::string, std::vector<double>> answers_in(const std::string& path) {
  std::map<std::string, std::vector<double>> all;
  const CsvTable table = read_csv(path);
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const auto row = hemorrhage::parse_row_id(table.rows[i][0], table.place(i));
    auto& said = all[std::string(row.image)];
    EXPECT_EQ(said.size(), row.subtype) << "rows of an image in the order of the subtypes";
    said.push_back(std::stod(table.rows[i][1]));
  }
  return all;
}

}  // namespace gadolin::test
