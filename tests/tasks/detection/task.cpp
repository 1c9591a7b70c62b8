// The task of detection: that it learns, comes back from its checkpoints, and finds the same boxes whatever
// stands beside a picture.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "data/sets/boxes/write_boxes.h"
#include "io/csv.h"
#include "io/text.h"
#include "tasks/detection/anchor_recall.h"
#include "tasks/detection/canvas.h"
#include "tasks/detection/detection_evaluator.h"
#include "tasks/detection/detection_report.h"
#include "tasks/evaluate.h"
#include "tasks/inputs.h"
#include "tasks/training.h"
#include "tests/tasks/detection/bright_squares.h"

using namespace gadolin;
using test::message_of;

namespace {

TrainPlan detection_plan(std::int64_t epochs) {
  TrainPlan plan;
  plan.data = "squares";
  plan.augment = Pipeline("grey,fit:64:96,hflip,brightness:0.1");
  plan.load.batch_size = 4;
  plan.load.workers = 0;
  plan.rule = optimizer_options("adamw");
  plan.rule.lr = 1e-3;
  plan.loop.epochs = epochs;
  plan.loop.quiet = true;
  return plan;
}

TrainResult train_squares(Task& task, const Dataset& set, const TrainPlan& plan, const std::string& folder,
                          const std::string& from = "") {
  const auto train = set.subset(Split::train), val = set.subset(Split::val);
  Reporter silent;
  Training training(task, *train, *val, plan, set.fingerprint(), silent);
  RunDir run(folder, RunDir::Open::automatic);
  if (from.empty()) return training.run(run);
  const Checkpoint checkpoint = load_checkpoint(from);
  return training.run(run, &checkpoint, from);
}

double value_of(const TrainResult& result, const std::string& name) {
  for (const auto& [known, value] : result.last)
    if (known == name) return value;
  return NAN;
}

std::vector<std::vector<Detection>> found_in(Task& task, const Dataset& set, std::int64_t batch_size) {
  const auto loader = task.loader(set, task.pipeline(), {.batch_size = batch_size, .workers = 0});
  const EvaluationMode mode(task.net());
  std::vector<std::vector<Detection>> all(static_cast<std::size_t>(set.size()));
  for (const Batch& batch : *loader) {
    auto found = detections_of(task.predict(batch));
    for (std::size_t n = 0; n < found.size(); ++n)
      all[static_cast<std::size_t>(batch.indices[n])] = std::move(found[n]);
  }
  return all;
}

void expect_same(const std::vector<Detection>& a, const std::vector<Detection>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t k = 0; k < a.size(); ++k) {
    EXPECT_EQ(a[k].box, b[k].box);
    EXPECT_EQ(a[k].score, b[k].score);
  }
}

TEST(DetectionTask, LearnsAndComesBackFromItsCheckpoint) {
  const test::BrightSquares folder(96);
  manual_seed(3);
  const auto task = test::small_detector();
  const auto set = folder.set();
  const test::Scratch scratch;
  const TrainResult result = train_squares(*task, *set, detection_plan(24), scratch.path() + "/run");
  EXPECT_GT(value_of(result, "val_AP50"), 0.15);
  EXPECT_TRUE(std::isnan(value_of(result, "val_loss")));  // there is none

  // The parts of the loss are columns, and add up to the whole.
  const CsvTable table = read_csv(scratch.path() + "/run/metrics.csv");
  const auto number = [&](const char* column) {
    return std::strtod(table.rows.back()[static_cast<std::size_t>(table.column(column))].c_str(), nullptr);
  };
  EXPECT_NEAR(number("train_class") + number("train_box"), number("train_loss"), 1e-5);
  EXPECT_THROW(table.column("val_loss"), DataError);
  EXPECT_GE(number("train_unmatched"), 0);

  const auto again = load_task(scratch.path() + "/run/checkpoints/last.gdck", cpu);
  EXPECT_STREQ(again->kind(), "detection");
  const auto test_set = set->subset(Split::test);
  const auto before = found_in(*task, *test_set, 4), after = found_in(*again, *test_set, 4);
  for (std::size_t i = 0; i < before.size(); ++i) expect_same(before[i], after[i]);

  // Boxes are those of the file, in its pixels.
  const auto loader = again->loader(*test_set, again->pipeline(), {.batch_size = 4, .workers = 0});
  const auto evaluator = again->evaluator(*test_set);
  evaluate(*again, *loader, *evaluator, DType::fp32);
  const std::vector<MetricValue> metrics = evaluator->finish({100, 0.95, 0});
  EXPECT_EQ(metrics[1].name, "AP50");
  EXPECT_GT(metrics[1].value, 0.15);
  EXPECT_EQ(evaluator->values({})[1], metrics[1].value);
  const std::vector<double> twice(static_cast<std::size_t>(test_set->size()), 2);
  EXPECT_NEAR(evaluator->values(twice)[1], metrics[1].value, 0.05);  // each picture twice
  EXPECT_EQ(evaluator->details()["pictures"], test_set->size());
}

