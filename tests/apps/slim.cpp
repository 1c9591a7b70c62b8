// Checkpoints of TF-Slim's nets under our names: the same logits.
#include "tasks/slim_weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "apps/weights/weights.h"
#include "io/safetensors.h"
#include "tensor/ops.h"
#include "tests/apps/in_process.h"
#include "tests/distance.h"
#include "tests/scratch.h"
#include "train/checkpoint.h"

namespace gadolin {
namespace {

// The checkpoint `stem`.v2.ckpt (or .v1.ckpt) gives the logits that TensorFlow stored beside it for its
// input.
void expect_logits(const std::string& model, const std::string& stem, const std::string& end = ".v2.ckpt",
                   int tiles = 1) {
  SCOPED_TRACE(stem);
  WeightFile file = read_weights(stem + end);
  ASSERT_TRUE(is_slim(file.tensors));
  NetOptions options;
  rename_slim(model, file, options);
  ASSERT_FALSE(file.notes.empty());
  EXPECT_EQ(file.notes[0], "of the training, not of the net: global_step");
  options = options_from_weights(model, file.tensors, options);
  const auto net = make_net(model, options);
  const LoadReport report = net->load_state(file.tensors, {.strict = false}, stem);
  EXPECT_EQ(report.missing, std::vector<std::string>());
  EXPECT_EQ(report.unexpected, std::vector<std::string>());
  net->eval();
  const TensorMap stored = load_safetensors(stem + ".safetensors");
  Tensor images = stored.at("input").clone();
  for (const int along : {2, 3})
    images = concat(std::vector<Tensor>(static_cast<std::size_t>(tiles), images), along);
  const std::vector<double> got = (*net)(images).to_vector<double>(),
                            want = stored.at("logits").to_vector<double>();
  ASSERT_EQ(got.size(), want.size());
  double scale = 0;
  test::Largest worst;
  for (const double v : want) scale = std::max(scale, std::fabs(v));
  ASSERT_GT(scale, 0.1);
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_LE(std::fabs(got[i] - want[i]), 1e-4 * scale) << i;
    worst.see(std::fabs(got[i] - want[i]) / scale);
  }
  testing::Test::RecordProperty("worst", std::to_string(worst.value()));
  if (std::getenv("GADOLIN_SLIM_FULL") != nullptr)
    std::printf("%s %s: %.2g of scale\n", stem.c_str(), end.c_str(), worst.value());
}

std::string stored(const char* name) { return test::fixture(std::string("tf/") + name); }

TEST(SlimWeights, ResNetOfVersionOne) { expect_logits("resnet50", stored("resnet_v1_50")); }
TEST(SlimWeights, ResNetOfVersionTwo) { expect_logits("resnet_v2_50", stored("resnet_v2_50")); }
TEST(SlimWeights, Vgg) { expect_logits("vgg16", stored("vgg_16"), ".v2.ckpt", 4); }
TEST(SlimWeights, InceptionOfVersionThree) { expect_logits("inception_v3", stored("inception_v3")); }
TEST(SlimWeights, InceptionOfVersionFour) { expect_logits("inception_v4", stored("inception_v4")); }
TEST(SlimWeights, InceptionResNet) { expect_logits("inception_resnet_v2", stored("inception_resnet_v2")); }

// GADOLIN_SLIM_FULL: what tools/fixtures/tf_checkpoints.py --full wrote. The auxiliary heads are among the
// weights.
TEST(SlimWeights, FullWidth) {
  const char* folder = std::getenv("GADOLIN_SLIM_FULL");
  if (folder == nullptr) GTEST_SKIP() << "GADOLIN_SLIM_FULL is not set";
  const std::map<std::string, std::string> others = {{"vgg_16", "vgg16"}, {"vgg_19", "vgg19"}};
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".safetensors") continue;
    const std::string scope = entry.path().stem().string(),
                      stem = (entry.path().parent_path() / scope).string();
    const std::string model = others.count(scope)                 ? others.at(scope)
                              : scope.rfind("resnet_v1_", 0) == 0 ? "resnet" + scope.substr(10)
                                                                  : scope;
    expect_logits(model, stem);
    if (std::filesystem::exists(stem + ".v1.ckpt")) expect_logits(model, stem, ".v1.ckpt");
    ++seen;
  }
  EXPECT_GT(seen, 0);
}

TEST(SlimWeights, AveragesInPlaceOfVariables) {
  const std::string beta = "resnet_v1_50/conv1/BatchNorm/beta";
  WeightFile file = read_weights(stored("resnet_v1_50.v2.ckpt"));
  file.tensors[beta + "/ExponentialMovingAverage"] = full({2}, 7);
  file.tensors[beta + "/Momentum"] = full({2}, 9);
  WeightFile averaged = file, bare = read_weights(stored("resnet_v1_50.v2.ckpt"));
  NetOptions options;
  const std::vector<float> before = file.tensors.at(beta).to_vector<float>();
  rename_slim("resnet50", file, options);
  EXPECT_EQ(file.tensors.at("bn1.bias").to_vector<float>(), before);
  EXPECT_EQ(file.notes.at(0), "of the training, not of the net: global_step, " + beta +
                                  "/ExponentialMovingAverage, " + beta + "/Momentum");
  rename_slim("resnet50", averaged, options, true);
  EXPECT_EQ(averaged.tensors.at("bn1.bias").to_vector<float>(), std::vector<float>(2, 7));
  EXPECT_EQ(averaged.notes.at(0), "1 variables are taken from their averages");
  EXPECT_EQ(
      test::message_of<UsageError>([&] { rename_slim("resnet50", bare, options, true); }),
      "import: no variable of the checkpoint has an average beside it (ExponentialMovingAverage); leave out "
      "--averages");
}

TEST(SlimWeights, ThroughImport) {
  const test::Scratch dir;
  const std::string out = dir / "a.gdck", in = stored("resnet_v1_50.v2.ckpt");
  const test::Outcome good = test::run_here({"import", in, out, "--model", "resnet50"});
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_NE((good.out + good.err).find(in + ": of the training, not of the net: global_step"),
            std::string::npos);
  const Checkpoint checkpoint = load_checkpoint(out);
  EXPECT_EQ(checkpoint.facts.at("imported_from_sha256"), weights_sha256(in));
  save_safetensors(dir / "b.safetensors", {{"a", ones({1})}});
  EXPECT_EQ(test::last_line(
                test::run_here({"import", dir / "b.safetensors", out, "--model", "resnet50", "--averages"}),
                dir.path()),
            "import: DIR/b.safetensors is no checkpoint of TF-Slim; leave out --averages [GD-USAGE-001]");
}

TEST(SlimWeights, SayWhichNetTheyAreOf) {
  WeightFile file = read_weights(test::fixture("tf/resnet_v1_50.v2.ckpt"));
  NetOptions options;
  EXPECT_EQ(test::message_of<UsageError>([&] { rename_slim("resnet101", file, options); }),
            "import: this checkpoint is of Slim's resnet_v1_50, not resnet_v1_101; give its name to --model");
  EXPECT_EQ(test::message_of<UsageError>([&] { rename_slim("resnet18", file, options); }),
            "import: TF-Slim has no resnet18; it has ResNets from 50 layers, VGG 16 and 19, and Inception v3 "
            "to v4");
}

}  // namespace
}  // namespace gadolin
