// docs/mammography.md: every command of the page, in its order, with fewer films and epochs.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "data/dicom/dicom.h"
#include "io/csv.h"
#include "tests/apps/program.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

TEST(MammographyDocument, EveryBlockRuns) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  const Scratch dir;
  std::istringstream lines(contents_of(in_repository("docs/mammography.md")));
  std::string script;
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("```"))
      inside = !inside;
    else if (inside)
      script += line + "\n";
  }
  for (const char* command : {"convert", "train", "evaluate", "detect", "sweep", "ensemble", "cases"})
    ASSERT_NE(script.find(std::string("gadolin mammography ") + command), std::string::npos) << command;
  script = std::regex_replace(script, std::regex("--epochs [0-9]+"), "--epochs 2");
  script = std::regex_replace(script, std::regex("archive --patients [0-9]+"), "archive --patients 10");
  script = std::regex_replace(script, std::regex("width=[0-9]+"), "width=8");
  const std::string text =
      "set -eu\ncd '" + dir.path() +
      "'\nexport OMP_WAIT_POLICY=passive\ngadolin() { '" GADOLIN_PROGRAM "' \"$@\"; }\n" + script;
  const int code =
      std::system(("sh '" + dir.write("script.sh", text) + "' > '" + dir / "said.txt" + "' 2>&1").c_str());
  ASSERT_EQ(code, 0) << contents_of(dir / "said.txt");
  const auto metrics = nlohmann::json::parse(contents_of(dir / "runs/mammo/test/metrics.json"));
  EXPECT_TRUE(metrics["metrics"].contains("sensitivity_at_1"));
  EXPECT_EQ(read_csv(dir / "found.csv").header,
            (std::vector<std::string>{"path", "x1", "y1", "x2", "y2", "class", "score"}));
  EXPECT_EQ(leftovers(dir.path()), std::vector<std::string>());
}

}  // namespace
}  // namespace gadolin::test
