// docs/chestxray.md: every command of the page, in its order, with fewer films and epochs.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/csv.h"
#include "tests/apps/page.h"
#include "tests/apps/program.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

TEST(ChestDocument, EveryBlockRuns) {
  const Scratch dir;
  for (int i = 0; i < 24; ++i)
    dir.write(cat("hearts/", i % 3 == 0 ? "abnormal" : "normal", "/", i, ".png"),
              encode_png(pattern(64, 64 + i, 1)));
  ASSERT_EQ(run_page(dir, "chestxray.md",
                     {"chestxray prepare", "chestxray train", "chestxray test", "chestxray predict",
                      "chestxray cam", "chestxray finetune"},
                     {{"--epochs [0-9]+", "--epochs 1"}, {"width=[0-9]+", "width=4"}}),
            "");
  const auto metrics = nlohmann::json::parse(contents_of(dir / "runs/chest/test/metrics.json"));
  EXPECT_TRUE(metrics["metrics"].contains("roc_auc/Effusion"));
  EXPECT_EQ(read_csv(dir / "found.csv").header[0], "Image Index");
  EXPECT_EQ(read_csv(dir / "runs/hearts/finetune.csv").rows.size(), 3u);
  EXPECT_TRUE(std::filesystem::exists(dir / "cams/00000055_000.cam.png"));
  EXPECT_EQ(leftovers(dir.path()), std::vector<std::string>());
}

}  // namespace
}  // namespace gadolin::test
