// The hook of backward: every leaf once, in the order in which gradients become final, with its final value.
#include "tensor/gradient_hook.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "tensor/capture.h"
#include "tensor/check.h"
#include "tensor/function.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

Tensor leaf_full_of(double value) { return full({2}, value, DType::fp64).requires_grad_(); }

// What a hook saw: the indices in order and the gradients at that moment.
struct Seen {
  std::vector<Tensor> leaves;
  std::vector<std::size_t> order;
  std::vector<double> gradients;  // of the first element; NaN without one
  GradientHook hook{leaves, [this](std::size_t i, const Tensor& t) { note(i, t); }};

  explicit Seen(std::vector<Tensor> of) : leaves(std::move(of)) {}
  Seen(const Seen&) = delete;
  Seen& operator=(const Seen&) = delete;
  void note(std::size_t i, const Tensor& t) {
    EXPECT_TRUE(t.same_as(leaves[i]));
    EXPECT_FALSE(grad_enabled());
    order.push_back(i);
    gradients.push_back(t.grad().defined() ? t.grad().to_vector<double>()[0] : NAN);
  }
  // Each leaf once, and nothing was added after it was told.
  void expect_final() const {
    std::vector<int> times(leaves.size());
    for (std::size_t k = 0; k < order.size(); ++k) {
      ++times[order[k]];
      const Tensor now = leaves[order[k]].grad();
      if (!now.defined()) continue;
      EXPECT_EQ(gradients[k], now.to_vector<double>()[0]) << "leaf " << order[k];
    }
    EXPECT_EQ(times, std::vector<int>(leaves.size(), 1));
  }
};
using Order = std::vector<std::size_t>;

TEST(GradientHook, TellsTheLastLayerFirst) {
  const Tensor a = leaf_full_of(2), b = leaf_full_of(3), c = leaf_full_of(5);
  Seen seen({a, b, c});
  sum(mul(mul(mul(ones({2}, DType::fp64), a), b), c)).backward({.hook = &seen.hook});
  EXPECT_EQ(seen.order, (Order{2, 1, 0}));
  EXPECT_EQ(seen.gradients, (std::vector<double>{6, 10, 15}));
  seen.expect_final();
}

TEST(GradientHook, WaitsForEveryUse) {
  const Tensor shared = leaf_full_of(2), late = leaf_full_of(3), twice = leaf_full_of(4);
  Seen seen({shared, late, twice});
  Tensor x = mul(shared, 3.0);  // the first op: its gradient comes last
  x = mul(mul(x, late), shared);
  x = add(x, mul(twice, twice));  // two edges of one node
  sum(x).backward({.hook = &seen.hook});
  EXPECT_EQ(seen.order, (Order{2, 1, 0}));
  EXPECT_EQ(seen.gradients, (std::vector<double>{8, 12, 36}));
  seen.expect_final();
}

// One long branch and one short one: a leaf is told with its own branch, not with the longest.
TEST(GradientHook, BranchesEndOnTheirOwn) {
  const Tensor a = leaf_full_of(1), b = leaf_full_of(1), both = leaf_full_of(1);
  Seen seen({a, b, both});
  Tensor left = mul(both, a), right = mul(both, b);
  for (int i = 0; i < 5; ++i) right = mul(right, 2.0);
  sum(add(left, right)).backward({.hook = &seen.hook});
  EXPECT_EQ(seen.order, (Order{1, 2, 0}));
  EXPECT_EQ(seen.gradients, (std::vector<double>{32, 33, 1}));
  seen.expect_final();
}

struct Blocks {  // passes no gradient to its second input
  static constexpr auto name = "blocks";
  Shape shape(const Tensor& x, const Tensor&) const { return x.shape(); }
  void save(const Tensor&, const Tensor&, const Tensor&) {}
  void forward(Cpu, const Tensor& x, const Tensor&, Tensor& y) const { y.copy_(x); }
  Grads backward(const Tensor& dy, Need) const { return {dy, Tensor()}; }
};

