// Faults planted into programs of several ranks: what hangs or gives wrong numbers on GPUs is named here.
#include <cstdlib>
#include <thread>

#include "tests/device_faults/ranks.h"

namespace {

using namespace device_faults;
constexpr std::size_t few = 8;

class CollectiveFaults : public RanksTest {
 protected:
  void SetUp() override {
    open(2);
    fill(few);
  }
  ncclResult_t sum(std::size_t r, std::size_t n = few) {
    return ncclAllReduce(send_[r], recv_[r], n, ncclFloat, ncclSum, comms_[r], streams_[r]);
  }
};

TEST_F(CollectiveFaults, RanksThatAskForDifferentThings) {
  sum(0);
  EXPECT_EQ(sum(1, few - 1), ncclInvalidUsage);
  EXPECT_EQ(
      said(),
      "collective 0 of a communicator of 2 ranks: rank 1 asks for ncclAllReduce of 7 float, sum, rank 0 "
      "for ncclAllReduce of 8 float, sum");
  EXPECT_EQ(sum(0), ncclRemoteError);  // it has failed for good
  close();
  open(2);
  fill(few);
  sum(0);
  ncclAllReduce(send_[1], recv_[1], few / 2, ncclDouble, ncclMax, comms_[1], streams_[1]);
  EXPECT_FOUND(said(),
               "rank 1 asks for ncclAllReduce of 4 double, maximum, rank 0 for ncclAllReduce of 8 float");
  close();
  open(2);
  fill(few);
  ncclBroadcast(send_[0], recv_[0], few, ncclFloat, 0, comms_[0], streams_[0]);
  ncclBroadcast(send_[1], recv_[1], few, ncclFloat, 1, comms_[1], streams_[1]);
  EXPECT_FOUND(
      said(),
      "rank 1 asks for ncclBroadcast of 8 float, root 1, rank 0 for ncclBroadcast of 8 float, root 0");
  close();
  open(2);
  fill(few);
  ncclSend(send_[0], few, ncclFloat, 1, comms_[0], streams_[0]);
  ncclRecv(recv_[1], few + 1, ncclFloat, 0, comms_[1], streams_[1]);
  EXPECT_FOUND(said(), "ncclSend from rank 0 to rank 1 of a communicator of 2 ranks: rank 1 asks for");
}

TEST_F(CollectiveFaults, ARankThatNeverCallsIsNamed) {
  sum(0);
  cudaStreamSynchronize(streams_[0]);
  EXPECT_EQ(software_cuda::take_report(),
            "a wait that can never end: ncclAllReduce of 8 float, sum, collective 0 of a communicator of 2 "
            "ranks, waits for rank 1, which has not called it");
  close();
  open(2);
  fill(few);
  ncclRecv(recv_[1], few, ncclFloat, 0, comms_[1], streams_[1]);
  cudaStreamSynchronize(streams_[1]);
  EXPECT_FOUND(software_cuda::take_report(), "waits for rank 0, which has not called it");
}

// Another thread might still call; it is given a while.
TEST_F(CollectiveFaults, ThreadsThatNeverComeAreNotAwaitedForEver) {
  setenv("GADOLIN_SOFTWARE_PATIENCE_MS", "100", 1);
  std::thread([&] { sum(1); }).join();
  sum(0);
  EXPECT_EQ(said(), "");
  sum(0);
  cudaStreamSynchronize(streams_[0]);
  EXPECT_FOUND(software_cuda::take_report(), "collective 1 of a communicator of 2 ranks, waits for rank 1");
  ncclUniqueId id{};
  ncclGetUniqueId(&id);
  ncclComm_t comm = nullptr;
  EXPECT_EQ(ncclCommInitRank(&comm, 3, id, 1), ncclSystemError);
  EXPECT_EQ(software_cuda::take_report(), "ncclCommInitRank: rank 0 of 3 has not joined");
  ncclCommAbort(comm);
  unsetenv("GADOLIN_SOFTWARE_PATIENCE_MS");
}

// Two communicators, asked in opposite orders: each rank's stream stands before what the other waits for.
TEST_F(CollectiveFaults, OppositeOrdersOfTwoCommunicators) {
  ncclComm_t more[2] = {};
  ASSERT_EQ(ncclCommInitAll(more, 2, nullptr), ncclSuccess);
  const auto ask = [&](std::size_t r, ncclComm_t comm) {
    ncclAllReduce(send_[r], recv_[r], few, ncclFloat, ncclSum, comm, streams_[r]);
  };
  ask(0, comms_[0]), ask(0, more[0]), ask(1, more[1]), ask(1, comms_[1]);
  EXPECT_FOUND(said(), ", whose stream stands before it");
  for (const ncclComm_t comm : more) ncclCommDestroy(comm);
}

void store_into(float* x) { x[threadIdx.x] = 2; }
void add_from(float* to, const float* from) { to[threadIdx.x] = from[threadIdx.x] + 1; }

// Reported when the kernel meets the collective, a wrong number when it comes before; never with an event.
TEST_F(CollectiveFaults, AKernelOnAnotherStreamWithoutAnEvent) {
  cudaStream_t beside = nullptr;
  cudaEvent_t done = nullptr;
  cudaStreamCreateWithFlags(&beside, cudaStreamNonBlocking);
  cudaEventCreateWithFlags(&done, cudaEventDisableTiming);
  void* memory = nullptr;
  cudaMalloc(&memory, room);
  float* const copy = static_cast<float*>(memory);
  std::vector<double> want;
  for (std::size_t i = 0; i < few; ++i) want.push_back(number(0, i) + number(1, i) + 1);
  for (const bool reads : {true, false}) {
    for (const bool waits : {false, true}) {
      int reports = 0, wrong = 0;
      for (int turn = 0; turn < 40; ++turn) {
        fill(few);
        write(0, recv_[0], encoded(std::vector<double>(few, 0), ncclFloat));
        together([&](std::size_t r) { sum(r); });
        cudaEventRecord(done, streams_[0]);
        if (waits) cudaStreamWaitEvent(beside, done, 0);
        if (reads)
          launch(add_from, dim3(1), dim3(few), beside, copy, recv_[0]);
        else
          launch(store_into, dim3(1), dim3(few), beside, send_[0]);
        const std::string report = said();
        if (!report.empty()) {
          ++reports;
          EXPECT_FOUND(report,
                       reads ? "races: it reads 4 bytes at offset " : "races: it writes 4 bytes at offset ");
          EXPECT_FOUND(report,
                       reads ? "of an allocation of 512 bytes on device 0, which ncclAllReduce of 8 float, "
                               "sum of rank 0, which runs, writes"
                             : "of an allocation of 512 bytes on device 0, which ncclAllReduce of 8 float, "
                               "sum of rank 0, which runs, reads");
          close();
          open(2);
        } else if (reads) {
          wrong += read(0, copy, few * sizeof(float)) != encoded(want, ncclFloat);
        }
      }
      EXPECT_EQ(reports > 0, !waits);
      EXPECT_LE(wrong, waits ? 0 : 40);
    }
  }
  cudaFree(copy);
  cudaEventDestroy(done);
  cudaStreamDestroy(beside);
}

TEST_F(CollectiveFaults, BuffersThatARankMayNotUse) {
  ncclAllReduce(send_[1], recv_[0], few, ncclFloat, ncclSum, comms_[0], streams_[0]);
  EXPECT_EQ(
      said(),
      "ncclAllReduce of 8 float, sum of rank 0: its send buffer lies on device 1, the communicator's is 0");
  float host[few] = {};
  ncclAllReduce(send_[0], host, few, ncclFloat, ncclSum, comms_[0], streams_[0]);
  EXPECT_EQ(
      said(),
      "ncclAllReduce of 8 float, sum of rank 0: its receive buffer is no memory of a device: the host's, or "
      "freed");
  sum(0, room / sizeof(float) + 1);
  EXPECT_EQ(
      said(),
      "ncclAllReduce of 129 float, sum of rank 0: its send buffer of 516 bytes goes beyond its allocation");
  ncclAllReduce(send_[0], send_[0] + 1, few, ncclFloat, ncclSum, comms_[0], streams_[0]);
  EXPECT_EQ(said(),
            "ncclAllReduce of 8 float, sum of rank 0: its buffers overlap, and not as they may in place");
  ncclAllReduce(send_[0], recv_[0], few, ncclFloat, ncclSum, comms_[0], streams_[1]);
  EXPECT_EQ(said(),
            "ncclAllReduce of 8 float, sum of rank 0: its stream is of device 1, the communicator's is 0");
  ncclSend(send_[0], few, ncclFloat, 1, comms_[0], nullptr);
  EXPECT_EQ(
      said(),
      "ncclSend and ncclRecv of 8 float, peer 1 of rank 0: work on the legacy stream, which no recording can "
      "hold");
  together([&](std::size_t r) { sum(r, few + 1); });  // one more than was written
  EXPECT_EQ(said(),
            "a library reads what nobody has written: offset 32 of an allocation of 512 bytes on device 0");
}

TEST_F(CollectiveFaults, CallsThatNcclRefuses) {
  const auto refused = [&](ncclResult_t result, const char* why) {
    EXPECT_EQ(result, ncclInvalidArgument);
    EXPECT_STREQ(ncclGetLastError(nullptr), why);
  };
  refused(ncclBroadcast(send_[0], recv_[0], few, ncclFloat, 2, comms_[0], streams_[0]),
          "rank 2 is outside of a communicator of 2");
  refused(ncclAllReduce(send_[0], recv_[0], few, static_cast<ncclDataType_t>(10), ncclSum, comms_[0],
                        streams_[0]),
          "not a type");
  refused(
      ncclAllReduce(send_[0], recv_[0], few, ncclFloat, static_cast<ncclRedOp_t>(5), comms_[0], streams_[0]),
      "not an operation");
  refused(ncclAllReduce(send_[0], recv_[0], few, ncclFloat, ncclSum, nullptr, streams_[0]),
          "the communicator is none, or destroyed");
  EXPECT_EQ(ncclGroupEnd(), ncclInvalidUsage);
  EXPECT_STREQ(ncclGetLastError(nullptr), "ncclGroupEnd without ncclGroupStart");
  ncclComm_t two[2] = {};
  const int same[2] = {1, 1}, none[2] = {0, 99};
  EXPECT_EQ(ncclCommInitAll(two, 2, same), ncclInvalidUsage);
  EXPECT_STREQ(ncclGetLastError(nullptr), "ranks 0 and 1 are both on device 1");
  EXPECT_EQ(ncclCommInitAll(two, 2, none), ncclUnhandledCudaError);
  EXPECT_STREQ(ncclGetLastError(nullptr), "there is no device 99");
  // One refused call refuses its group: nothing of it runs.
  ncclGroupStart();
  sum(0);
  ncclBroadcast(send_[0], recv_[0], few, ncclFloat, 2, comms_[0], streams_[0]);
  EXPECT_EQ(ncclGroupEnd(), ncclInvalidArgument);
  EXPECT_EQ(together([&](std::size_t r) { sum(r); }), ncclSuccess);
  EXPECT_EQ(said(), "");
  EXPECT_STREQ(ncclGetErrorString(ncclInvalidUsage), "invalid usage (run with NCCL_DEBUG=WARN for details)");
}

}  // namespace
