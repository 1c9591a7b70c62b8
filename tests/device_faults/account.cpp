// The account of a recording: bytes of kernels from a few of their blocks, against what can be counted by
// hand.
#include "tests/device_faults/device.h"

namespace {

using namespace device_faults;
using software_cuda::Charge;

constexpr int elements = 1 << 16, blocks = 64, threads = 256;

// Reads 8 bytes an element and writes 4; all blocks read the same 1024 bytes of `shared`.
void add_all(const float* x, const float* y, const float* shared, float* out) {
  const int step = elements / blocks;
  for (int i = static_cast<int>(threadIdx.x); i < step; i += threads) {
    const int at = static_cast<int>(blockIdx.x) * step + i;
    out[at] = x[at] + y[at] + shared[threadIdx.x];
  }
}
// Every eighth element: a GPU moves the sectors of 32 bytes around them.
void add_every_eighth(const float* x, float* out) {
  for (int i = static_cast<int>(threadIdx.x) * 8; i < elements / blocks; i += threads * 8) {
    const int at = static_cast<int>(blockIdx.x) * (elements / blocks) + i;
    out[at] = x[at];
  }
}

class DeviceAccount : public DeviceTest {
 protected:
  // The charges of what `record` puts on the stream, given four arrays of elements.
  template <class Record> std::vector<Charge> charges(Record record) {
    software_cuda::open_account(std::size_t{1} << 40, 132);
    float* arrays[4] = {};
    for (float*& a : arrays) {
      void* memory = nullptr;
      EXPECT_EQ(cudaMalloc(&memory, elements * sizeof(float)), cudaSuccess);
      a = static_cast<float*>(memory);
    }
    EXPECT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    record(arrays);
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
    std::size_t nodes = 0;
    cudaGraphGetNodes(graph, nullptr, &nodes);
    cudaGraphDestroy(graph);
    const std::vector<Charge> found = software_cuda::close_account();
    EXPECT_EQ(found.size(), nodes);
    for (float* a : arrays) cudaFree(a);
    return found;
  }
};

TEST_F(DeviceAccount, BytesOfAKernelAreThoseOfItsBlocks) {
  const auto found = charges([&](float** a) {
    launch(add_all, dim3(blocks), dim3(threads), stream_, a[0], a[1], a[2], a[3]);
    launch(add_every_eighth, dim3(blocks), dim3(threads), stream_, a[0], a[3]);
  });
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].kind, "kernel");
  EXPECT_FOUND(found[0].name, "add_all");
  EXPECT_EQ(found[0].read, 2.0 * 4 * elements + threads * 4);
  EXPECT_EQ(found[0].written, 4.0 * elements);
  EXPECT_EQ(found[1].read, 4.0 * elements);
  EXPECT_EQ(found[1].written, 4.0 * elements);
}

TEST_F(DeviceAccount, CopiesAndFillsCountOnceEachWay) {
  void* pinned = nullptr;
  ASSERT_EQ(cudaHostAlloc(&pinned, 4096, 0), cudaSuccess);
  const auto found = charges([&](float** a) {
    cudaMemcpyAsync(a[0], a[1], 4096, cudaMemcpyDefault, stream_);
    cudaMemcpyAsync(a[0], pinned, 4096, cudaMemcpyDefault, stream_);
    cudaMemsetAsync(a[0], 0, 512, stream_);
  });
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].read + found[0].written, 8192);
  EXPECT_EQ(found[1].read, 0);
  EXPECT_EQ(found[1].written, 4096);
  EXPECT_EQ(found[2].kind, "fill");
  EXPECT_EQ(found[2].written, 512);
  cudaFreeHost(pinned);
}

// Nothing runs meanwhile, and afterwards the device does what it did.
TEST_F(DeviceAccount, TheDeviceWorksAgainAfterwards) {
  fill(a_, 3);
  charges([&](float** a) { cudaMemsetAsync(a[0], 0, 4, stream_); });
  EXPECT_EQ(values(a_), rising(3));
}

}  // namespace