// Leaves elsewhere, leaves whose branch passes no gradient, and leaves that the hook does not list.
TEST(GradientHook, LeavesWithoutAGradientFollowAtTheEnd) {
  const Tensor used = leaf_full_of(2), elsewhere = leaf_full_of(3), blocked = leaf_full_of(4),
               behind = leaf_full_of(5), unlisted = leaf_full_of(6);
  Seen seen({elsewhere, blocked, behind, used});
  elsewhere.set_grad(full({2}, 7, DType::fp64));
  const Tensor gate = apply(Blocks(), mul(used, unlisted), blocked);
  sum(apply(Blocks(), gate, mul(behind, used))).backward({.hook = &seen.hook});
  EXPECT_EQ(seen.order, (Order{1, 0, 2, 3})) << "blocked: its op ran; behind and used: an op never did";
  EXPECT_TRUE(std::isnan(seen.gradients[0]));
  EXPECT_EQ(seen.gradients[1], 7);
  EXPECT_TRUE(std::isnan(seen.gradients[2]));
  EXPECT_EQ(seen.gradients[3], 6);
  EXPECT_EQ(unlisted.grad().to_vector<double>()[0], 2);
  seen.expect_final();
}

TEST(GradientHook, AccumulatesUntilTheCallThatIsGivenIt) {
  const Tensor a = leaf_full_of(2), b = leaf_full_of(3);
  Seen seen({a, b});
  sum(mul(a, b)).backward();
  sum(mul(a, 10.0)).backward();
  EXPECT_TRUE(seen.order.empty());
  sum(mul(a, 100.0)).backward({.hook = &seen.hook});
  EXPECT_EQ(seen.order, (Order{0, 1}));
  EXPECT_EQ(seen.gradients, (std::vector<double>{113, 2}));
  seen.expect_final();
}

TEST(GradientHook, AKeptGraphCountsAnew) {
  const Tensor a = leaf_full_of(2), b = leaf_full_of(3);
  Seen seen({a, b});
  const Tensor loss = sum(mul(mul(a, a), b));
  loss.backward({.keep_graph = true, .hook = &seen.hook});
  loss.backward({.keep_graph = true});
  loss.backward({.hook = &seen.hook});
  EXPECT_EQ(seen.order, (Order{1, 0, 1, 0}));
  EXPECT_EQ(seen.gradients, (std::vector<double>{4, 12, 12, 36}));
}

TEST(GradientHook, TheLossMayItselfBeALeaf) {
  const Tensor a = full({}, 2, DType::fp64).requires_grad_(), b = leaf_full_of(1);
  std::vector<std::size_t> order;
  const GradientHook hook({b, a}, [&](std::size_t i, const Tensor&) { order.push_back(i); });
  a.backward({.hook = &hook});
  EXPECT_EQ(order, (Order{0, 1}));
  EXPECT_EQ(a.grad().item(), 1);
}

// Gradients of gradients: in the first walk what is told is on the tape, in the second one it ends there.
TEST(GradientHook, SeesDoubleBackward) {
  const Tensor a = leaf_full_of(3), b = leaf_full_of(2);
  std::vector<std::size_t> order;
  const GradientHook first({a, b}, [&](std::size_t i, const Tensor& t) {
    order.push_back(i);
    EXPECT_TRUE(grad_enabled());
    EXPECT_TRUE(t.grad().requires_grad());
  });
  sum(mul(mul(mul(a, a), a), b)).backward({.create_graph = true, .hook = &first});
  EXPECT_EQ(order, (Order{1, 0}));
  const Tensor slope = a.grad();  // 3 a^2 b
  a.zero_grad();
  b.zero_grad();
  Seen seen({a, b});
  sum(slope).backward({.hook = &seen.hook});
  EXPECT_EQ(a.grad().to_vector<double>()[0], 36);
  EXPECT_EQ(b.grad().to_vector<double>()[0], 27);
  seen.expect_final();
}

// The gradient may be changed and replaced: nothing is added to it afterwards.
TEST(GradientHook, MayChangeTheGradient) {
  const Tensor a = leaf_full_of(2), b = leaf_full_of(3);
  const GradientHook hook({a, b}, [](std::size_t i, const Tensor& t) {
    t.grad().mul_(10);
    if (i == 0) t.set_grad(t.grad().clone());
  });
  sum(mul(mul(a, a), b)).backward({.hook = &hook});
  EXPECT_EQ(a.grad().to_vector<double>()[0], 120);
  EXPECT_EQ(b.grad().to_vector<double>()[0], 40);
}

