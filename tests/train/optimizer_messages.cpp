// The settings of optimisers by name, and what they refuse.
#include <gtest/gtest.h>

#include <cmath>

#include "tensor/check.h"
#include "tensor/ops.h"
#include "tests/data/scratch.h"
#include "tests/train/leaf.h"
#include "train/optimizer.h"

using namespace gadolin;
using test::leaf;
using test::message_of;

namespace {

TEST(Optimizer, DefaultsByName) {
  EXPECT_EQ(optimizer_options("sgd").momentum, 0);
  EXPECT_EQ(optimizer_options("momentum").momentum, 0.9);
  EXPECT_TRUE(optimizer_options("nesterov").nesterov);
  EXPECT_EQ(optimizer_options("adamw").weight_decay, 0.01);
  EXPECT_EQ(optimizer_options("adam").weight_decay, 0);
  EXPECT_EQ(optimizer_options("rmsprop").alpha, 0.99);
  EXPECT_EQ(optimizer_options("rmsprop_slim").eps, 1);
  EXPECT_EQ(optimizer_options("rmsprop-slim").rule, Rule::rmsprop_slim);
  EXPECT_EQ(optimizer_options("adadelta").alpha, 0.95);
  EXPECT_EQ(optimizer_options("adagrad").initial_square, 0.1);
  EXPECT_EQ(optimizer_options("ftrl").power, 0.5);
}

TEST(Optimizer, RefusesRatesThatMakeNoSense) {
  const auto text_with = [](double OptimizerOptions::*which, double value) {
    OptimizerOptions o;
    o.*which = value;
    return message_of<UsageError>([&] { Optimizer({{"w", leaf({1, 2})}}, o); });
  };
  EXPECT_EQ(text_with(&OptimizerOptions::lr, -0.1),
            "optimizer: a learning rate of -0.1; it must be a number from 0 on");
  EXPECT_EQ(text_with(&OptimizerOptions::beta1, 1.5),
            "optimizer: a beta1 of 1.5; it must be a share, from 0 to 1");
  using O = OptimizerOptions;
  for (double O::*which :
       {&O::lr, &O::momentum, &O::weight_decay, &O::beta1, &O::beta2, &O::alpha, &O::eps, &O::clip_norm,
        &O::clip_each_norm, &O::clip_value, &O::initial_square, &O::l1, &O::l2, &O::power}) {
    for (double bad : {-1e-9, static_cast<double>(NAN), static_cast<double>(INFINITY)})
      EXPECT_NE(text_with(which, bad).find("; it must be a number from 0 on"), std::string::npos);
  }
  EXPECT_EQ(message_of<UsageError>([] {
              Optimizer({{"w", leaf({1, 2})}}, {}, {.scale = -1});
            }),
            "optimizer: a loss scale of -1 that grows by 1 and falls by 0.5 after 2000 steps; scale and "
            "interval must "
            "be positive, growth at least 1, backoff above 0 and at most 1");
  Optimizer optimizer({{"w", leaf({1, 2})}}, {});
  EXPECT_EQ(message_of<UsageError>([&] { optimizer.set_lr(NAN); }),
            "optimizer: a learning rate of nan; it must be a number from 0 on");
  EXPECT_EQ(optimizer.lr(), 0.1);
}

TEST(Optimizer, Messages) {
  EXPECT_EQ(message_of<UsageError>([] { optimizer_options("lion"); }),
            "optimizer: lion is unknown; use sgd, momentum, nesterov, adam, adamw, rmsprop, rmsprop_slim, "
            "adadelta, adagrad or ftrl");
  EXPECT_EQ(message_of<ValueError>([] {
              Optimizer({{"w", zeros({2})}}, {});
            }),
            "optimizer: no parameter wants a gradient; unfreeze some with --trainable-scopes");
  EXPECT_EQ(message_of<ValueError>([] { Optimizer(std::vector<Parameter>{}, {}); }),
            "optimizer: no parameter wants a gradient; unfreeze some with --trainable-scopes");
  EXPECT_EQ(
      message_of<DTypeError>([] {
        Optimizer({{"fc.weight", leaf({1}, DType::bf16)}}, {});
      }),
      "optimizer: fc.weight is bf16; parameters are kept in fp32 or fp64, 16-bit types are for computing");
  EXPECT_EQ(message_of<ValueError>([] {
              Optimizer({{"w", zeros({4, 4}).slice(1, 0, 2).requires_grad_()}}, {});
            }),
            "optimizer: w is a view with gaps; clone() it first");
  EXPECT_EQ(message_of<DeviceError>([] {
              Optimizer({{"a", leaf({1})}, {"b", leaf({1}, DType::fp32)}}, {});
            }),
            "optimizer: b is fp32 on cpu, but a is fp64 on cpu; move the whole model");
  Optimizer optimizer({{"w", leaf({1, 2})}}, optimizer_options("momentum"));
  std::map<std::string, Tensor> state;
  for (const Parameter& p : optimizer.state()) state[p.name] = p.tensor.clone();
  state["w.1"] = zeros({3}, DType::fp64);
  EXPECT_EQ(message_of<CheckpointError>([&] { optimizer.load_state(state); }),
            "optimizer: w.1 is [3] in the checkpoint, but [2] here");
  state.erase("w.1");
  EXPECT_EQ(message_of<CheckpointError>([&] { optimizer.load_state(state); }),
            "optimizer: the checkpoint has no w.1; was it made with another optimiser or other frozen "
            "layers? use --init-from "
            "for the weights alone");
}

}  // namespace
