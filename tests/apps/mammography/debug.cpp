// gadolin mammography debug: which files are written, what is said of anchors, what is refused.
#include <gtest/gtest.h>

#include "tests/apps/mammography/detector_run.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;

TEST(MammographyDebug, WritesFilmsAsTrainingSeesThem) {
  const BrightSquares films(4);
  const std::string out = films.path() + "/seen";
  const std::vector<std::string> debug{"mammography", "debug", "csv", films.table(), "--output-dir", out};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = debug;
    all.insert(all.end(), more.begin(), more.end());
    return run_here(all);
  };
  Outcome run = with({"--anchors", "--show-annotations", "--display-name", "--no-gui", "--image-min-side",
                      "96", "--image-max-side", "128", "--net-option", "anchor_sizes=12/20/32/64/128"});
  ASSERT_EQ(run.code, 0) << run.err;
  // Films 0 and 2 have one square, 1 and 3 have two.
  EXPECT_TRUE(says(run.out, "4 films in " + out + ": 6 boxes, 0 of them without an anchor at this size"))
      << run.out;
  EXPECT_TRUE(says(run.err, "film1_debug.png: 2 boxes, 0 without an anchor, ")) << run.err;
  const Image image = read_image(out + "/film0_debug.png");
  EXPECT_EQ(image.width, 96);
  EXPECT_EQ(image.channels, 3);

  films.write("anchors.ini",
              "[anchor_parameters]\nsizes = 256 300 340 380 420\nstrides = 8 16 32 64 128\n"
              "ratios = 0.5 1 2\nscales = 1 1.2 1.6\n");
  run = with({"--show-annotations", "--no-resize", "--random-transform", "--config",
              films.path() + "/anchors.ini", "--most", "2"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(says(run.out, "2 films in " + out + ": 3 boxes, 3 of them without an anchor")) << run.out;
  EXPECT_EQ(read_image(out + "/film0_debug.png").width, 64);

  // Folders stay, unless they are left out; then names must differ.
  fs::create_directories(films.path() + "/a");
  fs::copy_file(films.path() + "/film0.png", films.path() + "/a/film0.png");
  films.write("two.csv", "film0.png,,,,,\na/film0.png,3,3,20,20,m\n");
  const auto two = [&](std::vector<std::string> more) {
    std::vector<std::string> all{"mammography", "debug",        "csv", films.path() + "/two.csv",
                                 "--no-resize", "--output-dir", out};
    all.insert(all.end(), more.begin(), more.end());
    return run_here(all);
  };
  run = two({});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(fs::exists(out + "/a/film0_debug.png"));
  EXPECT_EQ(
      last_line(two({"--flatten-output"}), films.path()),
      "mammography debug: film0.png and a/film0.png would both be written as film0_debug.png; leave out "
      "--flatten-output [GD-USAGE-001]");
  // A film whose pixels are damaged is named, the others are written.
  fs::resize_file(films.path() + "/a/film0.png", 60);
  run = two({});
  EXPECT_EQ(run.code, 3);
  EXPECT_EQ(
      last_line(run, films.path()),
      "mammography debug: 1 of 2 films could not be read (decode: a/film0.png is a damaged PNG, at byte 60 "
      "of 60: the file was cut short) [GD-DATA-042]");
}

}  // namespace
}  // namespace gadolin::test
