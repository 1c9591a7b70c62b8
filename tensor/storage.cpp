#include "tensor/storage.h"

#include <atomic>

#include "tensor/allocator.h"

namespace gadolin {
namespace {
std::atomic<std::uint64_t> next_id{0};
}

Storage::Storage(std::int64_t nbytes, Device device, HostMemory host)
    : nbytes_(nbytes), device_(device), host_(host), id_(++next_id) {
  data_ = (host == HostMemory::pinned ? pinned_allocator() : allocator(device)).allocate(nbytes);
}

Storage::Storage(void* data, std::int64_t nbytes, void* owner, void (*release)(void*))
    : data_(data), nbytes_(nbytes), id_(++next_id), owner_(owner), release_(release) {}

Storage::~Storage() {
  if (release_) {
    release_(owner_);
  } else {
    (host_ == HostMemory::pinned ? pinned_allocator() : allocator(device_)).free(data_);
  }
}

}  // namespace gadolin
