// The ranks of a communicator on devices of their own, a stream and two buffers each, for tests of the
// stand-in for NCCL.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "nccl.h"
#include "software_cuda.h"
#include "tensor/half.h"
#include "tests/device_faults/device.h"

namespace device_faults {

template <class T> void append_as(std::vector<char>& to, T value) {
  to.insert(to.end(), reinterpret_cast<const char*>(&value), reinterpret_cast<const char*>(&value + 1));
}
inline std::vector<char> encoded(const std::vector<double>& values, ncclDataType_t type) {
  std::vector<char> made;
  for (const double v : values) {
    switch (type) {
      case ncclInt8:
      case ncclUint8: append_as(made, static_cast<std::uint8_t>(static_cast<int>(v))); break;
      case ncclInt32:
      case ncclUint32: append_as(made, static_cast<std::uint32_t>(static_cast<std::int64_t>(v))); break;
      case ncclInt64:
      case ncclUint64: append_as(made, static_cast<std::uint64_t>(static_cast<std::int64_t>(v))); break;
      case ncclFloat16: append_as(made, gadolin::detail::float_to_fp16(static_cast<float>(v))); break;
      case ncclBfloat16: append_as(made, gadolin::detail::float_to_bf16(static_cast<float>(v))); break;
      case ncclFloat32: append_as(made, static_cast<float>(v)); break;
      case ncclFloat64: append_as(made, v); break;
    }
  }
  return made;
}

class RanksTest : public testing::Test {
 protected:
  static constexpr std::size_t room = 512;  // bytes of a buffer

  void open(int ranks) {
    comms_.assign(static_cast<std::size_t>(ranks), nullptr);
    ASSERT_EQ(ncclCommInitAll(comms_.data(), ranks, nullptr), ncclSuccess) << ncclGetLastError(nullptr);
    open_devices(ranks);
  }
  void open_devices(int ranks) {
    for (int device = 0; device < ranks; ++device) {
      cudaSetDevice(device);
      cudaStream_t stream = nullptr;
      ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
      streams_.push_back(stream);
      for (auto* buffers : {&send_, &recv_}) {
        void* memory = nullptr;
        ASSERT_EQ(cudaMalloc(&memory, room), cudaSuccess);
        buffers->push_back(static_cast<float*>(memory));
      }
    }
    cudaSetDevice(0);
  }
  void close() {
    software_cuda::take_report();
    for (const ncclComm_t comm : comms_) ncclCommDestroy(comm);
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      cudaSetDevice(static_cast<int>(i));
      cudaFree(send_[i]);
      cudaFree(recv_[i]);
      cudaStreamDestroy(streams_[i]);
    }
    comms_.clear(), streams_.clear(), send_.clear(), recv_.clear();
    cudaSetDevice(0);
    cudaGetLastError();
    EXPECT_EQ(software_cuda::take_report(), "");
  }
  void TearDown() override { close(); }

  std::size_t ranks() const { return streams_.size(); }
  void write(std::size_t rank, float* to, const std::vector<char>& bytes) {
    ASSERT_EQ(cudaMemcpyAsync(to, bytes.data(), bytes.size(), cudaMemcpyDefault, streams_[rank]),
              cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(streams_[rank]), cudaSuccess);
  }
  std::vector<char> read(std::size_t rank, const float* from, std::size_t bytes) {
    std::vector<char> got(bytes, 77);
    cudaMemcpyAsync(got.data(), from, bytes, cudaMemcpyDefault, streams_[rank]);
    cudaStreamSynchronize(streams_[rank]);
    return got;
  }
  // Rank r's element i, in 1 to 12.
  static double number(std::size_t rank, std::size_t i) {
    return static_cast<double>((5 * i + 3 * rank + i * rank) % 12 + 1);
  }
  static std::vector<double> numbers(std::size_t rank, std::size_t n) {
    std::vector<double> all;
    for (std::size_t i = 0; i < n; ++i) all.push_back(number(rank, i));
    return all;
  }
  void fill(std::size_t n, ncclDataType_t type = ncclFloat) {
    for (std::size_t r = 0; r < ranks(); ++r) write(r, send_[r], encoded(numbers(r, n), type));
  }
  // What `one` asks for on every rank, as one group.
  template <class F> ncclResult_t together(F one) {
    ncclGroupStart();
    for (std::size_t r = 0; r < ranks(); ++r) one(r);
    return ncclGroupEnd();
  }
  std::string said() {
    cudaDeviceSynchronize();
    return software_cuda::take_report();
  }

  std::vector<ncclComm_t> comms_;
  std::vector<cudaStream_t> streams_;
  std::vector<float*> send_, recv_;
};

}  // namespace device_faults
