// gadolin cam: files, classes, mistakes.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/npy.h"
#include "tensor/ops.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

TEST(CamCommand, FromFilesToOverlays) {
  const Scratch dir;
  ASSERT_EQ(run_here({"data", "synth", dir / "set", "--samples", "24", "--patients", "8", "--classes", "2",
                      "--size", "48"})
                .code,
            0);
  const Outcome trained =
      run_here({"train", dir / "set/manifest.csv", "--out", dir / "run", "--input-size", "48", "--width", "4",
                "--batch-size", "8", "--epochs", "1", "--device", "cpu", "--quiet"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const std::string film = dir / "set/images/000001.png";
  const auto cam = [&](std::vector<std::string> args) {
    args.insert(args.begin(), "cam");
    args.insert(args.end(), {"--checkpoint", dir / "run/checkpoints/last.gdck", "--device", "cpu"});
    return run_here(args);
  };
  const Outcome both = cam({film, film, "--out", dir / "out", "--npy", "--json"});
  ASSERT_EQ(both.code, 0) << both.err;
  const auto event = nlohmann::json::parse(both.out.substr(0, both.out.find('\n')));
  EXPECT_EQ(event["event"], "cam");
  EXPECT_EQ(event["class"], event["predicted"]);
  EXPECT_TRUE(event["probability"] >= 0.5);
  EXPECT_EQ(event["layer"], "layer4");
  for (const char* name : {"out/000001.cam.png", "out/000001-2.cam.png"}) {
    const Image result = read_image(dir / name);
    EXPECT_EQ(result.width, 48);
    EXPECT_EQ(result.channels, 3);
  }
  const Tensor map = load_npy(dir / "out/000001.cam.npy");
  EXPECT_EQ(map.shape(), (Shape{2, 2}));
  EXPECT_TRUE(min(map).item() >= 0 && max(map).item() <= 1);
  // The other class, an earlier layer.
  const std::string other = event["class"] == "disc" ? "square" : "disc";
  const std::vector<std::string> again{film, "--out", dir / "out", "--class", other, "--layer", "layer2"};
  EXPECT_EQ(last_line(cam(again), dir.path()),
            "cam: --out DIR/out holds 4 files of an earlier call; name another folder, or add --overwrite to "
            "remove them [GD-USAGE-001]");
  EXPECT_TRUE(std::filesystem::exists(dir / "out/000001-2.cam.png"));
  dir.write("out/note.txt", "mine");
  std::vector<std::string> instead = again;
  instead.push_back("--overwrite");
  const Outcome named = cam(instead);
  ASSERT_EQ(named.code, 0) << named.err;
  EXPECT_NE(named.out.find(other), std::string::npos) << named.out;
  for (const char* gone : {"out/000001-2.cam.png", "out/000001.cam.npy"})
    EXPECT_FALSE(std::filesystem::exists(dir / gone)) << gone;
  EXPECT_TRUE(std::filesystem::exists(dir / "out/note.txt")) << "no overlay, so it stays";
  ASSERT_EQ(cam({film, "--out", dir / "one", "--class", "1"}).code, 0);

  const auto says = [&](std::vector<std::string> args) {
    return last_line(cam(std::move(args)), dir.path());
  };
  const std::string classes = event["class"] == "disc" || other == "disc" ? "disc, square" : "?";
  EXPECT_EQ(says({film, "--out", dir / "out", "--class", "lung"}),
            "--class lung is unknown; known are " + classes + " and their numbers from 0 [GD-USAGE-001]");
  EXPECT_EQ(says({film, "--out", dir / "out", "--class", "2"}),
            "--class 2 is unknown; known are " + classes + " and their numbers from 0 [GD-USAGE-001]");
  EXPECT_EQ(says({film, "--out", dir / "out", "--alpha", "1.5"}),
            "--alpha 1.5 is not in 0..1 [GD-USAGE-001]");
  EXPECT_EQ(says({dir / "run", "--out", dir / "out"}), "cam: no files to look at [GD-USAGE-001]");
  EXPECT_EQ(says({dir / "none.txt", "--out", dir / "out"}),
            "read: DIR/none.txt: no such file or directory; check the path; folders above it must exist "
            "[GD-FILE-001]");
  const std::string bad = dir.write("bad.png", "no picture");
  const Outcome damaged = cam({bad, film, "--out", dir / "two", "--quiet"});
  EXPECT_EQ(damaged.code, 3);
  EXPECT_EQ(last_line(damaged, dir.path()),
            "cam: 1 of 2 files could not be done (decode: DIR/bad.png is not a JPEG, PNG, BMP, PNM or DICOM "
            "file) [GD-DATA-042]");
  // A call that can do nothing makes no folder, and leaves earlier overlays.
  EXPECT_EQ(cam({bad, "--out", dir / "three", "--quiet"}).code, 3);
  EXPECT_EQ(cam({film, "--out", dir / "three", "--layer", "layer9"}).code, 2);
  EXPECT_FALSE(std::filesystem::exists(dir / "three"));
  EXPECT_EQ(cam({bad, "--out", dir / "one", "--overwrite", "--quiet"}).code, 3);
  EXPECT_TRUE(std::filesystem::exists(dir / "one/000001.cam.png"));
}

}  // namespace
}  // namespace gadolin::test
