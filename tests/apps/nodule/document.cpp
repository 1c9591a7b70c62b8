// docs/nodule.md: every command of the page, in its order.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "tests/apps/program.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

TEST(NoduleDocument, EveryBlockRuns) {
  const Scratch dir;
  std::istringstream lines(contents_of(in_repository("docs/nodule.md")));
  std::string script;
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("```"))
      inside = !inside;
    else if (inside)
      script += line + "\n";
  }
  for (const char* command : {"import", "prepare", "extract-features", "train-model", "test-model"})
    ASSERT_NE(script.find(std::string("gadolin nodule ") + command), std::string::npos) << command;
  script = std::regex_replace(script, std::regex("--epochs [0-9]+"), "--epochs 2");
  script = std::regex_replace(script, std::regex("--patients [0-9]+"), "--patients 60");
  script = std::regex_replace(script, std::regex("--(size|input-size) [0-9]+"), "--$1 48");
  script = std::regex_replace(script, std::regex("--width [0-9]+"), "--width 8");
  const std::string text =
      "set -eu\ncd '" + dir.path() +
      "'\nexport OMP_WAIT_POLICY=passive\ngadolin() { '" GADOLIN_PROGRAM "' \"$@\"; }\n" + script;
  const int code =
      std::system(("sh '" + dir.write("script.sh", text) + "' > '" + dir / "said.txt" + "' 2>&1").c_str());
  ASSERT_EQ(code, 0) << contents_of(dir / "said.txt");
  const auto metrics = nlohmann::json::parse(contents_of(dir / "runs/nodule/test/metrics.json"));
  EXPECT_TRUE(metrics["metrics"]["roc_auc"]["value"].is_number());
  EXPECT_EQ(leftovers(dir.path()), std::vector<std::string>());
}

}  // namespace
}  // namespace gadolin::test
