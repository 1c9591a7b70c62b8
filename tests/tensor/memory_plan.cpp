// Memory plans: no two blocks that live together share bytes, few bytes are lost, and an allocator serves a
// step from one.
#include "tensor/memory_plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tensor/allocator.h"
#include "tensor/autograd.h"
#include "tensor/check.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/most_alive.h"

namespace gadolin {
namespace {

// "" or the first two blocks that share bytes while both live.
std::string clash(const std::vector<Lifetime>& lives, const MemoryPlan& plan) {
  for (std::size_t i = 0; i < lives.size(); ++i) {
    if (plan.sizes[i] != lives[i].bytes || plan.offsets[i] < 0 ||
        plan.offsets[i] + plan.sizes[i] > plan.bytes)
      return cat("block ", i);
    for (std::size_t j = 0; j < i; ++j) {
      const bool always = lives[i].end == endless || lives[j].end == endless;
      const bool together = always || (lives[i].begin < lives[j].end && lives[j].begin < lives[i].end);
      const bool share = plan.offsets[i] < plan.offsets[j] + plan.sizes[j] &&
                         plan.offsets[j] < plan.offsets[i] + plan.sizes[i];
      if (together && share) return cat("blocks ", i, " and ", j);
    }
  }
  return "";
}

TEST(MemoryPlan, BlocksThatLiveTogetherShareNoBytes) {
  for (std::uint64_t round = 0; round < 200; ++round) {
    RandomStream random(7, stream_id(1, round));
    std::vector<Lifetime> lives;
    std::int64_t sum = 0;
    const auto count = static_cast<std::int64_t>(random.below(120));
    for (std::int64_t i = 0; i < count; ++i) {
      const auto begin = static_cast<std::int64_t>(random.below(200)),
                 length = 1 + static_cast<std::int64_t>(random.below(60));
      lives.push_back({512 * (1 + static_cast<std::int64_t>(random.below(1000))), begin,
                       random.chance(0.05F) ? endless : begin + length});
      sum += lives.back().bytes;
    }
    const MemoryPlan plan = plan_memory(lives);
    ASSERT_EQ(clash(lives, plan), "") << "round " << round;
    ASSERT_LE(plan.bytes, sum);
    ASSERT_GE(plan.bytes, test::most_alive(lives));
  }
  EXPECT_EQ(plan_memory({}).bytes, 0);
}

TEST(MemoryPlan, AChainNeedsTwoBlocks) {
  std::vector<Lifetime> lives;
  for (std::int64_t i = 0; i < 20; ++i) lives.push_back({1024, i, i + 2});
  EXPECT_EQ(test::most_alive(lives), 2048);
  EXPECT_EQ(plan_memory(lives).bytes, 2048);
  lives.push_back({512, 19, endless});
  EXPECT_EQ(plan_memory(lives).bytes, 2560)
      << "what stays shares with nothing, also not with what was freed before";
}

TEST(MemoryPlan, TracesKnowWhichBlockComesBack) {
  int a = 0, b = 0;
  LifetimeTrace trace;
  trace(-5, &b);  // was there before
  trace(10, &a);
  trace(20, &b);
  trace(-10, &a);
  trace(30, &a);
  const auto& lives = trace.lifetimes();
  ASSERT_EQ(lives.size(), 3u);
  EXPECT_EQ(lives[0].begin, 1);
  EXPECT_EQ(lives[0].end, 3);
  EXPECT_EQ(lives[1].end, endless);
  EXPECT_EQ(lives[2].bytes, 30);
  EXPECT_EQ(lives[2].begin, 4);
}

TEST(MemoryPlan, OtherRequestsThanPlannedAreServedOnlyWhereItIsSafe) {
  PlannedBlocks blocks({{512, 1024, 512, 2048}, {0, 512, 0, 2048}, 4096});
  EXPECT_EQ(blocks.take(512), 0);
  EXPECT_EQ(blocks.take(4096), -1) << "not planned";
  EXPECT_EQ(blocks.take(1024), 512);
  EXPECT_EQ(blocks.take(512), -1) << "its bytes are in use";
  blocks.give_back(0);
  EXPECT_EQ(blocks.take(512), 0);
  EXPECT_EQ(blocks.take(2048), 2048);
  EXPECT_EQ(blocks.take(512), -1) << "the plan has ended";
  EXPECT_EQ(blocks.missed(), 3);
  PlannedBlocks shorter({{512, 1024, 2048}, {0, 512, 2048}, 4096});
  EXPECT_EQ(shorter.take(2048), 2048) << "a step that left something out is followed";
  EXPECT_FALSE(shorter.empty());
  shorter.give_back(2048);
  EXPECT_TRUE(shorter.empty());
}

// --- an allocator with a plan ------------------------------------------------------------------------------

std::int64_t taken = 0, limit = 0;  // bytes that the source below has given out; calls that it still grants

MemorySource counted() {
  return {"test",
          [](std::size_t bytes) -> void* {
            if (limit-- <= 0) return nullptr;
            taken += static_cast<std::int64_t>(bytes);
            return std::aligned_alloc(512, bytes);
          },
          [](void* data, std::size_t bytes) {
            taken -= static_cast<std::int64_t>(bytes);
            std::free(data);
          },
          [](void* data, int byte, std::size_t bytes) { std::memset(data, byte, bytes); },
          [](void* host, const void* data, std::size_t bytes) { std::memcpy(host, data, bytes); }};
}

struct Tracing {
  Tracing(CachingAllocator& watched, LifetimeTrace& trace) : memory(watched) {
    memory.watch([&trace](std::int64_t bytes, const void* data) { trace(bytes, data); });
  }
  ~Tracing() { memory.watch({}); }
  CachingAllocator& memory;
};

TEST(PlannedPool, TheArenaOutlivesItsPoolUntilItsLastBlockIsFreed) {
  limit = 1000;
  CachingAllocator& a = allocator(cpu);  // PoolScope knows devices only
  const std::int64_t before = a.stats().allocated;
  const int pool = a.new_pool();
  a.plan_pool(pool, {{3 << 20, 0, 2}, {1000, 1, endless}});
  EXPECT_EQ(a.pool_plan(pool).arena_bytes, (3 << 20) + 1024);
  EXPECT_EQ(a.stats().allocated - before, (3 << 20) + 1024) << "the arena is in use whatever lies in it";
  void* kept = nullptr;
  {
    const PoolScope scope(cpu, pool);
    void* big = a.allocate(3 << 20);
    kept = a.allocate(1000);
    a.free(big);
    EXPECT_EQ(a.pool_plan(pool).missed, 0);
  }
  a.drop_pool(pool);
  std::memset(kept, 1, 1000);
  EXPECT_EQ(a.stats().allocated - before, (3 << 20) + 1024);
  a.free(kept);
  EXPECT_EQ(a.stats().allocated, before);
  EXPECT_EQ(a.pool_plan(pool).arena_bytes, 0);
}

TEST(PlannedPool, WhatARecordingMayStillUseIsNotGivenBack) {
  limit = 1000;
  taken = 0;
  CachingAllocator a(counted());
  const int pool = a.new_pool();
  a.plan_pool(pool, {{30 << 20, 0, 1}});
  a.free(a.allocate(50 << 20));
  a.release_cached();
  EXPECT_EQ(taken, 30 << 20) << "the arena stays, the cache goes";
  limit = 0;
  EXPECT_THROW(a.plan_pool(a.new_pool(), {{40 << 20, 0, 1}}), OutOfMemory);
  EXPECT_EQ(a.stats().allocated, 30 << 20);
  a.drop_pool(pool);
  a.release_cached();
  EXPECT_EQ(taken, 0);
}

// A few ops with a tape; `extra` asks for one block more in the middle.
Tensor small_step(const Tensor& x, Tensor& weight, bool extra) {
  const EnableGrad on;
  Tensor hidden = relu(matmul(x, weight));
  Tensor more = extra ? mul(hidden.detach(), 3.0) : Tensor();
  const Tensor loss = mean(mul(hidden, hidden));
  weight.zero_grad();
  loss.backward();
  const NoGrad off;
  weight.add_(weight.grad(), -0.1);
  return extra ? mean(more).add_(loss.detach()) : loss.detach();
}

std::vector<double> run_steps(bool planned, bool guarded, bool extra, CachingAllocator::PoolPlan* report) {
  CachingAllocator& memory = allocator(cpu);
  memory.guard(guarded);
  manual_seed(3);
  const Tensor x = rand({64, 96});
  Tensor weight = rand({96, 32}).requires_grad_();
  std::vector<double> results;
  LifetimeTrace trace;
  for (int i = 0; i < 2; ++i) {
    const Tracing tracing(memory, trace = {});
    results.push_back(small_step(x, weight, false).item());
  }
  const int pool = planned ? memory.new_pool() : 0;
  if (planned) memory.plan_pool(pool, trace.lifetimes());
  {
    const PoolScope scope(cpu, pool);
    Tensor last = small_step(x, weight, extra);
    results.push_back(last.item());
  }
  if (planned) *report = memory.pool_plan(pool);
  for (const double v : weight.to_vector<double>()) results.push_back(v);
  if (planned) memory.drop_pool(pool);
  for (const double v : weight.grad().to_vector<double>()) results.push_back(v);  // still in the arena
  memory.check_guards();
  memory.guard(false);
  return results;
}

TEST(PlannedPool, ASecondStepIsServedFromTheArenaAndGivesTheSame) {
  for (const bool guarded : {false, true}) {
    for (const bool extra : {false, true}) {
      CachingAllocator::PoolPlan plan;
      const std::vector<double> got = run_steps(true, guarded, extra, &plan),
                                want = run_steps(false, guarded, extra, &plan);
      EXPECT_EQ(got, want) << "guarded " << guarded << ", deviating " << extra;
      EXPECT_TRUE(std::isfinite(got[2]));
      EXPECT_GT(plan.arena_bytes, 0);
      EXPECT_EQ(plan.missed > 0, extra) << plan.missed;
    }
  }
}

}  // namespace
}  // namespace gadolin
