// Blocks and their threads. A thread is a context with a stack of its own; a context that has ended goes on
// with the next thread, so that a kernel without barriers costs function calls. Blocks, and the threads of a
// block between two barriers, run in random order.
#include <sys/mman.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "machine.h"

// AddressSanitizer is told of stacks where the program has it; this library itself is not instrumented.
extern "C" {
[[gnu::weak]] void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom, std::size_t size);
[[gnu::weak]] void __sanitizer_finish_switch_fiber(void* fake_stack, const void** bottom, std::size_t* size);
}

dim3 threadIdx, blockIdx, blockDim, gridDim;

// Saves the registers that a function must keep on this stack, its place to *from, and goes on at `to`.
extern "C" void software_cuda_switch(void** from, void* to);
asm(R"(
.text
.globl software_cuda_switch
.hidden software_cuda_switch
.type software_cuda_switch, @function
software_cuda_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size software_cuda_switch, .-software_cuda_switch
)");

namespace software_cuda {
namespace {

constexpr std::size_t stack_bytes = 256 << 10, most_apart = 64 << 10;
constexpr unsigned lanes = 32;

enum class State { pending, running, at_barrier, at_lanes, ended };

struct Thread {
  unsigned index = 0;  // within the block
  State state = State::pending;
  const char* file = "";  // of the barrier
  int line = 0;
  unsigned mask = 0;
  unsigned exchanges = 0;
};

struct Context {
  void* at = nullptr;
  char* stack = nullptr;
  Thread* thread = nullptr;
  void* fake_stack = nullptr;
};

struct Warp {
  unsigned arrived = 0;
  std::uint64_t values[2][lanes] = {};
};

struct Block {
  const Kernel* kernel = nullptr;
  std::vector<Thread> threads;
  std::vector<unsigned> order;  // in which threads begin
  std::size_t begun = 0, ended = 0;
  std::vector<Warp> warps;
  std::vector<Context*> ready, waiting;
  std::string fault;
};

Block* block = nullptr;
Context main_context;
Context* current = nullptr;
std::vector<Context*> spare;
Context* cut = nullptr;  // whose thread was ended from within: its stack is to be set up again

// The stack of the thread of the system that runs the device now.
const void* main_bottom = nullptr;
std::size_t main_size = 0;

// Contexts are entered from the main one and go back to it.
void switch_to(Context& to) {
  Context& from = *current;
  current = &to;
  if (!__sanitizer_start_switch_fiber) return software_cuda_switch(&from.at, to.at);
  const bool back = &to == &main_context, entered = &from != &main_context;
  __sanitizer_start_switch_fiber(&from.fake_stack, back ? main_bottom : to.stack,
                                 back ? main_size : stack_bytes);
  software_cuda_switch(&from.at, to.at);
  __sanitizer_finish_switch_fiber(from.fake_stack, entered ? &main_bottom : nullptr,
                                  entered ? &main_size : nullptr);
}

dim3 place(unsigned index) {
  return dim3(index % blockDim.x, index / blockDim.x % blockDim.y, index / (blockDim.x * blockDim.y));
}

void run_threads() {
  while (block->begun < block->order.size() && block->fault.empty()) {
    Thread& thread = block->threads[block->order[block->begun++]];
    current->thread = &thread;
    thread.state = State::running;
    threadIdx = place(thread.index);
    thread_runs(thread.index, current->stack, stack_bytes);
    try {
      block->kernel->call(block->kernel->values.get());
    } catch (const std::exception& error) {
      block->fault = error.what();
    }
    thread_waits();
    thread.state = State::ended;
    ++block->ended;
  }
  current->thread = nullptr;
}

// The first call in a context. It never returns: its stack goes to the spare ones.
void context_main() {
  if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(nullptr, &main_bottom, &main_size);
  for (;;) {
    run_threads();
    spare.push_back(current);
    switch_to(main_context);
  }
}

// As software_cuda_switch() leaves a stack: six registers, then where to go on, then a return address of 0.
void set_up(Context& context) {
  auto* top = reinterpret_cast<void**>(context.stack + stack_bytes);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(context_main);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  context.at = top;
}

Context* spare_context() {
  if (!spare.empty()) {
    Context* context = spare.back();
    spare.pop_back();
    return context;
  }
  auto* context = new Context;
  void* pages = ::mmap(nullptr, stack_bytes + most_apart, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) throw std::runtime_error("no memory for the stack of a thread");
  // Stacks that began at the same place of their pages would share a few lines of the caches.
  static std::size_t made = 0;
  context->stack = static_cast<char*>(pages) + made++ * 17 * 64 % most_apart;
  set_up(*context);
  return context;
}

// Waits in the present thread until somebody makes it ready.
void wait_as(State state) {
  Context* self = current;
  Thread& thread = *self->thread;
  thread.state = state;
  block->waiting.push_back(self);
  switch_to(main_context);
  threadIdx = place(thread.index);
  thread_runs(thread.index, self->stack, stack_bytes);
  if (!block->fault.empty()) throw std::runtime_error(block->fault);
}

// Makes ready those waiting contexts whose threads fulfil the condition.
template <class F> void wake(F condition) {
  auto& waiting = block->waiting;
  const auto rest = std::partition(waiting.begin(), waiting.end(),
                                   [&](const Context* context) { return !condition(*context->thread); });
  for (auto at = rest; at != waiting.end(); ++at) {
    (*at)->thread->state = State::running;
    block->ready.push_back(*at);
  }
  waiting.erase(rest, waiting.end());
}

std::string where(const Thread& thread) {
  const dim3 at = place(thread.index);
  std::string text =
      "thread (" + std::to_string(at.x) + ", " + std::to_string(at.y) + ", " + std::to_string(at.z) + ") ";
  if (thread.state == State::at_barrier)
    return text + "waits at " + thread.file + ":" + std::to_string(thread.line);
  if (thread.state == State::at_lanes) return text + "waits for lanes of its warp";
  return text + (thread.state == State::ended ? "has ended" : "runs");
}

// Nobody can go on: either all who live stand at one barrier, or the block can never end.
void open_barrier() {
  const Thread& first = *block->waiting.front()->thread;
  const auto apart = std::find_if(block->waiting.begin(), block->waiting.end(), [&](const Context* context) {
    const Thread& other = *context->thread;
    return other.state != State::at_barrier || first.state != State::at_barrier || other.line != first.line ||
           std::string_view(other.file) != first.file;
  });
  const auto ended = std::find_if(block->threads.begin(), block->threads.end(),
                                  [](const Thread& t) { return t.state == State::ended; });
  if (!block->fault.empty()) {
    // Somebody has failed already.
  } else if (apart != block->waiting.end()) {
    block->fault = "divergent barrier: " + where(first) + ", " + where(*(*apart)->thread);
  } else if (ended != block->threads.end()) {
    block->fault = "divergent barrier: " + where(first) + ", " + where(*ended);
  } else {
    barrier_passed();
  }
  wake([](const Thread&) { return true; });  // with a fault each of them ends by throwing
}

void run_block() {
  while (block->ended < block->threads.size()) {
    Context* next = nullptr;
    auto& ready = block->ready;
    if (!ready.empty()) {
      std::swap(ready[machine().draw(ready.size())], ready.back());
      next = ready.back();
      ready.pop_back();
    } else if (block->begun < block->order.size() && block->fault.empty()) {
      next = spare_context();
    } else if (!block->waiting.empty()) {
      open_barrier();
      continue;
    } else {
      return;  // a fault: threads that had not begun never will
    }
    switch_to(*next);
    if (cut) {
      set_up(*cut);
      spare.push_back(std::exchange(cut, nullptr));
    }
  }
}

}  // namespace

int lane() { return static_cast<int>(current->thread->index % lanes); }

void block_barrier(const char* file, int line) {
  thread_waits();
  Thread& self = *current->thread;
  self.file = file;
  self.line = line;
  wait_as(State::at_barrier);
}

// Instrumented code calls the checker as a function that never throws: the thread is left where it stands.
void end_thread(const std::string& fault) {
  if (!block->fault.empty()) return;
  block->fault = fault;
  current->thread->state = State::ended;
  ++block->ended;
  cut = current;
  switch_to(main_context);
}

namespace {

std::uint64_t meet(unsigned mask, std::uint64_t value, int from, bool orders) {
  thread_waits();
  Thread& self = *current->thread;
  const unsigned here = self.index % lanes, first = self.index - here;
  Warp& warp = block->warps[self.index / lanes];
  const auto fail = [&](const std::string& what) {
    block->fault = what + ": " + where(self);
    throw std::runtime_error(block->fault);
  };
  if (!(mask >> here & 1)) fail("the mask of a shuffle lacks the lane that calls it");
  for (unsigned l = 0; l < lanes; ++l) {
    if (!(mask >> l & 1)) continue;
    const std::size_t thread = first + l;
    const bool lives = thread < block->threads.size() && block->threads[thread].state != State::ended;
    if (!lives) fail("the mask of a shuffle names lane " + std::to_string(l) + ", which has ended");
  }
  // Two sets of values: whoever is one exchange ahead cannot write over what others have yet to read.
  std::uint64_t* values = warp.values[self.exchanges++ & 1];
  values[here] = value;
  warp.arrived |= 1u << here;
  self.mask = mask;
  if ((warp.arrived & mask) == mask) {
    warp.arrived &= ~mask;
    if (orders) warp_passed(first, mask);
    thread_runs(self.index, current->stack, stack_bytes);
    wake([&](const Thread& t) {
      return t.state == State::at_lanes && t.index / lanes == self.index / lanes &&
             (mask >> t.index % lanes & 1);
    });
  } else {
    wait_as(State::at_lanes);
  }
  if (from < 0 || from >= static_cast<int>(lanes) || !(mask >> from & 1))
    fail("a shuffle reads lane " + std::to_string(from) + ", which its mask lacks");
  return values[from];
}

}  // namespace

std::uint64_t exchange(unsigned mask, std::uint64_t value, int from) {
  return meet(mask, value, from, false);
}
void warp_barrier(unsigned mask) { meet(mask, 0, lane(), true); }

std::string run_blocks(const Kernel& kernel, dim3 grid, dim3 block_size,
                       const std::vector<unsigned>& blocks) {
  gridDim = grid;
  blockDim = block_size;
  current = &main_context;
  const unsigned count = block_size.x * block_size.y * block_size.z;
  Block made;
  made.kernel = &kernel;
  made.threads.resize(count);
  made.order.resize(count);
  made.warps.resize((count + lanes - 1) / lanes);
  std::iota(made.order.begin(), made.order.end(), 0u);
  block = &made;
  launch_begins(kernel, grid, block_size);
  for (const unsigned b : blocks) {
    blockIdx = dim3(b % grid.x, b / grid.x % grid.y, b / (grid.x * grid.y));
    std::shuffle(made.order.begin(), made.order.end(), machine().random);
    for (unsigned t = 0; t < count; ++t) made.threads[t] = {.index = t};
    made.begun = made.ended = 0;
    for (Warp& warp : made.warps) warp = {};
    block_begins(b);
    run_block();
    block_ends();
    if (!made.fault.empty()) break;
  }
  block = nullptr;
  const std::string absent = launch_ends();
  if (made.fault.empty()) return absent;
  return "block (" + std::to_string(blockIdx.x) + ", " + std::to_string(blockIdx.y) + ", " +
         std::to_string(blockIdx.z) + "): " + made.fault;
}

void run_grid(const Kernel& kernel, dim3 grid, dim3 block_size) {
  static const std::string missed = checking() ? missed_planted_faults() : "";
  std::vector<unsigned> blocks(std::size_t{grid.x} * grid.y * grid.z);
  std::iota(blocks.begin(), blocks.end(), 0u);
  std::shuffle(blocks.begin(), blocks.end(), machine().random);
  std::string fault = missed.empty() ? run_blocks(kernel, grid, block_size, blocks) : missed;
  if (!fault.empty()) report("kernel " + function_at(kernel.function) + ", " + fault);
}

}  // namespace software_cuda
