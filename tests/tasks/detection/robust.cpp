// What should not be there, or far too much of it: boxes without size or outside, no box in an epoch or of a
// class, a million of them in one picture.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "data/sets/boxes/box_check.h"
#include "io/csv.h"
#include "tasks/detection/anchor_loss.h"
#include "tasks/detection/anchor_recall.h"
#include "tasks/detection/coco_metrics.h"
#include "tasks/detection/diagnosis.h"
#include "tasks/detection/froc.h"
#include "tasks/detection/nms.h"
#include "tasks/detection/voc_metrics.h"
#include "tasks/training.h"
#include "tensor/ops.h"
#include "tests/tasks/detection/bright_squares.h"
#include "tests/tasks/detection/detection_parts.h"
#include "tests/train/thread_communicator.h"

namespace gadolin {
namespace {

using test::message_of;

// Readers refuse them, but a program may make such a batch: nothing is learnt from them, and nothing that is
// not finite comes of it.
TEST(DetectionRobust, BoxesWithoutSizeOutsideAndNaN) {
  Anchors anchors({.sizes = {16, 32, 64, 128, 256}});
  const Tensor places = anchors.of({{8, 8}, {4, 4}, {2, 2}, {1, 1}, {1, 1}}, {64, 64}, cpu);
  const double odd[][4] = {{20, 20, 20, 20},     {20, 20, 20, 40},     {40, 40, 20, 20}, {0, 0, 0, 0},
                           {-90, -90, -60, -60}, {900, 900, 930, 930}, {NAN, 0, 10, 10}, {0, 0, INFINITY, 9}};
  for (const auto rescue :
       {MatchOptions::Rescue::none, MatchOptions::Rescue::best, MatchOptions::Rescue::ties}) {
    for (const BoxCoder& coder : {BoxCoder(), BoxCoder::torchvision(), BoxCoder::legacy()}) {
      for (const auto& box : odd) {
        const Tensor boxes = tensor({box[0], box[1], box[2], box[3], 20, 20, 50, 50}, {1, 2, 4});
        const AnchorTargets t =
            match_anchors(places, boxes, tensor({1, 0}, {1, 2}, DType::int64), tensor({2}, {1}, DType::int64),
                          tensor({64, 64}, {1, 2}, DType::int64), {.rescue = rescue, .coder = coder});
        const auto label = t.label.to_vector<std::int64_t>();
        // One just outside may be rescued: large anchors reach out of the picture.
        EXPECT_TRUE(box[0] == -90 || std::count(label.begin(), label.end(), 1) == 0)
            << box[0] << " " << box[2];
        EXPECT_GT(t.positives.item<std::int64_t>(), 0) << "the other box is learnt";
        for (const double v : t.box.to_vector<double>())
          ASSERT_TRUE(std::isfinite(v)) << box[0] << " " << box[2];
      }
    }
  }
}

// Films of which the training ones show nothing, but for the first `shown`.
std::unique_ptr<DetectionSet> mostly_normal(const test::BrightSquares& films, int shown) {
  std::string rows = "path,x1,y1,x2,y2,class,patient,split\n";
  for (const auto& row : read_csv(films.table()).rows) {
    if (row[7] == "train" && std::stoi(row[0].substr(4)) >= shown) continue;
    for (std::size_t c = 0; c < row.size(); ++c) rows += row[c] + (c + 1 == row.size() ? "\n" : ",");
  }
  for (int i = shown; i < 16; ++i)
    if (i % 8 < 6) rows += cat("film", i, ".png,,,,,,p", i / 2, ",train\n");
  films.write("normal.csv", rows);
  return open_box_table(films.path() + "/normal.csv");
}

TrainPlan two_epochs(std::int64_t batch_size) {
  TrainPlan plan;
  plan.data = "films";
  plan.augment = Pipeline("grey,fit:64:96,hflip");
  plan.load.batch_size = batch_size;
  plan.load.workers = 0;
  plan.rule = optimizer_options("adamw");
  plan.loop.epochs = 2;
  plan.loop.quiet = true;
  return plan;
}

void expect_finite(Task& task) {
  for (const Parameter& p : task.net().state())
    for (const double w : p.tensor.to_vector<double>()) ASSERT_TRUE(std::isfinite(w)) << p.name;
}

// Complaint A4 for a whole epoch: the classes are known from the other splits.
TEST(DetectionRobust, AnEpochWithoutABox) {
  const test::BrightSquares films(16);
  const auto set = mostly_normal(films, 0);
  const auto train = set->subset(Split::train), val = set->subset(Split::val);
  manual_seed(5);
  const auto task = test::small_detector();
  Reporter silent;
  Training training(*task, *train, *val, two_epochs(4), set->fingerprint(), silent);
  RunDir run(films.path() + "/run", RunDir::Open::automatic);
  training.run(run);
  const CsvTable log = read_csv(films.path() + "/run/metrics.csv");
  ASSERT_EQ(log.rows.size(), 2u);
  for (const auto& row : log.rows) {
    EXPECT_EQ(row[static_cast<std::size_t>(log.column("train_box"))], "0");
    EXPECT_EQ(row[static_cast<std::size_t>(log.column("train_unmatched"))], "0");
    EXPECT_GT(std::stod(row[static_cast<std::size_t>(log.column("train_class"))]), 0);
  }
  expect_finite(*task);
}

// And for one of two processes in a step: a single film shows something.
TEST(DetectionRobust, ARankWithoutABox) {
  const test::BrightSquares films(16);
  const auto set = mostly_normal(films, 1);
  const auto train = set->subset(Split::train), val = set->subset(Split::val);
  std::unique_ptr<DetectionTask> tasks[2];
  test::Ranks::run(2, [&](Communicator& c) {
    manual_seed(5);
    auto& task = tasks[c.rank()] = test::small_detector();
    Reporter silent;
    Training training(*task, *train, *val, two_epochs(2), set->fingerprint(), silent, c);
    RunDir run(films.path() + "/run", RunDir::Open::automatic, c);
    training.run(run);
  });
  expect_finite(*tasks[0]);
  const auto mine = tasks[0]->net().state(), other = tasks[1]->net().state();
  for (std::size_t i = 0; i < mine.size(); ++i)
    EXPECT_EQ(other[i].tensor.to_vector<double>(), mine[i].tensor.to_vector<double>()) << mine[i].name;
}

// A loss that is not finite names its part and the step.
TEST(DetectionRobust, ANanLossNamesClassOrBox) {
  const test::BrightSquares films(16);
  const auto set = films.set();
  const auto train = set->subset(Split::train), val = set->subset(Split::val);
  for (const std::string part : {"box", "class"}) {
    manual_seed(5);
    const auto task = test::small_detector();
    const std::string last =
        part == "box" ? "head.regression_head.bbox_reg.bias" : "head.classification_head.cls_logits.bias";
    for (const Parameter& p : task->net().parameters()) {
      if (p.name != last) continue;
      const NoGrad guard;
      Tensor(p.tensor).fill_(NAN);
    }
    TrainPlan plan = two_epochs(4);
    plan.loop.nan_patience = 1;
    Reporter silent;
    Training training(*task, *train, *val, plan, set->fingerprint(), silent);
    RunDir run(films.path() + "/" + part, RunDir::Open::automatic);
    const std::string text = message_of<NumericError>([&] { training.run(run); });
    EXPECT_TRUE(
        text.starts_with("train: the training diverged at step 1 (epoch 1, learning rate 0.001): the loss (" +
                         part + ") is nan, 1 steps in a row, and the first weight that is not finite is "))
        << text;
  }
}

// A class that no picture shows is learnt as absent, scored in words and left out of the mean.
TEST(DetectionRobust, AClassWithoutABox) {
  const test::BrightSquares films(12);
  DatasetOptions options;
  options.classes = {"bright", "dim", "never"};
  const auto set = open_box_table(films.table(), options);
  manual_seed(5);
  DetectionTask task("retinanet_resnet18_fpn", {{"width", 8.0}, {"channels", 32.0}, {"input_channels", 1.0}},
                     test::small_settings(0.001), options.classes, Pipeline("grey,fit:64:96"));
  const auto loader = task.loader(*set, task.pipeline(), {.batch_size = 4, .workers = 0});
  const LossParts parts = task.loss(*loader->begin());
  EXPECT_TRUE(std::isfinite(parts.total.item()));
  const CocoMetrics m = coco_metrics(pictures_of(*set), 3);
  EXPECT_EQ(m.class_ap[0], 0);
  EXPECT_EQ(detection_value_text(m.class_ap[2]), "not defined: no truth");
  EXPECT_EQ(m.values[0], 0);
}

// One picture with very many boxes: a million with GADOLIN_CAMPAIGN, as tools/campaign.sh has it.
TEST(DetectionRobust, AMillionBoxesInOnePicture) {
  const int side = std::getenv("GADOLIN_CAMPAIGN") ? 1000 : 200;
  const std::int64_t grid = std::int64_t{side} * side, all = grid + 30;
  const test::Scratch scratch;
  scratch.write("a.png", encode_png(Image(2 * side, 2 * side, 1)));
  std::string rows;
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      rows += cat("a.png,", 2 * x, ",", 2 * y, ",", 2 * x + 2, ",", 2 * y + 2, x % 2 == 0 ? ",a\n" : ",b\n");
    }
  }
  for (int i = 0; i < 30; ++i)
    rows += cat("a.png,", 2 * i, ",0,", 2 * i + 2, ",2", i % 2 == 0 ? ",a\n" : ",b\n");
  scratch.write("boxes.csv", rows);
  rows = {};
  const auto set = open_box_table(scratch.path() + "/boxes.csv");
  EXPECT_EQ(set->summary(),
            cat(all, " rows with boxes: ", all, " boxes of 2 classes in 1 picture, 0 of them without boxes"));
  const auto problems = check_boxes(*set, inspect_samples(*set, 1));
  ASSERT_EQ(problems.size(), 21u);
  EXPECT_EQ(problems[0].text, cat(scratch.path(), "/boxes.csv:", grid + 1, " repeats the box of ",
                                  scratch.path(), "/boxes.csv:1"));
  EXPECT_EQ(problems[20].text, "a.png has 10 more boxes that repeat another");
  const AnchorRecall recall = anchor_recall(*set, Pipeline("grey"), {});
  EXPECT_EQ(recall.boxes, all);
  EXPECT_EQ(recall.matched, 0);

