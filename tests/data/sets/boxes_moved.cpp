// Boxes against the pixels of what they mark: a mark is drawn, picture and box go through the loader, and the
// pixels of the mark must reach as far as the box does (complaint B8): to a pixel, and a tenth for what two
// interpolations in a row blur.
#include <gtest/gtest.h>

#include <cmath>

#include "data/image/warp.h"
#include "data/sets/boxes/detection_set.h"
#include "data/sets/boxes/write_boxes.h"
#include "data/sets/collation.h"
#include "data/sets/loader.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

constexpr Corners mark{40, 30, 84, 62};

Image marked_picture(bool ellipse) {
  Image image(121, 97, 1);
  const double cx = (mark.x1 + mark.x2) / 2, cy = (mark.y1 + mark.y2) / 2, a = (mark.x2 - mark.x1) / 2,
               b = (mark.y2 - mark.y1) / 2;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const double px = x + 0.5, py = y + 0.5;
      const bool in = ellipse ? std::pow((px - cx) / a, 2) + std::pow((py - cy) / b, 2) <= 1
                              : px > mark.x1 && px < mark.x2 && py > mark.y1 && py < mark.y2;
      if (in) image.row<std::uint8_t>(y)[x] = 255;
    }
  }
  return image;
}

// Eight pictures with one mark each; every second one is an ellipse, and the table says so.
struct Marks : Scratch {
  Marks() {
    std::string rows = "path,x1,y1,x2,y2,class,shape\n";
    for (int i = 0; i < 8; ++i) {
      const std::string name = cat("film", i, ".png");
      write(name, encode_png(marked_picture(i % 2 == 1)));
      rows += cat(name, ",40,30,84,62,mass,", i % 2 == 1 ? "ellipse" : "box", "\n");
    }
    write("boxes.csv", rows);
  }
  std::unique_ptr<DetectionSet> set() const { return open_box_table(path() + "/boxes.csv"); }
};

Batch batch_of(const DetectionSet& set, const Pipeline& pipeline, int workers) {
  DetectionOptions options;
  options.sizes = {{200, 200}};
  LoaderOptions load;
  load.batch_size = set.size();
  load.workers = workers;
  load.seed = 5;
  DataLoader loader(set, in_order(set.size(), {.batch_size = set.size()}),
                    std::make_unique<DetectionCollation>(pipeline, options), load);
  Batch batch;
  loader.next(batch);
  return batch;
}

TEST(BoxesMoved, ReachAsFarAsThePixelsOfWhatTheyMark) {
  const Marks films;
  const auto set = films.set();
  int compared = 0;
  for (const char* steps :
       {"grey", "hflip:1", "vflip:1", "rotate:40", "affine:0:0:1:1:25", "affine:0:0.2:1:1:0",
        "affine:0:0:0.6:0.7:0", "affine:0:0:1.3:1.4:0", "affine:20:0.1:0.8:1.2:10", "random-transform",
        "center-crop:80", "random-crop:70", "random-resized-crop:96:0.4:0.9", "resize:60x99", "resize:150",
        "fit:64:90", "random-resize:50:120", "rotate:15,random-resized-crop:96:0.5:1,hflip"}) {
    SCOPED_TRACE(steps);
    const Batch batch = batch_of(*set, Pipeline(steps), 0), again = batch_of(*set, Pipeline(steps), 3);
    EXPECT_EQ(batch["boxes"].to_vector<float>(), again["boxes"].to_vector<float>());
    EXPECT_EQ(batch["image"].to_vector<float>(), again["image"].to_vector<float>());
    const auto pixel = batch["image"].to_vector<float>(), box = batch["boxes"].to_vector<float>();
    const auto size = batch["size"].to_vector<int>(), count = batch["count"].to_vector<int>(),
               label = batch["label"].to_vector<int>();
    const auto boxes = static_cast<std::size_t>(batch["boxes"].size(1));
    for (std::size_t n = 0; n < 8; ++n) {
      Corners lit{1e9, 1e9, -1e9, -1e9};
      for (int y = 0; y < size[2 * n]; ++y) {
        for (int x = 0; x < size[2 * n + 1]; ++x) {
          if (!(pixel[(n * 200 + static_cast<std::size_t>(y)) * 200 + static_cast<std::size_t>(x)] > 0.25f))
            continue;
          lit = {std::min(lit.x1, double(x)), std::min(lit.y1, double(y)), std::max(lit.x2, x + 1.0),
                 std::max(lit.y2, y + 1.0)};
        }
      }
      if (count[n] == 0) continue;
      const float* b = box.data() + n * boxes * 4;
      if (b[2] - b[0] < 4 || b[3] - b[1] < 4) continue;  // nearly gone: no pixel of its own
      EXPECT_EQ(label[n * boxes], 0);
      EXPECT_NEAR(b[0], lit.x1, 1.1) << n;
      EXPECT_NEAR(b[1], lit.y1, 1.1) << n;
      EXPECT_NEAR(b[2], lit.x2, 1.1) << n;
      EXPECT_NEAR(b[3], lit.y2, 1.1) << n;
      ++compared;
    }
  }
  EXPECT_GT(compared, 120);
}