TEST(DetectionTask, ResumesWithTheSameBits) {
  const test::BrightSquares folder(32);
  const auto set = folder.set();
  const test::Scratch scratch;
  const auto run_in = [&](const std::string& name, const std::string& from) {
    manual_seed(3);
    const auto task = test::small_detector();
    TrainPlan plan = detection_plan(2);
    plan.loop.save_every = 1;
    plan.loop.keep = 50;
    plan.loop.accumulate = 2;
    train_squares(*task, *set, plan, scratch.path() + name, from);
    return load_checkpoint(scratch.path() + name + "/checkpoints/last.gdck");
  };
  const Checkpoint whole = run_in("/whole", "");
  std::filesystem::copy(scratch.path() + "/whole", scratch.path() + "/again",
                        std::filesystem::copy_options::recursive);
  const Checkpoint again = run_in("/again", scratch.path() + "/whole/checkpoints/step-2.gdck");
  for (const auto& [name, tensor] : whole.tensors)
    EXPECT_EQ(again.tensors.at(name).to_vector<double>(), tensor.to_vector<double>()) << name;
}

// Complaint C3 of other detectors: boxes changed with the pictures beside them.
TEST(DetectionTask, FindsTheSameBoxesAloneAndInABatch) {
  manual_seed(5);
  const auto task = test::small_detector(Pipeline("grey,fit:64:96"), 0.001);  // before any training
  task->net().eval();
  const test::BrightSquares wide(4, 90, 64), tall(4, 60, 64);
  std::string rows = "path,x1,y1,x2,y2,class\n";
  for (const auto* folder : {&wide, &tall})
    for (int i = 0; i < 4; ++i) rows += folder->path() + "/film" + std::to_string(i) + ".png,,,,,\n";
  const test::Scratch scratch;
  scratch.write("both.csv", rows);
  DatasetOptions options;
  options.classes = {"bright", "dim"};
  options.allow_outside = true;
  const auto set = open_box_table(scratch.path() + "/both.csv", options);
  const auto alone = found_in(*task, *set, 1), together = found_in(*task, *set, 8);
  ASSERT_EQ(alone.size(), 8u);
  for (std::size_t i = 0; i < alone.size(); ++i) {
    EXPECT_FALSE(alone[i].empty());
    expect_same(alone[i], together[i]);
    const Batch one = task->one(*set, static_cast<std::int64_t>(i), cpu);
    expect_same(detections_of(task->predict(one))[0], alone[i]);
  }
}

