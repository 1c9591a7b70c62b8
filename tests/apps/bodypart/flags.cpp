// The flags of gadolin bodypart train: the golden numbers of A1's rates, rules, nets and scopes.
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/bodypart/records.h"
#include "apps/bodypart/slim_models.h"
#include "apps/bodypart/train_flags.h"
#include "io/weights.h"
#include "layers/init.h"
#include "tasks/slim_weights.h"
#include "tests/apps/bodypart/records.h"
#include "train/checkpoint.h"

using namespace gadolin;
using namespace gadolin::test;
namespace bp = gadolin::bodypart;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

TEST(BodypartFlags, TheStaircaseOfSlim) {
  EXPECT_EQ(bp::decay_steps(5376, 32, 2.0), 336);
  EXPECT_EQ(bp::decay_steps(5377, 32, 2.0), 336);  // int() cuts
  EXPECT_EQ(bp::decay_steps(3, 32, 2.0), 1);
  const Session session("test", {});
  bp::TrainFlags f;
  f.dataset_dir = "records";
  TrainCommand o = bp::slim_command(f, session);
  o.settle(o, 5376);
  EXPECT_EQ(o.update.schedule, "exponential:0.94:336s");
  const Schedule schedule(o.update.schedule, {.lr = o.update.lr, .min_lr = o.update.min_lr});
  EXPECT_NEAR(schedule.lr_at(1680), 0.0073390, 5e-8);
  EXPECT_EQ(schedule.lr_at(335), 0.01);
  EXPECT_NEAR(schedule.lr_at(336), 0.0094, 1e-15);
  f.decay_type = "polynomial";
  o = bp::slim_command(f, session);
  o.settle(o, 5376);
  EXPECT_EQ(o.update.schedule, "polynomial:1:336s");
  EXPECT_EQ(o.update.min_lr, 0.0001);
  f.decay_type = "fixed";
  o = bp::slim_command(f, session);
  o.settle(o, 5376);
  EXPECT_EQ(o.update.schedule, "constant");
}

TEST(BodypartFlags, TheRatesOfTheNativeTrainer) {
  const Session session("test", {});
  bp::TrainFlags f;
  f.dataset_dir = "records";
  const TrainCommand o = bp::resnet_command(f, session);
  EXPECT_EQ(o.update.exact->lr, 0.0125);
  EXPECT_EQ(o.update.exact->momentum, 0.9);
  EXPECT_EQ(o.update.exact->weight_decay, 1e-4);
  EXPECT_TRUE(o.update.decay_all_but_norms);
  EXPECT_NEAR(o.net.norm_momentum, 0.003, 1e-15);
  EXPECT_EQ(o.update.loss_scale, 1);
  EXPECT_EQ(o.net.model, "resnet50");
  EXPECT_EQ(o.loop.epochs, 100);
  const Schedule schedule(o.update.schedule, {.lr = o.update.lr, .steps_per_epoch = 10});
  const std::pair<int, double> rates[] = {{0, 1},       {299, 1},      {300, 0.1},
                                          {599, 0.1},   {600, 0.01},   {800, 0.001},
                                          {899, 0.001}, {900, 0.0001}, {5000, 0.0001}};
  for (const auto& [step, factor] : rates) EXPECT_NEAR(schedule.lr_at(step), 0.0125 * factor, 1e-12) << step;
  f.version = 2;
  f.resnet_size = 18;
  f.batch_size = 256;
  const TrainCommand wide = bp::resnet_command(f, session);
  EXPECT_EQ(wide.net.model, "resnet_v2_18");
  EXPECT_EQ(wide.update.exact->lr, 0.1);
  Common half;
  half.dtype = "fp16";
  EXPECT_EQ(bp::resnet_command(f, Session("test", half)).update.loss_scale, 128);
}

TEST(BodypartFlags, RulesOfSlim) {
  const Session session("test", {});
  bp::TrainFlags f;
  f.dataset_dir = "records";
  const auto rule = [&](const char* name) {
    f.optimizer = name;
    const OptimizerOptions r = *bp::slim_command(f, session).update.exact;
    EXPECT_EQ(r.lr, 0.01) << name;
    EXPECT_EQ(r.weight_decay, 0.00004) << name;
    EXPECT_FALSE(r.decay_norm_and_bias) << name;
    return r;
  };
  const OptimizerOptions rms = rule("rmsprop"), adam = rule("adam"), delta = rule("adadelta"),
                         grad = rule("adagrad"), ftrl = rule("ftrl");
  EXPECT_TRUE(rms.rule == Rule::rmsprop_slim && rms.alpha == 0.9 && rms.momentum == 0.9 && rms.eps == 1);
  EXPECT_TRUE(adam.rule == Rule::adam && adam.beta1 == 0.9 && adam.beta2 == 0.999 && adam.eps == 1 &&
              adam.eps_before_bias);
  EXPECT_TRUE(delta.rule == Rule::adadelta && delta.alpha == 0.95 && delta.eps == 1);
  EXPECT_TRUE(grad.rule == Rule::adagrad && grad.initial_square == 0.1 && grad.eps == 0);
  EXPECT_TRUE(ftrl.rule == Rule::ftrl && ftrl.initial_square == 0.1 && ftrl.power == 0.5 && ftrl.l1 == 0);
  EXPECT_EQ(rule("momentum").momentum, 0.9);
  EXPECT_EQ(rule("sgd").momentum, 0);
}

