// Pictures too small for a net: every command says so in one line that names the net, the size and the
// smallest one, ends as for any mistake in its options, and leaves nothing behind.
#include <gtest/gtest.h>

#include <filesystem>

#include "data/image/image.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

void write_set(Scratch& dir, const std::string& name, int side) {
  std::string rows = "path,labels,split\n";
  for (int i = 0; i < 6; ++i) {
    const std::string path = cat("images/", i, ".png");
    dir.write(name + "/" + path, encode_png(pattern(side, side, 1)));
    rows += path + (i % 2 ? ",a," : ",b,") + (i < 4 ? "train" : "val") + "\n";
  }
  dir.write(name + "/manifest.csv", rows);
}

TEST(PictureSizes, TooSmallOnesAreAMistakeOfTheCommandLine) {
  Scratch dir;
  write_set(dir, "small", 12);
  write_set(dir, "large", 16);
  const auto refused = [&](std::vector<std::string> args, const std::string& want) {
    args.insert(args.end(), {"--device", "cpu", "--quiet"});
    const Outcome run = run_here(args);
    EXPECT_EQ(last_line(run, dir.path()), want + " [GD-USAGE-001]");
    EXPECT_EQ(run.code, 2) << args[0];
    EXPECT_FALSE(std::filesystem::exists(dir / "out")) << args[0];
  };
  refused({"train", dir / "small", "--out", dir / "out", "--model", "inception_v3", "--input-size", "96"},
          "inception_v3: pictures of 96 x 96 are too small to learn from, the smallest are 299 x 299; choose "
          "a larger size, or another net");
  refused({"lr-find", dir / "small", "--out", dir / "out", "--model", "densenet121", "--input-size", "16"},
          "densenet121: pictures of 16 x 16 are too small to learn from, the smallest are 29 x 29; choose a "
          "larger size, or another net");
  refused({"bench", "model", "inception_v3", "--mode", "infer", "--input", "3x80x32", "--batch", "1"},
          "inception_v3: pictures of 80 x 32 are too small to look at, the smallest are 75 x 75; choose a "
          "larger size, or another net");
  refused({"bench", "model", "googlenet", "--mode", "train", "--input", "3x14x64", "--batch", "1"},
          "googlenet: pictures of 14 x 64 are too small to learn from, the smallest are 15 x 15; choose a "
          "larger size, or another net");
  refused({"summary", "densenet121", "--input", "3x28x28"},
          "densenet121: pictures of 28 x 28 are too small to look at, the smallest are 29 x 29; choose a "
          "larger size, or another net");
  // A pipeline that leaves pictures as they are.
  const Outcome run = run_here({"train", dir / "large", "--out", dir / "run", "--model", "googlenet",
                                "--pipeline", "grey,normalize:0.5:0.25", "--augment",
                                "grey,normalize:0.5:0.25", "--epochs", "1", "--device", "cpu", "--quiet"});
  ASSERT_EQ(run.code, 0) << run.err;
  const std::string checkpoint = dir / "run/checkpoints/last.gdck", film = dir / "small/images/0.png",
                    want =
                        "googlenet: pictures of 12 x 12 are too small to look at, the smallest are 15 x 15; "
                        "choose a larger size, or another net";
  refused({"eval", dir / "small", "--split", "val", "--checkpoint", checkpoint, "--out", dir / "out"}, want);
  refused({"predict", film, "--checkpoint", checkpoint}, want);
  refused(
      {"predict", dir / "small", "--checkpoint", checkpoint, "--layer", "embedding", "--out", dir / "out"},
      want);
  refused({"cam", film, "--checkpoint", checkpoint, "--out", dir / "out"}, want);
}

}  // namespace
}  // namespace gadolin::test
