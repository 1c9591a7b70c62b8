// gadolin bench processes and bench scaling.
#include <cmath>

#include "apps/bench/scaling.h"
#include "io/json.h"
#include "tests/apps/in_process.h"
#include "tests/apps/program.h"
#include "tests/processes/ranks.h"
#include "tests/scratch.h"

namespace gadolin::test {
namespace {

TEST(BenchProcesses, BothSidesAreMeasuredInTurns) {
  NEEDS_MPI();
  const Outcome run =
      run_program({"bench", "processes", "resnet18", "--input", "3x32x32", "--batch", "4", "--threads", "1",
                   "--steps", "2", "--warm-up", "1", "--rounds", "1", "--device", "cpu", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto rows = events(run, "processes");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["processes"], 1);
  EXPECT_EQ(rows[0]["threads"], 2);
  EXPECT_EQ(rows[0]["waiting"], 0);
  EXPECT_EQ(rows[1]["processes"], 2);
  EXPECT_EQ(rows[1]["threads"], 1);
  EXPECT_EQ(rows[1]["batch"], 4) << "of both together";
  const double waiting = rows[1]["waiting"], ratio = done(run)["metrics"]["ratio"];
  EXPECT_TRUE(waiting > 0 && waiting < 1) << waiting;
  EXPECT_TRUE(ratio > 0) << ratio;
  const Outcome odd = run_program({"launch", "-n", "2", "--", "bench", "processes", "resnet18", "--input",
                                   "3x32x32", "--batch", "5", "--device", "cpu"});
  EXPECT_EQ(last_line(odd, "DIR"),
            "bench processes: --batch 5 is not divided by 2 processes; give all the same share of it "
            "[GD-USAGE-001]");
  EXPECT_EQ(
      last_line(run_here({"bench", "processes", "resnet18", "--weights", "w.pth", "--device", "cpu"}), "DIR"),
      "bench processes: pictures and weights are random on both sides; leave out --weights, "
      "--batch-file and --labels-file [GD-USAGE-001]");
}

TEST(BenchProcesses, OfAGpuThereIsNothingToShare) {
  if (!cuda_available()) GTEST_SKIP() << "no device";
  EXPECT_EQ(
      last_line(run_here({"bench", "processes", "resnet18", "--device", "cuda"}), "DIR"),
      "bench processes: both sides share the cores of this machine, so it is of the CPU; for GPUs start "
      "gadolin launch -n N -- bench processes resnet18 [GD-USAGE-001]");
}

constexpr ScalingLinks links{100e9, 10e9, 1e-6, 10e-6, 8};

TEST(BenchScaling, RingAndTreeCostWhatThePapersSay) {
  for (const SumBy by : {SumBy::ring, SumBy::tree}) EXPECT_EQ(sum_seconds(by, 1e9, 1, links), 0);
  EXPECT_NEAR(sum_seconds(SumBy::ring, 1e9, 4, links), 2 * 3 * (1e9 / 4 / 100e9 + 1e-6), 1e-12);
  EXPECT_NEAR(sum_seconds(SumBy::ring, 1e9, 64, links), 2 * 63 * (1e9 / 64 / 10e9 + 10e-6), 1e-12);
  EXPECT_NEAR(sum_seconds(SumBy::tree, 1e9, 64, links), 2 * (1e9 / 10e9 + 7e-6 + 3 * 10e-6), 1e-12);
  // Messages without bytes: a ring's grow with the number, a tree's with its logarithm.
  EXPECT_GT(sum_seconds(SumBy::ring, 1, 1024, links), 100 * sum_seconds(SumBy::tree, 1, 1024, links));
}

TEST(BenchScaling, OnlyWhatBackwardDoesNotCoverIsLost) {
  const ScalingStep step{0.030, 0.020, 100e6, 25e6};
  EXPECT_EQ(step_seconds(step, SumBy::ring, 1, links), 0.030);
  // Four buckets, final after 5 ms each: of a fast sum the last one alone sticks out.
  const double last = sum_seconds(SumBy::tree, 25e6, 8, links);
  ASSERT_LT(last, 0.005);
  EXPECT_NEAR(step_seconds(step, SumBy::tree, 8, links), 0.030 + last, 1e-12);
  // Of a slow one all but the first's start: 10 ms forward, 5 ms to the first bucket, then four sums.
  const double slow = sum_seconds(SumBy::ring, 25e6, 1024, links);
  ASSERT_GT(slow, 0.005);
  EXPECT_NEAR(step_seconds(step, SumBy::ring, 1024, links), 0.015 + 4 * slow, 1e-12);
}

TEST(BenchScaling, ATableAndAChart) {
  const Scratch dir;
  const std::string chart = dir / "scaling.svg";
  const Outcome run =
      run_here({"bench", "scaling", "resnet18", "--step-ms", "30", "--gpus", "16", "--out", chart});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("on paper, nothing measured: resnet18, 46.8 MB of gradients in fp32"),
            std::string::npos)
      << run.out;
  EXPECT_NE(contents_of(chart).find("<svg"), std::string::npos);
  const Outcome again =
      run_here({"bench", "scaling", "resnet18", "--step-ms", "30", "--gpus", "16", "--json"});
  const auto rows = events(again, "scaling");
  ASSERT_EQ(rows.size(), 5u);
  double before = 2;
  for (const auto& row : rows) {
    const double share = row["tree_share"];
    EXPECT_TRUE(share > 0 && share <= before) << row.dump();
    before = share;
  }
}

}  // namespace
}  // namespace gadolin::test
