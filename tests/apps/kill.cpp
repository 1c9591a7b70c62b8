// SIGKILL at random instants: the run goes on each time and ends with the very weights of an undisturbed one.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>

#include "tensor/random.h"
#include "tests/apps/hemorrhage/toy_head_cts.h"
#include "tests/apps/program.h"
#include "tests/data/scratch.h"
#include "tests/tasks/detection/bright_squares.h"
#include "train/checkpoint.h"

using namespace gadolin;
using namespace gadolin::test;
namespace fs = std::filesystem;

namespace {

// By default a narrow net on made-up pictures and 8 kills. For the number of the README, with the demo's own
// recipe:
//   GADOLIN_KILLS=50 GADOLIN_KILL_DATA=examples/data/cxr-nih14-small/view.csv GADOLIN_KILL_OPTIONS='--model
//   resnet18
//   --input-size 112 --shares 0.65/0.1/0.25 --augment light --epochs 1 --save-every 4'
// GADOLIN_KILL_OPTIONS takes the place of the net's, the pictures' and the schedule's options here.
std::vector<std::string> recipe() {
  const char* given = std::getenv("GADOLIN_KILL_OPTIONS");
  std::istringstream words(
      given ? given
            : "--input-size 32 --width 8 --batch-size 8 --epochs 3 --ema 0.9 --accumulate 2 --save-every 2 "
              "--workers 2 --max-steps 40");
  return {std::istream_iterator<std::string>(words), {}};
}

int kills_of(int usually) {
  const char* wanted = std::getenv("GADOLIN_KILLS");
  return wanted ? std::atoi(wanted) : usually;
}

// All that decides later numbers: weights, averages, moments of the optimiser, sums of the row.
std::map<std::string, std::vector<double>> content_of(const std::string& checkpoint) {
  std::map<std::string, std::vector<double>> all;
  for (const auto& [name, tensor] : load_checkpoint(checkpoint).tensors)
    all[name] = tensor.to_vector<double>();
  return all;
}

// `command` trains in --out, which is added, and goes on with what is there.
void expect_the_same_after_kills(const std::vector<std::string>& command, int kills) {
  const Scratch scratch;
  const auto train = [&](const std::string& out, const RunOptions& options = {}) {
    std::vector<std::string> args = command;
    args.insert(args.end(), {"--out", out});
    return run_program(args, options);
  };
  // How long the quickest undisturbed run took: the first one alone may have met a cold or busy machine.
  double seconds = 1e9;
  const auto timed = [&](const std::string& out, const RunOptions& options) {
    const auto started = std::chrono::steady_clock::now();
    const Outcome outcome = train(out, options);
    if (outcome.code == 0) {
      seconds = std::min(seconds,
                         std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
    }
    return outcome;
  };
  const Outcome whole = timed(scratch / "whole", {});
  ASSERT_EQ(whole.code, 0) << whole.err;
  const auto want = content_of(scratch / "whole/checkpoints/last.gdck");
  const std::string log = contents_of(scratch / "whole/metrics.csv");

  int killed = 0, run = 0;
  while (killed < kills) {
    const std::string out = scratch / ("killed-" + std::to_string(run));
    // Up to three kills in the same run, each anywhere between its start and its end.
    for (int again = 0; again <= run % 3 && killed < kills; ++again) {
      const double after = seconds * static_cast<double>(uniform_at(17, static_cast<std::uint64_t>(run),
                                                                    static_cast<std::uint64_t>(again)));
      const Outcome stopped = again == 0 ? timed(out, {.signal = SIGKILL, .after = after})
                                         : train(out, {.signal = SIGKILL, .after = after});
      if (stopped.code == 0) break;  // it was faster
      ASSERT_EQ(stopped.code, 128 + SIGKILL) << stopped.err;
      ++killed;
      std::cout << "kill " << killed << " in run " << run << " after " << after << " s of " << seconds << "\n"
                << std::flush;
    }
    const Outcome finished = train(out);
    ASSERT_EQ(finished.code, 0) << "run " << run << ": " << finished.err;
    EXPECT_TRUE(content_of(out + "/checkpoints/last.gdck") == want) << "run " << run;
    EXPECT_EQ(leftovers(out), std::vector<std::string>()) << "run " << run;
    const std::string rows = contents_of(out + "/metrics.csv");
    EXPECT_EQ(std::count(rows.begin(), rows.end(), '\n'), std::count(log.begin(), log.end(), '\n')) << rows;
    fs::remove_all(out);
    ASSERT_LT(++run, 10 * kills) << "every run ends before its kill";
  }
}

void expect_the_same_after_kills(const std::string& set, const std::vector<std::string>& recipe, int kills) {
  std::vector<std::string> command{"train", set, "--resume", "auto"};
  command.insert(command.end(), recipe.begin(), recipe.end());
  expect_the_same_after_kills(command, kills);
}

TEST(Kill, ResumesToIdenticalWeights) {
  const char* data = std::getenv("GADOLIN_KILL_DATA");
  const Scratch scratch;
  const std::string set = data ? data : scratch / "set";
  if (!data) {
    ASSERT_EQ(run_program({"data", "synth", set, "--samples", "96", "--patients", "24", "--classes", "3",
                           "--size", "40"})
                  .code,
              0);
  }
  expect_the_same_after_kills(set, recipe(), kills_of(8));
}

// With pictures that are mirrored and made brighter, two batches a step, averaged weights, and checkpoints in
// the middle of epochs.
TEST(Kill, DetectorResumesToIdenticalWeights) {
  const BrightSquares films(48);
  std::istringstream words(
      "--task detection --model retinanet_resnet18_fpn --net-option width=8 --net-option channels=32 "
      "--net-option frozen_norm=false --net-option anchor_sizes=12/20/32/64/128 --input-size 64 "
      "--augment standard --batch-size 4 --epochs 3 --ema 0.9 --accumulate 2 --save-every 1 --workers 2");
  expect_the_same_after_kills(films.table(), {std::istream_iterator<std::string>(words), {}}, kills_of(3));
}

// Both trainings of head CTs.
TEST(Kill, HeadCtModelsResumeToIdenticalWeights) {
  const Scratch scratch;
  write_toy_head_cts(scratch, "ct", {12, 1, 16});
  const std::vector<std::string> slices{"hemorrhage",
                                        "train",
                                        "--data_dir",
                                        scratch / "ct",
                                        "--pretrained_model",
                                        "resnet18",
                                        "--net-option",
                                        "width=8",
                                        "--net-option",
                                        "small_input=true",
                                        "--size",
                                        "16",
                                        "--num_epochs",
                                        "3",
                                        "--batch_size",
                                        "16",
                                        "--resume"};
  expect_the_same_after_kills(slices, kills_of(2));
  auto once = slices;
  once.insert(once.end(), {"--out", scratch / "slices"});
  ASSERT_EQ(run_program(once).code, 0);
  const Outcome extracted = run_program({"hemorrhage", "extract-features", "--data_dir", scratch / "ct",
                                         "--model_id", scratch / "slices", "--out", scratch / "features"});
  ASSERT_EQ(extracted.code, 0) << extracted.err;
  expect_the_same_after_kills({"hemorrhage", "train-lstm", scratch / "features", "--num_layers", "1",
                               "--cell_size", "8", "--num_epochs", "12", "--batch_size", "4", "--resume"},
                              kills_of(2));
}

}  // namespace
