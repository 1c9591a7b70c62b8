// Detectors that answer together: mirrored views, tiles, fused members; the score that is kept for people.
#include "tasks/detection/detector_committee.h"

#include "data/image/warp.h"
#include "tasks/detection/operating_score.h"
#include "tests/tasks/detection/bright_squares.h"

namespace gadolin::test {
namespace {

std::string saved(const Scratch& dir, const std::string& name, DetectionTask& task) {
  Checkpoint c;
  for (const Parameter& p : task.net().state()) c.tensors["model." + p.name] = p.tensor.detach();
  task.describe(c);
  const std::string path = dir / name;
  save_checkpoint(path, c);
  return path;
}

TEST(DetectorCommittee, OneMemberIsTheDetector) {
  const BrightSquares films(4, 80, 64);
  const auto set = films.set();
  const auto task = small_detector(Pipeline("grey,fit:64:96"), 0.0);
  const std::string path = saved(films, "a.gdck", *task);
  DetectorCommittee alone({path}, {View::identity}, cpu, DType::fp32);
  Predictor predictor(load_task(path, cpu));
  const Outputs mine = alone.one(*set, 2, cpu), own = predictor.run(predictor.task().one(*set, 2, cpu));
  const auto a = detections_of(mine).at(0), b = detections_of(own).at(0);
  ASSERT_EQ(a.size(), b.size());
  ASSERT_FALSE(a.empty());
  for (std::size_t k = 0; k < a.size(); ++k) {
    EXPECT_NEAR(a[k].box.x1, b[k].box.x1, 1e-4);
    EXPECT_NEAR(a[k].box.y2, b[k].box.y2, 1e-4);
    EXPECT_EQ(a[k].score, b[k].score);
  }
}

// A mirrored film under a mirrored view is the film: its boxes, mirrored back.
TEST(DetectorCommittee, ViewsLeadBack) {
  const BrightSquares films(2, 80, 64);
  const auto set = films.set();
  const auto task = small_detector(Pipeline("grey"), 0.0);
  const std::string path = saved(films, "a.gdck", *task);
  films.write("film0.png", encode_png(horizontal_flip(set->image(0))));
  DetectorCommittee mirrored({path}, {View::hflip}, cpu, DType::fp32);
  const auto seen = mirrored.found(*set, 0, cpu);  // of the mirrored film, in a mirror
  films.write("film0.png", encode_png(horizontal_flip(set->image(0))));
  DetectorCommittee plain({path}, {View::identity}, cpu, DType::fp32);
  const auto direct = plain.found(*set, 0, cpu);
  ASSERT_EQ(seen.size(), direct.size());
  for (std::size_t k = 0; k < seen.size(); ++k) {
    EXPECT_NEAR(seen[k].box.x1, 80 - direct[k].box.x2, 1e-3);
    EXPECT_NEAR(seen[k].box.x2, 80 - direct[k].box.x1, 1e-3);
    EXPECT_NEAR(seen[k].box.y1, direct[k].box.y1, 1e-3);
    EXPECT_NEAR(seen[k].score, direct[k].score, 1e-6);
  }
  DetectorCommittee all({path, path}, views_from("all"), cpu, DType::fp32);
  for (const Detection& d : all.found(*set, 1, cpu)) EXPECT_LE(d.score, 1);
}

TEST(DetectorCommittee, TilesGiveTheBoxesOfTheFilm) {
  const BrightSquares films(2, 160, 128);
  const auto set = films.set();
  const auto task = small_detector(Pipeline("grey"), 0.0);
  task->remember("tiles", "96:0.25");
  DetectorCommittee tiled({saved(films, "t.gdck", *task)}, {View::identity}, cpu, DType::fp32);
  const auto found = tiled.found(*set, 0, cpu);
  ASSERT_FALSE(found.empty());
  double right = 0, low = 0;
  for (const Detection& d : found) {
    EXPECT_GE(d.box.x1, 0);
    EXPECT_LE(d.box.x2, 160);
    EXPECT_LE(d.box.y2, 128);
    right = std::max(right, d.box.x2);
    low = std::max(low, d.box.y2);
  }
  EXPECT_GT(right, 96) << "of the tiles on the right too";
  EXPECT_GT(low, 96);
}

TEST(MergeTiles, OneObjectIsOneBox) {
  const TileBox whole{{{0, 0, 40, 40, 0}, 0.9}, false}, again{{{1, 0, 41, 40, 0}, 0.8}, false},
      part{{{0, 0, 12, 40, 0}, 0.7}, true}, inside{{{0, 0, 12, 40, 0}, 0.6}, false},
      other{{{0, 0, 40, 40, 1}, 0.5}, false};
  EXPECT_EQ(merge_tiles({again, whole}, 0.5, 9), (std::vector<Detection>{whole.detection}));
  EXPECT_EQ(merge_tiles({whole, part}, 0.5, 9), (std::vector<Detection>{whole.detection}));
  EXPECT_EQ(merge_tiles({whole, inside}, 0.5, 9).size(), 2u) << "a small object in a large one";
  EXPECT_EQ(merge_tiles({whole, other}, 0.5, 9).size(), 2u) << "of another class";
  EXPECT_EQ(merge_tiles({whole, other}, 0.5, 1).size(), 1u);
  EXPECT_TRUE(merge_tiles({}, 0.5, 9).empty());
}

TEST(DetectorCommittee, Messages) {
  const BrightSquares films(2);
  const auto task = small_detector();
  const std::string a = saved(films, "a.gdck", *task);
  DetectionTask other("retinanet_resnet18_fpn", {{"width", 8.0}, {"channels", 32.0}, {"input_channels", 1.0}},
                      small_settings(0.05), {"bright", "lesion"}, Pipeline("grey,fit:64:96"));
  const std::string b = saved(films, "b.gdck", other);
  expect_says<UsageError>(
      films, [&] { DetectorCommittee({}, {View::identity}, cpu, DType::fp32); },
      "committee: at least one checkpoint and one view are needed");
  expect_says<UsageError>(
      films,
      [&] {
        DetectorCommittee({a, b}, {View::identity}, cpu, DType::fp32);
      },
      "ensemble: DIR/b.gdck has a class 'lesion' or a number of classes that DIR/a.gdck has "
      "not; all members must know the same classes");
}

TEST(OperatingScore, LargestF1) {
  // Two lesions; by falling score: found, false, found, false.
  DetectedPicture film{"a", 0, "p", {}, {}};
  for (const double x : {0.0, 100.0}) {
    MarkedBox marked;
    marked.box = {x, 0, x + 10, 10, 0};
    film.truth.push_back(marked);
  }
  film.found = {{{0, 0, 10, 10, 0}, 0.9},
                {{50, 50, 60, 60, 0}, 0.8},
                {{100, 0, 110, 10, 0}, 0.7},
                {{50, 80, 60, 90, 0}, 0.6}};
  const std::vector<DetectedPicture> films{film};
  const auto chosen = choose_operating_score(froc(films, 1));
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->value, 0.7);
  EXPECT_NEAR(chosen->f1, 0.8, 1e-12);
  EXPECT_EQ(chosen->sensitivity, 1);
  EXPECT_EQ(chosen->false_per_picture, 1);
  const std::string text = operating_score_to_json(*chosen);
  EXPECT_EQ(operating_score_to_json(operating_score_from_json(text, "x")), text);
  EXPECT_FALSE(choose_operating_score(froc(std::vector<DetectedPicture>{{"a", 0, "p", {}, film.found}}, 1)));
  for (const char* wrong : {"", "{}", "{\"value\":2}"})
    EXPECT_EQ(message_of<FormatError>([&] { operating_score_from_json(wrong, "checkpoint a.gdck"); }),
              "checkpoint a.gdck: its score_threshold is none; evaluate again with --save");
}

}  // namespace
}  // namespace gadolin::test
