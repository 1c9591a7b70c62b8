// The tape: values of gradients, accumulation, version checks, deep graphs, anomaly mode.
#include "tensor/autograd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "tensor/ops.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

Tensor leaf(const std::vector<double>& values, const Shape& shape) {
  return tensor(values, shape, DType::fp64).requires_grad_();
}

TEST(Autograd, ProductRule) {
  const Tensor a = leaf({2, 3}, {2}), b = leaf({5, 7}, {2});
  sum(mul(a, b)).backward();
  EXPECT_EQ(a.grad().to_vector<double>(), (std::vector<double>{5, 7}));
  EXPECT_EQ(b.grad().to_vector<double>(), (std::vector<double>{2, 3}));
}

TEST(Autograd, GradientsAddUpOverUsesAndCalls) {
  const Tensor a = leaf({3}, {1});
  sum(add(mul(a, a), a)).backward();
  EXPECT_DOUBLE_EQ(a.grad().item<double>(), 7);
  sum(mul(a, 2.0)).backward();
  EXPECT_DOUBLE_EQ(a.grad().item<double>(), 9);
  a.zero_grad();
  EXPECT_FALSE(a.grad().defined());
}

TEST(Autograd, BroadcastingIsUndone) {
  const Tensor a = leaf({1, 2, 3, 4, 5, 6}, {2, 3}), b = leaf({1, 1}, {2, 1});
  sum(mul(a, b)).backward();
  EXPECT_EQ(b.grad().shape(), (Shape{2, 1}));
  EXPECT_EQ(b.grad().to_vector<double>(), (std::vector<double>{6, 15}));
}

TEST(Autograd, OnlyWhatIsNeededGetsAGradient) {
  const Tensor a = leaf({2}, {1}), b = tensor({5}, {1}, DType::fp64);
  sum(mul(a, b)).backward();
  EXPECT_FALSE(b.grad().defined());
  EXPECT_EQ(a.grad().item<double>(), 5);
}

TEST(Autograd, NoGradRecordsNothing) {
  const Tensor a = leaf({2}, {1});
  {
    const NoGrad guard;
    EXPECT_FALSE(mul(a, a).requires_grad());
  }
  EXPECT_TRUE(mul(a, a).requires_grad());
}

TEST(Autograd, AMillionOpsAreWalkedAndFreed) {
  const std::int64_t before = live_nodes();
  {
    const Tensor a = leaf({1}, {1});
    Tensor x = a;
    for (int i = 0; i < 1000000; ++i) x = add(x, 1.0);
    EXPECT_EQ(live_nodes() - before, 1000000);
    sum(x).backward();
    EXPECT_EQ(a.grad().item<double>(), 1);
  }
  EXPECT_EQ(live_nodes(), before);
}

TEST(Autograd, AChainThroughSavedTensorsIsFreed) {
  const std::int64_t before = live_nodes();
  {
    Tensor x = leaf({1}, {1});
    for (int i = 0; i < 200000; ++i) x = mul(x, x);  // each node keeps its input, which keeps the node before
  }
  EXPECT_EQ(live_nodes(), before);
}

TEST(Autograd, ChangeInPlaceAfterKeepingIsAnError) {
  const Tensor a = leaf({2}, {1});
  Tensor b = mul(a, 3.0).detach();
  const Tensor y = sum(mul(a, b));
  b.fill_(1);
  EXPECT_EQ(message_of<Error>([&] { y.backward(); }),
            "mul: a tensor kept for backward was changed in place (version 1, kept at 0); clone() it before "
            "changing it");
}

TEST(Autograd, Messages) {
  const Tensor a = leaf({1, 2}, {2});
  EXPECT_EQ(message_of<Error>([&] { mul(a, a).backward(); }),
            "backward: loss has shape [2]; reduce it to one number with mean() or sum()");
  EXPECT_EQ(message_of<Error>([&] { sum(a.detach()).backward(); }),
            "backward: nothing behind this tensor wants a gradient; call requires_grad_() on a leaf, or look "
            "for a NoGrad or "
            "detach() on the way");
  const Tensor y = sum(mul(a, a));
  y.backward();
  EXPECT_EQ(
      message_of<Error>([&] { y.backward(); }),
      "reshape: its graph was freed by an earlier backward(); pass {.keep_graph = true} to the first call");
  EXPECT_EQ(message_of<Error>([&] { sum(a).requires_grad_(); }),
            "requires_grad: only leaves can be switched; this is the result of reshape; detach() it first");
  EXPECT_EQ(message_of<Error>([&] { arange(3).requires_grad_(); }),
            "requires_grad: int64 has no gradient; use a floating type");
  EXPECT_EQ(message_of<Error>([&] {
              Tensor b = mul(a, a);
              b.fill_(0);
            }),
            "fill_: the tensor is on the tape; change values in place under NoGrad only");
}