TEST(BodypartFlags, NetsAndPipelinesOfSlim) {
  const Session session("test", {});
  bp::TrainFlags f;
  f.dataset_dir = "records";
  TrainCommand o = bp::slim_command(f, session);
  EXPECT_EQ(o.net.model, "inception_v3");
  EXPECT_EQ(o.input.size, 299);
  EXPECT_EQ(std::get<bool>(o.net.options.at("aux_logits")), true);
  EXPECT_EQ(o.input.augment,
            "rgb,random-resized-crop:299:0.05:1:0.75:1.33,hflip,brightness-shift:0.12549,contrast:0.5,"
            "normalize:0.5:0.5");
  EXPECT_EQ(o.input.pipeline, "rgb,central-fraction:0.875,resize:299x299,normalize:0.5:0.5");
  f.model_name = "resnet_v2_101";
  o = bp::slim_command(f, session);
  EXPECT_EQ(o.net.model, "resnet_v2_101");
  EXPECT_EQ(o.input.augment,
            "rgb,random-resize:256:512,random-crop:224,hflip,"
            "normalize:0.48501961/0.45796078/0.40760784:0.00392156862745098");
  EXPECT_EQ(o.input.pipeline,
            "rgb,resize:256,center-crop:224,normalize:0.48501961/0.45796078/0.40760784:0.00392156862745098");
  f.preprocessing_name = "inception_v4";
  f.no_color_jitter = true;
  f.channels = 1;
  f.image_size = 64;
  o = bp::slim_command(f, session);
  EXPECT_EQ(o.input.augment, "grey,random-resized-crop:64:0.05:1:0.75:1.33,hflip,normalize:0.5:0.5");
  for (const bp::SlimModel& m : bp::slim_models()) {
    EXPECT_EQ(bp::slim_model("x", m.name).model, m.model);
    EXPECT_NO_THROW(net_info(m.model)) << m.name;
    EXPECT_EQ(net_info(m.model).input[1], m.size) << m.name;
    for (const bp::Preprocessing kind : {bp::Preprocessing::inception, bp::Preprocessing::vgg}) {
      for (const int channels : {1, 3}) {
        EXPECT_EQ(Pipeline(bp::training_pipeline(kind, m.size, channels, true)).output_size(),
                  (std::pair{m.size, m.size}));
        EXPECT_EQ(Pipeline(bp::evaluation_pipeline(kind, m.size, channels)).output_size(),
                  (std::pair{m.size, m.size}));
      }
    }
  }
  // A grey value of 255 less the mean: what Slim's VGG sees.
  Image white(300, 300, 3, 8);
  std::fill(white.pixels.begin(), white.pixels.end(), std::uint8_t{255});
  const Pipeline vgg(bp::evaluation_pipeline(bp::Preprocessing::vgg, 224, 3));
  const NormalizeFactors n = normalize_factors(vgg.normalize(), 3, 8);
  const double want[] = {255 - 123.68, 255 - 116.78, 255 - 103.94};
  for (int c = 0; c < 3; ++c) EXPECT_NEAR((255.0F - n.offset[c]) * n.factor[c], want[c], 1e-4);
}

TEST(BodypartFlags, ScopesOfSlim) {
  const SkipInitialValues quick;
  const auto inception = make_net("inception_v4", {{"width_divisor", 16.0}, {"aux_logits", true}});
  const auto parts = [&](const std::string& scope) {
    return parts_of_slim_scope("inception_v4", *inception, scope);
  };
  EXPECT_EQ(slim_scope("inception_v4"), "InceptionV4");
  EXPECT_EQ(slim_scope("resnet18"), "");
  EXPECT_EQ(parts("InceptionV4/Logits"), (std::vector<std::string>{"last_linear"}));
  EXPECT_EQ(parts("InceptionV4/AuxLogits"),
            (std::vector<std::string>{"AuxLogits.conv0.conv", "AuxLogits.conv0.bn", "AuxLogits.conv1.conv",
                                      "AuxLogits.conv1.bn", "AuxLogits.fc"}));
  for (const std::string& part : parts("InceptionV4/Mixed_7d"))
    EXPECT_EQ(part.rfind("features.21.", 0), 0u) << part;
  EXPECT_GT(parts("InceptionV4/Mixed_7d").size(), parts("InceptionV4/Mixed_7d/Branch_1").size());
  EXPECT_EQ(parts("InceptionV4/Conv2d_1a_3x3"),
            (std::vector<std::string>{"features.0.conv", "features.0.bn"}));
  // Everything has a name of Slim's.
  std::set<std::string> all;
  for (const std::string& part : parts("InceptionV4")) all.insert(part);
  for (const Parameter& p : inception->parameters())
    EXPECT_TRUE(all.contains(p.name.substr(0, p.name.rfind('.')))) << p.name;
  const auto resnet = make_net("resnet50", {{"width", 2.0}});
  for (const std::string& part : parts_of_slim_scope("resnet50", *resnet, "resnet_v1_50/block4"))
    EXPECT_EQ(part.rfind("layer4.", 0), 0u) << part;
  EXPECT_EQ(parts_of_slim_scope("resnet50", *resnet, "resnet_v1_50/conv1"),
            (std::vector<std::string>{"conv1", "bn1"}));
  EXPECT_EQ(parts_of_slim_scope("vgg16", *make_net("vgg16", {{"width_divisor", 16.0}}), "vgg_16/fc8"),
            (std::vector<std::string>{"classifier.6"}));
}

}  // namespace
