// Memory of the devices and of the host. Device memory lies behind a page that nobody may touch, and can be
// touched at all only while the device runs: a host that reads it dies on the spot. Fresh and freed memory
// holds NaN.
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "account.h"
#include "machine.h"

namespace software_cuda {
int present_device();
cudaError_t remember(cudaError_t error);
bool unsafe_call_while_recording();
}  // namespace software_cuda

using namespace software_cuda;

namespace {

using Lock = std::lock_guard<std::mutex>;
constexpr int poison = 0xff;
constexpr std::size_t alignment = 256;

std::size_t rounded(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

cudaError_t allocate(void** pointer, std::size_t bytes, int device) {
  *pointer = nullptr;
  if (unsafe_call_while_recording()) return cudaErrorStreamCaptureUnsupported;
  Machine& m = machine();
  if (bytes == 0) return cudaSuccess;
  if (device >= 0 && m.used[device] + bytes > m.memory) return cudaErrorMemoryAllocation;
  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t held = rounded(rounded(bytes, alignment), page);
  void* pages = ::mmap(nullptr, held + page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) return cudaErrorMemoryAllocation;
  ::mprotect(static_cast<char*>(pages) + held, page, PROT_NONE);
  if (!accounting()) std::memset(pages, poison, held);
  // At the end of its pages, so that what lies behind cannot be touched.
  char* begin = static_cast<char*>(pages) + held - rounded(bytes, alignment);
  Allocation& made = m.allocations[reinterpret_cast<std::uintptr_t>(begin)];
  made = {bytes, device, static_cast<char*>(pages), held,
          track(device < 0 ? Shadow::Kind::pinned : Shadow::Kind::device, begin, bytes, device)};
  if (device >= 0) {
    m.used[device] += bytes;
    m.close_memory(made);
  }
  *pointer = begin;
  return cudaSuccess;
}

// Waits for all work, which may use the memory.
cudaError_t give_back(void* pointer, bool pinned) {
  if (!pointer) return cudaSuccess;
  if (unsafe_call_while_recording()) return cudaErrorStreamCaptureUnsupported;
  Machine& m = machine();
  const auto found = m.allocations.find(reinterpret_cast<std::uintptr_t>(pointer));
  if (found == m.allocations.end() || (found->second.device < 0) != pinned) return cudaErrorInvalidValue;
  const cudaError_t error = m.run_until([&] {
    for (const cudaStream_t stream : m.streams)
      if (!stream->queue.empty()) return false;
    return true;
  });
  const Allocation allocation = found->second;
  m.allocations.erase(found);
  if (allocation.device >= 0) {
    m.used[allocation.device] -= allocation.bytes;
    m.forget_memory(allocation);
  }
  ::munmap(allocation.pages, allocation.page_bytes + static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
  return error;
}

// A copy within a device or between devices and the host, which needs no access of one to the other.
void move(void* to, const void* from, std::size_t bytes) {
  Machine& m = machine();
  std::uint32_t reached = m.open;
  for (const void* end : {static_cast<const void*>(to), from})
    if (const Allocation* a = m.find(end); a && a->device >= 0) reached |= 1u << a->device;
  m.open_memory(reached);
  std::memmove(to, from, bytes);
  note_copy(to, from, bytes);
}

// Of device memory alone; what crosses to the host is bound by another wire.
Charge charge_of_copy(const void* to, const void* from, std::size_t bytes) {
  const auto on_device = [](const void* p) {
    const Allocation* a = machine().find(p);
    return a && a->device >= 0;
  };
  const double count = static_cast<double>(bytes);
  return {.kind = "copy", .read = on_device(from) ? count : 0, .written = on_device(to) ? count : 0};
}

// Whether [pointer, bytes) lies within what was allocated; reports where not.
bool fits(const void* pointer, std::size_t bytes, const char* what) {
  const Machine& m = machine();
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  auto at = m.allocations.upper_bound(address);
  if (at != m.allocations.begin() && address + bytes <= (--at)->first + at->second.bytes) return true;
  report(std::string(what) + " of " + std::to_string(bytes) + " bytes goes beyond its allocation");
  return false;
}

}  // namespace

extern "C" {

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  const Lock lock(machine().mutex);
  return remember(allocate(pointer, bytes, present_device()));
}
cudaError_t cudaFree(void* pointer) {
  const Lock lock(machine().mutex);
  return remember(give_back(pointer, false));
}
cudaError_t cudaHostAlloc(void** pointer, std::size_t bytes, unsigned) {
  const Lock lock(machine().mutex);
  return remember(allocate(pointer, bytes, -1));
}
cudaError_t cudaFreeHost(void* pointer) {
  const Lock lock(machine().mutex);
  return remember(give_back(pointer, true));
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const Lock lock(machine().mutex);
  *total = machine().memory;
  *free = *total - machine().used[present_device()];
  return cudaSuccess;
}

// Pinned memory is read and written when the copy runs; other memory of the host is read at once, and has
// been written when the call returns.
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  const Lock lock(machine().mutex);
  Machine& m = machine();
  const bool pageable_from = m.find(from) == nullptr, pageable_to = m.find(to) == nullptr;
  if ((pageable_from || pageable_to) && stream && stream->capture) {
    stream->capture->broken = true;
    return remember(cudaErrorStreamCaptureUnsupported);
  }
  if ((!pageable_from && !fits(from, bytes, "a copy's source")) ||
      (!pageable_to && !fits(to, bytes, "a copy's target")))
    return remember(m.failure);
  const auto cost = [=] { return charge_of_copy(to, from, bytes); };
  // What the host reads has a value when nothing runs.
  if (accounting() && (pageable_to || m.find(to)->device < 0)) std::memset(to, 0, bytes);
  cudaError_t error;
  if (accounting()) {
    error = m.push(
        stream, [] {}, cost);
  } else if (pageable_from) {
    const auto* begin = static_cast<const unsigned char*>(from);
    error = m.push(
        stream,
        [to, taken = std::vector<unsigned char>(begin, begin + bytes)] {
          move(to, taken.data(), taken.size());
        },
        cost);
  } else {
    error = m.push(
        stream, [=] { move(to, from, bytes); }, cost);
  }
  if (pageable_to && error == cudaSuccess) error = m.run_until([&] { return stream->queue.empty(); });
  return remember(error);
}
cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  *can = device != peer;
  return cudaSuccess;
}
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned) {
  const Lock lock(machine().mutex);
  if (peer < 0 || peer >= machine().devices || peer == present_device())
    return remember(cudaErrorInvalidDevice);
  machine().within_reach[present_device()] |= 1u << peer;
  return cudaSuccess;
}
cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, const void* from, int from_device, std::size_t bytes,
                                cudaStream_t stream) {
  const Lock lock(machine().mutex);
  Machine& m = machine();
  const Allocation *target = m.find(to), *source = m.find(from);
  if (!target || !source || target->device != to_device || source->device != from_device)
    return remember(cudaErrorInvalidValue);
  if (!fits(from, bytes, "a copy's source") || !fits(to, bytes, "a copy's target"))
    return remember(m.failure);
  return remember(m.push(
      stream, [=] { move(to, from, bytes); }, [=] { return charge_of_copy(to, from, bytes); }));
}
cudaError_t cudaMemsetAsync(void* to, int byte, std::size_t bytes, cudaStream_t stream) {
  const Lock lock(machine().mutex);
  if (!fits(to, bytes, "a fill")) return remember(machine().failure);
  return remember(machine().push(
      stream,
      [=] {
        std::memset(to, byte, bytes);
        note_fill(to, byte, bytes);
      },
      [=] { return Charge{.kind = "fill", .written = static_cast<double>(bytes)}; }));
}
}
