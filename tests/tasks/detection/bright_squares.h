// Small films with bright squares, made anew for each test: what a small detector learns in seconds.
#pragma once

#include <memory>
#include <string>

#include "tasks/detection/detection.h"
#include "tensor/random.h"
#include "tests/data/messages.h"

namespace gadolin::test {

// A folder with boxes.csv: `count` grey pictures of `width` x `height` with 0, 1 or 2 squares of 14 to 24
// pixels, brighter ones of class "bright". Two pictures a patient; of eight pictures six are for training,
// one for validation, one for testing.
class BrightSquares : public Scratch {
 public:
  explicit BrightSquares(int count, int width = 64, int height = 64) {
    std::string rows = "path,x1,y1,x2,y2,class,patient,split\n";
    for (int i = 0; i < count; ++i) {
      RandomStream random(11, stream_id(2, static_cast<std::uint64_t>(i)));
      Image film(width, height, 1);
      for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x)
          film.row<std::uint8_t>(y)[x] = static_cast<std::uint8_t>(20 + random.below(30));
      const std::string name = "film" + std::to_string(i) + ".png", end = ",p" + std::to_string(i / 2) +
                                                                          (i % 8 < 6    ? ",train\n"
                                                                           : i % 8 == 6 ? ",val\n"
                                                                                        : ",test\n");
      const int squares = i % 5 == 4 ? 0 : 1 + i % 2;
      for (int k = 0; k < squares; ++k) {
        const int side = 14 + static_cast<int>(random.below(11)), half = (width - 1) / squares;
        const int x1 = k * half + static_cast<int>(random.below(static_cast<std::uint64_t>(half - side + 1))),
                  y1 = static_cast<int>(random.below(static_cast<std::uint64_t>(height - side + 1)));
        const bool bright = random.below(2) == 1;
        for (int y = y1; y < y1 + side; ++y)
          for (int x = x1; x < x1 + side; ++x) film.row<std::uint8_t>(y)[x] = bright ? 255 : 140;
        rows += name;
        for (const int corner : {x1, y1, x1 + side, y1 + side}) rows += "," + std::to_string(corner);
        rows += bright ? ",bright" : ",dim";
        rows += end;
      }
      if (squares == 0) rows += name + ",,,,," + end;
      write(name, encode_png(film));
    }
    write("boxes.csv", rows);
  }
  std::string table() const { return path() + "/boxes.csv"; }
  std::unique_ptr<DetectionSet> set() const { return open_box_table(table()); }
};

// A ResNet-18 of 8 channels, with anchors for the squares.
inline DetectorSettings small_settings(double score) {
  DetectorSettings settings;
  settings.detect.score = score;
  settings.anchors.sizes = {12, 20, 32, 64, 128};
  return settings;
}
inline std::unique_ptr<DetectionTask> small_detector(const Pipeline& pipeline = Pipeline("grey,fit:64:96"),
                                                     double score = 0.05) {
  const NetOptions options{
      {"width", 8.0}, {"channels", 32.0}, {"input_channels", 1.0}, {"frozen_norm", false}};
  return std::make_unique<DetectionTask>("retinanet_resnet18_fpn", options, small_settings(score),
                                         std::vector<std::string>{"bright", "dim"}, pipeline);
}

}  // namespace gadolin::test
