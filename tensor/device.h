// Where a tensor lives, and the tags that choose an overload for it.
#pragma once

#include <cstdint>
#include <string>

namespace gadolin {

// Where a tensor lies: the processor, or a CUDA device by its number.
struct Device {
  // Processor or GPU.
  enum class Kind : std::uint8_t { cpu, cuda } kind = Kind::cpu;
  int index = 0;  // of several GPUs; 0 for the processor
  bool operator==(const Device&) const = default;
  // Which of the two it is:
  bool is_cpu() const { return kind == Kind::cpu; }
  bool is_cuda() const { return kind == Kind::cuda; }
};
// The processor, and the first GPU.
inline constexpr Device cpu{Device::Kind::cpu, 0}, cuda{Device::Kind::cuda, 0};

std::string name_of(Device device);  // "cpu", "cuda:0"

// Number of CUDA devices that this build can use; 0 without CUDA or without a driver.
int cuda_device_count();
inline bool cuda_available() { return cuda_device_count() > 0; }  // whether there is a GPU
// Waits until everything queued on the device has run; nothing to wait for on the CPU.
void synchronize(Device device);

// Makes a GPU the CUDA runtime's current device on this thread while it lives. All kernels are launched under
// one: apply(), backward and on_device() hold it. It does nothing for the CPU, nor within a guard for the
// same device.
class DeviceGuard {
 public:
  // `device` becomes the current one of this thread.
  explicit DeviceGuard(Device device) {
    if (device.is_cuda()) enter(device.index);
  }
  ~DeviceGuard() {
    if (before_ >= 0) leave();
  }
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  void enter(int index);
  void leave();
  int before_ = -1;  // the device to go back to; -1: this guard did nothing
  bool outermost_ = false;
};

// Overload tags: forward(Cpu, ...), forward(Cuda, ...).
struct Cpu {};
struct Cuda {};

// f(Cpu{}), or f(Cuda{}) under a guard for the device; the latter only where CUDA is compiled in.
template <class F> decltype(auto) on_device([[maybe_unused]] Device device, F&& f) {
#ifdef GADOLIN_CUDA
  if (device.is_cuda()) {
    const DeviceGuard guard(device);
    return f(Cuda{});
  }
#endif
  return f(Cpu{});
}

// The CPU has two backends: oneDNN where it is built in and knows the type, and plain loops, which always
// exist, which fp64 uses, and which a student reads. The reference is chosen by `--backend reference`.
enum class Backend : std::uint8_t { best, reference };
Backend backend();                  // what the CPU uses now
void set_backend(Backend backend);  // for all threads

// Whether convolutions and matrix products of fp32 may round their inputs to TF32 on the GPU; off by default.
void set_tf32(bool on);
bool tf32_allowed();  // whether it was asked for

}  // namespace gadolin
