// The shadow of an allocation. Accesses of whole words share a cell; where one is smaller, or lies across
// two, each byte gets its own.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "checker.h"

namespace software_cuda {
namespace {

constexpr std::size_t word = 4;
constexpr Stamp in_bytes = ~Stamp{0};  // as the last read: `other` says where the cells are

template <class T> T* pages(std::size_t count) {
  void* made = ::mmap(nullptr, std::max<std::size_t>(count, 1) * sizeof(T), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (made == MAP_FAILED) throw std::runtime_error("no memory for the shadow of an allocation");
  return static_cast<T*>(made);
}

Stamp racing(const Accesses& before, Stamp now, Stamp since, bool between_blocks) {
  if (before.last < since) return 0;
  for (const Stamp stamp : {before.last, before.other, before.first})
    if (stamp >= since && races(stamp, now, between_blocks)) return stamp;
  return 0;
}

void note(Accesses& a, Stamp now, Stamp since) {
  if (a.last < since) {
    a = {now, 0, now};
  } else if ((a.last ^ now) >> thread_shift == 0) {  // the same thread in the same epoch
    a.last = now & (a.last | ~atomic_bit);
  } else {
    a.other = a.last;
    a.last = now;
  }
}

Found touch(Cell& cell, Stamp now, Stamp since, bool between_blocks, bool write) {
  Found found{racing(cell.writes, now, since, between_blocks), true};
  if (!found.stamp && write) found = {racing(cell.reads, now, since, between_blocks), false};
  note(write ? cell.writes : cell.reads, now, since);
  return found;
}

}  // namespace

Shadow::Shadow(Kind kind_, const void* begin_, std::size_t bytes_, int device_, std::string name_)
    : kind(kind_), begin(reinterpret_cast<std::uintptr_t>(begin_)), bytes(bytes_), device(device_),
      name(std::move(name_)), states(pages<unsigned char>(bytes)),
      cells_(pages<Cell>((bytes + word - 1) / word)) {
  if (kind == Kind::pinned || kind == Kind::variable) set(0, bytes, written);
}

Shadow::~Shadow() {
  ::munmap(states, std::max<std::size_t>(bytes, 1));
  ::munmap(cells_, std::max<std::size_t>((bytes + word - 1) / word, 1) * sizeof(Cell));
}

void Shadow::set(std::size_t offset, std::size_t count, State state) {
  std::memset(states + offset, state, count);
}

// For accesses of usual sizes; others are looked at byte by byte.
bool Shadow::all_written(std::size_t offset, std::size_t count) const {
  static const std::uint64_t all = 0x0101010101010101u;  // `written`, eight times
  return count <= sizeof all && std::memcmp(states + offset, &all, count) == 0;
}

Shadow::State Shadow::look(std::size_t offset, std::size_t count, std::size_t* at) const {
  for (*at = offset; *at < offset + count; ++*at)
    if (states[*at] != written) return static_cast<State>(states[*at]);
  return written;
}

Found Shadow::touch(std::size_t offset, std::size_t count, Access access) {
  const bool write = !only_reads(access), between_blocks = kind != Kind::shared;
  const Stamp now =
      present_stamp() | (access == Access::atomic || access == Access::volatile_read ? atomic_bit : 0);
  const Stamp since = between_blocks ? launch_start() : block_start();
  Found found;
  const auto add = [&](Cell& cell) {
    const Found one = software_cuda::touch(cell, now, since, between_blocks, write);
    if (!found.stamp) found = one;
  };
  for (std::size_t at = offset, end = offset + count; at < end;) {
    const std::size_t next = std::min(end, at / word * word + word);
    Cell& cell = cells_[at / word];
    if (next - at < word && cell.reads.last != in_bytes) {
      bytes_.push_back(std::make_unique<Cell[]>(word));
      std::fill_n(bytes_.back().get(), word, cell);
      cell.reads = {in_bytes, bytes_.size() - 1, 0};
    }
    if (cell.reads.last == in_bytes) {
      for (; at < next; ++at) add(bytes_[cell.reads.other][at % word]);
    } else {
      add(cell);
    }
    at = next;
  }
  return found;
}

}  // namespace software_cuda