// Turns by 45 degrees about the middle.
struct TurnByHalfARightAngle : Transform {
  Transformed apply(Image image, RandomStream&) const override {
    AffineOptions turn;
    turn.angle = 45;
    const Affine back = affine_map(image.width, image.height, turn);
    return {warp(image, back), back.inverse()};
  }
  std::string text() const override { return "turn"; }
  bool random() const override { return false; }
};

TEST(BoxesMoved, WhatGrowsTooLooseIsLeftAloneAndCounted) {
  const Scratch dir;
  dir.write("film.png", encode_png(Image(200, 200, 1)));
  // A bar, a round lesion and a square one, all in the middle; and one that the turn takes out of the
  // picture.
  dir.write(
      "boxes.csv",
      "path,x1,y1,x2,y2,class,shape\nfilm.png,50,98,150,102,bar,\nfilm.png,80,80,120,120,lesion,ellipse\n"
      "film.png,80,80,120,120,lesion,box\nfilm.png,0,0,10,10,lesion,\n");
  const auto set = open_box_table(dir.path() + "/boxes.csv");
  Pipeline pipeline("grey");
  pipeline.add(TurnByHalfARightAngle());
  const Batch batch = batch_of(*set, pipeline, 0);
  EXPECT_EQ(batch["count"].to_vector<int>(), (std::vector<int>{3}));
  EXPECT_EQ(batch["dropped"].to_vector<int>(), (std::vector<int>{2}));
  const auto label = batch["label"].to_vector<int>();
  EXPECT_EQ(label[0], -1) << "a region to leave alone";
  EXPECT_EQ(label[1], 1);
  EXPECT_EQ(label[2], 1);
  const auto b = batch["boxes"].to_vector<float>();
  EXPECT_NEAR(b[2] - b[0], 104 / std::sqrt(2.0), 0.01) << "the bar in a square";
  EXPECT_NEAR(b[6] - b[4], 40, 0.01) << "a circle stays as it is";
  EXPECT_NEAR(b[10] - b[8], 40 * std::sqrt(2.0), 0.01);
  // An ellipse that is a bar keeps to its own extent, and is too loose all the same.
  const Affine turn{std::sqrt(0.5), std::sqrt(0.5), 0, -std::sqrt(0.5), std::sqrt(0.5), 200};
  const MovedBox bar = moved({50, 98, 150, 102}, turn, INFINITY, INFINITY, Outlined::ellipse);
  EXPECT_NEAR(bar.box.x2 - bar.box.x1, 2 * std::sqrt((50 * 50 + 2 * 2) / 2.0), 1e-9);
  EXPECT_GT(bar.growth, loosest_box);
  EXPECT_EQ(moved({0, 0, 10, 20}, Affine::scale(3, 2), 100, 100).growth, 1);
}

TEST(BoxesMoved, ShapesGoThroughTables) {
  const Marks films;
  const auto set = films.set();
  EXPECT_TRUE(set->picture(1).boxes[0].box.ellipse && !set->picture(0).boxes[0].box.ellipse);
  write_box_table(films.path() + "/again.csv", *set);
  const auto again = open_box_table(films.path() + "/again.csv");
  for (std::int64_t i = 0; i < 8; ++i)
    EXPECT_EQ(again->picture(i).boxes[0].box, set->picture(i).boxes[0].box);
  EXPECT_EQ(again->fingerprint(), set->fingerprint());
  films.write("wrong.csv", "path,x1,y1,x2,y2,class,shape\nfilm0.png,1,2,3,4,mass,round\n");
  EXPECT_EQ(message_of<DataError>([&] { open_box_table(films.path() + "/wrong.csv"); }),
            "boxes: " + films.path() + "/wrong.csv:2: shape 'round' is unknown; use box or ellipse");
  const Scratch out;
  const auto lost = write_boxes(out.path() + "/coco", *set, BoxForm::coco);
  EXPECT_NE(std::find(lost.begin(), lost.end(), "4 ellipses are boxes in COCO"), lost.end());
}

}  // namespace
