// A device with two streams and two allocations, for the tests that plant faults.
#pragma once

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "cuda_runtime.h"
#include "software_cuda.h"

#define EXPECT_FOUND(text, part)                                                               \
  do {                                                                                         \
    const std::string found_in = (text);                                                       \
    EXPECT_NE(found_in.find(part), std::string::npos) << (part) << " is not in: " << found_in; \
  } while (false)

namespace device_faults {

constexpr int count = 96;  // three warps

template <class... Params, class... Args>
cudaError_t launch(void (*kernel)(Params...), dim3 grid, dim3 block, cudaStream_t stream, Args... args) {
  std::tuple<Params...> values(args...);
  return std::apply(
      [&](Params&... value) {
        void* places[] = {static_cast<void*>(&value)...};
        return cudaLaunchKernel(kernel, grid, block, places, 0, stream);
      },
      values);
}

class DeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    cudaSetDevice(0);
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&other_, cudaStreamNonBlocking), cudaSuccess);
    void* memory = nullptr;
    ASSERT_EQ(cudaMalloc(&memory, count * sizeof(float)), cudaSuccess);
    a_ = static_cast<float*>(memory);
    ASSERT_EQ(cudaMalloc(&memory, count * sizeof(float)), cudaSuccess);
    b_ = static_cast<float*>(memory);
  }
  void TearDown() override {
    software_cuda::take_report();
    cudaDeviceSynchronize();
    cudaFree(a_);
    cudaFree(b_);
    cudaStreamDestroy(stream_);
    cudaStreamDestroy(other_);
    cudaGetLastError();
    EXPECT_EQ(software_cuda::take_report(), "");
  }
  void fill(float* to, float first) {
    std::vector<float> values(count);
    std::iota(values.begin(), values.end(), first);
    ASSERT_EQ(cudaMemcpyAsync(to, values.data(), count * sizeof(float), cudaMemcpyDefault, stream_),
              cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  }
  std::vector<float> values(const float* from) {
    std::vector<float> got(count, -1);
    cudaMemcpyAsync(got.data(), from, count * sizeof(float), cudaMemcpyDefault, stream_);
    cudaStreamSynchronize(stream_);
    return got;
  }
  std::vector<float> rising(float first) {
    std::vector<float> all(count);
    std::iota(all.begin(), all.end(), first);
    return all;
  }
  // What the device says of the kernel, run on one block unless more are asked for.
  std::string said(void (*kernel)(float*), dim3 block = dim3(count), dim3 grid = dim3(1)) {
    launch(kernel, grid, block, stream_, a_);
    cudaStreamSynchronize(stream_);
    return software_cuda::take_report();
  }
  cudaStream_t stream_ = nullptr, other_ = nullptr;
  float *a_ = nullptr, *b_ = nullptr;
};

}  // namespace device_faults
