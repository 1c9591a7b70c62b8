#include "tensor/allocator.h"

#include <sys/mman.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tensor/capture_state.h"
#include "tensor/check.h"

#ifdef GADOLIN_CUDA
#include "tensor/cuda/memory.h"
#endif

namespace gadolin {
namespace {

constexpr std::int64_t unit = 512, small_limit = 1 << 20, small_segment = 2 << 20, medium_segment = 20 << 20,
                       medium_limit = 10 << 20, zone = 512;
constexpr int guard_byte = 0xFB, nan_byte = 0xFF;  // 0xFFFF... is a NaN in every floating type

std::int64_t round_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

// A piece of a segment; neighbours in address order are linked so that free ones merge.
struct Block {
  char* data;
  std::int64_t size;
  Block* left = nullptr;
  Block* right = nullptr;
  int pool = 0;
  bool free = true;
  bool planned = false;  // part of its pool's arena, without neighbours
  std::int64_t requested = 0;
};
struct BySize {
  bool operator()(const Block* a, const Block* b) const {
    return a->size != b->size ? a->size < b->size : a->data < b->data;
  }
};

thread_local const CachingAllocator* active_allocator = nullptr;
thread_local int active_pool = 0;

}  // namespace

struct CachingAllocator::Impl {
  explicit Impl(MemorySource memory) : source(std::move(memory)) {}
  MemorySource source;
  mutable std::mutex mutex;
  struct Arena {
    Block* block;
    PlannedBlocks blocks;
  };
  struct Pool {
    std::set<Block*, BySize> free_blocks = {};
    bool dropped = false;
    std::optional<Arena> arena = {};
  };
  std::vector<Pool> pools{1};
  std::unordered_map<void*, Block*> used;
  MemoryStats stats;
  bool guarded = false;
  std::string damaged;  // first block that was found damaged when it was freed
  std::function<void(std::int64_t, const void*)> told;

  Pool& pool_of(const Block* block) { return pools[static_cast<std::size_t>(block->pool)]; }
  Block* from_cache(std::int64_t size, int pool) {
    auto& blocks = pools[static_cast<std::size_t>(pool)].free_blocks;
    Block key{nullptr, size};
    const auto it = blocks.lower_bound(&key);
    if (it == blocks.end()) return nullptr;
    // A big block is not broken up for a small request: activations of the next step want it whole.
    if (size <= small_limit && (*it)->size > medium_segment) return nullptr;
    Block* block = *it;
    blocks.erase(it);
    return block;
  }

  Block* new_segment(std::int64_t size, int pool) {
    const std::int64_t bytes = size <= small_limit    ? small_segment
                               : size <= medium_limit ? medium_segment
                                                      : round_up(size, small_segment);
    void* data = source.take(static_cast<std::size_t>(bytes));
    if (!data) {
      give_back_free();
      data = source.take(static_cast<std::size_t>(bytes));
    }
    if (!data) return nullptr;
    stats.reserved += bytes;
    stats.peak_reserved = std::max(stats.peak_reserved, stats.reserved);
    Block* block = new Block{static_cast<char*>(data), bytes};
    block->pool = pool;
    return block;
  }

  void split(Block* block, std::int64_t size) {
    if (block->size - size < unit) return;
    Block* rest = new Block{block->data + size, block->size - size, block, block->right, block->pool};
    if (block->right) block->right->left = rest;
    block->right = rest;
    block->size = size;
    pool_of(rest).free_blocks.insert(rest);
  }

  void merge_right(Block* block) {
    Block* next = block->right;
    if (!next || !next->free) return;
    pool_of(next).free_blocks.erase(next);
    block->size += next->size;
    block->right = next->right;
    if (next->right) next->right->left = block;
    delete next;
  }

  void put_free(Block* block) {
    block->free = true;
    // A dropped pool's block joins the common pool; its free neighbours moved there when it was dropped.
    if (pool_of(block).dropped) block->pool = 0;
    merge_right(block);
    if (block->left && block->left->free) {
      block = block->left;
      pool_of(block).free_blocks.erase(block);
      merge_right(block);
    }
    pool_of(block).free_blocks.insert(block);
  }

  // Those of the common pool: what a recording's pool has free is written by every replay.
  void give_back_free() {
    auto& blocks = pools[0].free_blocks;
    for (auto it = blocks.begin(); it != blocks.end();) {
      Block* block = *it;
      if (block->left || block->right) {
        ++it;
        continue;
      }
      source.give_back(block->data, static_cast<std::size_t>(block->size));
      stats.reserved -= block->size;
      it = blocks.erase(it);
      delete block;
    }
  }

