// docs/mammography.md: every command of the page, in its order, with fewer films and epochs.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "data/dicom/dicom.h"
#include "io/csv.h"
#include "tests/apps/page.h"
#include "tests/apps/program.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

TEST(MammographyDocument, EveryBlockRuns) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  const Scratch dir;
  ASSERT_EQ(run_page(dir, "mammography.md",
                     {"mammography convert", "mammography train", "mammography evaluate",
                      "mammography detect", "mammography sweep", "mammography ensemble", "mammography cases"},
                     {{"--epochs [0-9]+", "--epochs 2"},
                      {"archive --patients [0-9]+", "archive --patients 10"},
                      {"width=[0-9]+", "width=8"}}),
            "");
  const auto metrics = nlohmann::json::parse(contents_of(dir / "runs/mammo/test/metrics.json"));
  EXPECT_TRUE(metrics["metrics"].contains("sensitivity_at_1"));
  EXPECT_EQ(read_csv(dir / "found.csv").header,
            (std::vector<std::string>{"path", "x1", "y1", "x2", "y2", "class", "score"}));
  EXPECT_EQ(leftovers(dir.path()), std::vector<std::string>());
}

}  // namespace
}  // namespace gadolin::test
