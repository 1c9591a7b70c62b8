// Optimisers against PyTorch's fp64 numbers, element by element; clipping, decay, loss scales, state,
// messages.
#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "layers/conv.h"
#include "layers/linear.h"
#include "tensor/check.h"
#include "tensor/ops.h"
#include "tests/data/scratch.h"
#include "tests/layers/numbers.h"
#include "tests/train/leaf.h"

using namespace gadolin;
using test::leaf;
using test::message_of;

namespace {

void give(const Tensor& parameter, const std::vector<double>& gradient) {
  parameter.set_grad(tensor(gradient, parameter.shape(), parameter.dtype()));
}
std::map<std::string, Tensor> copied(const std::vector<Parameter>& state) {
  std::map<std::string, Tensor> copy;
  for (const Parameter& p : state) copy[p.name] = p.tensor.clone();
  return copy;
}

OptimizerOptions options_of(const nlohmann::json& c) {
  OptimizerOptions o;
  const std::map<std::string, Rule> rules{{"sgd", Rule::sgd},
                                          {"adam", Rule::adam},
                                          {"adamw", Rule::adamw},
                                          {"rmsprop", Rule::rmsprop},
                                          {"rmsprop_slim", Rule::rmsprop_slim},
                                          {"adadelta", Rule::adadelta},
                                          {"adagrad", Rule::adagrad},
                                          {"ftrl", Rule::ftrl}};
  o.rule = rules.at(c.at("rule"));
  for (const auto& [key, value] : c.at("options").items()) {
    if (key == "lr")
      o.lr = value;
    else if (key == "momentum")
      o.momentum = value;
    else if (key == "nesterov")
      o.nesterov = value;
    else if (key == "weight_decay")
      o.weight_decay = value;
    else if (key == "beta1")
      o.beta1 = value;
    else if (key == "beta2")
      o.beta2 = value;
    else if (key == "alpha")
      o.alpha = value;
    else if (key == "eps")
      o.eps = value;
    else if (key == "eps_before_bias")
      o.eps_before_bias = value;
    else if (key == "initial_square")
      o.initial_square = value;
    else if (key == "l1")
      o.l1 = value;
    else if (key == "l2")
      o.l2 = value;
    else if (key == "power")
      o.power = value;
    else
      ADD_FAILURE() << "option " << key << " of the fixture is not read";
  }
  return o;
}

void follow(const std::string& file, std::size_t cases, DType dtype, double tolerance) {
  const nlohmann::json fixture = stored_numbers(file);
  ASSERT_EQ(fixture["cases"].size(), cases);
  for (const auto& c : fixture["cases"]) {
    const std::string name = c["name"];
    const Tensor w = leaf(fixture["start"], dtype);
    Optimizer optimizer({{"w", w}}, options_of(c));
    EXPECT_STREQ(name_of(optimizer.options().rule), c["rule"].get<std::string>().c_str());
    for (std::size_t t = 0; t < fixture["gradients"].size(); ++t) {
      optimizer.zero_grad();
      give(w, fixture["gradients"][t]);
      optimizer.step();
      expect_close(w, c["weights_after_each_step"][t], tolerance, name + ", step " + std::to_string(t));
    }
    EXPECT_EQ(optimizer.steps(), static_cast<std::int64_t>(fixture["gradients"].size()));
  }
}

TEST(Optimizer, AgreesWithPyTorchInFp64) { follow("optimizers.json", 11, DType::fp64, 1e-12); }
TEST(Optimizer, AgreesWithPyTorchInFp32) { follow("optimizers.json", 11, DType::fp32, 2e-6); }
TEST(Optimizer, AgreesWithTensorFlowInFp64) { follow("optimizers_tf.json", 8, DType::fp64, 1e-12); }
TEST(Optimizer, AgreesWithTensorFlowInFp32) { follow("optimizers_tf.json", 8, DType::fp32, 5e-6); }

TEST(Optimizer, ARateOfZeroLeavesFtrlWhereItIs) {
  const Tensor w = leaf({0.5, -0.25});
  OptimizerOptions o = optimizer_options("ftrl");
  o.lr = 0;
  Optimizer optimizer({{"w", w}}, o);
  give(w, {1, 2});
  optimizer.step();
  EXPECT_EQ(w.to_vector<double>(), (std::vector<double>{0.5, -0.25}));
}

TEST(Optimizer, NamedParametersAreNotDecayed) {
  const Tensor a = leaf({1}), b = leaf({1});
  OptimizerOptions o;
  o.lr = 1;
  o.weight_decay = 0.5;
  o.undecayed = {"bn.bias"};
  Optimizer optimizer({{"fc.bias", a}, {"bn.bias", b}}, o);
  EXPECT_EQ(optimizer.penalty(), 0.25);
  o.rule = Rule::adamw;
  EXPECT_EQ(Optimizer({{"fc.bias", a}}, o).penalty(), 0);
  give(a, {0});
  give(b, {0});
  optimizer.step();
  EXPECT_EQ(a.item(), 0.5);
  EXPECT_EQ(b.item(), 1);
}

// Many tensors of many sizes, pieces on both sides of block_items, against the same rule on one tensor each.
TEST(Optimizer, ManyTensorsAreOneRule) {
  std::vector<Parameter> together, apart;
  std::vector<std::int64_t> sizes{1, 7, 16383, 16384, 16385, 0, 200001, 3};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const Tensor start = rand({sizes[i]}, 5, i);
    together.push_back({"p" + std::to_string(i), start.clone().requires_grad_()});
    apart.push_back({"p" + std::to_string(i), start.clone().requires_grad_()});
    together[i].tensor.set_grad(rand({sizes[i]}, 6, i));
    apart[i].tensor.set_grad(rand({sizes[i]}, 6, i));
  }
  OptimizerOptions o = optimizer_options("adam");
  Optimizer all(together, o);
  all.step();
  double squares = 0;
  for (const Parameter& p : apart) {
    Optimizer one({p}, o);
    one.step();
    for (const double g : p.tensor.grad().to_vector<double>()) squares += g * g;
  }
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_EQ(together[i].tensor.to_vector<float>(), apart[i].tensor.to_vector<float>()) << i;
  }
  o.clip_norm = 1e9;
  Optimizer measured(together, o);
  measured.step();
  EXPECT_NEAR(measured.gradient_norm(), std::sqrt(squares), 1e-9 * std::sqrt(squares));
}