// A mirrored and enlarged input gives boxes in the pixels of the file.
TEST(DetectionTask, BoxesLieInTheFilesPixels) {
  manual_seed(5);
  const test::BrightSquares folder(1, 64, 48);
  const auto set = folder.set();
  const auto straight = test::small_detector(Pipeline("grey,fit:96:128")),
             mirrored = test::small_detector(Pipeline("grey,fit:96:128,hflip:1"));
  const auto map_of = [&](const Task& task) {
    const Batch batch = task.one(*set, 0, cpu);
    return batch["map"].to_vector<double>();
  };
  EXPECT_EQ(map_of(*straight), (std::vector<double>{2, 0, 0, 0, 2, 0}));
  EXPECT_EQ(map_of(*mirrored), (std::vector<double>{-2, 0, 128, 0, 2, 0}));
  const auto outputs = [](const std::vector<double>& map, float left = 10) {
    return Outputs({{"boxes", from_vector(std::vector<float>{left, 20, left + 20, 60}, {1, 1, 4})},
                    {"score", from_vector(std::vector<float>{0.5}, {1, 1})},
                    {"label", from_vector(std::vector<std::int64_t>{1}, {1, 1})},
                    {"count", from_vector(std::vector<std::int64_t>{1}, {1})},
                    {"map", from_vector(map, {1, 6})},
                    {"size", from_vector(std::vector<std::int64_t>{96, 128}, {1, 2})}});
  };
  EXPECT_EQ(detections_of(outputs(map_of(*straight)))[0][0].box, (ObjectBox{5, 10, 15, 30, 1}));
  EXPECT_EQ(detections_of(outputs(map_of(*mirrored)))[0][0].box, (ObjectBox{49, 10, 59, 30, 1}));
  // Squeezed to a line by the edge of the file's picture, which is 10 pixels wide.
  EXPECT_TRUE(detections_of(outputs({12.8, 0, 0, 0, 1, 0}, 128))[0].empty()) << "nothing of it is left";
  EXPECT_EQ(straight->say(outputs(map_of(*straight)), 0, 0).rows[0][0], "and 1 more");
  const Said said = straight->say(outputs(map_of(*straight)), 0, 3);
  EXPECT_EQ(said.rows, (TextRows{{"dim", "0.5000", "5.0", "10.0", "15.0", "30.0"}}));
  EXPECT_EQ(said.event["boxes"][0]["box"], Json({5.0, 10.0, 15.0, 30.0}));
}

// Complaint A4: normal pictures crashed, or gave NaN.
TEST(DetectionTask, ABatchOfNormalPicturesHasNoBoxLoss) {
  manual_seed(5);
  const auto task = test::small_detector();
  const test::BrightSquares folder(10);
  const auto all = folder.set();
  const auto normal = all->subset(std::vector<std::int64_t>{4, 9});
  const auto loader = task->loader(*normal, task->pipeline(), {.batch_size = 2, .workers = 0});
  LossParts parts = task->loss(*loader->begin());
  EXPECT_EQ(parts.parts[1].first, "box");
  EXPECT_EQ(parts.parts[1].second.item(), 0);
  EXPECT_GT(parts.parts[0].second.item(), 0);
  EXPECT_EQ(parts.parts[2].second.item(), 0);
  parts.total.backward();
  for (const Parameter& p : task->net().parameters()) {
    if (!p.tensor.grad().defined()) continue;
    for (const double g : p.tensor.grad().to_vector<double>()) ASSERT_TRUE(std::isfinite(g)) << p.name;
  }
}

// The settings of the loss reach it: its weights, and what it is divided by.
TEST(DetectionTask, SettingsDecideTheLoss) {
  const test::BrightSquares folder(10);
  const auto set = folder.set();
  const auto parts_of = [&](const DetectorSettings& settings, const std::vector<std::int64_t>& places) {
    manual_seed(5);
    DetectionTask task("retinanet_resnet18_fpn",
                       {{"width", 8.0}, {"channels", 32.0}, {"input_channels", 1.0}}, settings,
                       {"bright", "dim"}, Pipeline("grey,fit:64:96"));
    const auto part = set->subset(places);
    const auto loader = task.loader(*part, task.pipeline(), {.batch_size = 4, .workers = 0});
    const EvaluationMode mode(task.net());
    const LossParts loss = task.loss(*loader->begin());
    return std::array{loss.total.item(), loss.parts[0].second.item(), loss.parts[1].second.item()};
  };
  DetectorSettings plain = test::small_settings(0.05);
  const auto [total, of_class, of_box] = parts_of(plain, {0, 1});
  EXPECT_NEAR(total, of_class + of_box, 1e-6);
  ASSERT_GT(of_box, 0.1);
  DetectorSettings heavy = plain;
  heavy.box_weight = 3;
  EXPECT_NEAR(parts_of(heavy, {0, 1})[0], of_class + 3 * of_box, 1e-5);
  // Of normal pictures every term has the weight 1 - alpha.
  DetectorSettings even = plain;
  even.alpha = 0.5;
  EXPECT_NEAR(parts_of(even, {4, 9})[1] / parts_of(plain, {4, 9})[1], 0.5 / 0.75, 1e-5);
  // Divided by each picture's own objects, a batch is the mean of its pictures; otherwise it is not.
  DetectorSettings own = plain;
  own.by_picture = true;
  const auto mean = [&](const DetectorSettings& s) {
    return (parts_of(s, {0})[0] + parts_of(s, {4})[0]) / 2;
  };
  EXPECT_NEAR(parts_of(own, {0, 4})[0], mean(own), 1e-5);
  EXPECT_GT(std::abs(parts_of(plain, {0, 4})[0] - mean(plain)), 1e-3);
}

