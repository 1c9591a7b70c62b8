// What the device knows of memory that kernels touch: whether each byte has been written, and which threads
// have touched it last. Kernels tell of every access (access.cpp); a fault ends the thread that commits it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cuda_runtime.h"

namespace software_cuda {

// Who has touched a place: the epoch (a count of barriers, blocks and launches), the thread of the block, the
// thread's own count of __syncwarp within the epoch, and whether by an atomic operation.
using Stamp = std::uint64_t;
constexpr int epoch_shift = 24, thread_shift = 14;
constexpr Stamp atomic_bit = 1;
inline std::uint64_t epoch_of(Stamp s) { return s >> epoch_shift; }
inline unsigned thread_of(Stamp s) { return static_cast<unsigned>(s >> thread_shift) & 1023; }
inline unsigned clock_of(Stamp s) { return static_cast<unsigned>(s >> 1) & 8191; }

// A volatile read is a strong one of PTX's memory model (8.7 of its manual): no race with an atomic
// operation, but no more than that.
enum class Access { read, volatile_read, write, atomic };
inline bool only_reads(Access a) { return a == Access::read || a == Access::volatile_read; }

// The latest access of a launch, the latest of another thread than that, and the first.
struct Accesses {
  Stamp last, other, first;
};
struct Cell {
  Accesses reads, writes;
};
struct Found {
  Stamp stamp = 0;  // of an access that races; 0 without one
  bool write = false;
};

// The shadow of one allocation, or of one variable of a kernel. Its pages come with the first touch.
class Shadow {
 public:
  enum class Kind { device, pinned, shared, variable };
  enum State : unsigned char { unwritten = 0, written = 1, closed = 2 };
  Shadow(Kind kind, const void* begin, std::size_t bytes, int device, std::string name = "");
  ~Shadow();
  Shadow(const Shadow&) = delete;
  Shadow& operator=(const Shadow&) = delete;

  bool holds(std::uintptr_t address) const { return address - begin < bytes; }
  void set(std::size_t offset, std::size_t count, State state);
  bool all_written(std::size_t offset, std::size_t count) const;
  // The state of the first byte that is not `written`; its offset goes to *at.
  State look(std::size_t offset, std::size_t count, std::size_t* at) const;
  // Notes the access and finds one that races with it.
  Found touch(std::size_t offset, std::size_t count, Access access);

  const Kind kind;
  const std::uintptr_t begin;
  const std::size_t bytes;
  const int device;
  const std::string name;
  unsigned char* states = nullptr;  // one a byte
  bool used = false;                // of shared memory: by the present block

 private:
  Cell* cells_ = nullptr;  // one for four bytes, or a mark that four stand in bytes_
  std::vector<std::unique_ptr<Cell[]>> bytes_;
};

// False with GADOLIN_SOFTWARE_CHECK=0.
bool checking();
// Memory that kernels may touch, as long as the result lives.
std::shared_ptr<Shadow> track(Shadow::Kind kind, const void* begin, std::size_t bytes, int device);
Shadow* shadow_at(std::uintptr_t address);
// Work other than kernels: a fill, a copy, an element that a library reads or writes.
void note_fill(const void* to, int byte, std::size_t bytes);
void note_copy(const void* to, const void* from, std::size_t bytes);
void library_reads(const void* from, std::size_t bytes);
void library_writes(const void* to, std::size_t bytes);

// Of buffers that a collective uses now (collectives.cpp): what it does with them, where this access may not
// meet it; "" where it may.
extern bool anything_in_flight;
std::string in_flight_conflict(std::uintptr_t address, std::size_t bytes, bool write);

// What runs, as told by threads.cpp.
void launch_begins(const Kernel& kernel, dim3 grid, dim3 block);
void block_begins(unsigned index);
void block_ends();
void thread_runs(unsigned index, const char* stack, std::size_t stack_bytes);
void thread_waits();  // or has ended, or is within the device
void barrier_passed();
void warp_passed(unsigned first, unsigned mask);
// What is wrong with the launch as a whole, "" when nothing is.
std::string launch_ends();

// races.cpp: the order of accesses within a launch.
Stamp present_stamp();
std::string block_text(Stamp stamp);   // "block (0, 0, 0)"
std::string thread_text(Stamp stamp);  // "thread (5, 0, 0)"
bool races(Stamp before, Stamp now, bool between_blocks);
Stamp launch_start();
Stamp block_start();
void order_launch(dim3 grid, dim3 block);
void order_block(unsigned index);
void order_thread(unsigned index);
void order_barrier();
void order_warp(unsigned first, unsigned mask);
void order_fence();
void order_atomic(std::uintptr_t address);

// access.cpp
void set_in_kernel(bool in);
std::uint64_t accesses_seen();
void kernel_access(std::uintptr_t address, std::size_t bytes, Access access);
void kernel_misaligned(std::uintptr_t address, std::size_t alignment);
// Ends the thread of a kernel that runs now; gives back only when its block has failed already.
void end_thread(const std::string& fault);

// symbols.cpp: what the program's own tables say.
struct Variable {
  std::uintptr_t begin = 0;
  std::size_t bytes = 0;
  std::string name;
  bool local = false;  // to a function, as shared memory is
};
const Variable* variable_at(std::uintptr_t address);
bool is_constant(std::uintptr_t address);
std::string function_at(const void* address);

// planted.cpp: whether the checker finds the faults that are planted there; says which it does not.
std::string missed_planted_faults();
// The blocks of these numbers; what is wrong with one, "" when nothing is.
std::string run_blocks(const Kernel& kernel, dim3 grid, dim3 block, const std::vector<unsigned>& blocks);

}  // namespace software_cuda
