// Different nets on different threads: each gives the bits that it gives alone (docs/threads.md).
#include <gtest/gtest.h>

#include <thread>

#include "layers/loss.h"
#include "nets/registry.h"
#include "tensor/ops.h"
#include "tensor/random.h"

using namespace gadolin;

namespace {

struct Job {
  const char *model, *narrow;  // an option that makes it small
  std::uint64_t seed;
};

// Two training steps, then logits in evaluation mode.
std::vector<float> trained(const Job& job) {
  manual_seed(job.seed);
  const auto net = make_net(job.model, {{"num_classes", 3.0}, {"input_channels", 1.0}, {job.narrow, 8.0}});
  const Tensor x = randn({2, 1, 64, 64}), target = arange(2);
  for (int step = 0; step < 2; ++step) {
    net->train();
    cross_entropy((*net)(x), target).backward();
    const NoGrad guard;
    for (const Parameter& p : net->parameters()) {
      Tensor weight = p.tensor;
      weight.add_(weight.grad(), -0.01);
      weight.zero_grad();
    }
  }
  net->eval();
  const NoGrad guard;
  return (*net)(x).to_vector<float>();
}

TEST(Threads, NetsOnSeveralThreadsGiveTheBitsThatTheyGiveAlone) {
  const Job jobs[] = {{"resnet18", "width", 0},
                      {"densenet121", "growth_rate", 1},
                      {"resnet18", "width", 2},
                      {"resnet_v2_18", "width", 3}};
  constexpr std::size_t count = std::size(jobs);
  std::vector<float> alone[count], together[count];
  for (std::size_t i = 0; i < count; ++i) std::thread([&, i] { alone[i] = trained(jobs[i]); }).join();
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back([&, i] { together[i] = trained(jobs[i]); });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_EQ(alone[i].size(), 6u);
    EXPECT_EQ(alone[i], together[i]) << jobs[i].model << " on thread " << i;
  }
  EXPECT_NE(alone[0], alone[2]);  // other seeds, other nets
}

}  // namespace
