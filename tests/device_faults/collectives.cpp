// Collectives among two and four devices made of software, against plain sums; their order among the other
// work of their streams; recordings.
#include <cstdlib>
#include <functional>
#include <thread>

#include "tests/device_faults/ranks.h"

namespace {

using namespace device_faults;

// Before the device is first asked for: its usual two are too few.
const bool four_devices = setenv("GADOLIN_SOFTWARE_DEVICES", "4", 1) == 0;

class Collectives : public RanksTest, public testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(four_devices);
    open(GetParam());
  }
  // By rank order, as the device computes it.
  std::vector<double> plain(std::size_t n, ncclRedOp_t op) const {
    std::vector<double> all = numbers(0, n);
    for (std::size_t r = 1; r < ranks(); ++r) {
      for (std::size_t i = 0; i < n; ++i) {
        const double v = number(r, i);
        all[i] = op == ncclProd  ? all[i] * v
                 : op == ncclMax ? std::max(all[i], v)
                 : op == ncclMin ? std::min(all[i], v)
                                 : all[i] + v;
      }
    }
    if (op == ncclAvg)
      for (double& v : all) v /= static_cast<double>(ranks());
    return all;
  }
};

TEST_P(Collectives, SumsOfEveryTypeAndOperation) {
  constexpr std::size_t n = 23;
  for (const ncclDataType_t type : {ncclInt8, ncclUint8, ncclInt32, ncclUint32, ncclInt64, ncclUint64,
                                    ncclFloat16, ncclFloat32, ncclFloat64, ncclBfloat16}) {
    for (const ncclRedOp_t op : {ncclSum, ncclProd, ncclMax, ncclMin, ncclAvg}) {
      fill(n, type);
      ASSERT_EQ(together([&](std::size_t r) {
                  ncclAllReduce(send_[r], recv_[r], n, type, op, comms_[r], streams_[r]);
                }),
                ncclSuccess);
      const std::vector<char> want = encoded(plain(n, op), type);
      for (std::size_t r = 0; r < ranks(); ++r)
        EXPECT_EQ(read(r, recv_[r], want.size()), want) << "type " << type << " operation " << op;
    }
  }
}

TEST_P(Collectives, RanksGetTheirPartsInOtherBuffersAndInPlace) {
  constexpr std::size_t n = 8;
  const std::size_t all = ranks(), bytes = n * sizeof(float);
  const int root = static_cast<int>(all) - 1;
  const std::vector<char> sums = encoded(plain(n, ncclSum), ncclFloat);
  std::vector<char> joined;
  for (std::size_t r = 0; r < all; ++r) {
    const std::vector<char> one = encoded(numbers(r, n), ncclFloat);
    joined.insert(joined.end(), one.begin(), one.end());
  }
  for (const bool in_place : {false, true}) {
    fill(n);
    const auto target = [&](std::size_t r) { return in_place ? send_[r] : recv_[r]; };
    together([&](std::size_t r) {
      ncclReduce(send_[r], target(r), n, ncclFloat, ncclSum, root, comms_[r], streams_[r]);
    });
    EXPECT_EQ(read(all - 1, target(all - 1), bytes), sums);
    EXPECT_EQ(read(0, send_[0], bytes), encoded(numbers(0, n), ncclFloat));  // not the root's
    fill(n);
    together([&](std::size_t r) {
      ncclBroadcast(send_[r], target(r), n, ncclFloat, root, comms_[r], streams_[r]);
    });
    for (std::size_t r = 0; r < all; ++r)
      EXPECT_EQ(read(r, target(r), bytes), encoded(numbers(all - 1, n), ncclFloat));
    fill(n);
    for (std::size_t r = 0; r < all; ++r) write(r, recv_[r] + r * n, encoded(numbers(r, n), ncclFloat));
    together([&](std::size_t r) {
      ncclAllGather(in_place ? recv_[r] + r * n : send_[r], recv_[r], n, ncclFloat, comms_[r], streams_[r]);
    });
    for (std::size_t r = 0; r < all; ++r) EXPECT_EQ(read(r, recv_[r], all * bytes), joined);
    const std::size_t part = n / all;
    fill(n);
    together([&](std::size_t r) {
      ncclReduceScatter(send_[r], in_place ? send_[r] + r * part : recv_[r], part, ncclFloat, ncclSum,
                        comms_[r], streams_[r]);
    });
    for (std::size_t r = 0; r < all; ++r) {
      const auto first = sums.begin() + static_cast<std::ptrdiff_t>(r * part * sizeof(float));
      EXPECT_EQ(read(r, in_place ? send_[r] + r * part : recv_[r], part * sizeof(float)),
                std::vector<char>(first, first + static_cast<std::ptrdiff_t>(part * sizeof(float))));
    }
  }
  EXPECT_EQ(said(), "");
}

// Round a ring, twice in one group: two transfers between the same ranks keep their order.
TEST_P(Collectives, SendsMeetReceivesInTheirOrder) {
  constexpr std::size_t n = 4;
  fill(2 * n);
  const auto peer = [&](std::size_t r, std::size_t by) { return static_cast<int>((r + by) % ranks()); };
  ASSERT_EQ(together([&](std::size_t r) {
              for (const std::size_t part : {0u, 1u}) {
                ncclRecv(recv_[r] + part * n, n, ncclFloat, peer(r, ranks() - 1), comms_[r], streams_[r]);
                ncclSend(send_[r] + part * n, n, ncclFloat, peer(r, 1), comms_[r], streams_[r]);
              }
            }),
            ncclSuccess);
  for (std::size_t r = 0; r < ranks(); ++r)
    EXPECT_EQ(read(r, recv_[r], 2 * n * sizeof(float)),
              encoded(numbers(static_cast<std::size_t>(peer(r, ranks() - 1)), 2 * n), ncclFloat));
}

