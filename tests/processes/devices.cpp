// Sums of tensors on GPUs over processes, each with a GPU of its own: by NCCL, beside other work, within
// recorded steps, and through the host where NCCL cannot; and ranks that do not come.
#include <chrono>
#include <cmath>
#include <csignal>
#include <thread>

#include "tensor/autograd.h"
#include "tensor/capture.h"
#include "tensor/ops.h"
#include "tests/processes/ranks.h"
#include "tests/scratch.h"
#include "train/gradient_sum.h"
#include "train/processes/gpu_sums.h"

namespace gadolin {
namespace {

using test::AddScenario;
using test::run_ranks;

Device own_gpu(const Processes& c) {
  return {Device::Kind::cuda, c.rank_on_this_machine() % cuda_device_count()};
}

// Numbers of rank r that no order of sums leaves alone.
Tensor own_numbers(int rank, std::int64_t n, DType dtype) {
  return mul(add(rand({n}, 7, static_cast<std::uint64_t>(rank), DType::fp64), -0.5), 1000.0).to(dtype);
}

double tolerance(DType dtype) {
  switch (dtype) {
    case DType::fp32: return 1e-6;
    case DType::fp64: return 1e-14;
    case DType::bf16: return 0.01;
    case DType::fp16: return 0.002;
    default: return 0;
  }
}

// The sum over all, on a rank that has it; and the same bits on all.
void expect_sum(Processes& c, const Tensor& got, DType dtype, std::int64_t n, const std::string& what) {
  std::vector<double> want(static_cast<std::size_t>(n)), size(want.size());
  for (int rank = 0; rank < c.size(); ++rank) {
    const std::vector<double> part = own_numbers(rank, n, dtype).to_vector<double>();
    for (std::size_t i = 0; i < want.size(); ++i) want[i] += part[i], size[i] += std::abs(part[i]);
  }
  const std::vector<double> have = got.to_vector<double>();
  int wrong = 0;
  for (std::size_t i = 0; i < want.size(); ++i)
    wrong += std::abs(have[i] - want[i]) > tolerance(dtype) * size[i];
  EXPECT_EQ(wrong, 0) << what << " " << name_of(dtype) << " " << n;
  const Tensor host = got.to(cpu);
  require_same(c, what,
               std::string(static_cast<const char*>(host.raw()), static_cast<std::size_t>(host.nbytes())),
               "sum in one order");
}

void sum_on(Processes& c, Device gpu) {
  const NoGrad guard;
  for (const DType dtype : {DType::fp32, DType::fp64, DType::bf16, DType::fp16, DType::int64}) {
    for (const std::int64_t n : {1, 3001}) {
      const Tensor t = own_numbers(c.rank(), n, dtype).to(gpu);
      c.sum(t);
      expect_sum(c, t, dtype, n, "sum");
      std::vector<Tensor> begun;
      for (int i = 0; i < 3; ++i) {
        begun.push_back(own_numbers(c.rank(), n, dtype).to(gpu));
        c.begin_sum(begun.back());
      }
      c.finish_sums();
      for (const Tensor& each : begun)
        EXPECT_EQ(each.to_vector<double>(), t.to_vector<double>()) << "same bits";
    }
  }
  for (const DType dtype : {DType::fp32, DType::uint8}) {
    const Tensor t = full({77}, c.rank() + 1, dtype, gpu);
    c.broadcast(t);
    EXPECT_EQ(t.to_vector<double>(), std::vector<double>(77, 1));
  }
  EXPECT_EQ(c.sum(1.0), c.size()) << "numbers on the host go their own way";
  c.barrier();
}

const AddScenario gpu_calls("gpu calls", [](Processes& c, const std::vector<std::string>& args) {
  const bool shared = args[0] == "shared";
  const Device gpu = shared ? cuda : own_gpu(c);
  c.use(gpu);
  const std::string detour = c.detour(gpu);
  if (args[0] == "nccl") {
    EXPECT_EQ(detour, "");
  } else if (args[0] == "none") {
    EXPECT_EQ(detour, "GADOLIN_NCCL=0 asks for it");
  }
  if (shared) {
    EXPECT_EQ(detour.find("ranks 0 and 1 share the GPU cuda:0 of "), 0u) << detour;
    EXPECT_NE(detour.find("; NCCL needs one for each"), std::string::npos) << detour;
  }
  EXPECT_EQ(c.detour(cpu), "");
  sum_on(c, gpu);
});

TEST(SumsOnDevices, AreThoseOfTheHostOnAnyNumberOfRanks) {
  NEEDS_DEVICES(2);
  for (const int size : {2, 4}) {
    if (size > cuda_device_count()) continue;
    const auto run = run_ranks(size, "gpu calls", {"nccl"});
    EXPECT_EQ(run.code, 0) << run.text;
  }
}

TEST(SumsOnDevices, GoThroughTheHostWhereNcclCannot) {
  NEEDS_DEVICES(2);
  for (const char* how : {"shared", "none"}) {
    const auto run =
        run_ranks(2, "gpu calls", {how}, {cat("GADOLIN_NCCL=", std::string(how) == "none" ? 0 : 1)});
    EXPECT_EQ(run.code, 0) << run.text;
  }
}

// Rank 1 begins its sum when rank 0 has gone on: with work on its GPU, whose result it has read. Were the sum
// in the order of that work, rank 0 would wait for ever.
const AddScenario goes_on("goes on", [](Processes& c, const std::vector<std::string>&) {
  const NoGrad guard;
  const Device gpu = own_gpu(c);
  c.use(gpu);
  const Tensor first = ones({4}, DType::fp32, gpu);
  c.sum(first);
  const Tensor sum = full({5000}, c.rank() + 1, DType::fp32, gpu);
  std::string told;
  if (c.first()) {
    c.begin_sum(sum);
    told = cat(add(mul(full({3}, 4, DType::fp32, gpu), 2.0), 1.0).to_vector<float>()[2]);
  }
  told = c.broadcast(told);
  EXPECT_EQ(told, "9");
  if (!c.first()) c.begin_sum(sum);
  c.finish_sums();
  EXPECT_EQ(add(sum, 1.0).to_vector<float>(), std::vector<float>(5000, 4)) << "behind the sum again";
});

TEST(SumsOnDevices, RunBesideOtherWork) {
  NEEDS_DEVICES(2);
  const auto run = run_ranks(2, "goes on");
  EXPECT_EQ(run.code, 0) << run.text;
}

// A recorded step that sums twice, once beside other work, as an eager one.
const AddScenario records("records", [](Processes& c, const std::vector<std::string>&) {
  const NoGrad guard;
  const Device gpu = own_gpu(c);
  c.use(gpu);
  const auto step = [&](const std::vector<Tensor>& in) {
    const Tensor a = mul(in[0], 2.0), b = add(in[0], 1.0);
    c.begin_sum(a);
    const Tensor other = mul(b, b);
    c.begin_sum(b);
    c.finish_sums();
    return add(add(a, b), other);
  };
  CapturedStep recorded(step);
  for (int i = 0; i < 6; ++i) {
    const Tensor in = add(own_numbers(c.rank(), 600, DType::fp64), i).to(gpu);
    const Tensor got = recorded({in}).clone();
    c.watch(gpu);
    EXPECT_EQ(recorded.replayed(), i >= 3);
    EXPECT_EQ(got.to_vector<double>(), step({in}).to_vector<double>()) << i;
  }
});

TEST(SumsOnDevices, ArePartOfARecordedStep) {
  NEEDS_DEVICES(2);
  const auto run = run_ranks(2, "records");
  EXPECT_EQ(run.code, 0) << run.text;
}

// Gradients of fp32 in half the bytes: close to their mean, and not quite it.
const AddScenario rounds("rounds", [](Processes& c, const std::vector<std::string>&) {
  const Device gpu = own_gpu(c);
  c.use(gpu);
  const std::int64_t n = 500;
  const Tensor weight = ones({n}, DType::fp32, gpu).requires_grad_(),
               own = own_numbers(c.rank(), n, DType::fp32);
  std::vector<double> mean(static_cast<std::size_t>(n)), size(mean.size());
  for (int rank = 0; rank < c.size(); ++rank) {
    const std::vector<double> part = own_numbers(rank, n, DType::fp32).to_vector<double>();
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += part[i] / c.size(), size[i] += std::abs(part[i]);
  }
  GradientSum sums(c, {{"weight", weight}}, {.dtype = DType::bf16});
  for (int step = 0; step < 3; ++step) {  // the first one decides who takes part; later ones sum on the way
    weight.zero_grad();
    sum(mul(weight, own.to(gpu))).backward(ones({}, DType::fp32, gpu), {.hook = &sums.hook()});
    sums.finish();
    const std::vector<double> got = weight.grad().to_vector<double>();
    int wrong = 0, rounded = 0;
    for (std::size_t i = 0; i < mean.size(); ++i) {
      wrong += std::abs(got[i] - mean[i]) > 0.01 * size[i];
      rounded += std::abs(got[i] - mean[i]) > 1e-5 * size[i];
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_GT(rounded, n / 2);
  }
});

TEST(SumsOnDevices, OfGradientsInBf16) {
  NEEDS_DEVICES(2);
  const auto run = run_ranks(2, "rounds");
  EXPECT_EQ(run.code, 0) << run.text;
}

// --- ranks that do not come --------------------------------------------------------------------------------

// Rank 1 does something else while the host of rank 0 waits for a GPU, where no message is awaited.
const AddScenario leaves_alone("leaves alone", [](Processes& c, const std::vector<std::string>& args) {
  const Device gpu = own_gpu(c);
  c.use(gpu);
  const Tensor t = ones({100}, DType::fp32, gpu);
  c.sum(t);
  c.doing(cat("step ", args[0] == "sleeps there too" ? 7 : 7 + c.rank()));
  if (c.rank() == 1) {
    if (args[0] == "stops") std::raise(SIGSTOP);
    if (args[0].starts_with("sleeps")) std::this_thread::sleep_for(std::chrono::seconds(30));
    if (args[0] == "fails") fail<ValueError>("the way is blocked");
    if (args[0] == "dies") std::raise(SIGKILL);
  }
  c.sum(t);
  t.to_vector<float>();
  c.barrier();
});

TEST(SumsOnDevices, EndWhereARankDoesNotCome) {
  NEEDS_DEVICES(2);
  struct Case {
    const char *how, *said;
  };
  for (const Case& each :
       {Case{"stops",
             "said by rank 0: processes: rank 1 has not come to the sums on GPUs in 1.5 s: it does "
             "not answer; look at what it does, or give it longer with --patience"},
        Case{"sleeps",
             "said by rank 0: processes: rank 1 has not come to the sums on GPUs in 1.5 s: it is at "
             "step 8; look at what it does, or give it longer with --patience"},
        Case{"sleeps there too",
             "said by rank 0: processes: the sums on GPUs have not come to an end in 1.5 s, and all "
             "ranks are at step 7; look at the GPUs and the network between them, or give it longer with "
             "--patience"},
        Case{"fails", "said by rank 1: the way is blocked"}, Case{"dies", "exited on signal 9"}}) {
    const auto begun = std::chrono::steady_clock::now();
    const auto run = run_ranks(2, "leaves alone", {each.how}, {"PATIENCE=1.5"});
    EXPECT_NE(run.code, 0) << each.how;
    EXPECT_NE(run.text.find(each.said), std::string::npos) << each.how << "\n" << run.text;
    EXPECT_EQ(run.text.find("said by"), run.text.rfind("said by")) << "once is enough\n" << run.text;
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10)) << each.how;
  }
}

TEST(SumsOnDevices, WhatNcclRefusesIsSaidInItsWords) {
  NEEDS_DEVICES(1);
  const auto join = [](const std::string& id) {
    return test::message_of<ProcessError>([&] { detail::join_nccl(cuda, 0, 1, id, [](double) {}); });
  };
  EXPECT_EQ(join(std::string(128, 'x')),
            "processes: ncclCommInitRank of rank 0: invalid argument (run with NCCL_DEBUG=WARN for details): "
            "the id is "
            "not of ncclGetUniqueId, or used up; another process may have ended: look at what it said. "
            "NCCL_DEBUG=INFO tells more, and GADOLIN_NCCL=0 does without NCCL");
  const auto alone = detail::join_nccl(cuda, 0, 1, detail::new_nccl_id(), [](double) {});
  const Tensor t = ones({3}, DType::fp32, cuda);
  alone->begin_sum(t);
  alone->finish_sums();
  EXPECT_EQ(t.to_vector<float>(), std::vector<float>(3, 1));
  EXPECT_EQ(test::message_of<DeviceError>([&] { alone->begin_sum(ones({3})); }),
            "processes: a tensor on cpu is to be summed, but this rank computes on cuda:0; move it there");
}

const AddScenario mixes("mixes", [](Processes& c, const std::vector<std::string>&) {
  c.use(c.rank() == 1 ? cpu : own_gpu(c));
});

TEST(SumsOnDevices, OfRanksOfWhichSomeHaveNoneAreRefused) {
  NEEDS_DEVICES(2);
  const auto run = run_ranks(2, "mixes");
  EXPECT_NE(run.code, 0);
  EXPECT_NE(run.text.find("processes: rank 1 computes on cpu, rank 0 on cuda:0; give all of them GPUs, or "
                          "--device cpu"),
            std::string::npos)
      << run.text;
}

}  // namespace
}  // namespace gadolin
