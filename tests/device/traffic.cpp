// What warps ask of memory, for people who learn to write kernels: accesses of one warp by the same
// instruction, the n-th time each lane runs it, are one request.
#include "traffic.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "software_cuda.h"

namespace software_cuda {

std::atomic<bool> counting_traffic{false};
const void* instruction = nullptr;

namespace {

constexpr std::uintptr_t sector = 32, bank_bytes = 4, banks = 32;

Traffic total;
unsigned warp = 0, thread = 0;

struct Request {
  std::set<std::uintptr_t> sectors;                          // of device memory
  std::map<std::uintptr_t, std::set<std::uintptr_t>> words;  // of shared memory, by bank
};
struct Key {
  const void* instruction;
  unsigned warp, time;
  auto operator<=>(const Key&) const = default;
};
std::map<Key, Request> requests;                                 // of the present block
std::map<std::pair<const void*, unsigned>, unsigned> times_run;  // by instruction and thread

}  // namespace

void traffic_of_thread(unsigned index) {
  thread = index;
  warp = index / 32;
}
void traffic_of_block() {
  for (const auto& [key, request] : requests) {
    total.sectors += static_cast<long long>(request.sectors.size());
    std::size_t ways = 0;
    for (const auto& [bank, words] : request.words) ways = std::max(ways, words.size());
    total.shared_rounds += static_cast<long long>(ways);
  }
  requests.clear();
  times_run.clear();
}
void traffic_of_launch() { ++total.launches; }
void traffic_of_barrier() { ++total.barriers; }

void traffic_of_access(std::uintptr_t address, std::size_t bytes, bool shared) {
  Request& request = requests[{instruction, warp, times_run[{instruction, thread}]++}];
  const std::uintptr_t each = shared ? bank_bytes : sector;
  for (std::uintptr_t at = address / each; at <= (address + bytes - 1) / each; ++at) {
    if (shared)
      request.words[at % banks].insert(at);
    else
      request.sectors.insert(at);
  }
}

void count_traffic() {
  total = {};
  requests.clear();
  times_run.clear();
  counting_traffic = true;
}
Traffic take_traffic() {
  counting_traffic = false;
  return total;
}

}  // namespace software_cuda
