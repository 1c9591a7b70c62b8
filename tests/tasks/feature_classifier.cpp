// Transfer learning: the extractor, the small net of the original, both together, and a run on features.
#include "tasks/feature_classifier.h"

#include <gtest/gtest.h>

#include <cmath>

#include "data/sets/feature_set.h"
#include "io/npy.h"
#include "layers/pool.h"
#include "tasks/classification.h"
#include "tasks/evaluate.h"
#include "tasks/inputs.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/data/messages.h"

namespace gadolin {
namespace {

using test::message_of;
using test::Scratch;

std::int64_t learnt(const Module& net) {
  std::int64_t n = 0;
  for (const Parameter& p : net.parameters())
    if (p.tensor.requires_grad()) n += p.tensor.numel();
  return n;
}
void expect_near(const Tensor& a, const Tensor& b, double limit) {
  ASSERT_EQ(a.shape(), b.shape());
  const std::vector<double> x = a.to_vector<double>(), y = b.to_vector<double>();
  for (std::size_t i = 0; i < x.size(); ++i)
    if (!(std::abs(x[i] - y[i]) <= limit)) FAIL() << i << ": " << x[i] << " " << y[i];
}

ExtractorOptions narrow(const std::string& layer = "trunk") {
  return {.model = "vgg16", .net = {{"width_divisor", 32.0}}, .layer = layer};
}

TEST(FeatureClassifier, HasTheParametersOfTheOriginal) {
  const auto net = make_classifier("mlp", {{"features", 25088.0}, {"num_classes", 2.0}});
  EXPECT_EQ(learnt(*net), 13'110'274);
  // Xavier's limit, no bias in hidden layers, 0 in the last one's.
  for (const Parameter& p : net->parameters()) {
    const double most = max(abs(p.tensor)).item(), limit = std::sqrt(6.0 / (25088 + 512));
    if (p.name == "hidden1.weight") {
      EXPECT_TRUE(most <= limit && most > 0.99 * limit) << most;
    }
    if (p.name == "output.bias") {
      EXPECT_EQ(most, 0);
    }
    EXPECT_NE(p.name, "hidden1.bias");
  }
}

TEST(FeatureClassifier, LayersOptionsAndMessages) {
  EXPECT_EQ(learnt(*make_classifier("mlp",
                                    {{"features", 4.0}, {"num_classes", 3.0}, {"hidden", std::string("5")}})),
            4 * 5 + 2 * 5 + 5 * 3 + 3);
  EXPECT_EQ(
      learnt(*make_classifier("mlp", {{"features", 4.0}, {"num_classes", 3.0}, {"hidden", std::string()}})),
      4 * 3 + 3);
  const auto said = [](const NetOptions& options) {
    return message_of<UsageError>([&] { make_classifier("mlp", options); });
  };
  for (const char* hidden : {"512/", "0", "a", "/", "65537", "5/-1"})
    EXPECT_EQ(said({{"hidden", std::string(hidden)}}),
              std::string("mlp: option hidden ") + hidden +
                  " is no list of sizes from 1 to 65536, such as 512/512");
  EXPECT_EQ(said({{"extractor", std::string("vgg16")}, {"order", std::string("cwh")}}),
            "mlp: option order cwh is unknown; use chw or hwc");
  EXPECT_EQ(said({{"width", 4.0}}).substr(0, 30), "mlp: option width is unknown; ");
  const auto net = make_classifier("mlp", {{"features", 4.0}});
  EXPECT_EQ(message_of<UsageError>([&] {
              (*net)(zeros({2, 3, 8, 8}));
            }).substr(0, 167),
            "mlp: this checkpoint learnt on features and has no net that makes them of pictures; use "
            "film.gdck of its "
            "run, or give it a folder of features");
  EXPECT_EQ(message_of<UsageError>([&] {
              (*net)(zeros({2, 5}));
            }),
            "mlp: rows have 5 numbers, the net was made for 4; take features of the same layer, pictures of "
            "the same "
            "size");
}

TEST(FeatureClassifier, BatchStatisticsMakeAnswersDependOnTheBatch) {
  manual_seed(3);
  for (const bool legacy : {true, false}) {
    const auto net = make_classifier(
        "mlp", {{"features", 6.0}, {"hidden", std::string("8")}, {"batch_statistics", legacy}});
    net->eval();
    const NoGrad guard;
    const Tensor x = randn({6, 6});
    const Tensor all = (*net)(x).slice(0, 0, 3), few = (*net)(x.slice(0, 0, 3));
    const double most = max(abs(all - few)).item();
    EXPECT_EQ(most > 1e-3, legacy) << most;
    // Nothing that was answered changes the net.
    EXPECT_EQ((*net)(x).slice(0, 0, 3).to_vector<float>(), all.to_vector<float>());
    if (legacy) {
      EXPECT_EQ(
          message_of<UsageError>([&] { (*net)(x.slice(0, 0, 1)); }),
          "mlp: a net with batch statistics has no answer for a single sample; evaluate several together, or "
          "train without --legacy");
    } else {
      EXPECT_EQ((*net)(x.slice(0, 0, 1)).shape(), (Shape{1, 2}));
    }
  }
}

TEST(FeatureExtractor, TheTrunkIsPool5InEitherOrder) {
  manual_seed(5);
  const Tensor x = randn({2, 3, 64, 96});
  FeatureExtractor trunk(narrow());
  ExtractorOptions options = narrow();
  State weights;
  for (const Parameter& p : trunk.net().state()) weights.emplace(p.name, p.tensor);
  EXPECT_EQ(learnt(trunk), 0);
  const Tensor row = trunk(x);  // 512 / 32 channels, 2 x 3 places
  EXPECT_EQ(row.shape(), (Shape{2, 16 * 2 * 3}));
  EXPECT_FALSE(row.requires_grad());
  options.channels_innermost = true;
  FeatureExtractor turned(options);
  turned.load(weights, "test");
  expect_near(
      turned(x).reshape({2, 2, 3, 16}).permute({0, 3, 1, 2}).contiguous(MemoryFormat::contiguous).flatten(1),
      row, 1e-6);
  options.pool = true;
  FeatureExtractor pooled(options);
  pooled.load(weights, "test");
  expect_near(pooled(x), mean(row.reshape({2, 16, 6}), {2}), 1e-6);
  // The layer in front of the last pooling, unfused: its maxima are the trunk's.
  FeatureExtractor conv(narrow("features.28"));
  conv.load(weights, "test");
  const Tensor before = conv(x).reshape({2, 16, 4, 6});
  expect_near(max_pool2d(relu(before), {2}).contiguous(MemoryFormat::contiguous).flatten(1), row, 1e-5);
  EXPECT_FALSE(trunk.net().parameters().size() > 26) << "the classifier was made";
}

TEST(FeatureExtractor, OfALayerBehindTheTrunkTheWholeNetIsMade) {
  manual_seed(6);
  FeatureExtractor embedding({.model = "resnet18", .net = {{"width", 4.0}}, .layer = "embedding"});
  FeatureExtractor trunk({.model = "resnet18", .net = {{"width", 4.0}}, .pool = true});
  State weights;
  for (const Parameter& p : embedding.net().state()) weights.emplace(p.name, p.tensor);
  trunk.load(weights, "test");  // fc is passed over
  const Tensor x = randn({2, 3, 64, 64});
  expect_near(embedding(x), trunk(x), 1e-5);
  embedding.train();  // batch norms keep their running averages all the same
  expect_near(embedding(x), trunk(x), 1e-5);
  State lacking = weights;
  lacking.erase("conv1.weight");
  EXPECT_NE(message_of<CheckpointError>([&] { trunk.load(lacking, "weights.pth"); }).find("conv1.weight"),
            std::string::npos);
  EXPECT_EQ(message_of<UsageError>([] {
              FeatureExtractor({.model = "resnet18", .net = {{"width", 4.0}}, .layer = "layer9"});
            }).substr(0, 33),
            "layer: layer9 is not in the net; ");
}

// Rows whose first number tells the class.
std::unique_ptr<Dataset> two_classes(const Scratch& dir, std::int64_t rows) {
  manual_seed(9);
  Tensor x = randn({rows, 6});
  std::string index = "row,path,patient,label,split\n";
  std::vector<float> values = x.to_vector<float>();
  for (std::int64_t i = 0; i < rows; ++i) {
    values[static_cast<std::size_t>(6 * i)] = i % 2 ? 2.f : -2.f;
    index += cat(i, ",r", i, ".png,p", i / 2, ",", i % 2 ? "yes" : "no", ",\n");
  }
  dir.write("codes/index.csv", index);
  save_npy(dir / "codes/features.npy", from_vector(values, {rows, 6}));
  return open_features(dir / "codes");
}

TEST(FeatureClassifier, LearnsOnRowsThroughTheClassificationTask) {
  const Scratch dir;
  const auto set = two_classes(dir, 40);
  const TaskKind& kind = task_kind("classification");
  kind.check_model("mlp");
  const auto task = kind.begin({"mlp", {{"hidden", std::string("8")}}, *set, Pipeline(), {}, cpu});
  OptimizerOptions rule = optimizer_options("adamw");
  rule.lr = 0.01;
  Optimizer optimizer(task->net().parameters(), rule);
  LoaderOptions load;
  load.batch_size = 8;
  load.shuffle = true;
  load.workers = 0;
  load.epochs = 15;
  const auto loader = task->loader(*set, Pipeline(), load);
  task->net().train();
  for (int epoch = 0; epoch < 15; ++epoch) {
    for (Batch batch; loader->next(batch);) {
      optimizer.zero_grad();
      task->loss(batch).total.backward();
      optimizer.step();
    }
  }
  task->net().eval();
  load.shuffle = false;
  load.epochs = 0;
  const auto evaluator = task->evaluator(*set);
  evaluate(*task, *task->loader(*set, Pipeline(), load), *evaluator, DType::fp32);
  for (const MetricValue& m : evaluator->finish({0, 0.95, 0})) {
    if (m.name == "roc_auc") {
      EXPECT_GT(m.value, 0.99);
    }
  }
  // One row alone is answered as in its batch.
  const Outputs one = task->predict(task->one(*set, 3, cpu));
  EXPECT_EQ(one["logits"].shape(), (Shape{1, 2}));
  EXPECT_GT(task->class_probabilities(one, 0)[1], 0.5);
  Checkpoint checkpoint;
  task->describe(checkpoint);
  for (const Parameter& p : task->net().state()) checkpoint.tensors["model." + p.name] = p.tensor;
  save_checkpoint(dir / "c.gdck", checkpoint);
  const auto loaded = load_task(dir / "c.gdck", cpu);
  EXPECT_EQ(loaded->predict(loaded->one(*set, 3, cpu))["logits"].to_vector<float>(),
            one["logits"].to_vector<float>());
}

TEST(FeatureClassifier, PicturesAndFeaturesAreNotMixedUp) {
  const Scratch dir;
  const auto set = two_classes(dir, 4);
  const TaskKind& kind = task_kind("classification");
  EXPECT_EQ(message_of<UsageError>([&] {
              kind.begin({"resnet18", {}, *set, Pipeline(), {}, cpu});
            }),
            "--model resnet18 learns from pictures, and these are features; use --model mlp");
  const Dataset pictures({"no", "yes"}, false, std::vector<SampleInfo>(2), "");
  EXPECT_EQ(message_of<UsageError>([&] {
              kind.begin({"mlp", {}, pictures, Pipeline(), {}, cpu});
            }),
            "--model mlp learns from features; make them with nodule extract-features");
}

TEST(FeatureClassifier, WithItsExtractorTakesPictures) {
  manual_seed(4);
  NetOptions options = extractor_to_options(narrow());
  const auto back = extractor_from_options(options);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(extractor_to_options(*back), options);
  EXPECT_FALSE(extractor_from_options({{"features", 3.0}}).has_value());
  options["features"] = 16.0 * 4;
  options["hidden"] = std::string("8");
  const auto film = make_classifier("mlp", options);
  film->eval();
  EXPECT_EQ(film->least_size(false), 32);
  FeatureExtractor extractor(narrow());
  State weights;
  for (const Parameter& p : film->state())
    if (p.name.starts_with("extractor.net.")) weights.emplace(p.name.substr(14), p.tensor);
  extractor.load(weights, "test");
  const NoGrad guard;
  const Tensor x = randn({3, 3, 64, 64});
  expect_near((*film)(x), (*film)(extractor(x)), 1e-6);
}

}  // namespace
}  // namespace gadolin
