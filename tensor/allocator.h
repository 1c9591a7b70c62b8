// The caching allocator behind every Storage: one class for host, pinned and device memory.
//
// Requests are rounded up, served by best fit from free blocks, split, and merged with their neighbours when
// freed. A pool keeps the blocks of one graph recording to itself, so that its addresses stay valid
// (tensor/capture.h). Guard mode (tests) puts a filled zone around every block, fills new and freed blocks
// with NaN, and checks the zones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "tensor/device.h"
#include "tensor/memory_plan.h"

namespace gadolin {

struct MemoryStats {
  std::int64_t allocated = 0;  // in use now, as rounded
  std::int64_t peak_allocated = 0;
  std::int64_t reserved = 0;  // taken from the system
  std::int64_t peak_reserved = 0;
  std::int64_t allocations = 0;  // calls since the start
};

// Where an allocator's memory comes from. fill and read exist for guard mode.
struct MemorySource {
  std::string name;                              // "cpu", "cuda:0", "pinned"
  std::function<void*(std::size_t bytes)> take;  // nullptr when there is no more
  std::function<void(void* data, std::size_t bytes)> give_back;
  std::function<void(void* data, int byte, std::size_t bytes)> fill = std::memset;
  std::function<void(void* host, const void* data, std::size_t bytes)> read = std::memcpy;
};

class CachingAllocator {
 public:
  explicit CachingAllocator(MemorySource source);
  ~CachingAllocator();
  CachingAllocator(const CachingAllocator&) = delete;
  CachingAllocator& operator=(const CachingAllocator&) = delete;

  // At least `bytes` (0 gives an address too), aligned to 512 bytes. Throws OutOfMemory with the facts.
  void* allocate(std::int64_t bytes);
  void free(void* data);
  MemoryStats stats() const;
  void reset_peak();
  void release_cached();  // returns whole free segments to the system
  // From now on `told` hears of every block: the bytes asked for (0 as 1) and the address when it is given
  // out, minus these bytes when it comes back. It must not allocate tensors. An empty function ends it.
  void watch(std::function<void(std::int64_t bytes, const void* data)> told);
  static std::int64_t rounded(std::int64_t bytes);  // what a block for a request takes in `allocated`

  // Blocks allocated while a pool is active on this thread belong to it; 0 is the common pool.
  int new_pool();
  void drop_pool(int pool);  // its free blocks go to the common pool, the others when freed
  // Takes an arena from which the pool then serves a step with these allocations (of rounded or unrounded
  // bytes); requests that are not as planned are served as from any pool. The arena lives as long as the pool
  // and what lies in it. Throws OutOfMemory.
  void plan_pool(int pool, std::vector<Lifetime> lifetimes);
  struct PoolPlan {
    std::int64_t arena_bytes = 0, missed = 0;
  };  // missed: requests that the arena did not serve
  PoolPlan pool_plan(int pool) const;

  void guard(bool on);
  void check_guards() const;  // throws ValueError naming the first damaged block

 private:
  struct Impl;
  Impl* impl_;
};

// The allocator of a device, and of pinned host memory (plain host memory without CUDA).
CachingAllocator& allocator(Device device);
CachingAllocator& pinned_allocator();

// Makes `pool` the one that this thread allocates from on `device`.
class PoolScope {
 public:
  PoolScope(Device device, int pool);
  ~PoolScope();
  PoolScope(const PoolScope&) = delete;
  PoolScope& operator=(const PoolScope&) = delete;
  static int active(const CachingAllocator* allocator);

 private:
  const CachingAllocator* before_allocator_;
  int before_pool_;
};

}  // namespace gadolin
