// Faults planted into what kernels read and write: bounds, memory of the host, memory that nobody has
// written, alignment. Beside each the correct kernel, which must pass. Blocks and threads in several orders.
#include "tests/device_faults/device.h"

namespace {

using namespace device_faults;
class DeviceAccess : public DeviceTest {};

constexpr int turns = 5;  // each draws another order of threads

struct alignas(16) Four {
  float v[4];
};

template <int by> void shifted_write(float* x) { x[static_cast<int>(threadIdx.x) + by] = 1; }
template <int by> void shifted_read(float* x) {
  float v = x[static_cast<int>(threadIdx.x) + by];
  if (v == 0.5f) x[0] = v;
}

TEST_F(DeviceAccess, BeyondEitherEndOfAnAllocation) {
  for (int turn = 0; turn < turns; ++turn) {
    fill(a_, 0);
    EXPECT_EQ(said(shifted_write<0>), "");
    EXPECT_EQ(said(shifted_read<0>), "");
    EXPECT_FOUND(
        said(shifted_write<1>),
        "thread (95, 0, 0) writes 4 bytes 0 bytes behind the end of an allocation of 384 bytes on device 0");
    EXPECT_FOUND(said(shifted_read<1>), "thread (95, 0, 0) reads 4 bytes 0 bytes behind the end of");
    EXPECT_FOUND(said(shifted_write<-1>),
                 "thread (0, 0, 0) writes 4 bytes 4 bytes before the start of an allocation of 384 bytes");
    EXPECT_FOUND(said(shifted_read<64>), "reads 4 bytes ");
  }
}

// A report names the kernel, and the device stays failed until it is asked for.
TEST_F(DeviceAccess, AReportNamesKernelBlockAndThread) {
  const std::string report = said(shifted_write<1>);
  EXPECT_EQ(report.find("kernel "), 0u) << report;
  EXPECT_FOUND(report, "shifted_write<1>(float*), block (0, 0, 0): thread (95, 0, 0) ");
  launch(shifted_write<1>, dim3(1), dim3(count), stream_, a_);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaMemsetAsync(a_, 0, 4, stream_), cudaErrorLaunchFailure);
}

template <int last> void pack_at_the_end(float* x) {
  if (threadIdx.x > 0) return;
  *reinterpret_cast<Four*>(x + last) = Four{};
}

TEST_F(DeviceAccess, APackThatHangsOverTheEnd) {
  void* memory = nullptr;
  ASSERT_EQ(cudaMalloc(&memory, 100 * sizeof(float) + 8), cudaSuccess);
  float* own = std::exchange(a_, static_cast<float*>(memory));
  EXPECT_EQ(said(pack_at_the_end<96>), "");
  EXPECT_FOUND(said(pack_at_the_end<100>), "behind the end of an allocation of 408 bytes");
  std::swap(a_, own);
  cudaFree(own);
}

void copy_of(float* to, const float* from) { to[threadIdx.x] = from[threadIdx.x]; }

TEST_F(DeviceAccess, MemoryOfTheHost) {
  std::vector<float> host(count, 1.f);
  void* pinned = nullptr;
  ASSERT_EQ(cudaHostAlloc(&pinned, count * sizeof(float), cudaHostAllocPortable), cudaSuccess);
  const auto says = [&](const float* from) {
    launch(copy_of, dim3(1), dim3(count), stream_, a_, from);
    cudaStreamSynchronize(stream_);
    return software_cuda::take_report();
  };
  EXPECT_EQ(says(static_cast<const float*>(pinned)), "");
  EXPECT_FOUND(says(host.data()), "reads 4 bytes at 0x");
  EXPECT_FOUND(says(nullptr), "which is no memory of a device: the host's, or freed");
  cudaFreeHost(pinned);
}

struct Given {
  float values[4];
};
void by_value(float* to, Given given) { to[threadIdx.x] = given.values[threadIdx.x % 4]; }
void by_pointer(float* to, const Given* given) { to[threadIdx.x] = given->values[threadIdx.x % 4]; }

TEST_F(DeviceAccess, ParametersMayBeReadAndPointersToTheHostMayNot) {
  const Given given{{1, 2, 3, 4}};
  launch(by_value, dim3(1), dim3(count), stream_, a_, given);
  EXPECT_EQ(values(a_)[6], 3.f);
  EXPECT_EQ(software_cuda::take_report(), "");
  launch(by_pointer, dim3(1), dim3(count), stream_, a_, &given);
  cudaStreamSynchronize(stream_);
  EXPECT_FOUND(software_cuda::take_report(), "reads 4 bytes at 0x");
}

void twice(float* x) { x[threadIdx.x] *= 2; }

TEST_F(DeviceAccess, MemoryThatNobodyHasWritten) {
  EXPECT_FOUND(said(twice), "reads what nobody has written, at offset ");
  fill(a_, 0);
  EXPECT_EQ(said(twice), "");
  // A copy brings along what has been written and what has not.
  cudaMemcpyAsync(a_, b_, 4, cudaMemcpyDefault, stream_);
  EXPECT_FOUND(said(twice), "reads what nobody has written, at offset 0 of");
  cudaMemsetAsync(a_, 0, 4, stream_);
  EXPECT_EQ(said(twice), "");
  // The allocator's guard mode: 0xff for what has been freed, 0xfb for what lies between blocks.
  cudaMemsetAsync(a_, 0xff, 8, stream_);
  EXPECT_FOUND(said(twice), "reads what nobody has written");
  cudaMemsetAsync(a_ + count - 1, 0xfb, 4, stream_);
  EXPECT_FOUND(said(shifted_write<0>), "writes what lies between the allocator's blocks, at offset 380 of");
  fill(a_, 0);
  EXPECT_EQ(said(twice), "");
}

template <int written> void shared_in_part(float* x) {
  __shared__ float shared[count];
  if (threadIdx.x < written) shared[threadIdx.x] = 1;
  __syncthreads();
  x[threadIdx.x] = shared[threadIdx.x];
}
template <int by> void shared_too_far(float* x) {
  __shared__ float shared[count];
  shared[threadIdx.x + by] = 1;
  x[threadIdx.x] = shared[threadIdx.x + by];
}

TEST_F(DeviceAccess, SharedMemoryIsEmptyInEachBlockAndHasBounds) {
  for (int turn = 0; turn < turns; ++turn) {
    EXPECT_EQ(said(shared_in_part<count>), "");
    EXPECT_FOUND(said(shared_in_part<count - 1>),
                 "reads what nobody has written, at offset 380 of shared memory ");
    EXPECT_EQ(said(shared_too_far<0>), "");
    EXPECT_FOUND(said(shared_too_far<1>), " behind the end of ");
  }
}

template <int at> void pack_at(float* x) {
  if (threadIdx.x == 0) reinterpret_cast<Four*>(x + at)->v[1] = 1;
}

TEST_F(DeviceAccess, APackBeginsAtAMultipleOfItsSize) {
  EXPECT_EQ(said(pack_at<4>), "");
  EXPECT_FOUND(said(pack_at<2>), "takes what begins at no multiple of 16 bytes: offset 8 of an allocation");
}

}  // namespace