TEST(GradientHook, WhatItThrowsEndsTheWalk) {
  const std::string name = "layer1";
  const Tensor a = leaf_full_of(2), b = leaf_full_of(3);
  const std::int64_t nodes = live_nodes();
  {
    Tensor loss;
    {
      const PlaceScope place(name);
      loss = sum(mul(mul(a, a), b));
    }
    const GradientHook own({b}, [](std::size_t, const Tensor&) { fail<ValueError>("sum: rank 1 is gone"); });
    try {
      loss.backward({.keep_graph = true, .hook = &own});
      FAIL() << "the error was lost";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "sum: rank 1 is gone") << "the op is not to blame";
    }
    EXPECT_TRUE(b.grad().defined());
    EXPECT_FALSE(a.grad().defined());
    const GradientHook other({b}, [](std::size_t, const Tensor&) { throw std::runtime_error("elsewhere"); });
    EXPECT_THROW(loss.backward({.keep_graph = true, .hook = &other}), std::runtime_error);
    a.zero_grad();
    b.zero_grad();
    loss.backward();  // and nothing of the walks before is left in the graph
    EXPECT_EQ(a.grad().to_vector<double>()[0], 12);
    EXPECT_EQ(b.grad().to_vector<double>()[0], 4);
  }
  EXPECT_EQ(live_nodes(), nodes);
}

TEST(GradientHook, Messages) {
  const auto message = [](std::vector<Tensor> leaves) {
    try {
      GradientHook(std::move(leaves), [](std::size_t, const Tensor&) {});
    } catch (const AutogradError& error) {
      return std::string(error.what());
    }
    return std::string("nothing was thrown");
  };
  const Tensor a = leaf_full_of(1), b = leaf_full_of(1);
  EXPECT_EQ(message({a, ones({2})}),
            "gradient hook: tensor 1 is no leaf that wants a gradient; call requires_grad_() on it, or leave "
            "it out");
  EXPECT_EQ(message({mul(a, b)}),
            "gradient hook: tensor 0 is no leaf that wants a gradient; call requires_grad_() on it, or leave "
            "it out");
  EXPECT_EQ(message({b, a, b}), "gradient hook: leaves 0 and 2 are the same tensor; give it once");
}

// A walk with a hook gives the bits of one without.
TEST(GradientHook, ChangesNoBit) {
  std::vector<Tensor> leaves;
  for (std::uint64_t i = 0; i < 8; ++i) leaves.push_back(rand({3, 3}, 1, i).requires_grad_());
  const auto gradients = [&](const GradientHook* hook) {
    Tensor x = rand({3, 3}, 1, 9);
    for (int layer = 0; layer < 24; ++layer) {
      const Tensor& w = leaves[static_cast<std::size_t>(layer * 5 % 8)];
      x = add(tanh(matmul(x, w)), mul(x, w));
    }
    for (const Tensor& t : leaves) t.zero_grad();
    sum(mul(x, x)).backward({.hook = hook});
    std::vector<float> all;
    for (const Tensor& t : leaves) {
      for (const float g : t.grad().to_vector<float>()) all.push_back(g);
    }
    return all;
  };
  std::size_t told = 0;
  const GradientHook hook(leaves, [&](std::size_t, const Tensor&) { ++told; });
  EXPECT_EQ(gradients(&hook), gradients(nullptr));
  EXPECT_EQ(told, 8u);
}

// In a step that may be recorded: called in each eager step, here on the CPU in every one. On a device the
// sums that it launches are part of the recording, so replays make them too.
TEST(GradientHook, InACapturedStep) {
  for (const Device device : {cpu, cuda}) {
    if (device.is_cuda() && !cuda_available()) continue;
    const Tensor weight = full({3}, 2).to(device).detach().requires_grad_();
    const Tensor total = zeros({3}).to(device);
    int calls = 0;
    const GradientHook hook({weight}, [&](std::size_t, const Tensor& t) {
      ++calls;
      Tensor(total).add_(t.grad());
    });
    CapturedStep step([&](const std::vector<Tensor>& in) {
      const EnableGrad on;
      weight.zero_grad();
      const Tensor loss = sum(mul(in[0], weight));
      loss.backward({.hook = &hook});
      return loss;
    });
    for (int i = 1; i <= 6; ++i) step({full({3}, i).to(device)});
    EXPECT_EQ(total.to_vector<float>(), std::vector<float>(3, 21));
    EXPECT_EQ(calls, device.is_cpu() ? 6 : 4);
  }
}

}  // namespace
}  // namespace gadolin
