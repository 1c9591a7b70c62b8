// A detector through the program: training, evaluation, prediction, and what is told on the way.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/sets/boxes/detection_set.h"
#include "io/csv.h"
#include "io/safetensors.h"
#include "nets/registry.h"
#include "tests/apps/program.h"
#include "tests/tasks/detection/bright_squares.h"

namespace gadolin::test {
namespace {

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

TEST(DetectionCommands, FromATableOfBoxesToDetections) {
  const BrightSquares films(32);
  const std::string run = films.path() + "/run";
  const std::vector<std::string> train{
      "train",        films.table(), "--task",       "detection",   "--model",      "retinanet_resnet18_fpn",
      "--net-option", "width=8",     "--net-option", "channels=32", "--input-size", "64",
      "--epochs",     "1",           "--batch-size", "8",           "--out",        run};
  const Outcome refused = run_program(train);
  EXPECT_EQ(refused.code, 3) << refused.err;
  EXPECT_TRUE(says(refused.err, "boxes have no anchor that overlaps them by 0.5")) << refused.err;
  EXPECT_FALSE(std::filesystem::exists(run));

  std::vector<std::string> with_anchors = train;
  with_anchors.insert(with_anchors.end(), {"--net-option", "anchor_sizes=12/20/32/64/128"});
  const Outcome trained = run_program(with_anchors);
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_TRUE(says(trained.err + trained.out, " rows with boxes: ")) << trained.err;
  EXPECT_TRUE(says(trained.out, "with an anchor")) << trained.out;
  EXPECT_TRUE(says(trained.out, "train_box ")) << trained.out;
  EXPECT_FALSE(says(trained.out, "val_loss")) << trained.out;

  // The run's split.csv is a table of boxes that all commands read.
  const auto split = open_box_table(run + "/split.csv", [] {
    DatasetOptions options;
    options.allow_outside = true;
    return options;
  }());
  EXPECT_EQ(split->size(), 32);
  const auto given = films.set();
  for (std::int64_t i = 0; i < 32; ++i) {
    EXPECT_EQ(split->sample(i).get<std::vector<ObjectBox>>("boxes"),
              given->sample(i).get<std::vector<ObjectBox>>("boxes"));
    EXPECT_EQ(split->info(i).patient, given->info(i).patient);
    EXPECT_EQ(split->info(i).split, given->info(i).split);
  }
  const std::string best = run + "/checkpoints/last.gdck";
  const Outcome eval = run_program(
      {"eval", run + "/split.csv", "--checkpoint", best, "--split", "test", "--out", run + "/test"});
  ASSERT_EQ(eval.code, 0) << eval.err;
  EXPECT_TRUE(says(eval.out, "AP50")) << eval.out;
  EXPECT_TRUE(std::filesystem::exists(run + "/test/report/index.html"));
  // What was scored and what was left out, free of paths (complaint C10); drawn pictures in the report.
  const nlohmann::json metrics = nlohmann::json::parse(text_of(run + "/test/metrics.json"));
  EXPECT_EQ(metrics.at("scored").at("names"),
            (std::vector<std::string>{"film15.png", "film23.png", "film31.png", "film7.png"}));
  EXPECT_EQ(metrics.at("scored").at("sha256").get<std::string>().size(), 64u);
  ASSERT_EQ(metrics.at("left_out").size(), 2u);
  EXPECT_EQ(metrics.at("left_out")[0].at("reason"), "of the split train");
  EXPECT_EQ(metrics.at("left_out")[0].at("names").size(), 24u);
  EXPECT_EQ(metrics.at("boxes").at("wrong"), 0);
  EXPECT_EQ(metrics.at("false_alarms").at("pictures"), 4);
  EXPECT_EQ(metrics.at("drawn").at("groups").size(), 3u);
  const std::string page = text_of(run + "/test/report/index.html");
  for (const char* part : {"<h2>Detection</h2>", "<h3>Most missed</h3>", "Precision and recall, IoU 0.5",
                           "Precision and recall, mean of IoU 0.5 to 0.95", "Sensitivity by false alarms",
                           "broken line: truth; whole line: found"})
    EXPECT_TRUE(says(page, part)) << part;
  EXPECT_TRUE(std::filesystem::exists(run + "/test/report/pictures/1.png"));
  EXPECT_TRUE(says(eval.out, "false alarms a picture, over all")) << eval.out;
  // A run that nothing was evaluated of is not headed as another kind.
  const Outcome report = run_program({"report", run, "--out", films.path() + "/page.html"});
  ASSERT_EQ(report.code, 0) << report.err;
  const std::string alone = text_of(films.path() + "/page.html");
  EXPECT_TRUE(says(alone, "<h2>Detection</h2>") && !says(alone, "Classification"));
  EXPECT_FALSE(says(alone, ">validation<"));
  EXPECT_TRUE(says(alone, "shorter side 64 pixels"));
  EXPECT_EQ(read_csv(run + "/test/detections.csv").header,
            (std::vector<std::string>{"path", "x1", "y1", "x2", "y2", "class", "score"}));

  const Outcome said = run_program({"predict", films.path() + "/film0.png", "--checkpoint", best, "--json"});
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_TRUE(says(said.out, "\"boxes\":[")) << said.out;
  const Outcome drawn = run_program(
      {"predict", films.path() + "/film0.png", "--checkpoint", best, "--draw", films.path() + "/drawn"});
  ASSERT_EQ(drawn.code, 0) << drawn.err;
  EXPECT_EQ(read_image(films.path() + "/drawn/film0.png").channels, 3);
  const Outcome layer = run_program({"predict", films.path() + "/film0.png", "--checkpoint", best, "--layer",
                                     "embedding", "--out", films.path() + "/features"});
  EXPECT_NE(layer.code, 0);
  EXPECT_TRUE(
      says(layer.err, "predict: --layer is for nets that see pictures of one size; a detector's are not"))
      << layer.err;
  const Outcome classifier = run_program(
      {"train", films.table(), "--model", "retinanet_resnet18_fpn", "--out", films.path() + "/no"});
  EXPECT_TRUE(says(classifier.err, "--model retinanet_resnet18_fpn is a detector; add --task detection"))
      << classifier.err;
  const Outcome cam = run_program(
      {"cam", films.path() + "/film0.png", "--checkpoint", best, "--out", films.path() + "/cams"});
  EXPECT_NE(cam.code, 0);
  EXPECT_TRUE(says(cam.err,
                   "detection: a detector says where objects are, not how likely each class is in a picture; "
                   "gadolin predict shows its boxes"))
      << cam.err;

  // Two detectors and two views answer as one.
  const Outcome both =
      run_program({"eval", run + "/split.csv", "--checkpoint", best, run + "/checkpoints/best.gdck",
                   "--views", "identity,hflip", "--split", "test"});
  ASSERT_EQ(both.code, 0) << both.err;
  EXPECT_TRUE(says(both.out, "retinanet_resnet18_fpn, 2 nets, views identity,hflip")) << both.out;
  EXPECT_TRUE(says(both.out, "AP50")) << both.out;
  // The trunk of a classifier starts another one.
  const auto narrow = make_net("resnet18", {{"width", 8.0}, {"num_classes", 5.0}, {"input_channels", 1.0}});
  TensorMap weights;
  for (const Parameter& p : narrow->state()) weights[p.name] = p.tensor.detach();
  save_safetensors(films.path() + "/trunk.safetensors", weights);
  std::vector<std::string> from_trunk = with_anchors;
  from_trunk[std::size(train) - 1] = films.path() + "/from_trunk";
  from_trunk.insert(from_trunk.end(), {"--init-from", films.path() + "/trunk.safetensors"});
  const Outcome started = run_program(from_trunk);
  ASSERT_EQ(started.code, 0) << started.err;
  EXPECT_TRUE(says(started.out + started.err,
                   "trunk.safetensors: 120 loaded, 2 of the classifier left out, 36 of "
                   "the detector left as they start"))
      << started.out << started.err;
}

}  // namespace
}  // namespace gadolin::test