// Against fp64 on the same rounded gradients: types of 16 bits, sizes that fill no pack, arrays that begin
// anywhere.
TEST(Optimizer, ReadsGradientsOfSixteenBits) {
  for (const DType narrow : {DType::bf16, DType::fp16}) {
    for (const std::int64_t n : {1, 3, 4, 1023, 1025, 20001}) {
      const Tensor memory = rand({n + 1}, 5, 1), gradients = rand({n + 1}, 6, 1).to(narrow);
      const Tensor w = memory.slice(0, 1, n + 1).requires_grad_(),
                   exact = memory.slice(0, 1, n + 1).to(DType::fp64).requires_grad_();
      OptimizerOptions o = optimizer_options("adamw");
      o.clip_norm = 0.5;
      const LossScale scale{8, 2, 0.5, 10};
      Optimizer mine({{"w", w}}, o, scale), reference({{"w", exact}}, o, scale);
      for (int step = 0; step < 3; ++step) {
        w.set_grad(gradients.slice(0, 1, n + 1));
        exact.set_grad(gradients.slice(0, 1, n + 1).to(DType::fp64));
        mine.step();
        reference.step();
        EXPECT_EQ(mine.gradient_norm(), reference.gradient_norm());
      }
      expect_close(w, exact.to_vector<double>(), 2e-6, "weights");
      Tensor bad = gradients.slice(0, 1, n + 1).clone();
      bad.select(0, n - 1).fill_(std::nan(""));
      w.set_grad(bad);
      const std::vector<float> before = w.to_vector<float>();
      mine.step();
      EXPECT_TRUE(mine.last_step_skipped());
      EXPECT_EQ(mine.bad_gradient(), "w");
      EXPECT_EQ(w.to_vector<float>(), before);
    }
  }
}

TEST(Optimizer, GradientInAnotherOrderOfMemory) {
  Tensor w = rand({4, 3, 2, 2}, 1, 0).requires_grad_(), same = rand({4, 3, 2, 2}, 1, 0).requires_grad_();
  const Tensor g = rand({4, 3, 2, 2}, 2, 0);
  w.set_grad(g.contiguous(MemoryFormat::channels_last));
  same.set_grad(g);
  Optimizer({{"w", w}}, optimizer_options("momentum")).step();
  Optimizer({{"w", same}}, optimizer_options("momentum")).step();
  EXPECT_EQ(w.to_vector<float>(), same.to_vector<float>());
}

