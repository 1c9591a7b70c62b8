// Where a tensor lives, and the tags that choose an overload for it.
#pragma once

#include <cstdint>
#include <string>

namespace gadolin {

struct Device {
  enum class Kind : std::uint8_t { cpu, cuda } kind = Kind::cpu;
  int index = 0;
  bool operator==(const Device&) const = default;
  bool is_cpu() const { return kind == Kind::cpu; }
  bool is_cuda() const { return kind == Kind::cuda; }
};
inline constexpr Device cpu{Device::Kind::cpu, 0}, cuda{Device::Kind::cuda, 0};

std::string name_of(Device device);  // "cpu", "cuda:0"

// Number of CUDA devices that this build can use; 0 without CUDA or without a driver.
int cuda_device_count();
inline bool cuda_available() { return cuda_device_count() > 0; }
// Waits until everything queued on the device has run; nothing to wait for on the CPU.
void synchronize(Device device);

// Overload tags: forward(Cpu, ...), forward(Cuda, ...).
struct Cpu {};
struct Cuda {};

// The CPU has two backends: oneDNN where it is built in and knows the type, and plain loops, which always
// exist, which fp64 uses, and which a student reads. The reference is chosen by `--backend reference`.
enum class Backend : std::uint8_t { best, reference };
Backend backend();
void set_backend(Backend backend);

}  // namespace gadolin
