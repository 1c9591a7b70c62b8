// Averages of gradients over ranks: equal to one process with all the data, the same bits on all ranks,
// whatever the order of buckets; norm, clipping and overflow see the sum.
#include "train/gradient_sum.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "layers/linear.h"
#include "layers/loss.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/distance.h"
#include "tests/scratch.h"
#include "tests/train/thread_communicator.h"
#include "train/optimizer.h"

namespace gadolin {
namespace {

using test::message_of;
using test::Ranks;
using test::Rows;

Sequential small_net() {
  manual_seed(5);
  return Sequential(Linear(6, 12), Tanh(), Linear(12, 9), Tanh(), Linear(9, 3));
}
// Rows first to last of a batch of eight.
Tensor inputs(int step, std::int64_t first, std::int64_t last) {
  return rand({8, 6}, 3, static_cast<std::uint64_t>(step)).slice(0, first, last).contiguous();
}
Tensor labels(std::int64_t first, std::int64_t last) {
  return tensor({0, 1, 2, 0, 1, 2, 0, 1}, {8}, DType::int64).slice(0, first, last).contiguous();
}
Rows values(const std::vector<Parameter>& parameters) {
  Rows all;
  for (const Parameter& p : parameters) all.push_back(p.tensor.to_vector<double>());
  return all;
}
void expect_near(const Rows& a, const Rows& b, double limit, const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < a[i].size(); ++j) {
      if (!(std::abs(a[i][j] - b[i][j]) <= limit))
        FAIL() << what << ": tensor " << i << ", element " << j << ": " << a[i][j] << " and " << b[i][j];
    }
  }
}

struct Trained {
  Rows weights, state;
  double norm = 0;
};
// Six steps on this rank's share of each batch, in two micro-batches.
Trained train_on_share(Communicator& c, OptimizerOptions options, DType compute, bool hooked) {
  Sequential net = small_net();
  Optimizer optimizer(net.parameters(), options);
  optimizer.average_over(c);
  EXPECT_EQ(optimizer.gradient_hook() == nullptr, c.alone());
  const std::int64_t share = 8 / c.size(), half = share / 2;
  for (int step = 0; step < 6; ++step) {
    optimizer.zero_grad();
    for (int part = 0; part < 2; ++part) {
      const std::int64_t first = c.rank() * share + part * half;
      const ComputeScope scope(compute);
      const Tensor loss =
          mul(cross_entropy(net(inputs(step, first, first + half)), labels(first, first + half)), 0.5);
      loss.backward({.hook = hooked && part == 1 ? optimizer.gradient_hook() : nullptr});
    }
    optimizer.step();
  }
  return {values(net.parameters()), values(optimizer.state()), optimizer.gradient_norm()};
}

TEST(GradientSum, RanksTogetherAreOneProcess) {
  for (const char* rule : {"momentum", "adamw"}) {
    for (const double clip : {0.0, 0.05, -0.02}) {  // below 0: of each parameter
      OptimizerOptions options = optimizer_options(rule);
      (clip < 0 ? options.clip_each_norm : options.clip_norm) = std::abs(clip);
      options.lr = 0.05;
      const std::string what = cat(rule, ", clipped at ", clip);
      const Trained whole = train_on_share(no_communicator(), options, DType::fp32, false);
      for (const bool hooked : {false, true}) {
        std::vector<Trained> ranks(2);
        Ranks::run(2, [&](Communicator& c) {
          ranks[static_cast<std::size_t>(c.rank())] = train_on_share(c, options, DType::fp32, hooked);
        });
        EXPECT_EQ(ranks[0].weights, ranks[1].weights) << what;
        EXPECT_EQ(ranks[0].state, ranks[1].state) << what;
        expect_near(ranks[0].weights, whole.weights, 2e-6, what);
        EXPECT_NEAR(ranks[0].norm, whole.norm, 1e-5 * whole.norm) << what;
        if (clip > 0) {
          EXPECT_GT(whole.norm, clip) << "nothing was clipped";
        }
      }
    }
  }
}

