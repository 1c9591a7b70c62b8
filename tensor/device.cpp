#include "tensor/device.h"

#include <atomic>

namespace gadolin {

std::string name_of(Device device) {
  return device.is_cpu() ? "cpu" : "cuda:" + std::to_string(device.index);
}

namespace {
std::atomic<Backend> chosen_backend{Backend::best};
std::atomic<bool> tf32{false};
}  // namespace
Backend backend() { return chosen_backend.load(std::memory_order_relaxed); }
void set_backend(Backend backend) { chosen_backend.store(backend, std::memory_order_relaxed); }
bool tf32_allowed() { return tf32.load(std::memory_order_relaxed); }
void set_tf32(bool on) { tf32.store(on, std::memory_order_relaxed); }

#ifndef GADOLIN_CUDA
int cuda_device_count() { return 0; }
void synchronize(Device) {}
void DeviceGuard::enter(int) {}
void DeviceGuard::leave() {}
#endif

}  // namespace gadolin
