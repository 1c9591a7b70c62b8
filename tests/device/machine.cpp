// Streams as queues whose work is put off: it runs when somebody waits, and a little, by chance, when work is
// added. Of several streams any may go first, as far as events allow.
#include "machine.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

#include "account.h"
#include "collectives.h"

namespace software_cuda {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text && *text ? std::strtoull(text, nullptr, 10) : otherwise;
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

constexpr std::size_t longest_queue = 4096;
constexpr std::chrono::microseconds between_looks(500);  // for what other processes say

}  // namespace

Machine::Machine()
    : random(number_from("GADOLIN_SOFTWARE_SEED", 1)),
      devices(static_cast<int>(std::min<std::uint64_t>(number_from("GADOLIN_SOFTWARE_DEVICES", 2), 16))),
      memory(number_from("GADOLIN_SOFTWARE_MEMORY_MB", 4096) << 20) {
  for (int device = 0; device < 16; ++device) {
    within_reach[device] = 1u << device;
    keys[device] = device < devices ? ::pkey_alloc(0, PKEY_DISABLE_ACCESS) : -1;
  }
}

Machine& machine() {
  static Machine& made = *new Machine;
  return made;
}

const Allocation* Machine::find(const void* pointer) const {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  auto at = allocations.upper_bound(address);
  if (at == allocations.begin()) return nullptr;
  --at;
  return address < at->first + at->second.bytes ? &at->second : nullptr;
}

void Machine::push(cudaStream_t stream, Operation operation) {
  stream->queue.push_back(std::move(operation));
  tell();
  if (running > 0) return;
  std::size_t steps = draw(4) == 0 ? draw(4) : 0;
  if (stream->queue.size() > longest_queue) steps = longest_queue / 2;
  while (steps-- > 0 && !stream->queue.empty() && advance()) {
  }
}

bool Machine::advance() {
  ++running;
  const bool any = step();
  if (--running == 0) open_memory(0);
  return any;
}

cudaError_t Machine::push(cudaStream_t stream, std::function<void()> work,
                          const std::function<Charge()>& cost) {
  if (!stream) {
    report("work on the legacy stream, which no recording can hold");
    return failure;
  }
  if (accounting()) {
    if (!stream->capture) return failure;
    open_memory(within_reach[stream->device]);
    charge(cost());
    open_memory(0);
    work = [] {};
  }
  work = [this, device = stream->device, inner = std::move(work)] {
    open_memory(within_reach[device]);
    inner();
  };
  if (Capture* capture = stream->capture.get()) {
    if (capture->broken) return cudaErrorStreamCaptureInvalidated;
    auto& last = capture->last[stream];
    capture->nodes.push_back({std::move(work), last});
    last = {capture->nodes.size() - 1};
    return cudaSuccess;
  }
  push(stream, Operation{.run = std::move(work)});
  return failure;
}

bool Machine::step() {
  std::vector<cudaStream_t> able;
  for (const cudaStream_t stream : streams) {
    if (stream->queue.empty()) continue;
    const Operation& head = stream->queue.front();
    const bool stays = (head.kind == Operation::Kind::wait && head.event->done < head.serial) ||
                       (head.ready && failure == cudaSuccess && !head.ready());
    if (!stays) able.push_back(stream);
  }
  if (able.empty()) return false;
  const cudaStream_t stream = able[draw(able.size())];
  Operation operation = std::move(stream->queue.front());
  stream->queue.pop_front();
  if (operation.kind == Operation::Kind::work && failure == cudaSuccess) operation.run();
  if (operation.kind == Operation::Kind::record) {
    operation.event->done = std::max(operation.event->done, operation.serial);
    operation.event->seconds = now();
  }
  return true;
}

bool Machine::wait_for_others(const std::function<bool()>& news) {
  const std::chrono::milliseconds patience(number_from("GADOLIN_SOFTWARE_PATIENCE_MS", 20000));
  const auto end = std::chrono::steady_clock::now() + patience;
  const int depth = std::exchange(running, 0);
  open_memory(0);
  const std::uint64_t before = changes;
  bool come = false;
  do {
    if (news)
      changed.wait_for(mutex, between_looks);
    else
      changed.wait_until(mutex, end);
    come = changes != before || (news && news());
  } while (!come && std::chrono::steady_clock::now() < end);
  running = depth;
  return come;
}

void Machine::run_by_itself() {
  static const bool runs = [this] {
    std::thread([this] {
      for (;; std::this_thread::sleep_for(std::chrono::milliseconds(5))) {
        const std::lock_guard lock(mutex);
        ++running;
        for (std::size_t steps = 0; steps < longest_queue && step(); ++steps) {
        }
        if (--running == 0) open_memory(0);
      }
    }).detach();
    return true;
  }();
  static_cast<void>(runs);
}

cudaError_t Machine::run_until(const std::function<bool()>& done) {
  if (done()) return failure;
  ++running;
  while (!done()) {
    if (step()) continue;
    // Another thread may do what is waited for here, once a post has come.
    const auto news = [&] { return look_for_posts() || done(); };
    if (failure == cudaSuccess && others_may_come() &&
        wait_for_others(awaits_posts() ? news : std::function<bool()>()))
      continue;
    const std::string who = awaited();
    report("a wait that can never end: " + (who.empty() ? "no stream has anything left to run" : who));
    break;
  }
  if (--running == 0) open_memory(0);
  return failure;
}

namespace {
std::vector<std::size_t> drawn_order(const Nodes& nodes) {
  std::vector<std::size_t> order;
  std::vector<std::size_t> missing(nodes.size()), able;
  std::vector<std::vector<std::size_t>> next(nodes.size());
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    missing[n] = nodes[n].after.size();
    for (const std::size_t before : nodes[n].after) next[before].push_back(n);
    if (missing[n] == 0) able.push_back(n);
  }
  while (!able.empty()) {
    std::swap(able[machine().draw(able.size())], able.back());
    const std::size_t n = able.back();
    able.pop_back();
    order.push_back(n);
    for (const std::size_t follower : next[n])
      if (--missing[follower] == 0) able.push_back(follower);
  }
  return order;
}
}  // namespace

void run_nodes(const Nodes& nodes) {
  for (const std::size_t n : drawn_order(nodes))
    if (machine().failure == cudaSuccess) nodes[n].run();
}
void push_nodes(const Nodes& nodes, cudaStream_t stream) {
  for (const std::size_t n : drawn_order(nodes)) {
    if (nodes[n].issue)
      nodes[n].issue(stream);
    else
      machine().push(stream, Operation{.run = nodes[n].run});
  }
}

void report(const std::string& text) {
  std::fprintf(stderr, "software CUDA device: %s\n", text.c_str());
  if (machine().failure == cudaSuccess) machine().first_report = text;
  machine().failure = cudaErrorLaunchFailure;
}

std::string take_report() {
  const std::lock_guard lock(machine().mutex);
  machine().failure = cudaSuccess;
  give_up_meetings(nullptr);
  return std::exchange(machine().first_report, "");
}

}  // namespace software_cuda
