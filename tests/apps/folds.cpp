// Which files of an earlier run stay when a folder is used again, by folds or by one run.
#include "tests/apps/small_run.h"

namespace gadolin::test {
namespace {

namespace fs = std::filesystem;
using FoldFolders = SmallRun;

TEST_F(FoldFolders, OverwriteRemovesTheFoldsOfTheFormerRun) {
  const std::string out = dir_ / "out";
  const auto go = [&](const std::vector<std::string>& more) {
    std::vector<std::string> args{"train",        dir_ / "set", "--out",    out,   "--input-size", "8",
                                  "--width",      "4",          "--epochs", "1",   "--workers",    "0",
                                  "--batch-size", "2",          "--device", "cpu", "--quiet"};
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  };
  ASSERT_EQ(go({"--folds", "3"}).code, 0);
  dir_.write("out/notes.txt", "mine");
  dir_.write("out/fold-3/notes.txt", "mine");
  dir_.write("out/fold-9/notes.txt", "no run");
  // A mistake leaves everything.
  EXPECT_EQ(go({"--folds", "2", "--overwrite", "--loss", "hinge"}).code, 2);
  EXPECT_TRUE(fs::exists(out + "/folds.csv") && fs::exists(out + "/fold-3/config.toml"));
  EXPECT_EQ(last_line(go({"--folds", "2"}), dir_.path()),
            "run: DIR/out/fold-1 already holds a run; add --resume, or --overwrite, or choose another --out "
            "[GD-USAGE-001]");
  EXPECT_EQ(last_line(go({}), dir_.path()),
            "run: DIR/out holds the folds of a run; add --overwrite, or choose another --out [GD-USAGE-001]");
  EXPECT_FALSE(fs::exists(out + "/config.toml"));
  // Fewer folds.
  const Outcome two = go({"--folds", "2", "--overwrite"});
  ASSERT_EQ(two.code, 0) << two.err;
  EXPECT_EQ(read_csv(out + "/folds.csv").header.back(), "fold_2");
  EXPECT_TRUE(fs::exists(out + "/fold-2/config.toml"));
  EXPECT_FALSE(fs::exists(out + "/fold-3/config.toml") || fs::exists(out + "/fold-3/checkpoints"));
  // One run, and folds again.
  const Outcome one = go({"--overwrite"});
  ASSERT_EQ(one.code, 0) << one.err;
  EXPECT_TRUE(fs::exists(out + "/config.toml"));
  for (const char* gone : {"/folds.csv", "/fold-1", "/fold-2"}) EXPECT_FALSE(fs::exists(out + gone)) << gone;
  EXPECT_EQ(last_line(go({"--folds", "2"}), dir_.path()),
            "run: DIR/out already holds a run; add --resume, or --overwrite, or choose another --out "
            "[GD-USAGE-001]");
  ASSERT_EQ(go({"--folds", "2", "--overwrite"}).code, 0);
  for (const char* gone : {"/config.toml", "/metrics.csv", "/checkpoints", "/train.log"})
    EXPECT_FALSE(fs::exists(out + gone)) << gone;
  for (const char* mine : {"/notes.txt", "/fold-3/notes.txt", "/fold-9/notes.txt"})
    EXPECT_TRUE(fs::exists(out + mine)) << mine;
}

}  // namespace
}  // namespace gadolin::test
