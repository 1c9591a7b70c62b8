// SIGKILL at random instants in each step of hemorrhage that fills the folder: run again it ends in the very
// files of an undisturbed run. GADOLIN_KILLS=20 for the number that docs/hemorrhage.md gives.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "io/atomic_file.h"
#include "tensor/random.h"
#include "tests/apps/program.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;

std::map<std::string, std::string> all_files(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file())
      files[entry.path().lexically_relative(folder).string()] = read_file(entry.path().string(), 1 << 28);
  return files;
}

TEST(HemorrhageKill, EachStepEndsInTheSameFiles) {
  const char* wanted = std::getenv("GADOLIN_KILLS");
  const int kills = wanted ? std::atoi(wanted) : 2;
  const Scratch dir;
  const std::string made = dir / "made", ct = dir / "ct";
  ASSERT_EQ(
      run_program({"data", "synth", "ct-series", made, "--patients", "16", "--slices", "8", "--size", "64"})
          .code,
      0);
  const std::vector<std::vector<std::string>> steps{
      {"img-extract", "--zip_dir", made, "--data_dir", ct, "--size", "64"},
      {"create-metadata", "--zip_dir", made, "--data_dir", ct},
      {"process-labels", "--zip_dir", made, "--data_dir", ct},
      {"create-tf-records", "--data_dir", ct, "--shards", "4", "--validation", "1"}};
  for (std::vector<std::string> step : steps) {
    step.insert(step.begin(), "hemorrhage");
    const std::string before = dir / "before";
    fs::remove_all(before);
    if (fs::exists(ct)) fs::copy(ct, before, fs::copy_options::recursive);
    const auto begin_again = [&] {
      fs::remove_all(ct);
      if (fs::exists(before)) fs::copy(before, ct, fs::copy_options::recursive);
    };
    const auto started = std::chrono::steady_clock::now();
    const Outcome undisturbed = run_program(step);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    ASSERT_EQ(undisturbed.code, 0) << undisturbed.err;
    const auto want = all_files(ct);
    int killed = 0, tries = 0;
    while (killed < kills) {
      ASSERT_LT(tries, 20 * kills) << step[1] << " always ends before its kill";
      begin_again();
      // Up to three kills before it may end.
      for (int again = 0; again <= tries % 3 && killed < kills; ++again) {
        const double after = seconds * static_cast<double>(uniform_at(17, static_cast<std::uint64_t>(tries),
                                                                      static_cast<std::uint64_t>(again)));
        const Outcome stopped = run_program(step, {.signal = SIGKILL, .after = after});
        if (stopped.code == 0) break;
        ASSERT_EQ(stopped.code, 128 + SIGKILL) << stopped.err;
        ++killed;
      }
      const Outcome finished = run_program(step);
      ASSERT_EQ(finished.code, 0) << step[1] << ": " << finished.err;
      EXPECT_TRUE(all_files(ct) == want) << step[1] << " after kill " << killed;
      EXPECT_EQ(leftovers(ct), std::vector<std::string>()) << step[1];
      ++tries;
    }
  }
}

}  // namespace
}  // namespace gadolin::test
