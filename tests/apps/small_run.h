// A training that takes a fraction of a second, and what lies in its folder.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "data/image/image.h"
#include "io/csv.h"
#include "tensor/check.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

namespace gadolin::test {

// Ten pictures of two classes to learn from, four to look at.
class SmallRun : public testing::Test {
 protected:
  void SetUp() override {
    std::string rows = "path,labels,split\n";
    for (int i = 0; i < 14; ++i) {
      const std::string name = cat("images/", i, ".png");
      dir_.write("set/" + name, encode_png(pattern(12, 12 + i, 1)));
      rows += name + (i % 3 == 0 ? ",a," : ",b,") + (i < 10 ? "train" : "val") + "\n";
    }
    dir_.write("set/manifest.csv", rows);
  }
  Outcome train(const std::vector<std::string>& options, const std::string& command = "train") {
    std::vector<std::string> args{command,    dir_ / "set", "--out", dir_ / "out", "--input-size",
                                  "8",        "--width",    "4",     "--workers",  "0",
                                  "--device", "cpu",        "--json"};
    args.insert(args.end(), options.begin(), options.end());
    std::filesystem::remove_all(dir_ / "out");
    return run_here(args);
  }
  // The column `name` of the run's table of metrics.
  std::vector<double> column(const std::string& name) {
    const CsvTable table = read_csv(dir_ / "out/metrics.csv");
    std::vector<double> values;
    for (const auto& row : table.rows)
      values.push_back(std::stod(row[static_cast<std::size_t>(table.column(name))]));
    return values;
  }
  std::string checkpoint(const std::string& name) { return dir_ / ("out/checkpoints/" + name + ".gdck"); }
  std::vector<std::string> step_checkpoints() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir_ / "out/checkpoints"))
      if (const std::string name = entry.path().stem(); name.starts_with("step-")) names.push_back(name);
    std::sort(names.begin(), names.end());
    return names;
  }
  Scratch dir_;
};

}  // namespace gadolin::test
