#include "tensor/device.h"

#include <atomic>

namespace gadolin {

std::string name_of(Device device) {
  return device.is_cpu() ? "cpu" : "cuda:" + std::to_string(device.index);
}

namespace {
std::atomic<Backend> chosen{Backend::best};
}
Backend backend() { return chosen.load(std::memory_order_relaxed); }
void set_backend(Backend backend) { chosen.store(backend, std::memory_order_relaxed); }

#ifndef GADOLIN_CUDA
int cuda_device_count() { return 0; }
void synchronize(Device) {}
#endif

}  // namespace gadolin
