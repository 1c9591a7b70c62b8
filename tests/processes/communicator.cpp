// The communicator by MPI: its calls, the order of its sums, and what happens when a rank does not come.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <thread>

#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "tests/processes/ranks.h"
#include "tests/scratch.h"
#include "train/processes/sum_parts.h"

namespace gadolin {
namespace {

using test::AddScenario;
using test::message_of;
using test::run_ranks;

TEST(MpiSums, AreOfTheRanksInTheirOrderAndRoundedOnce) {
  const std::vector<float> a(3000, 1e8f), b(3000, 1), c(3000, -1e8f);
  std::vector<float> sum(3000);
  detail::sum_parts(sum.data(), {a.data(), b.data(), c.data()}, 3000);
  EXPECT_EQ(sum, std::vector<float>(3000, 0)) << "1e8 + 1 is 1e8";
  detail::sum_parts(sum.data(), {a.data(), c.data(), b.data()}, 3000);
  EXPECT_EQ(sum, std::vector<float>(3000, 1));
  const bfloat16 large(256), small(0.75f);
  bfloat16 total;
  detail::sum_parts<bfloat16>(&total, {&large, &small, &small}, 1);
  EXPECT_EQ(static_cast<float>(total), 258) << "257.5 once, not 256 twice";
}

// Numbers of rank r that no order of sums leaves alone.
Tensor numbers(int rank, std::int64_t n, DType dtype) {
  return mul(add(rand({n}, 7, static_cast<std::uint64_t>(rank), DType::fp64), -0.5), 1000.0).to(dtype);
}

const AddScenario calls("calls", [](Processes& c, const std::vector<std::string>&) {
  for (const DType dtype : {DType::fp32, DType::fp64, DType::bf16, DType::fp16, DType::int64}) {
    for (const std::int64_t n : {1, 7, 4096, 100001}) {
      const Tensor t = numbers(c.rank(), n, dtype);
      Tensor want =
          numbers(0, n, dtype).to(dtype == DType::bf16 || dtype == DType::fp16 ? DType::fp32 : dtype);
      for (int rank = 1; rank < c.size(); ++rank) want = add(want, numbers(rank, n, dtype).to(want.dtype()));
      c.sum(t);
      EXPECT_EQ(t.to_vector<double>(), want.to(dtype).to_vector<double>()) << name_of(dtype) << " " << n;
    }
  }
  // Several at a time, while this thread does something else.
  std::vector<Tensor> begun;
  for (std::int64_t n = 1; n < 40000; n = 3 * n + 1) {
    begun.push_back(numbers(c.rank(), n, DType::fp32));
    c.begin_sum(begun.back());
  }
  c.finish_sums();
  for (const Tensor& t : begun) {
    const Tensor again = numbers(c.rank(), t.numel(), DType::fp32);
    c.sum(again);
    EXPECT_EQ(t.to_vector<float>(), again.to_vector<float>()) << "the same bits";
  }
  const Tensor t = numbers(c.rank(), 5000, DType::fp32);
  c.broadcast(t);
  EXPECT_EQ(t.to_vector<float>(), numbers(0, 5000, DType::fp32).to_vector<float>());
  const auto all = c.gather(std::string(static_cast<std::size_t>(c.rank()) * 30000, 'x'));
  if (c.first()) {
    ASSERT_EQ(std::ssize(all), c.size());
    for (std::size_t rank = 0; rank < all.size(); ++rank) EXPECT_EQ(all[rank].size(), rank * 30000);
  }
  EXPECT_EQ(c.broadcast(std::string(c.first() ? "zero" : "")), "zero");
  EXPECT_EQ(c.sum(1.0), c.size());
  EXPECT_EQ(c.on_this_machine(), c.size());
  c.barrier();
  EXPECT_GT(c.seconds_waited(), 0);
  require_same(c, "data", "one\ntwo", "give all the same files");
  EXPECT_EQ(
      message_of<ProcessError>([&] {
        require_same(c, "data", cat("one\n", c.rank() == 1 ? "three" : "two"), "give all the same files");
      }),
      cat(c.first() ? "" : "rank 0: ", "rank 1 has other data: three, rank 0 two; give all the same files"));
});

TEST(MpiCommunicator, CallsGiveTheSameOnAnyNumberOfRanks) {
  NEEDS_MPI();
  for (const int size : {2, 3, 4, 5}) {
    const auto run = run_ranks(size, "calls");
    EXPECT_EQ(run.code, 0) << run.text;
  }
}

const AddScenario sleeps("sleeps", [](Processes& c, const std::vector<std::string>&) {
  c.barrier();
  c.doing(cat("step ", 7 + c.rank()));
  if (c.rank() == 2) std::this_thread::sleep_for(std::chrono::seconds(30));
  c.sum(1.0);
});

// Complaint H3: a stall names the rank and what it last did, within a limit by option.
TEST(MpiCommunicator, H3ARankThatHangsIsNamed) {
  NEEDS_MPI();
  const auto begun = std::chrono::steady_clock::now();
  const auto run = run_ranks(4, "sleeps", {}, {"PATIENCE=1.5"});
  EXPECT_NE(run.code, 0);
  EXPECT_NE(run.text.find(
                "said by rank 0: processes: rank 2 has not come to the sum of fp64 [1] in 1.5 s: it is at "
                "step 9; look at what it does, or give it longer with --patience"),
            std::string::npos)
      << run.text;
  EXPECT_EQ(run.text.find("said by rank 1"), std::string::npos) << "once is enough\n" << run.text;
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
}

const AddScenario stands_still("stands still", [](Processes& c, const std::vector<std::string>&) {
  c.barrier();
  if (c.rank() == 1) std::raise(SIGSTOP);
  c.gather("x");
});

TEST(MpiCommunicator, ARankThatDoesNotAnswerIsNamed) {
  NEEDS_MPI();
  const auto run = run_ranks(2, "stands still", {}, {"PATIENCE=1.5"});
  EXPECT_NE(run.code, 0);
  EXPECT_NE(
      run.text.find("processes: rank 1 has not come to the gathering in 1.5 s: it does not answer; look at "
                    "what it does, or give it longer with --patience"),
      std::string::npos)
      << run.text;
}

const AddScenario fails("fails", [](Processes& c, const std::vector<std::string>& args) {
  c.barrier();
  if (args[0] == "all" || c.rank() == 1) fail<ValueError>("the way is blocked");
  c.sum(1.0);
});

TEST(MpiCommunicator, WhatOneRankThrowsEndsAllAndIsSaidOnce) {
  NEEDS_MPI();
  for (const char* who : {"one", "all"}) {
    const auto run = run_ranks(3, "fails", {who});
    EXPECT_NE(run.code, 0);
    const std::string want = cat("said by rank ", std::string(who) == "all" ? 0 : 1, ": the way is blocked");
    EXPECT_NE(run.text.find(want), std::string::npos) << run.text;
    std::size_t said = 0;
    for (std::size_t at = 0; (at = run.text.find("said by", at)) != std::string::npos; ++at) ++said;
    EXPECT_EQ(said, 1u) << run.text;
  }
}

TEST(MpiCommunicator, TheStarterIsKnownByItsVariables) {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) unsetenv(name);
  EXPECT_EQ(started_with().processes, 1);
  setenv("SLURM_NTASKS", "4", 1);  // of a batch script: no step of srun
  setenv("SLURM_PROCID", "3", 1);
  EXPECT_EQ(started_with().processes, 1);
  setenv("SLURM_STEP_NUM_TASKS", "4", 1);
  EXPECT_EQ(started_with().processes, 4);
  EXPECT_EQ(started_with().rank, 3);
  EXPECT_STREQ(started_with().by, "srun");
  for (const char* name : {"SLURM_NTASKS", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}) unsetenv(name);
}

// srun without its plugin: each process is alone, as MPI sees it.
TEST(MpiCommunicator, AnotherNumberThanWasStarted) {
  NEEDS_MPI();
  const auto run = run_ranks(1, "calls", {}, {"SLURM_STEP_NUM_TASKS=4", "SLURM_PROCID=0"});
  EXPECT_NE(run.code, 0);
  EXPECT_NE(
      run.text.find("processes: srun started 4 of them, but MPI sees 1; start them with gadolin launch, with "
                    "the mpirun of this MPI (" +
                    mpi_library() + "), or with srun --mpi=pmix"),
      std::string::npos)
      << run.text;
}

}  // namespace
}  // namespace gadolin
