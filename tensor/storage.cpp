#include "tensor/storage.h"

#include "tensor/allocator.h"

namespace gadolin {

Storage::Storage(std::int64_t nbytes, Device device, HostMemory host) : nbytes_(nbytes), device_(device), host_(host) {
  data_ = (host == HostMemory::pinned ? pinned_allocator() : allocator(device)).allocate(nbytes);
}

Storage::Storage(void* data, std::int64_t nbytes, void* owner, void (*release)(void*))
    : data_(data), nbytes_(nbytes), owner_(owner), release_(release) {}

Storage::~Storage() {
  if (release_) {
    release_(owner_);
  } else {
    (host_ == HostMemory::pinned ? pinned_allocator() : allocator(device_)).free(data_);
  }
}

}  // namespace gadolin
