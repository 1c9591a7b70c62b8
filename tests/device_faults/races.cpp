// Races planted into kernels, and beside each the kernel in which the same accesses are ordered. What is
// found depends on no order of threads: each is tried in several.
#include <cstdint>

#include "tests/device_faults/device.h"

namespace {

using namespace device_faults;
constexpr const char* race = "races: it ";

class DeviceRaces : public DeviceTest {
 protected:
  // Found in every order of threads, or in none. A read of shared memory that went before the write has found
  // nothing written.
  void expect(void (*kernel)(float*), bool found, dim3 block = dim3(count), dim3 grid = dim3(1)) {
    for (int turn = 0; turn < 8; ++turn) {
      fill(a_, 0);
      const std::string said_of_it = said(kernel, block, grid);
      const bool raced = said_of_it.find(race) != std::string::npos ||
                         said_of_it.find("reads what nobody has written, at offset ") != std::string::npos;
      EXPECT_EQ(said_of_it.empty(), !found);
      EXPECT_EQ(raced, found) << said_of_it;
    }
  }
};

template <bool ordered> void neighbour(float* x) {
  const float v = x[(threadIdx.x + 1) % count];
  if constexpr (ordered) __syncthreads();
  x[threadIdx.x] = v;
}
TEST_F(DeviceRaces, AReadAndALaterWriteOfAnother) {
  expect(neighbour<true>, false);
  expect(neighbour<false>, true);
  EXPECT_FOUND(said(neighbour<false>),
               "of an allocation of 384 bytes on device 0, which block (0, 0, 0) thread (");
}

template <bool ordered> void tree(float* x) {
  __shared__ float sums[64];
  sums[threadIdx.x] = x[threadIdx.x];
  for (unsigned half = 32; half > 0; half /= 2) {
    if (ordered || half == 32) __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x == 0) x[0] = sums[0];
}
TEST_F(DeviceRaces, ATreeOfSumsThatLacksItsInnerBarriers) {
  expect(tree<true>, false, dim3(64));
  expect(tree<false>, true, dim3(64));
}

template <bool ordered> void used_again(float* x) {
  __shared__ float word;
  for (int i = 0; i < 2; ++i) {
    if (threadIdx.x == 0) word = x[i];
    __syncthreads();
    x[threadIdx.x + 2] += word;
    if constexpr (ordered) __syncthreads();
  }
}
TEST_F(DeviceRaces, SharedMemoryIsFilledAgainTooEarly) {
  expect(used_again<true>, false, dim3(64));
  expect(used_again<false>, true, dim3(64));
}

void all_write_one(float* x) { x[0] = 1; }
void one_writes(float* x) {
  if (threadIdx.x == 0) x[blockIdx.x] = 1;
}
TEST_F(DeviceRaces, TheSameValueToOnePlace) {
  expect(one_writes, false);
  expect(all_write_one, true);
}

void count_with_atomics(float* x) { atomicAdd(x, 1.f); }
void count_without(float* x) { x[0] += 1; }
void count_and_look(float* x) {
  atomicAdd(x, 1.f);
  if (x[0] == 1.5f) x[1] = 0;
}
template <bool with_atomics> void count_and_glance(float* x) {
  if constexpr (with_atomics)
    atomicAdd(x, 1.f);
  else if (threadIdx.x == 0)
    *static_cast<volatile float*>(x) = 1;
  if (*static_cast<const volatile float*>(x) == -1.5f) x[1] = 0;
}
TEST_F(DeviceRaces, AtomicOperationsAndPlainOnes) {
  expect(count_and_glance<true>, false);
  expect(count_and_glance<true>, false, dim3(32), dim3(3));
  expect(count_and_glance<false>, true);
  expect(count_with_atomics, false);
  expect(count_with_atomics, false, dim3(32), dim3(3));
  expect(count_without, true);
  expect(count_and_look, true);
}

template <int stride> void blocks_apart(float* x) { x[blockIdx.x * stride + threadIdx.x] = 1; }
void blocks_read_and_write(float* x) {
  if (blockIdx.x == 0)
    x[threadIdx.x] = 1;
  else if (x[threadIdx.x] == 2)
    x[64] = 0;
}
TEST_F(DeviceRaces, TwoBlocksOnOneAddress) {
  expect(blocks_apart<32>, false, dim3(32), dim3(3));
  expect(blocks_apart<31>, true, dim3(32), dim3(3));
  expect(blocks_read_and_write, true, dim3(32), dim3(2));
  expect(blocks_read_and_write, false, dim3(32), dim3(1));
}

// The last block to arrive adds what the others have left behind.
template <bool fenced, bool counted> void last_adds(float* x) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    x[1 + blockIdx.x] = 1;
    if constexpr (fenced) __threadfence();
    if constexpr (counted)
      last = atomicInc(reinterpret_cast<unsigned*>(x), gridDim.x - 1) == gridDim.x - 1;
    else
      last = blockIdx.x == gridDim.x - 1;
  }
  __syncthreads();
  if (!last || threadIdx.x != 1) return;
  float sum = 0;
  for (unsigned b = 0; b < gridDim.x; ++b) sum += x[1 + b];
  x[16] = sum;
}
TEST_F(DeviceRaces, TheLastBlockAddsBehindAFenceAndACounter) {
  expect(last_adds<true, true>, false, dim3(32), dim3(4));
  expect(last_adds<false, true>, true, dim3(32), dim3(4));
  expect(last_adds<true, false>, true, dim3(32), dim3(4));
}

enum class Between { nothing, shuffle, syncwarp, half };
template <Between between> void warp_neighbour(float* x) {
  __shared__ float shared[32];
  shared[threadIdx.x] = x[threadIdx.x];
  if constexpr (between == Between::syncwarp) __syncwarp();
  if constexpr (between == Between::shuffle) x[threadIdx.x] = __shfl_xor_sync(~0u, 1.f, 1);
  if constexpr (between == Between::half) __syncwarp(threadIdx.x < 16 ? 0xffffu : 0xffff0000u);
  x[threadIdx.x] = shared[31 - threadIdx.x];
}
template <int from> void quarter_neighbour(float* x) {
  __shared__ float shared[32];
  shared[threadIdx.x] = x[threadIdx.x];
  __syncwarp(0xffu << threadIdx.x / 8 * 8);
  x[threadIdx.x] = shared[threadIdx.x ^ from];
}
TEST_F(DeviceRaces, OfAWarpOnlySyncwarpOrdersMemoryAndOnlyOfItsMask) {
  expect(warp_neighbour<Between::syncwarp>, false, dim3(32));
  expect(warp_neighbour<Between::nothing>, true, dim3(32));
  expect(warp_neighbour<Between::shuffle>, true, dim3(32));
  expect(warp_neighbour<Between::half>, true, dim3(32));
  expect(quarter_neighbour<7>, false, dim3(32));
  expect(quarter_neighbour<8>, true, dim3(32));
}

// Neighbours of less than a word.
template <class T, int by> void small_elements(float* x) {
  T* place = reinterpret_cast<T*>(x);
  place[threadIdx.x + by] = static_cast<T>(place[threadIdx.x] + 1);
}
TEST_F(DeviceRaces, BytesAndHalvesOfOneWord) {
  expect(small_elements<std::uint8_t, 0>, false);
  expect(small_elements<std::uint16_t, 0>, false);
  expect(small_elements<std::uint8_t, 1>, true);
  expect(small_elements<std::uint16_t, 1>, true);
}

}  // namespace
