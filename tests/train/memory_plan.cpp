// The memory plan of whole training steps: close to what lives at once, and good for the next step.
#include "tensor/memory_plan.h"

#include <gtest/gtest.h>

#include <future>

#include "layers/loss.h"
#include "nets/registry.h"
#include "tensor/allocator.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/most_alive.h"
#include "train/optimizer.h"

namespace gadolin {
namespace {

struct Planned {
  std::vector<Lifetime> lives;
  CachingAllocator::PoolPlan pool;
  std::vector<double> losses;
};

// Three warm-up steps, the last one traced, and two more, with or without an arena.
Planned planned_steps(const std::string& model, const NetOptions& options, const Shape& input, DType compute,
                      bool arena) {
  return std::async(
             std::launch::async,
             [&] {  // a thread's libraries keep nothing of other tests
               Planned result;
               CachingAllocator& memory = allocator(cpu);
               manual_seed(4);
               const auto net = make_net(model, options);
               OptimizerOptions rule = optimizer_options("adamw");
               Optimizer optimizer(net->parameters(), rule);
               const Tensor x = rand(input).contiguous(MemoryFormat::channels_last),
                            labels = zeros({input[0]}, DType::int64);
               const auto step = [&] {
                 Tensor loss;
                 {
                   const ComputeScope scope(compute);
                   loss = cross_entropy((*net)(x), labels);
                 }
                 loss.backward();
                 optimizer.step();
                 optimizer.zero_grad();  // last, as in the Trainer: gradients are let go within the step
                 return loss.detach();
               };
               LifetimeTrace trace;
               for (int i = 0; i < 3; ++i) {
                 if (i == 2)
                   memory.watch([&trace](std::int64_t bytes, const void* data) { trace(bytes, data); });
                 result.losses.push_back(step().item());
               }
               memory.watch({});
               result.lives = trace.lifetimes();
               for (Lifetime& l : result.lives) l.bytes = CachingAllocator::rounded(l.bytes);
               const int pool = arena ? memory.new_pool() : 0;
               if (arena) memory.plan_pool(pool, result.lives);
               {
                 const PoolScope scope(cpu, pool);
                 result.losses.push_back(step().item());
               }
               if (arena) result.pool = memory.pool_plan(pool);
               result.losses.push_back(step().item());
               if (arena) memory.drop_pool(pool);
               return result;
             })
      .get();
}

struct PlannedModel {
  const char* model;
  Shape input;
  DType compute;
};
class PlanOf : public testing::TestWithParam<PlannedModel> {};

TEST_P(PlanOf, IsCloseToWhatLivesAtOnceAndServesTheNextStep) {
  const PlannedModel c = GetParam();
  const NetOptions options{{"num_classes", 10.0}};
  const Planned with = planned_steps(c.model, options, c.input, c.compute, true);
  const std::int64_t least = test::most_alive(with.lives), got = plan_memory(with.lives).bytes;
  std::int64_t sum = 0;
  for (const Lifetime& l : with.lives) sum += l.bytes;
  const double ratio = static_cast<double>(got) / static_cast<double>(least);
  RecordProperty("requests", std::to_string(with.lives.size()));
  RecordProperty("ratio", std::to_string(ratio));
  std::printf("%s %s: %zu requests, %.1f MB in all, %.1f MB at once, arena %.1f MB, %.4f of the least\n",
              c.model, name_of(c.compute), with.lives.size(), static_cast<double>(sum) / 1e6,
              static_cast<double>(least) / 1e6, static_cast<double>(got) / 1e6, ratio);
  EXPECT_TRUE(ratio >= 1 && ratio <= 1.10) << ratio;
  EXPECT_EQ(with.pool.arena_bytes, got);
  EXPECT_EQ(with.pool.missed, 0);
  EXPECT_EQ(with.losses, planned_steps(c.model, options, c.input, c.compute, false).losses);
}

INSTANTIATE_TEST_SUITE_P(Nets, PlanOf,
                         testing::Values(PlannedModel{"resnet18", {8, 3, 96, 96}, DType::fp32},
                                         PlannedModel{"resnet50", {4, 3, 64, 64}, DType::fp32},
                                         PlannedModel{"resnet50", {2, 3, 64, 64}, DType::bf16},
                                         PlannedModel{"densenet121", {2, 3, 64, 64}, DType::fp32}),
                         [](const auto& c) {
                           return std::string(c.param.model) + "_" + name_of(c.param.compute);
                         });

}  // namespace
}  // namespace gadolin