  // A free or new block of the pool, marked as used. Throws OutOfMemory.
  Block* take(std::int64_t bytes, std::int64_t size, int pool) {
    Block* block = from_cache(size, pool);
    if (!block) block = new_segment(size, pool);
    if (!block) {
      fail<OutOfMemory>("out of memory on ", source.name, ", needs ", human_bytes(bytes), ", ",
                        human_bytes(stats.allocated), " in use, ",
                        human_bytes(stats.reserved - stats.allocated),
                        " held free in pieces; use a smaller batch, --dtype bf16 or gradient accumulation");
    }
    split(block, size);
    block->free = false;
    stats.allocated += block->size;
    stats.peak_allocated = std::max(stats.peak_allocated, stats.allocated);
    return block;
  }
  Block* from_arena(std::int64_t size, int pool) {
    std::optional<Arena>& arena = pools[static_cast<std::size_t>(pool)].arena;
    const std::int64_t offset = arena ? arena->blocks.take(size) : -1;
    if (offset < 0) return nullptr;
    return new Block{arena->block->data + offset, size, nullptr, nullptr, pool, false, true};
  }
  void to_arena(const Block* block) {
    Pool& pool = pool_of(block);
    pool.arena->blocks.give_back(block->data - pool.arena->block->data);
    delete block;
    drop_arena(pool);
  }
  void drop_arena(Pool& pool) {
    if (!pool.arena || !pool.dropped || !pool.arena->blocks.empty()) return;
    stats.allocated -= pool.arena->block->size;
    put_free(pool.arena->block);
    pool.arena.reset();
  }

  // What is wrong with a guarded block, "" when nothing is. The zone behind it starts at its last byte.
  std::string damage(const Block* block) const {
    const std::int64_t bytes = -block->requested - 1;
    const std::int64_t zones[2][2] = {{0, zone}, {zone + bytes, block->size}};
    std::vector<unsigned char> found;
    for (const auto& [begin, end] : zones) {
      found.resize(static_cast<std::size_t>(end - begin));
      source.read(found.data(), block->data + begin, found.size());
      if (std::all_of(found.begin(), found.end(), [](unsigned char b) { return b == guard_byte; })) continue;
      return cat("allocator: a block of ", bytes, " bytes on ", source.name, " was written out of bounds ",
                 begin == 0 ? "before its start" : "after its end");
    }
    return "";
  }
};

CachingAllocator::CachingAllocator(MemorySource source) : impl_(new Impl(std::move(source))) {}

CachingAllocator::~CachingAllocator() {
  impl_->give_back_free();
  delete impl_;
}

void* CachingAllocator::allocate(std::int64_t bytes) {
  const std::lock_guard lock(impl_->mutex);
  const bool guarded = impl_->guarded;
  const std::int64_t size = rounded(bytes) + (guarded ? 2 * zone : 0);
  const int pool = PoolScope::active(this);
  Block* block = impl_->from_arena(size, pool);
  if (!block) block = impl_->take(bytes, size, pool);
  block->requested = bytes;
  ++impl_->stats.allocations;
  char* data = block->data;
  if (guarded) {
    impl_->source.fill(block->data, nan_byte, static_cast<std::size_t>(block->size));
    impl_->source.fill(block->data, guard_byte, static_cast<std::size_t>(zone));
    impl_->source.fill(block->data + zone + bytes, guard_byte,
                       static_cast<std::size_t>(block->size - zone - bytes));
    data += zone;
    block->requested = -bytes - 1;  // marks a guarded block
  }
  if (impl_->told) impl_->told(std::max<std::int64_t>(bytes, 1), data);
  impl_->used.emplace(data, block);
  return data;
}

void CachingAllocator::free(void* data) {
  if (!data) return;
  const std::lock_guard lock(impl_->mutex);
  const auto it = impl_->used.find(data);
  if (it == impl_->used.end()) return;
  Block* block = it->second;
  impl_->used.erase(it);
  if (impl_->told)
    impl_->told(-std::max<std::int64_t>(block->requested < 0 ? -block->requested - 1 : block->requested, 1),
                data);
  if (block->requested < 0) {
    // A destructor must not throw, not even when the device has failed: check_guards does. Looking would
    // wait.
    try {
      if (impl_->damaged.empty() && !capturing()) impl_->damaged = impl_->damage(block);
      impl_->source.fill(block->data, nan_byte, static_cast<std::size_t>(block->size));
    } catch (const Error& error) {
      if (impl_->damaged.empty()) impl_->damaged = error.what();
    }
  }
  if (block->planned) return impl_->to_arena(block);
  impl_->stats.allocated -= block->size;
  impl_->put_free(block);
}

MemoryStats CachingAllocator::stats() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->stats;
}