TEST(Autograd, KeptGraphRunsAgain) {
  const Tensor a = leaf({3}, {1});
  const Tensor y = sum(mul(a, a));
  y.backward({.keep_graph = true});
  y.backward();
  EXPECT_DOUBLE_EQ(a.grad().item<double>(), 12);
}

TEST(Autograd, SecondDerivative) {
  const Tensor a = leaf({3}, {1});
  sum(mul(mul(a, a), a)).backward({.create_graph = true});
  const Tensor first = a.grad();
  EXPECT_DOUBLE_EQ(first.item(), 27);
  a.zero_grad();
  sum(first).backward();
  EXPECT_DOUBLE_EQ(a.grad().item(), 18);
}

TEST(Autograd, SecondDerivativeOfAFunctorIsRefused) {
  const Tensor a = leaf({3, 1}, {2});
  EXPECT_EQ(message_of<Error>([&] { sum(maximum(a, mul(a, 2.0))).backward({.create_graph = true}); }),
            "maximum: cannot be differentiated twice; write it with other ops where that is needed");
}

TEST(Autograd, ErrorsInBackwardNameThePlace) {
  const std::string name = "layer1.0";
  const Tensor a = leaf({1, 2}, {2});
  Tensor b = mul(a, 2.0).detach();
  Tensor y;
  {
    const PlaceScope scope(name);
    y = sum(mul(a, b));
  }
  b.fill_(0);
  EXPECT_EQ(message_of<Error>([&] { y.backward(); }).substr(0, 15), "layer1.0: mul: ");
}

TEST(Autograd, AnomalyModeNamesTheOp) {
  detect_anomaly(true);
  const Tensor a = leaf({-1, 1}, {2});
  const std::string text = message_of<Error>([&] { div(a, zeros({2}, DType::fp64)); });
  detect_anomaly(false);
  EXPECT_EQ(text, "div: its result [2] holds NaN or infinity; look at the inputs of this op");
}

// Nodes of two threads: on this one few, on the other many and then a use of what this one made.
TEST(Autograd, AGraphMayBeBuiltOnSeveralThreads) {
  const Tensor a = leaf({3}, {1});
  Tensor first, second;
  std::thread([&] {
    Tensor x = a;
    for (int i = 0; i < 100; ++i) x = add(x, 1.0);
    first = x;
  }).join();
  std::thread([&] { second = mul(first, 2.0); }).join();  // as numbers of threads go, made before `first`
  const Tensor third = mul(first, second);
  EXPECT_GT(second.node()->serial, first.node()->serial);
  EXPECT_GT(third.node()->serial, second.node()->serial);
  sum(third).backward();  // (a + 100)^2 2
  EXPECT_DOUBLE_EQ(a.grad().item<double>(), 4 * 103);
}

TEST(Autograd, HalvesOfAGraphBuiltAtTheSameTime) {
  for (int round = 0; round < 20; ++round) {
    const Tensor a = leaf({2}, {1});
    const Tensor stem = mul(a, a);
    Tensor half[2];
    const auto build = [&](int which) {
      Tensor x = stem;
      for (int i = 0; i < (which ? 300 : 3); ++i) x = add(mul(x, 1.0), stem);
      half[which] = x;
    };
    std::thread one(build, 0), other(build, 1);
    one.join();
    other.join();
    sum(mul(half[0], half[1])).backward();  // (4 a^2) (301 a^2)
    ASSERT_DOUBLE_EQ(a.grad().item<double>(), 4 * 1204 * 8);
  }
}

TEST(Autograd, AccumulationNeverWritesIntoASharedGradient) {
  // add() hands the same gradient to both leaves; the second backward must change one without the other.
  const Tensor a = leaf({1}, {1}), b = leaf({1}, {1});
  sum(add(a, b)).backward();
  sum(mul(a, 10.0)).backward();
  EXPECT_DOUBLE_EQ(a.grad().item<double>(), 11);
  EXPECT_DOUBLE_EQ(b.grad().item<double>(), 1);
}

}  // namespace
}  // namespace gadolin