// First gradients are then 16 bits wide; their sum is not.
TEST(GradientSum, GradientsOf16BitsAreSummedIn32) {
  const OptimizerOptions options = optimizer_options("momentum");
  const Trained whole = train_on_share(no_communicator(), options, DType::bf16, false);
  std::vector<Trained> ranks(4);
  Ranks::run(4, [&](Communicator& c) {
    ranks[static_cast<std::size_t>(c.rank())] = train_on_share(c, options, DType::bf16, true);
  });
  for (const Trained& rank : ranks) EXPECT_EQ(rank.weights, ranks[0].weights);
  expect_near(ranks[0].weights, whole.weights, 0.02, "bf16");
}

// The hook's order differs from rank to rank, the order of sums must not; Ranks refuses other calls.
TEST(GradientSum, BucketsGoInOneOrder) {
  for (const std::int64_t bytes : {1, 40, 1 << 20}) {
    std::vector<Rows> sums(2);
    Ranks::run(2, [&](Communicator& c) {
      std::vector<Parameter> leaves;
      for (int i = 0; i < 7; ++i) leaves.push_back({cat("w", i), full({i + 1}, i + 1).requires_grad_()});
      GradientSum sum_over(c, leaves, {.bucket_bytes = bytes});
      for (int step = 0; step < 3; ++step) {
        Tensor loss = zeros({});
        for (int k = 0; k < 7; ++k) {
          const int i = c.first() ? k : 6 - k;  // the order of ops, and with it of gradients
          const Tensor& w = leaves[static_cast<std::size_t>(i)].tensor;
          loss = add(loss, sum(mul(w, 1.0 + c.rank() + step)));
        }
        for (const Parameter& p : leaves) p.tensor.zero_grad();
        sum_over.forget();
        loss.backward({.hook = &sum_over.hook()});
        sum_over.finish();
        for (const Parameter& p : leaves) {
          const std::size_t n = static_cast<std::size_t>(p.tensor.numel());
          EXPECT_EQ(p.tensor.grad().to_vector<double>(), std::vector<double>(n, 1.5 + step)) << p.name;
          EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p.tensor.grad().raw()) % 32, 0u);
        }
        sum_over.finish();  // once more: the mean of equal numbers
        for (const Parameter& p : leaves)
          sums[static_cast<std::size_t>(c.rank())].push_back(p.tensor.grad().to_vector<double>());
      }
    });
    EXPECT_EQ(sums[0], sums[1]);
  }
}

// Memory formats stay: a gradient lies as its parameter does.
TEST(GradientSum, KeepsTheOrderOfElements) {
  Ranks::run(2, [](Communicator& c) {
    const Tensor w = rand({2, 3, 4, 5}, 1, 1).contiguous(MemoryFormat::channels_last).requires_grad_();
    const Tensor g = rand({2, 3, 4, 5}, 2, static_cast<std::uint64_t>(c.rank()));
    GradientSum over(c, {{"w", w}});
    w.set_grad(g.clone());
    over.finish();
    EXPECT_EQ(w.grad().strides(), w.strides());
    const std::vector<float> a = rand({2, 3, 4, 5}, 2, 0).to_vector<float>(),
                             b = rand({2, 3, 4, 5}, 2, 1).to_vector<float>(),
                             mean = w.grad().to_vector<float>();
    for (std::size_t i = 0; i < mean.size(); ++i) EXPECT_EQ(mean[i], (a[i] + b[i]) * 0.5f);
  });
}