void CachingAllocator::reset_peak() {
  const std::lock_guard lock(impl_->mutex);
  impl_->stats.peak_allocated = impl_->stats.allocated;
  impl_->stats.peak_reserved = impl_->stats.reserved;
}

void CachingAllocator::release_cached() {
  const std::lock_guard lock(impl_->mutex);
  impl_->give_back_free();
}

void CachingAllocator::watch(std::function<void(std::int64_t, const void*)> told) {
  const std::lock_guard lock(impl_->mutex);
  impl_->told = std::move(told);
}
std::int64_t CachingAllocator::rounded(std::int64_t bytes) {
  return round_up(std::max<std::int64_t>(bytes, 1), unit);
}

int CachingAllocator::new_pool() {
  const std::lock_guard lock(impl_->mutex);
  impl_->pools.emplace_back();
  return static_cast<int>(impl_->pools.size()) - 1;
}

void CachingAllocator::drop_pool(int number) {
  const std::lock_guard lock(impl_->mutex);
  Impl::Pool& pool = impl_->pools[static_cast<std::size_t>(number)];
  pool.dropped = true;
  for (Block* block : pool.free_blocks) block->pool = 0;
  impl_->pools[0].free_blocks.merge(pool.free_blocks);
  impl_->drop_arena(pool);
}

void CachingAllocator::plan_pool(int pool, std::vector<Lifetime> lifetimes) {
  const std::lock_guard lock(impl_->mutex);
  for (Lifetime& l : lifetimes) l.bytes = rounded(l.bytes) + (impl_->guarded ? 2 * zone : 0);
  MemoryPlan plan = plan_memory(lifetimes);
  if (plan.bytes == 0) return;
  // What the steps before have left in the cache is in pieces: the arena would come on top of it.
  if (plan.bytes > medium_segment) impl_->give_back_free();
  Block* arena = impl_->take(plan.bytes, plan.bytes, 0);
  impl_->pools[static_cast<std::size_t>(pool)].arena.emplace(
      Impl::Arena{arena, PlannedBlocks(std::move(plan))});
}
CachingAllocator::PoolPlan CachingAllocator::pool_plan(int pool) const {
  const std::lock_guard lock(impl_->mutex);
  const auto& arena = impl_->pools[static_cast<std::size_t>(pool)].arena;
  return arena ? PoolPlan{arena->blocks.bytes(), arena->blocks.missed()} : PoolPlan{};
}

void CachingAllocator::guard(bool on) {
  const std::lock_guard lock(impl_->mutex);
  impl_->guarded = on;
  if (on) impl_->damaged.clear();
}

void CachingAllocator::check_guards() const {
  const std::lock_guard lock(impl_->mutex);
  std::string found = std::exchange(impl_->damaged, "");
  for (const auto& [data, block] : impl_->used) {
    if (found.empty() && block->requested < 0) found = impl_->damage(block);
  }
  require<ValueError>(found.empty(), found);
}

// --- sources -----------------------------------------------------------------------------------------------

namespace {

// Pages straight from the system; large blocks ask for huge pages, which halves the cost of first touch.
void* take_host(std::size_t bytes) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return nullptr;
  if (bytes >= static_cast<std::size_t>(small_segment)) madvise(data, bytes, MADV_HUGEPAGE);
  return data;
}

}  // namespace

// Allocators are never destroyed: tensors held by static objects may be freed after main.
CachingAllocator& allocator(Device device) {
#ifdef GADOLIN_CUDA
  if (device.is_cuda()) return cuda_allocator(device.index);
#endif
  require<DeviceError>(device.is_cpu(), "allocate: ", device, " is not available; this build has no CUDA");
  static CachingAllocator& host = *new CachingAllocator({"cpu", take_host, munmap});
  return host;
}

CachingAllocator& pinned_allocator() {
#ifdef GADOLIN_CUDA
  if (cuda_available()) return cuda_pinned_allocator();
#endif
  return allocator(cpu);
}

PoolScope::PoolScope(Device device, int pool)
    : before_allocator_(active_allocator), before_pool_(active_pool) {
  active_allocator = &allocator(device);
  active_pool = pool;
}
PoolScope::~PoolScope() {
  active_allocator = before_allocator_;
  active_pool = before_pool_;
}
int PoolScope::active(const CachingAllocator* allocator) {
  return allocator == active_allocator ? active_pool : 0;
}

}  // namespace gadolin
