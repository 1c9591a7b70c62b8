// docs/nodule.md: every command of the page, in its order.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/page.h"
#include "tests/apps/program.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

TEST(NoduleDocument, EveryBlockRuns) {
  const Scratch dir;
  ASSERT_EQ(run_page(dir, "nodule.md",
                     {"nodule import", "nodule prepare", "nodule extract-features", "nodule train-model",
                      "nodule test-model"},
                     {{"--epochs [0-9]+", "--epochs 2"},
                      {"--patients [0-9]+", "--patients 60"},
                      {"--(size|input-size) [0-9]+", "--$1 48"},
                      {"--width [0-9]+", "--width 8"}}),
            "");
  const auto metrics = nlohmann::json::parse(contents_of(dir / "runs/nodule/test/metrics.json"));
  EXPECT_TRUE(metrics["metrics"]["roc_auc"]["value"].is_number());
  EXPECT_EQ(leftovers(dir.path()), std::vector<std::string>());
}

}  // namespace
}  // namespace gadolin::test
