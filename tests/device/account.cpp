#include "account.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <unordered_map>
#include <utility>

#include "machine.h"

namespace software_cuda {
namespace {

constexpr std::size_t sampled = 8;     // blocks of a launch
constexpr std::uintptr_t sector = 32;  // bytes that a GPU moves at least
constexpr unsigned several = ~0u;      // of a sector: blocks that touch it

bool open_now = false;
int multiprocessors = 0;
std::size_t memory_before = 0;
std::vector<Charge> ledger;

// Sectors of device memory by the block that touches them.
struct Touched {
  std::unordered_map<std::uintptr_t, unsigned> blocks;
  std::uintptr_t last = 0;
  void add(std::uintptr_t at, unsigned block) {
    if (at == last) return;
    last = at;
    const auto [place, fresh] = blocks.try_emplace(at, block);
    if (!fresh && place->second != block) place->second = several;
  }
  double bytes(double times) const {
    const auto common =
        std::count_if(blocks.begin(), blocks.end(), [](const auto& b) { return b.second == several; });
    const double own = static_cast<double>(blocks.size()) - static_cast<double>(common);
    return static_cast<double>(sector) * (own * times + static_cast<double>(common));
  }
};
Touched reads, writes;
unsigned present = 0;
std::uintptr_t near_begin = 1, near_end = 0;  // the allocation that was touched last

bool of_device(std::uintptr_t address) {
  if (address >= near_begin && address < near_end) return true;
  const Allocation* a = machine().find(reinterpret_cast<const void*>(address));
  if (!a || a->device < 0) return false;
  near_begin = reinterpret_cast<std::uintptr_t>(a->pages);
  near_end = near_begin + a->page_bytes;
  return true;
}

}  // namespace

bool accounting() { return open_now; }
int accounted_multiprocessors() { return multiprocessors; }
void charge(Charge c) { ledger.push_back(std::move(c)); }

void count_access(std::uintptr_t address, std::size_t bytes, Access access) {
  if (!of_device(address)) return;
  for (std::uintptr_t at = address / sector; at <= (address + bytes - 1) / sector; ++at) {
    if (access != Access::write) reads.add(at, present);
    if (!only_reads(access)) writes.add(at, present);
  }
}
void count_block(unsigned index) {
  present = index;
  reads.last = writes.last = 0;
}

Charge charge_of_kernel(const Kernel& kernel, dim3 grid, dim3 block) {
  std::vector<unsigned> blocks(std::size_t{grid.x} * grid.y * grid.z);
  std::iota(blocks.begin(), blocks.end(), 0u);
  // The same blocks of the same grid in every account, so that two of them can be compared.
  std::mt19937_64 random(blocks.size());
  std::shuffle(blocks.begin(), blocks.end(), random);
  const double all = static_cast<double>(blocks.size());
  blocks.resize(std::min(blocks.size(), sampled));
  reads = writes = {};
  near_begin = 1, near_end = 0;
  const std::string fault = run_blocks(kernel, grid, block, blocks);
  const std::string name = function_at(kernel.function);
  if (!fault.empty()) report("kernel " + name + ", " + fault);
  const double times = all / static_cast<double>(blocks.size());
  return {.kind = "kernel",
          .name = name,
          .type = "",
          .flops = 0,
          .read = reads.bytes(times),
          .written = writes.bytes(times)};
}

void open_account(std::size_t memory_bytes, int its_multiprocessors) {
  const std::lock_guard lock(machine().mutex);
  open_now = true;
  multiprocessors = its_multiprocessors;
  memory_before = std::exchange(machine().memory, memory_bytes);
  ledger.clear();
}

std::vector<Charge> close_account() {
  const std::lock_guard lock(machine().mutex);
  open_now = false;
  machine().memory = memory_before;
  return std::exchange(ledger, {});
}

}  // namespace software_cuda