TEST_P(Collectives, ThreadsFormACommunicatorEachForItsRank) {
  constexpr std::size_t n = 16;
  const int size = static_cast<int>(ranks());
  ncclUniqueId id{};
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  fill(n);
  std::vector<std::thread> threads;
  std::vector<int> facts(ranks() * 3, -1);
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      const auto r = static_cast<std::size_t>(rank);
      cudaSetDevice(rank);
      ncclComm_t comm = nullptr;
      EXPECT_EQ(ncclCommInitRank(&comm, size, id, rank), ncclSuccess) << ncclGetLastError(nullptr);
      ncclCommCount(comm, &facts[3 * r]);
      ncclCommUserRank(comm, &facts[3 * r + 1]);
      ncclCommCuDevice(comm, &facts[3 * r + 2]);
      for (int turn = 0; turn < 3; ++turn)
        EXPECT_EQ(ncclAllReduce(send_[r], recv_[r], n, ncclFloat, ncclSum, comm, streams_[r]), ncclSuccess);
      EXPECT_EQ(cudaStreamSynchronize(streams_[r]), cudaSuccess);
      EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int rank = 0; rank < size; ++rank) {
    const auto r = static_cast<std::size_t>(rank);
    EXPECT_EQ((std::vector<int>{facts[3 * r], facts[3 * r + 1], facts[3 * r + 2]}),
              (std::vector<int>{size, rank, rank}));
    EXPECT_EQ(read(r, recv_[r], n * sizeof(float)), encoded(plain(n, ncclSum), ncclFloat));
  }
  ncclComm_t late = nullptr;
  EXPECT_EQ(ncclCommInitRank(&late, size, id, 0), ncclInvalidArgument);
}

void add_one_to(float* x) { x[threadIdx.x] += 1; }

TEST_P(Collectives, StandInTheOrderOfTheirStreams) {
  constexpr unsigned n = 32;
  const auto add = [&](std::size_t r, float* x) {
    cudaSetDevice(static_cast<int>(r));
    launch(add_one_to, dim3(1), dim3(n), streams_[r], x);
  };
  std::vector<double> want = plain(n, ncclSum);
  for (double& v : want) v += static_cast<double>(ranks()) + 1;
  for (int turn = 0; turn < 10; ++turn) {
    fill(n);
    for (std::size_t r = 0; r < ranks(); ++r) add(r, send_[r]);
    together([&](std::size_t r) {
      ncclAllReduce(send_[r], recv_[r], n, ncclFloat, ncclSum, comms_[r], streams_[r]);
    });
    for (std::size_t r = 0; r < ranks(); ++r) add(r, recv_[r]);
    for (std::size_t r = 0; r < ranks(); ++r)
      EXPECT_EQ(read(r, recv_[r], n * sizeof(float)), encoded(want, ncclFloat));
  }
  EXPECT_EQ(said(), "");
}

// Each rank launches its own recording; a launch is a collective of its own.
TEST_P(Collectives, StandInRecordings) {
  constexpr unsigned n = 8;
  fill(n);
  std::vector<cudaGraphExec_t> steps(ranks());
  for (std::size_t r = 0; r < ranks(); ++r) {
    cudaSetDevice(static_cast<int>(r));
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamBeginCapture(streams_[r], cudaStreamCaptureModeThreadLocal), cudaSuccess);
    EXPECT_EQ(ncclAllReduce(send_[r], recv_[r], n, ncclFloat, ncclSum, comms_[r], streams_[r]), ncclSuccess);
    EXPECT_EQ(ncclAllReduce(recv_[r], recv_[r], n, ncclFloat, ncclMax, comms_[r], streams_[r]), ncclSuccess);
    launch(add_one_to, dim3(1), dim3(n), streams_[r], send_[r]);
    ASSERT_EQ(cudaStreamEndCapture(streams_[r], &graph), cudaSuccess);
    std::size_t nodes = 0;
    cudaGraphGetNodes(graph, nullptr, &nodes);
    EXPECT_EQ(nodes, 3u);
    ASSERT_EQ(cudaGraphInstantiate(&steps[r], graph, 0), cudaSuccess);
    cudaGraphDestroy(graph);
  }
  std::vector<double> want = plain(n, ncclSum);
  for (int turn = 0; turn < 3; ++turn) {
    for (std::size_t r = 0; r < ranks(); ++r) EXPECT_EQ(cudaGraphLaunch(steps[r], streams_[r]), cudaSuccess);
    for (std::size_t r = 0; r < ranks(); ++r)
      EXPECT_EQ(read(r, recv_[r], n * sizeof(float)), encoded(want, ncclFloat)) << turn;
    for (double& v : want) v += static_cast<double>(ranks());
  }
  for (const cudaGraphExec_t step : steps) cudaGraphExecDestroy(step);
  EXPECT_EQ(said(), "");
}

INSTANTIATE_TEST_SUITE_P(Devices, Collectives, testing::Values(2, 4));

}  // namespace