TEST(Optimizer, ClipsByNormOfAll) {
  const Tensor a = leaf({0, 0}), b = leaf({0});
  OptimizerOptions o;
  o.lr = 1;
  o.clip_norm = 1;
  Optimizer optimizer({{"a", a}, {"b", b}}, o);
  give(a, {3, 4});
  give(b, {12});
  optimizer.step();  // the norm is 13
  EXPECT_DOUBLE_EQ(optimizer.gradient_norm(), 13);
  const double factor = 1 / (13 + 1e-6);
  expect_close(a, {-3 * factor, -4 * factor}, 1e-15, "a");
  expect_close(b, {-12 * factor}, 1e-15, "b");
  give(a, {0.3, 0});
  give(b, {0});
  const std::vector<double> before = a.to_vector<double>();
  optimizer.step();  // short gradients stay
  expect_close(a, {before[0] - 0.3, before[1]}, 1e-15, "a, not clipped");
}

TEST(Optimizer, ClipsByValue) {
  const Tensor a = leaf({0, 0, 0, 0});
  OptimizerOptions o;
  o.lr = 1;
  o.clip_value = 0.5;
  Optimizer optimizer({{"a", a}}, o);
  give(a, {3, -4, 0.25, -0.5});
  optimizer.step();
  EXPECT_EQ(a.to_vector<double>(), (std::vector<double>{-0.5, 0.5, -0.25, 0.5}));
  give(a, {std::nan(""), 0, 0, 0});
  optimizer.step();
  EXPECT_TRUE(std::isnan(a.to_vector<double>()[0])) << "clipping must not hide a NaN";
}

TEST(Optimizer, DecayLeavesNormAndBiasOut) {
  for (const bool all : {false, true}) {
    const Tensor matrix = leaf({2, 4}, DType::fp64, {1, 2}), bias = leaf({2, 4});
    OptimizerOptions o;
    o.lr = 1;
    o.weight_decay = 0.25;
    o.decay_norm_and_bias = all;
    Optimizer optimizer({{"w", matrix}, {"b", bias}}, o);
    give(matrix, {0, 0});
    give(bias, {0, 0});
    optimizer.step();
    EXPECT_EQ(matrix.to_vector<double>(), (std::vector<double>{1.5, 3}));
    EXPECT_EQ(bias.to_vector<double>(), all ? (std::vector<double>{1.5, 3}) : (std::vector<double>{2, 4}));
  }
}

TEST(Optimizer, OverflowChangesNothingButTheScale) {
  for (const char* rule : {"momentum", "adam", "adamw", "rmsprop", "rmsprop_slim"}) {
    const Tensor w = leaf({1, 2, 3}, DType::fp32), other = leaf({5}, DType::fp32);
    OptimizerOptions o = optimizer_options(rule);
    o.weight_decay = 0.1;
    Optimizer optimizer({{"w", w}, {"other", other}}, o, {1024, 2, 0.5, 3});
    EXPECT_TRUE(optimizer.dynamic_scale());
    EXPECT_EQ(optimizer.loss_seed(DType::fp16).item(), 1024);
    EXPECT_EQ(optimizer.loss_seed(DType::fp16).dtype(), DType::fp16);
    give(w, {1024, 2048, -512});
    give(other, {512});
    optimizer.step();
    EXPECT_FALSE(optimizer.last_step_skipped());
    EXPECT_EQ(optimizer.bad_gradient(), "");
    const auto weights = w.to_vector<float>(), others = other.to_vector<float>();
    auto before = copied(optimizer.state());
    for (const double bad : {std::numeric_limits<double>::infinity(), std::nan("")}) {
      const double scale = optimizer.loss_scale();
      give(w, {1, bad, 1});
      give(other, {1});
      optimizer.step();
      EXPECT_TRUE(optimizer.last_step_skipped());
      EXPECT_TRUE(optimizer.skipped().item<bool>());
      EXPECT_EQ(optimizer.bad_gradient(), "w");
      EXPECT_EQ(optimizer.loss_scale(), scale / 2);
      EXPECT_EQ(optimizer.steps(), 1);
      EXPECT_EQ(w.to_vector<float>(), weights) << rule;
      EXPECT_EQ(other.to_vector<float>(), others) << rule;
      for (const Parameter& p : optimizer.state()) {
        if (p.name == "control") continue;
        EXPECT_EQ(p.tensor.to_vector<float>(), before[p.name].to_vector<float>()) << rule << " " << p.name;
      }
    }
    // Three good steps in a row double the scale; a bad one starts the count anew.
    for (int good = 0; good < 7; ++good) {
      EXPECT_EQ(optimizer.loss_scale(), good < 3 ? 256 : good < 6 ? 512 : 1024) << rule << " " << good;
      give(w, {1, 1, 1});
      give(other, {1});
      optimizer.step();
    }
    EXPECT_EQ(optimizer.steps(), 8);
  }
}

