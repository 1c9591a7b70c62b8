// Faults planted into kernels, streams and recordings: the device made of software shows each of them, and
// lets the same program without the fault pass.
#include <algorithm>
#include <functional>

#include "cublasLt.h"
#include "tests/device_faults/device.h"

namespace {

using namespace device_faults;
class Device : public DeviceTest {};

template <bool with_barrier> void reverse(float* x) {
  __shared__ float shared[count];
  shared[threadIdx.x] = x[threadIdx.x];
  if constexpr (with_barrier) __syncthreads();
  x[threadIdx.x] = shared[count - 1 - threadIdx.x];
}

TEST_F(Device, ALostBarrierIsARace) {
  std::vector<float> want = rising(0);
  std::reverse(want.begin(), want.end());
  fill(a_, 0);
  EXPECT_EQ(said(reverse<true>), "");
  EXPECT_EQ(values(a_), want);
  fill(a_, 0);
  EXPECT_NE(said(reverse<false>), "");  // tests/device_faults/races.cpp
}

void half_at_a_barrier(float* x) {
  if (threadIdx.x < count / 2) __syncthreads();
  x[threadIdx.x] = 0;
}
void two_barriers(float* x) {
  if (threadIdx.x % 2 == 0)
    __syncthreads();
  else
    __syncthreads();
  x[threadIdx.x] = 0;
}

void one_leaves_early(float* x) {
  if (threadIdx.x == 0) return;
  __syncthreads();
  x[threadIdx.x] = 0;
}
void the_fifth_goes_too_far(float* x) {
  x[threadIdx.x == 5 ? count : threadIdx.x] = 1;
  __syncthreads();
  x[threadIdx.x] = 2;
}

TEST_F(Device, AThreadThatIsGoneIsNamedAndNobodyWaitsForIt) {
  const std::string early = said(one_leaves_early);
  EXPECT_FOUND(early, "divergent barrier: ");
  EXPECT_FOUND(early, "thread (0, 0, 0) has ended");
  EXPECT_FOUND(said(the_fifth_goes_too_far),
               "block (0, 0, 0): thread (5, 0, 0) writes 4 bytes 0 bytes behind the end");
}

TEST_F(Device, ThreadsThatPartAtABarrierAreReported) {
  EXPECT_NE(said(half_at_a_barrier).find("divergent barrier"), std::string::npos);
  EXPECT_NE(said(two_barriers).find("divergent barrier"), std::string::npos);
}

void warp_sum(float* x) {
  float v = x[threadIdx.x];
  for (int bit = 16; bit > 0; bit /= 2) v += __shfl_xor_sync(0xffffffffu, v, bit);
  x[threadIdx.x] = v;
}
void mask_without_the_caller(float* x) { x[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, x[threadIdx.x], 1); }
void mask_of_lanes_that_ended(float* x) {
  if (threadIdx.x % 32 >= 16) return;
  x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
}
void lane_outside_the_mask(float* x) {
  if (threadIdx.x % 32 < 16) x[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, x[threadIdx.x], 16);
}

TEST_F(Device, ShufflesAreHeldToTheirMasks) {
  fill(a_, 0);
  EXPECT_EQ(said(warp_sum), "");
  EXPECT_EQ(values(a_)[40], 1520.f);  // 32 + ... + 63
  EXPECT_NE(said(mask_without_the_caller).find("the mask of a shuffle lacks the lane that calls it"),
            std::string::npos);
  EXPECT_NE(said(lane_outside_the_mask).find("which its mask lacks"), std::string::npos);
  const std::string ended = said(mask_of_lanes_that_ended);
  EXPECT_TRUE(ended.find("which has ended") != std::string::npos ||
              ended.find("divergent") != std::string::npos)
      << ended;
}

void ones(float* x) { x[blockIdx.x * blockDim.x + threadIdx.x] = 1; }
void sum_of_all(float* x) {
  if (threadIdx.x > 0) return;
  float sum = 0;
  for (int i = 0; i < count; ++i) sum += x[i];
  x[0] = sum;
}

TEST_F(Device, AGridThatIsOneBlockShortLeavesMemoryUnwritten) {
  ASSERT_EQ(launch(ones, dim3(3), dim3(32), stream_, b_), cudaSuccess);
  ASSERT_EQ(launch(sum_of_all, dim3(1), dim3(32), stream_, b_), cudaSuccess);
  EXPECT_EQ(values(b_)[0], 96.f);
  launch(ones, dim3(2), dim3(32), stream_, a_);
  launch(sum_of_all, dim3(1), dim3(32), stream_, a_);
  cudaStreamSynchronize(stream_);
  EXPECT_FOUND(software_cuda::take_report(), "reads what nobody has written, at offset 256");
}

void add_one(float* x) { x[threadIdx.x] += 1; }
void copy(float* to, const float* from) { to[threadIdx.x] = from[threadIdx.x]; }

TEST_F(Device, AMissingWaitBetweenStreamsGivesWrongNumbers) {
  cudaEvent_t event = nullptr;
  cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  int wrong[2] = {0, 0};
  for (const int waits : {0, 1}) {
    for (int turn = 0; turn < 20; ++turn) {
      fill(a_, 0);
      launch(add_one, dim3(1), dim3(count), stream_, a_);
      cudaEventRecord(event, stream_);
      if (waits) cudaStreamWaitEvent(other_, event, 0);
      launch(copy, dim3(1), dim3(count), other_, b_, a_);
      cudaDeviceSynchronize();
      wrong[waits] += values(b_) != rising(1);
    }
  }
  EXPECT_GT(wrong[0], 0);
  EXPECT_EQ(wrong[1], 0);
  cudaEventDestroy(event);
}

TEST_F(Device, AStagingBufferThatIsRefilledTooEarlyGivesWrongNumbers) {
  void* pinned = nullptr;
  ASSERT_EQ(cudaHostAlloc(&pinned, count * sizeof(float), cudaHostAllocPortable), cudaSuccess);
  float* staging = static_cast<float*>(pinned);
  int wrong[2] = {0, 0};
  for (const int waits : {0, 1}) {
    for (int turn = 0; turn < 20; ++turn) {
      std::iota(staging, staging + count, 5.f);
      cudaMemcpyAsync(a_, staging, count * sizeof(float), cudaMemcpyDefault, stream_);
      if (waits) cudaStreamSynchronize(stream_);
      std::iota(staging, staging + count, 500.f);
      wrong[waits] += values(a_) != rising(5);
    }
  }
  EXPECT_GT(wrong[0], 0);
  EXPECT_EQ(wrong[1], 0);
  cudaFreeHost(pinned);
}

using DeviceDeathTest = Device;

TEST_F(DeviceDeathTest, TheHostMayNotTouchDeviceMemory) {
  EXPECT_DEATH(std::exit(static_cast<int>(a_[0])), "");
}

TEST_F(Device, MemoryThatWasGivenBackIsNoLongerThere) {
  fill(a_, 0);
  EXPECT_EQ(said(add_one), "");
  launch(add_one, dim3(1), dim3(count), stream_, a_);
  float* gone = std::exchange(a_, nullptr);
  EXPECT_EQ(cudaFree(gone), cudaSuccess);  // waits for the launch above
  launch(add_one, dim3(1), dim3(count), stream_, gone);
  cudaStreamSynchronize(stream_);
  EXPECT_FOUND(software_cuda::take_report(), "reads 4 bytes");
}

// A kernel reaches another device's memory once it has asked for it; copies need no asking.
TEST_F(DeviceDeathTest, AnotherDevicesMemoryNeedsPeerAccess) {
  fill(a_, 3);
  cudaSetDevice(1);
  cudaStream_t there = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&there, cudaStreamNonBlocking), cudaSuccess);
  void* memory = nullptr;
  ASSERT_EQ(cudaMalloc(&memory, count * sizeof(float)), cudaSuccess);
  float* theirs = static_cast<float*>(memory);
  EXPECT_EQ(cudaMemcpyPeerAsync(theirs, 1, a_, 0, count * sizeof(float), there), cudaSuccess);
  launch(add_one, dim3(1), dim3(count), there, theirs);
  EXPECT_EQ(cudaMemcpyPeerAsync(a_, 0, theirs, 1, count * sizeof(float), there), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(there), cudaSuccess);
  EXPECT_EQ(values(a_), rising(4));
  const auto reach_over = [&] {
    launch(add_one, dim3(1), dim3(count), there, a_);
    cudaStreamSynchronize(there);
  };
  EXPECT_DEATH(reach_over(), "");
  EXPECT_EQ(cudaDeviceEnablePeerAccess(0, 0), cudaSuccess);
  reach_over();
  EXPECT_EQ(values(a_), rising(5));
  cudaFree(theirs);
  cudaStreamDestroy(there);
  cudaSetDevice(0);
}