TEST(DetectionTask, CanvasesDependOnThePictureAlone) {
  EXPECT_EQ(canvas_side(1), 32);
  EXPECT_EQ(canvas_side(64), 64);
  EXPECT_EQ(canvas_side(65), 96);
  EXPECT_EQ(canvas_side(512), 512);
  EXPECT_EQ(canvas_side(513), 576);
  EXPECT_EQ(canvas_side(1333), 1408);
  EXPECT_EQ(canvas_side(513, Padding::mean), 544);
}

// Torchvision's padding: 0 behind the normalisation, to multiples of 32, of the picture alone or of the
// batch.
TEST(DetectionTask, PaddingIsASetting) {
  const test::BrightSquares films(2, 70, 50);
  films.write("wide.png", encode_png(Image(60, 90, 1)));
  films.write("two.csv", "path,x1,y1,x2,y2,class\nfilm0.png,1,1,30,30,bright\nwide.png,1,1,30,30,dim\n");
  const auto set = open_box_table(films.path() + "/two.csv");
  const auto with = [](Padding padding) {
    DetectorSettings settings = test::small_settings(0.01);
    settings.padding = padding;
    return std::make_unique<DetectionTask>(
        "retinanet_resnet18_fpn", NetOptions{{"width", 8.0}, {"channels", 32.0}, {"input_channels", 1.0}},
        settings, std::vector<std::string>{"bright", "dim"}, Pipeline("grey,normalize:0.5:0.25"));
  };
  const auto batches_of = [&](const DetectionTask& task) {
    std::vector<Shape> shapes;
    const auto loader = task.loader(*set, task.pipeline(), {.batch_size = 2, .workers = 0});
    for (const Batch& batch : *loader) shapes.push_back(batch["image"].shape());
    return shapes;
  };
  EXPECT_EQ(batches_of(*with(Padding::mean)), (std::vector<Shape>{{1, 1, 96, 64}, {1, 1, 64, 96}}));
  EXPECT_EQ(batches_of(*with(Padding::batch)), (std::vector<Shape>{{2, 1, 96, 96}}));
  // What lies beside the picture does not matter.
  const auto task = with(Padding::own);
  Batch batch = task->one(*set, 0, cpu);
  const NoGrad guard;
  const EvaluationMode mode(task->net());
  const Outputs ours = task->predict(batch);
  for (const double filling : {-2.0, 0.0, 7.0}) {
    const Tensor image = batch["image"].clone();
    image.slice(2, 50, 64).fill_(filling);
    image.slice(3, 70, 96).fill_(filling);
    batch.set("image", image);
    const Outputs filled = task->predict(batch);
    EXPECT_EQ(ours["score"].to_vector<float>(), filled["score"].to_vector<float>());
    EXPECT_EQ(ours["boxes"].to_vector<float>(), filled["boxes"].to_vector<float>());
  }
}

