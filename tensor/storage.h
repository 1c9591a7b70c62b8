// Storage: counted bytes on one device, with a version number that every change in place raises.
#pragma once

#include <cstdint>

#include "tensor/device.h"
#include "tensor/ref.h"

namespace gadolin {

enum class HostMemory : std::uint8_t { pageable, pinned };

class Storage : public Counted {
 public:
  // Uninitialised bytes from the device's caching allocator. Throws OutOfMemory.
  Storage(std::int64_t nbytes, Device device, HostMemory host = HostMemory::pageable);
  // Borrowed host bytes, for example a mapped file; `release(owner)` runs when the last user is gone.
  Storage(void* data, std::int64_t nbytes, void* owner, void (*release)(void*));
  ~Storage();

  void* data() const { return data_; }
  std::int64_t nbytes() const { return nbytes_; }
  Device device() const { return device_; }
  bool pinned() const { return host_ == HostMemory::pinned; }
  std::uint64_t version() const { return version_; }
  void bump_version() { ++version_; }
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