TEST_F(Device, CallsOutsideTheirBoundsAreRefused) {
  EXPECT_EQ(cudaMemsetAsync(a_, 0, count * sizeof(float) + 1, stream_), cudaErrorLaunchFailure);
  EXPECT_EQ(software_cuda::take_report(), "a fill of 385 bytes goes beyond its allocation");
  EXPECT_EQ(cudaMemcpyAsync(a_ + 1, b_, count * sizeof(float), cudaMemcpyDefault, stream_),
            cudaErrorLaunchFailure);
  EXPECT_EQ(software_cuda::take_report(), "a copy's target of 384 bytes goes beyond its allocation");
  EXPECT_EQ(launch(ones, dim3(1), dim3(1025), stream_, a_), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(ones, dim3(0), dim3(32), stream_, a_), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(ones, dim3(1), dim3(32), nullptr, a_), cudaErrorLaunchFailure);
  EXPECT_EQ(software_cuda::take_report(), "work on the legacy stream, which no recording can hold");
  cudaSetDevice(1);
  EXPECT_EQ(launch(ones, dim3(1), dim3(32), stream_, a_), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(software_cuda::take_report(), "a launch on a stream of device 0 while device 1 is the thread's");
  cudaSetDevice(0);
  EXPECT_EQ(cudaMemcpyPeerAsync(a_, 1, b_, 0, 4, stream_), cudaErrorInvalidValue);
  EXPECT_EQ(cudaSetDevice(99), cudaErrorInvalidDevice);
}

// What may not stand in a recording, and what becomes of it.
cudaError_t recorded(cudaStream_t stream, const std::function<void()>& step) {
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  step();
  const cudaError_t error = cudaStreamEndCapture(stream, &graph);
  if (graph) cudaGraphDestroy(graph);
  return error;
}

TEST_F(Device, RecordingsRefuseWhatCudaRefuses) {
  float host = 0;
  void* memory = nullptr;
  cudaEvent_t event = nullptr;
  cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  const auto work = [&](cudaStream_t stream) { launch(add_one, dim3(1), dim3(count), stream, a_); };
  EXPECT_EQ(recorded(stream_, [&] { work(stream_); }), cudaSuccess);
  EXPECT_EQ(recorded(stream_,
                     [&] { EXPECT_EQ(cudaStreamSynchronize(stream_), cudaErrorStreamCaptureUnsupported); }),
            cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(recorded(stream_, [&] { EXPECT_EQ(cudaMalloc(&memory, 4), cudaErrorStreamCaptureUnsupported); }),
            cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(recorded(stream_,
                     [&] {
                       EXPECT_EQ(cudaMemcpyAsync(a_, &host, 4, cudaMemcpyDefault, stream_),
                                 cudaErrorStreamCaptureUnsupported);
                     }),
            cudaErrorStreamCaptureInvalidated);
  const auto fork = [&](bool join) {
    return recorded(stream_, [&] {
      work(stream_);
      cudaEventRecord(event, stream_);
      EXPECT_EQ(cudaEventQuery(event), cudaErrorCapturedEvent);
      cudaStreamWaitEvent(other_, event, 0);
      work(other_);
      if (!join) return;
      cudaEventRecord(event, other_);
      cudaStreamWaitEvent(stream_, event, 0);
    });
  };
  EXPECT_EQ(fork(true), cudaSuccess);
  EXPECT_EQ(fork(false), cudaErrorStreamCaptureUnjoined);
  cudaEventRecord(event, other_);  // outside of the recording
  EXPECT_EQ(
      recorded(stream_,
               [&] { EXPECT_EQ(cudaStreamWaitEvent(stream_, event, 0), cudaErrorStreamCaptureIsolation); }),
      cudaErrorStreamCaptureInvalidated);
  cudaEventDestroy(event);
}

// Nothing of a recording runs before its launch; each launch runs all of it.
TEST_F(Device, ARecordingRunsWhenItIsLaunched) {
  fill(a_, 0);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  launch(add_one, dim3(1), dim3(count), stream_, a_);
  launch(add_one, dim3(1), dim3(count), stream_, a_);
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
  std::size_t nodes = 0;
  cudaGraphGetNodes(graph, nullptr, &nodes);
  EXPECT_EQ(nodes, 2u);
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  EXPECT_EQ(values(a_), rising(0));
  cudaGraphLaunch(executable, stream_);
  cudaGraphLaunch(executable, stream_);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  EXPECT_EQ(values(a_), rising(4));
}

TEST_F(Device, AProductIsHeldToItsAlgorithmsAlignment) {
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t desc = nullptr;
  cublasLtMatrixLayout_t layout = nullptr;
  cublasLtMatmulPreference_t preference = nullptr;
  cublasLtCreate(&handle);
  cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F);
  cublasLtMatrixLayoutCreate(&layout, CUDA_R_32F, 2, 2, 2);
  cublasLtMatmulPreferenceCreate(&preference);
  const std::uint32_t sixteen = 16;
  cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &sixteen,
                                       sizeof sixteen);
  cublasLtMatmulHeuristicResult_t result{};
  int found = 0;
  ASSERT_EQ(cublasLtMatmulAlgoGetHeuristic(handle, desc, layout, layout, layout, layout, preference, 1,
                                           &result, &found),
            CUBLAS_STATUS_SUCCESS);
  const float one = 1, none = 0;
  fill(a_, 0);
  const auto product = [&](const float* a) {
    return cublasLtMatmul(handle, desc, &one, a, layout, a_, layout, &none, b_, layout, b_, layout,
                          &result.algo, nullptr, 0, stream_);
  };
  EXPECT_EQ(product(a_), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(values(b_)[3], 0 * 0 + 1 * 2 + 3 * 3.f);  // columns first: [0 2; 1 3] squared
  EXPECT_EQ(product(a_ + 1), CUBLAS_STATUS_INVALID_VALUE);
  cublasLtMatmulPreferenceDestroy(preference);
  cublasLtMatrixLayoutDestroy(layout);
  cublasLtMatmulDescDestroy(desc);
  cublasLtDestroy(handle);
}

}  // namespace