TEST(DetectionTask, Messages) {
  const test::BrightSquares folder(8);
  const auto set = folder.set();
  const auto begin = [&](const Dataset& data, LossOptions loss = {}) {
    const TaskStart start{"retinanet_resnet18_fpn",   {{"width", 8.0}}, data,
                          Pipeline("grey,fit:64:96"), std::move(loss),  cpu};
    return trainable_kind("detection").begin(start);
  };
  const auto files = file_set({folder.path() + "/film0.png"}, {"bright"});
  EXPECT_EQ(message_of<DataError>([&] { begin(*files); }),
            "detection: " + files->root() +
                " has no boxes; give a table path,x1,y1,x2,y2,class, Pascal VOC or COCO");
  EXPECT_EQ(message_of<UsageError>([&] { begin(*set, {.kind = "bce"}); }),
            "--loss bce is none of a detector; use focal");
  for (const LossOptions& loss : {LossOptions{.label_smoothing = 0.1}, LossOptions{.class_weights = true}})
    EXPECT_EQ(message_of<UsageError>([&] { begin(*set, loss); }),
              "detection: --label-smoothing and --class-weights are of classifiers; leave them out");
  EXPECT_EQ(message_of<UsageError>([&] { begin(*set, {.mixes = true}); }),
            "detection: mixup and cutmix are not for boxes; leave them out");
  const auto begin_with = [&](const NetOptions& options) {
    return message_of<UsageError>([&] {
      trainable_kind("detection")
          .begin({"retinanet_resnet18_fpn", options, *set, Pipeline("grey,fit:64:96"), {}, cpu});
    });
  };
  EXPECT_EQ(
      begin_with({{"width", 8.0}, {"rescue", std::string("best")}, {"small_input", true}}),
      "detection: level 3 of the net has 64 places a side for a picture of 128 pixels, but anchors 8 pixels "
      "apart have 16; correct anchor_strides, or leave out small_input");
  EXPECT_EQ(
      begin_with({{"width", 8.0},
                  {"rescue", std::string("best")},
                  {"anchor_strides", std::string("8/16/16/64/128")}}),
      "detection: level 5 of the net has 4 places a side for a picture of 128 pixels, but anchors 16 pixels "
      "apart have 8; correct anchor_strides, or leave out small_input");
  const test::Scratch empty;
  empty.write("a.png", encode_png(Image(40, 40, 1)));
  empty.write("boxes.csv", "path,x1,y1,x2,y2,class\na.png,,,,,\n");
  const auto normal = open_box_table(empty.path() + "/boxes.csv");
  EXPECT_EQ(message_of<DataError>([&] { begin(*normal); }),
            "detection: " + normal->root() + " has no boxes at all, so there is nothing to find");
  Checkpoint damaged;
  damaged.facts = {{"model", "retinanet_resnet18_fpn"},
                   {"net_options", "1"},
                   {"classes", "[]"},
                   {"detector", "{}"},
                   {"pipeline", "grey"}};
  EXPECT_EQ(message_of<CheckpointError>([&] { task_kind("detection").make(damaged, "x.gdck"); }),
            "checkpoint: x.gdck does not describe a detector; was it written by gadolin train?");
  EXPECT_EQ(
      message_of<UsageError>([&] { DetectionEvaluator(*set, set->classes(), 0).set_max_detections(0); }),
      "detection: 0 detections a picture count for nothing; use 1 or more");
  report::RunReport page;
  EXPECT_EQ(message_of<FormatError>([&] { report_detection("runs/a", Json::object(), page); }),
            "report: runs/a/metrics.json is none of a detector: [json.exception.out_of_range.403] key "
            "'metrics' not found; evaluate again");
  DetectionTask deep("retinanet_vgg16_fpn", {{"width_divisor", 16.0}, {"channels", 32.0}}, {}, {"lump"},
                     Pipeline("rgb"));
  Batch small;
  small.set("image", zeros({1, 3, 8, 9}));
  EXPECT_EQ(
      message_of<UsageError>([&] { deep.predict(small); }),
      "detection: pictures of 9 x 8 are too small for retinanet_vgg16_fpn, which needs 32 pixels a side; "
      "use a larger --input-size");
}

}  // namespace
