// Ranks of a communicator that are processes of this machine.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <thread>

#include "tests/device_faults/ranks.h"

namespace {

using namespace device_faults;
constexpr std::size_t few = 16;

struct Rank {
  int rank, size;
  ncclComm_t comm = nullptr;
  cudaStream_t stream = nullptr;
  float* data = nullptr;

  ncclResult_t join(const ncclUniqueId& id, int device) {
    cudaSetDevice(device);
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    void* memory = nullptr;
    cudaMalloc(&memory, few * sizeof(float));
    data = static_cast<float*>(memory);
    return ncclCommInitRank(&comm, size, id, rank);
  }
  void fill(float value) {
    const std::vector<float> host(few, value);
    cudaMemcpyAsync(data, host.data(), few * sizeof(float), cudaMemcpyDefault, stream);
  }
  ncclResult_t sum(std::size_t n = few) {
    return ncclAllReduce(data, data, n, ncclFloat, ncclSum, comm, stream);
  }
  bool holds(float value) {
    std::vector<float> host(few);
    return cudaMemcpyAsync(host.data(), data, few * sizeof(float), cudaMemcpyDefault, stream) ==
               cudaSuccess &&
           cudaStreamSynchronize(stream) == cudaSuccess && host == std::vector<float>(few, value);
  }
};

class CollectiveProcesses : public testing::Test {
 protected:
  // f on each rank, a process of its own; its result is 0 where all went well. -> their exit codes, 128 more
  // than the signal of one that a signal has ended.
  std::vector<int> run(int size, const std::function<int(Rank&, const ncclUniqueId&)>& f) {
    ncclUniqueId id{};
    EXPECT_EQ(ncclGetUniqueId(&id), ncclSuccess);
    folder_ = std::string("/dev/shm/") + id.internal;
    EXPECT_TRUE(std::filesystem::exists(folder_));
    std::vector<pid_t> children;
    for (int rank = 0; rank < size; ++rank) {
      children.push_back(::fork());
      if (children.back() > 0) continue;
      ::alarm(60);
      Rank own{rank, size};
      ::_exit(f(own, id));
    }
    std::vector<int> codes;
    for (const pid_t child : children) {
      int status = 0;
      ::waitpid(child, &status, 0);
      codes.push_back(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
    return codes;
  }
  std::string folder_;
};

TEST_F(CollectiveProcesses, SumInTheOrderOfTheirRanks) {
  for (const int size : {2, 4}) {
    const auto codes = run(size, [](Rank& r, const ncclUniqueId& id) {
      if (r.join(id, r.rank) != ncclSuccess) return 1;
      for (int turn = 0; turn < 20; ++turn) {
        r.fill(static_cast<float>(r.rank + turn));
        if (r.sum() != ncclSuccess || (turn % 3 == 0 && r.sum() != ncclSuccess)) return 2;
        const int n = r.size;
        const int want = (n * (n - 1) / 2 + n * turn) * (turn % 3 == 0 ? n : 1);
        if (turn % 2 == 0 && !r.holds(static_cast<float>(want))) return 3;
      }
      r.fill(static_cast<float>(r.rank + 5));
      if (ncclBroadcast(r.data, r.data, few, ncclFloat, 1, r.comm, r.stream) != ncclSuccess) return 4;
      if (!r.holds(6)) return 5;
      return ncclCommDestroy(r.comm) == ncclSuccess ? 0 : 6;
    });
    EXPECT_EQ(codes, std::vector<int>(static_cast<std::size_t>(size), 0));
    EXPECT_FALSE(std::filesystem::exists(folder_)) << "nothing stays behind";
  }
}

TEST_F(CollectiveProcesses, TwoThreadsOfEachSpeakForARank) {
  const auto codes = run(2, [](Rank& r, const ncclUniqueId& id) {
    int wrong = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i)
      threads.emplace_back([&, i] {
        Rank own{2 * r.rank + i, 4};
        wrong += own.join(id, own.rank) != ncclSuccess;
        own.fill(1);
        wrong += own.sum() != ncclSuccess || !own.holds(4);
        ncclCommDestroy(own.comm);
      });
    for (std::thread& thread : threads) thread.join();
    return wrong;
  });
  EXPECT_EQ(codes, (std::vector<int>{0, 0}));
}

TEST_F(CollectiveProcesses, AProcessThatEndsIsFoundOut) {
  const auto began = std::chrono::steady_clock::now();
  const auto codes = run(3, [](Rank& r, const ncclUniqueId& id) {
    if (r.join(id, r.rank) != ncclSuccess) return 1;
    r.fill(1);
    r.sum();
    if (!r.holds(3)) return 2;
    if (r.rank == 1) ::raise(SIGKILL);
    r.sum();
    ncclResult_t found = ncclSuccess;
    cudaStreamSynchronize(r.stream);
    ncclCommGetAsyncError(r.comm, &found);
    if (found != ncclRemoteError) return 3;
    return ncclCommAbort(r.comm) == ncclSuccess ? 0 : 4;
  });
  EXPECT_EQ(codes, (std::vector<int>{0, 128 + SIGKILL, 0}));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(15));
}

// What another process awaits is given up by a thread that looks after it.
TEST_F(CollectiveProcesses, AnAbortEndsWhoWaits) {
  const auto codes = run(2, [](Rank& r, const ncclUniqueId& id) {
    if (r.join(id, r.rank) != ncclSuccess) return 1;
    if (r.rank == 1) {
      ::usleep(1500000);
      return 0;
    }
    r.fill(1);
    r.sum();
    std::thread other([&] {
      ::usleep(300000);
      ncclCommAbort(r.comm);
    });
    const cudaError_t error = cudaStreamSynchronize(r.stream);
    other.join();
    return error == cudaSuccess ? 0 : 2;
  });
  EXPECT_EQ(codes, (std::vector<int>{0, 0}));
}

TEST_F(CollectiveProcesses, OtherRequestsAndSharedDevicesAreFound) {
  const auto differ = run(2, [](Rank& r, const ncclUniqueId& id) {
    if (r.join(id, r.rank) != ncclSuccess) return 1;
    r.fill(1);
    r.sum(r.rank == 0 ? few : few / 2);
    cudaStreamSynchronize(r.stream);
    const std::string own = r.rank == 0 ? "rank 0 for ncclAllReduce of 16 float, sum"
                                        : "rank 1 for ncclAllReduce of 8 float, sum",
                      other = r.rank == 0 ? "rank 1 asks for ncclAllReduce of 8 float, sum, "
                                          : "rank 0 asks for ncclAllReduce of 16 float, sum, ";
    return software_cuda::take_report() == "collective 0 of a communicator of 2 ranks: " + other + own ? 0
                                                                                                       : 2;
  });
  EXPECT_EQ(differ, (std::vector<int>{0, 0}));
  const auto shared = run(2, [](Rank& r, const ncclUniqueId& id) {
    return r.join(id, 1) == ncclInvalidUsage &&
                   std::string(ncclGetLastError(nullptr)) == "ranks 0 and 1 are both on device 1"
               ? 0
               : 1;
  });
  EXPECT_EQ(shared, (std::vector<int>{0, 0}));
}

}  // namespace