  std::vector<DetectedPicture> pictures = pictures_of(*set);
  for (int i = 0; i < 100; ++i)
    pictures[0].found.push_back({{2.0 * i, 0, 2.0 * i + 2, 2, i % 2}, 0.9 - 0.001 * i});
  EXPECT_NEAR(coco_metrics(pictures, 2).values[8], 50.0 / (0.5 * static_cast<double>(all)), 1e-6);
  EXPECT_EQ(voc_metrics(pictures, 2).classes[0].hits, 50);
  FrocOptions quick;
  quick.bootstrap.resamples = 0;
  EXPECT_NEAR(froc(pictures, 2, quick).over_all[0].sensitivity.value, 100.0 / static_cast<double>(all), 1e-9);
  EXPECT_EQ(diagnose_detections(pictures, set->classes()).truths, all);
  const Tensor corner = rand({grid, 2}, 25, 1) * (4.0 * side);
  const Tensor kept = nms(concat({corner, corner + 40.0}, 1), rand({grid}, 27, 1), {}, 0.5, 300);
  EXPECT_EQ(kept.size(0), 300);
}

// The other two forms too: an annotation of very many objects is read in time that grows as it does.
TEST(DetectionRobust, AMillionBoxesInVocAndCoco) {
  const int count = std::getenv("GADOLIN_CAMPAIGN") ? 1'000'000 : 20'000,
            of_voc = std::min(count, 600'000);  // its files have at most 64 MiB
  const test::Scratch scratch;
  scratch.write("voc/JPEGImages/a.png", encode_png(Image(64, 64, 1)));
  std::string voc = "<annotation>\n", coco = R"({"images": [{"id": 1, "file_name": "voc/JPEGImages/a.png"}],
      "categories": [{"id": 1, "name": "m"}], "annotations": [)";
  for (int i = 0; i < count; ++i) {
    if (i < of_voc)
      voc += cat("<object><name>m</name>\n<bndbox><xmin>", 1 + i % 50, "</xmin><ymin>3</ymin><xmax>",
                 9 + i % 50, "</xmax><ymax>60</ymax></bndbox></object>\n");
    coco += cat(i == 0 ? "" : ",\n", R"({"id": )", i,
                R"(, "image_id": 1, "category_id": 1, "area": 9, "iscrowd": 0,
        "bbox": [)",
                i % 50, ", 2, 8, 57]}");
  }
  scratch.write("voc/Annotations/a.xml", voc + "</annotation>\n");
  const auto read = open_voc(scratch.path() + "/voc"),
             other = open_coco(scratch.write("coco.json", coco + "]}"));
  ASSERT_EQ(std::ssize(read->picture(0).boxes), of_voc);
  ASSERT_EQ(std::ssize(other->picture(0).boxes), count);
  EXPECT_EQ(read->picture(0).boxes.back().box, other->picture(0).boxes.back().box);
  EXPECT_EQ(read->place(read->picture(0).boxes.back().origin),
            cat(scratch.path(), "/voc/Annotations/a.xml:", 2 * of_voc + 1));
}

// Scores compare each detection with each box: there is an end to it.
TEST(DetectionRobust, TooManyPairsAreRefused) {
  std::vector<DetectedPicture> film{test::picture_with({}, {})};
  film[0].truth.resize(20'000, test::truth_at({0, 0, 2, 2, 0}));
  film[0].found.resize(600'000, {{0, 0, 2, 2, 0}, 0.5});
  for (const auto& score : std::vector<std::function<void()>>{
           [&] { coco_metrics(film, 1); }, [&] { voc_metrics(film, 1); }, [&] { froc(film, 1); },
           [&] { diagnose_detections(film, {"mass"}); }})
    EXPECT_EQ(message_of<DataError>(score),
              "detections: film has 600000 detections, which are compared with each of its 20000 boxes; keep "
              "at most the best 500000");
}

}  // namespace
}  // namespace gadolin