TEST(GradientSum, PartsThatARankDidNotUse) {
  Ranks::run(2, [](Communicator& c) {
    const Tensor both = ones({2}).requires_grad_(), one = ones({2}).requires_grad_(),
                 none = ones({2}).requires_grad_();
    Optimizer optimizer({{"both", both}, {"one", one}, {"none", none}}, {.lr = 1, .weight_decay = 0.5});
    optimizer.average_over(c);
    for (int step = 0; step < 2; ++step) {
      optimizer.zero_grad();
      const Tensor loss = sum(c.first() && step == 0 ? mul(both, one) : both);
      loss.backward({.hook = optimizer.gradient_hook()});
      optimizer.step();
    }
    EXPECT_EQ(both.to_vector<float>(), (std::vector<float>{-1.25, -1.25}));
    EXPECT_EQ(one.to_vector<float>(), (std::vector<float>{0, 0})) << "half the gradient, then none but decay";
    EXPECT_EQ(none.to_vector<float>(), (std::vector<float>{1, 1})) << "not even decayed, as in one process";
    EXPECT_FALSE(none.grad().defined());
    optimizer.zero_grad();
    if (!c.first()) sum(mul(both, none)).backward();  // one rank begins to use it
    optimizer.step();
    EXPECT_EQ(none.to_vector<float>(), (std::vector<float>{1.125, 1.125})) << "1 - (-1.25 / 2 + 0.5)";
  });
}

// Half the bytes: each rank's numbers are rounded to 8 bits, their sum once.
TEST(GradientSum, InBf16) {
  Ranks::run(2, [](Communicator& c) {
    const Tensor w = zeros({100}).requires_grad_(), g = rand({100}, 2, static_cast<std::uint64_t>(c.rank()));
    GradientSum over(c, {{"w", w}}, {.dtype = DType::bf16});
    w.set_grad(g.clone());
    over.finish();
    const std::vector<float> a = rand({100}, 2, 0).to_vector<float>(),
                             b = rand({100}, 2, 1).to_vector<float>(), mean = w.grad().to_vector<float>();
    EXPECT_EQ(w.grad().dtype(), DType::fp32);
    for (std::size_t i = 0; i < mean.size(); ++i)
      EXPECT_NEAR(mean[i], (a[i] + b[i]) / 2, (a[i] + b[i]) / 256);
  });
}

TEST(GradientSum, Messages) {
  const std::vector<Parameter> leaves{{"w", ones({1}).requires_grad_()}};
  EXPECT_EQ(message_of<UsageError>([&] { GradientSum(no_communicator(), leaves, {.bucket_bytes = 0}); }),
            "gradient sum: buckets of 0 bytes hold nothing; use 25 MB");
  EXPECT_EQ(message_of<UsageError>([&] { GradientSum(no_communicator(), leaves, {.dtype = DType::fp16}); }),
            "gradient sum: gradients are not sent as fp16; use fp32 or bf16");
}

// One rank alone sees an infinity; both leave everything as it was and halve their scale.
TEST(GradientSum, AnOverflowOnOneRankSkipsOnAll) {
  std::vector<Rows> ends(2);
  Ranks::run(2, [&](Communicator& c) {
    Sequential net = small_net();
    Optimizer optimizer(net.parameters(), optimizer_options("adam"), {8, 2, 0.5, 100});
    optimizer.average_over(c);
    const auto step = [&](double factor) {
      optimizer.zero_grad();
      const Tensor loss = mean(mul(net(inputs(1, 4 * c.rank(), 4 * c.rank() + 4)), factor));
      loss.backward(optimizer.loss_seed(loss.dtype()), {.hook = optimizer.gradient_hook()});
      optimizer.step();
    };
    step(1);
    const Rows before = values(net.parameters());
    const auto moments = [&] {
      Rows all = values(optimizer.state());
      all.erase(all.begin());  // the control block
      return all;
    };
    const Rows moments_before = moments();
    step(c.first() ? 1 : std::numeric_limits<double>::infinity());
    EXPECT_TRUE(optimizer.last_step_skipped()) << "rank " << c.rank();
    EXPECT_EQ(optimizer.loss_scale(), 4);
    EXPECT_EQ(values(net.parameters()), before);
    EXPECT_EQ(moments(), moments_before);
    step(1);
    EXPECT_EQ(optimizer.steps(), 2);
    EXPECT_NE(values(net.parameters()), before);
    ends[static_cast<std::size_t>(c.rank())] = values(net.parameters());
  });
  EXPECT_EQ(ends[0], ends[1]);
}

}  // namespace
}  // namespace gadolin
