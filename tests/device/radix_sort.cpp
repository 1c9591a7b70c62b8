// The sort behind the stand-in for CUB: one piece of work on the stream, with the reads, the writes and the
// passing places of a radix sort of eight bits a pass.
#include "cub/device/device_radix_sort.cuh"

#include <algorithm>
#include <cstring>
#include <vector>

#include "machine.h"

namespace software_cuda {
namespace {

constexpr std::size_t bytes_needed = 8192;  // counts of each digit

struct Pair {
  std::uint64_t key, value;
};

void spoil(void* begin, std::size_t bytes) {
  library_writes(begin, bytes);
  std::memset(begin, 0xff, bytes);
  note_fill(begin, 0xff, bytes);
}

}  // namespace

cudaError_t radix_sort(void* memory, std::size_t& bytes, std::uint64_t* const (&keys)[2],
                       std::uint64_t* const (&values)[2], int passes, std::uint64_t count, int first_bit,
                       int last_bit, cudaStream_t stream) {
  if (first_bit < 0 || last_bit > 64 || first_bit >= last_bit) return cudaErrorInvalidValue;
  if (!memory) {
    bytes = bytes_needed;
    return cudaSuccess;
  }
  if (bytes < bytes_needed) return cudaErrorInvalidValue;
  const std::lock_guard lock(machine().mutex);
  const auto cost = [=] {
    const double once = 16 * static_cast<double>(count);
    return Charge{.kind = "kernel",
                  .name = "cub::DeviceRadixSort",
                  .type = "",
                  .flops = 0,
                  .read = once * (passes + 0.5),  // the digits of all keys are counted first
                  .written = once * passes};
  };
  return machine().push(
      stream,
      [=, from_keys = keys[0], from_values = values[0], to_keys = keys[passes % 2],
       to_values = values[passes % 2], other_keys = keys[1 - passes % 2],
       other_values = values[1 - passes % 2]] {
        const std::size_t all = count * sizeof(std::uint64_t);
        if (all == 0) return;
        library_reads(from_keys, all);
        library_reads(from_values, all);
        spoil(memory, bytes_needed);
        std::vector<Pair> pairs(count);
        for (std::uint64_t i = 0; i < count; ++i) pairs[i] = {from_keys[i], from_values[i]};
        const std::uint64_t wanted =
            last_bit - first_bit == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << (last_bit - first_bit)) - 1;
        std::stable_sort(pairs.begin(), pairs.end(), [=](const Pair& a, const Pair& b) {
          return (a.key >> first_bit & wanted) < (b.key >> first_bit & wanted);
        });
        spoil(other_keys, all);
        spoil(other_values, all);
        library_writes(to_keys, all);
        library_writes(to_values, all);
        for (std::uint64_t i = 0; i < count; ++i) to_keys[i] = pairs[i].key, to_values[i] = pairs[i].value;
      },
      cost);
}

}  // namespace software_cuda
