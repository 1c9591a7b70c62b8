// What a kernel may touch: device and pinned memory within its bounds, its shared memory, its parameters and
// its stack; and of these nothing that nobody has written.
#include "checker.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string_view>

#include "account.h"
#include "machine.h"
#include "traffic.h"

namespace software_cuda {
namespace {

constexpr std::uintptr_t near = 1 << 20;        // how far from an allocation an address still tells of it
constexpr std::size_t longest_padding = 8;      // more than lies between the members of what is copied whole
constexpr int open_again = 0xff, close = 0xfb;  // fills of tensor/allocator.cpp's guard mode
constexpr std::size_t cached = 4096, cache_shift = 8;

std::map<std::uintptr_t, Shadow*> shadows;
Shadow* cache[cached] = {};  // by address
std::vector<std::shared_ptr<Shadow>> variables;

// The launch that runs.
const Kernel* kernel = nullptr;
std::uintptr_t stack = 0, parameters = 0;
std::size_t stack_bytes = 0;
std::uint64_t seen_before = 0;
std::vector<Shadow*> shared;  // touched by the present block

std::string bytes_text(std::size_t bytes) {
  return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
}

std::string name_of(const Shadow& s) {
  switch (s.kind) {
    case Shadow::Kind::device:
      return "an allocation of " + bytes_text(s.bytes) + " on device " + std::to_string(s.device);
    case Shadow::Kind::pinned: return "pinned memory of " + bytes_text(s.bytes);
    case Shadow::Kind::shared: return "shared memory " + s.name + " of " + bytes_text(s.bytes);
    default: return "the variable " + s.name + " of " + bytes_text(s.bytes);
  }
}
std::string verb(Access access) {
  return only_reads(access) ? "reads " : access == Access::write ? "writes " : "changes atomically ";
}

// Shared memory and variables of the device are variables of the program here.
Shadow* shadow_of_variable(std::uintptr_t address) {
  const Variable* v = variable_at(address);
  if (!v) return nullptr;
  const auto kind = v->local ? Shadow::Kind::shared : Shadow::Kind::variable;
  variables.push_back(
      std::make_shared<Shadow>(kind, reinterpret_cast<const void*>(v->begin), v->bytes, 0, v->name));
  return shadows[v->begin] = variables.back().get();
}

// What stands nearest to an address that lies in nothing.
std::string whereabouts(std::uintptr_t address) {
  const auto next = shadows.upper_bound(address);
  const Shadow* before = next == shadows.begin() ? nullptr : std::prev(next)->second;
  const std::uintptr_t past = before ? address - before->begin - before->bytes : near;
  const std::uintptr_t ahead = next == shadows.end() ? near : next->first - address;
  if (past < near && past <= ahead) return bytes_text(past) + " behind the end of " + name_of(*before);
  if (ahead < near) return bytes_text(ahead) + " before the start of " + name_of(*next->second);
  char text[96];
  std::snprintf(text, sizeof text, "at %p, which is no memory of a device: the host's, or freed",
                reinterpret_cast<void*>(address));
  return text;
}

void fault(const std::string& what) { end_thread(thread_text(present_stamp()) + " " + what); }

// The coordinates that a GPU has in registers.
bool is_coordinate(std::uintptr_t address) {
  for (const dim3* place : {&threadIdx, &blockIdx, &blockDim, &gridDim})
    if (address - reinterpret_cast<std::uintptr_t>(place) < sizeof(dim3)) return true;
  return false;
}

}  // namespace

bool checking() {
  static const bool on = [] {
    const char* text = std::getenv("GADOLIN_SOFTWARE_CHECK");
    const bool off = text && std::string_view(text) == "0";
    if (off)
      std::fprintf(stderr,
                   "software CUDA device: GADOLIN_SOFTWARE_CHECK=0, accesses and races are not checked\n");
    return !off;
  }();
  return on && !accounting();
}

std::shared_ptr<Shadow> track(Shadow::Kind kind, const void* begin, std::size_t bytes, int device) {
  if (!checking()) return nullptr;
  shadows[reinterpret_cast<std::uintptr_t>(begin)] = new Shadow(kind, begin, bytes, device);
  return {shadows[reinterpret_cast<std::uintptr_t>(begin)], [](Shadow* s) {
            shadows.erase(s->begin);
            std::memset(cache, 0, sizeof cache);
            delete s;
          }};
}

Shadow* shadow_at(std::uintptr_t address) {
  Shadow*& likely = cache[(address >> cache_shift) % cached];
  if (likely && likely->holds(address)) return likely;
  const auto behind = shadows.upper_bound(address);
  if (behind == shadows.begin() || !std::prev(behind)->second->holds(address)) return nullptr;
  return likely = std::prev(behind)->second;
}

namespace {
void expect_free(const char* what, std::uintptr_t address, std::size_t bytes, bool write) {
  if (!anything_in_flight || machine().failure != cudaSuccess) return;
  const std::string conflict = in_flight_conflict(address, bytes, write);
  if (!conflict.empty())
    report(std::string(what) + " races: it " + (write ? "writes" : "reads") + " what " + conflict);
}
}  // namespace

void note_fill(const void* to, int byte, std::size_t bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(to);
  expect_free("a fill", address, bytes, true);
  if (Shadow* s = shadow_at(address); s && s->kind == Shadow::Kind::device)
    s->set(address - s->begin, bytes,
           byte == close        ? Shadow::closed
           : byte == open_again ? Shadow::unwritten
                                : Shadow::written);
}

void note_copy(const void* to, const void* from, std::size_t bytes) {
  const auto target = reinterpret_cast<std::uintptr_t>(to), source = reinterpret_cast<std::uintptr_t>(from);
  expect_free("a copy", target, bytes, true);
  expect_free("a copy", source, bytes, false);
  Shadow *t = shadow_at(target), *s = shadow_at(source);
  if (!t) return;
  if (s)
    std::memmove(t->states + (target - t->begin), s->states + (source - s->begin), bytes);
  else
    t->set(target - t->begin, bytes, Shadow::written);
}

void library_reads(const void* from, std::size_t bytes) {
  if (!checking() || machine().failure != cudaSuccess) return;
  const auto address = reinterpret_cast<std::uintptr_t>(from);
  expect_free("a library", address, bytes, false);
  const Shadow* s = shadow_at(address);
  std::size_t at = 0;
  if (!s || !s->holds(address + bytes - 1))
    report("a library reads " + bytes_text(bytes) + " " + whereabouts(address + (s ? bytes - 1 : 0)));
  else if (s->look(address - s->begin, bytes, &at) != Shadow::written)
    report("a library reads what nobody has written: offset " + std::to_string(at) + " of " + name_of(*s));
}

void library_writes(const void* to, std::size_t bytes) {
  if (!checking() || machine().failure != cudaSuccess) return;
  const auto address = reinterpret_cast<std::uintptr_t>(to);
  expect_free("a library", address, bytes, true);
  Shadow* s = shadow_at(address);
  if (!s || !s->holds(address + bytes - 1))
    report("a library writes " + bytes_text(bytes) + " " + whereabouts(address + (s ? bytes - 1 : 0)));
  else
    s->set(address - s->begin, bytes, Shadow::written);
}

void kernel_access(std::uintptr_t address, std::size_t bytes, Access access) {
  if (address - stack < stack_bytes) return;
  if (accounting()) return count_access(address, bytes, access);
  Shadow* s = cache[(address >> cache_shift) % cached];
  if (!s || !s->holds(address)) {
    if (is_coordinate(address)) return;
    s = shadow_at(address);
  }
  if (!s) {
    const bool given = address - parameters < kernel->bytes;
    if (only_reads(access) && (given || is_constant(address))) return;
    if (given) return fault("writes to the kernel's parameters, which all threads share");
    s = shadow_of_variable(address);
    if (!s) return fault(verb(access) + bytes_text(bytes) + " " + whereabouts(address));
  }
  if (!s->holds(address + bytes - 1))
    return fault(verb(access) + bytes_text(bytes) + " up to " +
                 bytes_text(address + bytes - s->begin - s->bytes) + " behind the end of " + name_of(*s));
  if (s->kind == Shadow::Kind::shared && !s->used) {
    s->used = true;
    shared.push_back(s);
  }
  if (counting_traffic) traffic_of_access(address, bytes, s->kind == Shadow::Kind::shared);
  const std::size_t offset = address - s->begin;
  const auto here = [&](std::size_t at) { return " at offset " + std::to_string(at) + " of " + name_of(*s); };
  if (anything_in_flight) {
    const std::string conflict = in_flight_conflict(address, bytes, !only_reads(access));
    if (!conflict.empty())
      return fault("races: it " + verb(access) + bytes_text(bytes) + here(offset) + ", which " + conflict);
  }
  std::size_t at = 0;
  const bool known = s->all_written(offset, bytes);
  for (std::size_t from = offset, end = offset + bytes; !known && from < end; from = at + 1) {
    const Shadow::State state = s->look(from, end - from, &at);
    if (state == Shadow::written) break;
    if (state == Shadow::closed)
      return fault(verb(access) + "what lies between the allocator's blocks," + here(at));
    if (access == Access::write) continue;
    const std::size_t first = at;
    while (at + 1 < end && s->states[at + 1] == Shadow::unwritten) ++at;
    if (bytes <= longest_padding || at - first + 1 >= longest_padding)
      return fault("reads what nobody has written," + here(first));
  }
  if (access == Access::write && !known) s->set(offset, bytes, Shadow::written);
  const Found found = s->touch(offset, bytes, access);
  if (!found.stamp) return;
  fault("races: it " + verb(access) + bytes_text(bytes) + here(offset) + ", which " +
        block_text(found.stamp) + " " + thread_text(found.stamp) +
        (found.write ? " has written" : " has read") + " with nothing between that orders the two");
}

void kernel_misaligned(std::uintptr_t address, std::size_t alignment) {
  if (address - stack < stack_bytes) return;
  const Shadow* s = shadow_at(address);
  const std::string where = s ? "offset " + std::to_string(address - s->begin) + " of " + name_of(*s)
                              : "an address " + whereabouts(address);
  fault("takes what begins at no multiple of " + bytes_text(alignment) + ": " + where);
}

void launch_begins(const Kernel& launched, dim3 grid, dim3 block) {
  kernel = &launched;
  parameters = reinterpret_cast<std::uintptr_t>(launched.values.get());
  seen_before = accesses_seen();
  if (counting_traffic) traffic_of_launch();
  if (checking()) order_launch(grid, block);
}

void block_begins(unsigned index) {
  if (accounting()) count_block(index);
  if (checking()) order_block(index);
}

void block_ends() {
  if (counting_traffic) traffic_of_block();
  for (Shadow* s : shared) {
    s->used = false;
    s->set(0, s->bytes, Shadow::unwritten);
    std::memset(reinterpret_cast<void*>(s->begin), open_again, s->bytes);
  }
  shared.clear();
}

void thread_runs(unsigned index, const char* its_stack, std::size_t its_bytes) {
  stack = reinterpret_cast<std::uintptr_t>(its_stack);
  stack_bytes = its_bytes;
  if (checking()) order_thread(index);
  if (counting_traffic) traffic_of_thread(index);
  set_in_kernel(checking() || accounting());
}
void thread_waits() { set_in_kernel(false); }

void barrier_passed() {
  if (counting_traffic) traffic_of_barrier();
  if (checking()) order_barrier();
}
void warp_passed(unsigned first, unsigned mask) {
  if (checking()) order_warp(first, mask);
}

std::string launch_ends() {
  if (!(checking() || accounting()) || accesses_seen() > seen_before) return "";
  return "the checker is absent: the kernel was not compiled with -fsanitize=thread "
         "(gadolin_cuda_sources in cmake/GadolinTargets.cmake)";
}

}  // namespace software_cuda
