// Stands in for CUB's radix sort of pairs with 8 bytes each: the call in two phases, the two buffers whose
// roles change, and, as CUB's, a memory between that holds nothing afterwards.
#pragma once

#include <cstdint>

#include "cuda_runtime_api.h"

namespace software_cuda {
// memory == nullptr: only says how many bytes it would need.
cudaError_t radix_sort(void* memory, std::size_t& bytes, std::uint64_t* const (&keys)[2],
                       std::uint64_t* const (&values)[2], int passes, std::uint64_t count, int first_bit,
                       int last_bit, cudaStream_t stream);
}  // namespace software_cuda

namespace cub {

template <class T>
struct DoubleBuffer {
  T* d_buffers[2];
  int selector = 0;
  DoubleBuffer(T* current, T* alternate) : d_buffers{current, alternate} {}
  T* Current() { return d_buffers[selector]; }
  T* Alternate() { return d_buffers[selector ^ 1]; }
};

struct DeviceRadixSort {
  template <class Key, class Value, class Count>
  static cudaError_t SortPairs(void* memory, std::size_t& bytes, DoubleBuffer<Key>& keys,
                               DoubleBuffer<Value>& values, Count count, int first_bit = 0,
                               int last_bit = 8 * sizeof(Key), cudaStream_t stream = nullptr) {
    static_assert(sizeof(Key) == 8 && Key(-1) > Key(0) && sizeof(Value) == 8);
    const auto words = [](auto* p) { return reinterpret_cast<std::uint64_t*>(p); };
    std::uint64_t* const from_keys[] = {words(keys.Current()), words(keys.Alternate())};
    std::uint64_t* const from_values[] = {words(values.Current()), words(values.Alternate())};
    const int passes = (last_bit - first_bit + 7) / 8;
    const cudaError_t error =
        software_cuda::radix_sort(memory, bytes, from_keys, from_values, passes,
                                  static_cast<std::uint64_t>(count), first_bit, last_bit, stream);
    if (memory && error == cudaSuccess && passes % 2 == 1) keys.selector ^= 1, values.selector ^= 1;
    return error;
  }
};

}  // namespace cub
