// The commands of docs/processes.md.
#include "tests/apps/page.h"
#include "tests/apps/program.h"
#include "tests/processes/ranks.h"

namespace gadolin::test {
namespace {

TEST(ProcessesDocument, EveryBlockRuns) {
  NEEDS_MPI();
  const Scratch dir;
  ASSERT_EQ(run_page(dir, "processes.md", {"launch", "train", "bench processes", "bench scaling"},
                     {{"--samples [0-9]+", "--samples 32"},
                      {"--patients [0-9]+", "--patients 16"},
                      {"--input-size [0-9]+", "--input-size 16"},
                      {"--epochs 4", "--epochs 1"},
                      {"--epochs 6", "--epochs 2"},
                      {"--epochs 7", "--epochs 3"},
                      {"--input 3x224x224 --batch 16 --threads 1 --steps 10",
                       "--input 3x32x32 --batch 4 --threads 1 --steps 1 --warm-up 1 --rounds 1"}}),
            "");
  EXPECT_EQ(table_of(contents_of(dir / "runs/two/metrics.csv"), ',').size(), 4u);
  EXPECT_EQ(leftovers(dir.path()), std::vector<std::string>());
}

}  // namespace
}  // namespace gadolin::test
