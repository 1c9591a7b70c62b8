// Storage: counted bytes on one device, with a version number that every change in place raises.
#pragma once

#include <cstdint>

#include "tensor/device.h"
#include "tensor/ref.h"

namespace gadolin {

// How host memory is taken: pinned memory travels to a GPU while the CPU goes on.
enum class HostMemory : std::uint8_t { pageable, pinned };

// Bytes on one device.
class Storage : public Counted {
 public:
  // Uninitialised bytes from the device's caching allocator. Throws OutOfMemory.
  Storage(std::int64_t nbytes, Device device, HostMemory host = HostMemory::pageable);
  // Borrowed host bytes, for example a mapped file; `release(owner)` runs when the last user is gone.
  Storage(void* data, std::int64_t nbytes, void* owner, void (*release)(void*));
  ~Storage();

  void* data() const { return data_; }                         // first byte
  std::int64_t nbytes() const { return nbytes_; }              // bytes
  Device device() const { return device_; }                    // where they are
  bool pinned() const { return host_ == HostMemory::pinned; }  // page-locked host memory
  std::uint64_t version() const { return version_; }           // grows with each change in place
  void bump_version() { ++version_; }                          // for whoever writes past the ops
  std::uint64_t id() const { return id_; }  // never given twice in a process; for caches of derived data

 private:
  void* data_ = nullptr;
  std::int64_t nbytes_ = 0;
  Device device_;
  HostMemory host_ = HostMemory::pageable;
  std::uint64_t version_ = 0;
  std::uint64_t id_;
  void* owner_ = nullptr;
  void (*release_)(void*) = nullptr;
};

}  // namespace gadolin
