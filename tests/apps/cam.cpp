// gadolin cam: overlays that lie where they belong, classes, mistakes.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/npy.h"
#include "tasks/overlay.h"
#include "tensor/ops.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

// Rows and columns where the overlay differs from the picture: {left, top, right, bottom}, the last ones
// included.
Box painted(const Image& picture, const Image& result) {
  int left = 1 << 20, top = 1 << 20, right = -1, bottom = -1;
  const Image before = to_rgb(to_8bit(picture));
  for (int y = 0; y < result.height; ++y) {
    for (int x = 0; x < result.width; ++x) {
      if (std::equal(result.row<std::uint8_t>(y) + 3 * x, result.row<std::uint8_t>(y) + 3 * x + 3,
                     before.row<std::uint8_t>(y) + 3 * x))
        continue;
      left = std::min(left, x);
      top = std::min(top, y);
      right = std::max(right, x);
      bottom = std::max(bottom, y);
    }
  }
  return {left, top, right - left + 1, bottom - top + 1};
}

TEST(Overlay, LiesWhereThePipelineLooked) {
  const Image picture(120, 80, 1);
  const Tensor hot = ones({3, 3});
  // The short side becomes 40, the middle 32 x 32 of 60 x 40 are seen: 64 x 64 pixels, 28 from the left, 8
  // from the top.
  const Box crop = painted(picture, overlay(picture, Pipeline("grey,resize:40,center-crop:32"), hot, 0.5));
  EXPECT_LE(std::abs(crop.x - 28), 1);
  EXPECT_LE(std::abs(crop.y - 8), 1);
  EXPECT_LE(std::abs(crop.width - 64), 2);
  EXPECT_LE(std::abs(crop.height - 64), 2);
  EXPECT_EQ(painted(picture, overlay(picture, Pipeline("grey,resize:32x32"), hot, 0.5)),
            (Box{0, 0, 120, 80}));
  EXPECT_EQ(painted(picture, overlay(picture, Pipeline("rgb,resize:40,center-crop:100"), hot, 0.5)),
            (Box{0, 0, 120, 80}))
      << "padded";
  EXPECT_EQ(painted(picture, overlay(picture, Pipeline("grey,resize:32x32"), zeros({3, 3}), 0.5)).width,
            -(1 << 20));
}

TEST(Overlay, PutsHeatInItsPlace) {
  const Image picture(90, 90, 1, 16);
  Tensor heat = zeros({9, 9});
  heat.slice(0, 2, 3).slice(1, 6, 7).copy_(ones({1, 1}));
  const Image result = overlay(picture, Pipeline("grey,resize:32x32"), heat, 1);
  ASSERT_EQ(result.channels, 3);
  int most = -1, at_x = 0, at_y = 0;
  for (int y = 0; y < 90; ++y) {
    for (int x = 0; x < 90; ++x) {
      const std::uint8_t* p = result.row<std::uint8_t>(y) + 3 * x;
      if (p[0] + p[1] + p[2] > most) most = p[0] + p[1] + p[2], at_x = x, at_y = y;
    }
  }
  EXPECT_LE(std::abs(at_x - 64), 1);
  EXPECT_LE(std::abs(at_y - 24), 1);
}

TEST(Overlay, ColoursGrowLighter) {
  double before = -1;
  for (int i = 0; i <= 100; ++i) {
    const Colour c = heat_colour(i / 100.0);
    for (const double v : {c.red, c.green, c.blue}) EXPECT_TRUE(v >= 0 && v <= 1) << i;
    const auto linear = [](double v) {
      return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
    };
    const double luminance = 0.2126 * linear(c.red) + 0.7152 * linear(c.green) + 0.0722 * linear(c.blue);
    EXPECT_TRUE(luminance > before) << i;
    before = luminance;
  }
}

TEST(Overlay, NeedsAMap) {
  EXPECT_EQ(message_of<ShapeError>([] {
              overlay(Image(4, 4, 1), Pipeline("grey"), zeros({1, 2, 2}), 0.5);
            }),
            "overlay: heat [1, 2, 2] is not [h, w]");
}

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
  const Outcome named = cam({film, "--out", dir / "out", "--class", other, "--layer", "layer2"});
  ASSERT_EQ(named.code, 0) << named.err;
  EXPECT_NE(named.out.find(other), std::string::npos) << named.out;
  ASSERT_EQ(cam({film, "--out", dir / "out", "--class", "1"}).code, 0);

  const auto says = [&](std::vector<std::string> args) {
    return last_line(cam(std::move(args)), dir.path());
  };
  const std::string classes = event["class"] == "disc" || other == "disc" ? "disc, square" : "?";
  EXPECT_EQ(says({film, "--out", dir / "out", "--class", "lung"}),
            "--class lung is unknown; known are " + classes + " and their numbers from 0 [GD-USAGE-001]");
  EXPECT_EQ(says({film, "--out", dir / "out", "--class", "2"}),
            "--class 2 is unknown; known are " + classes + " and their numbers from 0 [GD-USAGE-001]");
  EXPECT_EQ(says({film, "--out", dir / "out", "--alpha", "1.5"}),
            "--alpha 1.5 is not in 0 to 1 [GD-USAGE-001]");
  EXPECT_EQ(says({dir / "run", "--out", dir / "out"}), "cam: no files to look at [GD-USAGE-001]");
  EXPECT_EQ(says({dir / "none.txt", "--out", dir / "out"}),
            "cam: DIR/none.txt cannot be read; does it exist? [GD-FILE-001]");
  const std::string bad = dir.write("bad.png", "no picture");
  const Outcome damaged = cam({bad, film, "--out", dir / "out", "--quiet"});
  EXPECT_EQ(damaged.code, 3);
  EXPECT_EQ(last_line(damaged, dir.path()),
            "cam: 1 of 2 files could not be done (decode: DIR/bad.png is not a JPEG, PNG, BMP, PNM or DICOM "
            "file) [GD-DATA-042]");
}

}  // namespace
}  // namespace gadolin::test
