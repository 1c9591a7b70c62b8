// docs/chestxray.md: every command of the page, in its order, with fewer films and epochs.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "io/csv.h"
#include "tests/apps/program.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

TEST(ChestDocument, EveryBlockRuns) {
  const Scratch dir;
  std::istringstream lines(contents_of(in_repository("docs/chestxray.md")));
  std::string script;
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("```"))
      inside = !inside;
    else if (inside)
      script += line + "\n";
  }
  for (const char* command : {"prepare", "train", "test", "predict", "cam", "finetune"})
    ASSERT_NE(script.find(std::string("gadolin chestxray ") + command), std::string::npos) << command;
  for (int i = 0; i < 24; ++i)
    dir.write(cat("hearts/", i % 3 == 0 ? "abnormal" : "normal", "/", i, ".png"),
              encode_png(pattern(64, 64 + i, 1)));
  script = std::regex_replace(script, std::regex("--epochs [0-9]+"), "--epochs 1");
  script = std::regex_replace(script, std::regex("width=[0-9]+"), "width=4");
  const std::string text =
      "set -eu\ncd '" + dir.path() +
      "'\nexport OMP_WAIT_POLICY=passive\ngadolin() { '" GADOLIN_PROGRAM "' \"$@\"; }\n" + script;
  const int code =
      std::system(("sh '" + dir.write("script.sh", text) + "' > '" + dir / "said.txt" + "' 2>&1").c_str());
  ASSERT_EQ(code, 0) << contents_of(dir / "said.txt");
  const auto metrics = nlohmann::json::parse(contents_of(dir / "runs/chest/test/metrics.json"));
  EXPECT_TRUE(metrics["metrics"].contains("roc_auc/Effusion"));
  EXPECT_EQ(read_csv(dir / "found.csv").header[0], "Image Index");
  EXPECT_EQ(read_csv(dir / "runs/hearts/finetune.csv").rows.size(), 3u);
  EXPECT_TRUE(std::filesystem::exists(dir / "cams/00000055_000.cam.png"));
  EXPECT_EQ(leftovers(dir.path()), std::vector<std::string>());
}

}  // namespace
}  // namespace gadolin::test