TEST(Optimizer, ScaledGradientsGiveTheSameStep) {
  const Tensor plain = leaf({1, 2}, DType::fp32), scaled = leaf({1, 2}, DType::fp32);
  OptimizerOptions o = optimizer_options("adamw");
  o.clip_norm = 0.5;
  Optimizer a({{"w", plain}}, o), b({{"w", scaled}}, o, {4096, 1, 0.5, 2000});
  EXPECT_FALSE(b.dynamic_scale());
  for (int step = 0; step < 4; ++step) {
    give(plain, {0.25, -1.0 * step});
    give(scaled, {0.25 * 4096, -4096.0 * step});
    a.step();
    b.step();
    EXPECT_EQ(plain.to_vector<float>(), scaled.to_vector<float>());
    EXPECT_EQ(a.gradient_norm(), b.gradient_norm());
  }
  EXPECT_EQ(b.loss_scale(), 4096);
}

TEST(Optimizer, GoesOnFromItsState) {
  for (const char* rule : {"sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "rmsprop_slim"}) {
    const LossScale scale{8, 2, 0.5, 2};
    const Tensor w = leaf({1, -2, 3});
    Optimizer first({{"w", w}}, optimizer_options(rule), scale);
    for (int i = 0; i < 3; ++i) {
      give(w, {0.5 * i, 1, -2});
      first.step();
    }
    first.set_lr(0.037);
    const Tensor other = w.clone().detach().requires_grad_();
    Optimizer second({{"w", other}}, optimizer_options(rule), scale);
    second.load_state(copied(first.state()));
    EXPECT_EQ(second.lr(), 0.037);
    EXPECT_EQ(second.steps(), 3);
    EXPECT_EQ(second.loss_scale(), first.loss_scale());
    for (int i = 0; i < 3; ++i) {
      give(w, {1, 0.5 * i, -2});
      give(other, {1, 0.5 * i, -2});
      first.step();
      second.step();
    }
    EXPECT_EQ(w.to_vector<double>(), other.to_vector<double>()) << rule;
    EXPECT_EQ(first.loss_scale(), second.loss_scale());
  }
}

TEST(Optimizer, LearningRateIsTheNextSteps) {
  const Tensor w = leaf({0});
  Optimizer optimizer({{"w", w}}, optimizer_options("sgd"));
  for (const double lr : {0.5, 0.25, 0.25, 0.0}) {
    const double before = w.item();
    optimizer.set_lr(lr);
    EXPECT_EQ(optimizer.lr(), lr);
    give(w, {1});
    optimizer.step();
    EXPECT_EQ(w.item(), before - lr);
  }
}

TEST(Optimizer, FrozenParametersAndThoseWithoutGradientStay) {
  const Tensor learns = leaf({1}), frozen = tensor({2}, {1}, DType::fp64), idle = leaf({3});
  OptimizerOptions o;
  o.weight_decay = 0.5;
  Optimizer optimizer({{"frozen", frozen}, {"learns", learns}, {"idle", idle}}, o);
  ASSERT_EQ(optimizer.parameters().size(), 2u);
  EXPECT_EQ(optimizer.parameters()[0].name, "learns");
  give(learns, {1});
  const std::uint64_t version = learns.version(), idle_version = idle.version();
  optimizer.step();
  EXPECT_LT(learns.item(), 1);
  EXPECT_EQ(frozen.item(), 2);
  EXPECT_EQ(idle.item(), 3);
  EXPECT_GT(learns.version(), version);  // saved tensors of older graphs are out of date
  EXPECT_EQ(idle.version(), idle_version);
  optimizer.zero_grad();
  EXPECT_FALSE(learns.grad().defined());
}

}  // namespace
