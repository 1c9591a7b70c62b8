// Where instrumented code tells of its accesses: .cu files are compiled with -fsanitize=thread, and this
// stands in for the thread sanitizer's runtime. Within a kernel the checker hears of them; on the host they
// are held against the address sanitizer's shadow where the program has one.
#include <cstring>

#include "checker.h"
#include "traffic.h"

extern "C" {
__attribute__((weak)) void* __asan_region_is_poisoned(void* begin, std::size_t bytes);
__attribute__((weak)) void __asan_report_load_n(void* begin, std::size_t bytes);
__attribute__((weak)) void __asan_report_store_n(void* begin, std::size_t bytes);
}

namespace software_cuda {
namespace {

__attribute__((tls_model("initial-exec"))) thread_local bool inside = false;
std::uint64_t seen = 0;

// The shadow of x86-64 Linux: a byte for eight, 0 where all eight may be touched.
void host_access(const void* begin, std::size_t bytes, bool write) {
  if (!__asan_region_is_poisoned || bytes == 0) return;
  const auto shadow = [](std::uintptr_t address) {
    return *reinterpret_cast<const signed char*>((address >> 3) + 0x7fff8000u);
  };
  const auto address = reinterpret_cast<std::uintptr_t>(begin);
  if (bytes <= 8 && shadow(address) == 0 && shadow(address + bytes - 1) == 0) return;
  void* const bad = __asan_region_is_poisoned(const_cast<void*>(begin), bytes);
  if (bad) (write ? __asan_report_store_n : __asan_report_load_n)(const_cast<void*>(begin), bytes);
}

// The checker's own accesses do not count: its templates may be the program's, instrumented.
template <class F> void beside_kernel(F check) {
  inside = false;
  ++seen;
  check();
  inside = true;
}

inline __attribute__((always_inline)) void access(const void* begin, std::size_t bytes, Access what) {
  if (!inside) return host_access(begin, bytes, !only_reads(what));
  if (bytes == 0) return;
  instruction = __builtin_return_address(0);
  beside_kernel([=] { kernel_access(reinterpret_cast<std::uintptr_t>(begin), bytes, what); });
}
// The compiler knows the address to be a multiple of the size; a GPU refuses any other.
inline __attribute__((always_inline)) void aligned(const void* begin, std::size_t bytes, Access what) {
  const auto address = reinterpret_cast<std::uintptr_t>(begin);
  if (inside && address % bytes != 0) beside_kernel([=] { kernel_misaligned(address, bytes); });
  access(begin, bytes, what);
}

}  // namespace

void set_in_kernel(bool in) { inside = in; }
std::uint64_t accesses_seen() { return seen; }

// From the atomic operations of cuda_runtime.h, which are unseen otherwise.
void atomic_access(const void* place, std::size_t bytes) {
  if (!inside) return;
  if (checking()) beside_kernel([=] { order_atomic(reinterpret_cast<std::uintptr_t>(place)); });
  aligned(place, bytes, Access::atomic);
}
void memory_fence() {
  if (inside && checking()) order_fence();
}

}  // namespace software_cuda

using software_cuda::Access;

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) { software_cuda::seen += software_cuda::inside; }
void __tsan_func_exit() {}
void __tsan_vptr_update(void** to, void*) { software_cuda::access(to, sizeof *to, Access::write); }
void __tsan_vptr_read(void** from) { software_cuda::access(from, sizeof *from, Access::read); }

#define SOFTWARE_CUDA_ACCESSES(bytes)                                                                      \
  void __tsan_read##bytes(void* p) { software_cuda::aligned(p, bytes, Access::read); }                     \
  void __tsan_write##bytes(void* p) { software_cuda::aligned(p, bytes, Access::write); }                   \
  void __tsan_unaligned_read##bytes(void* p) { software_cuda::access(p, bytes, Access::read); }            \
  void __tsan_unaligned_write##bytes(void* p) { software_cuda::access(p, bytes, Access::write); }          \
  void __tsan_volatile_read##bytes(void* p) { software_cuda::aligned(p, bytes, Access::volatile_read); }   \
  void __tsan_unaligned_volatile_read##bytes(void* p) {                                                    \
    software_cuda::access(p, bytes, Access::volatile_read);                                                \
  }                                                                                                        \
  void __tsan_unaligned_volatile_write##bytes(void* p) { software_cuda::access(p, bytes, Access::write); } \
  void __tsan_volatile_write##bytes(void* p) { software_cuda::aligned(p, bytes, Access::write); }
SOFTWARE_CUDA_ACCESSES(1)
SOFTWARE_CUDA_ACCESSES(2)
SOFTWARE_CUDA_ACCESSES(4)
SOFTWARE_CUDA_ACCESSES(8)
SOFTWARE_CUDA_ACCESSES(16)

void __tsan_read_range(void* p, std::size_t bytes) { software_cuda::access(p, bytes, Access::read); }
void __tsan_write_range(void* p, std::size_t bytes) { software_cuda::access(p, bytes, Access::write); }

// cuda_runtime.h names them memcpy, memmove and memset in instrumented files.
void* software_cuda_memcpy(void* to, const void* from, std::size_t bytes) {
  if (software_cuda::inside) {
    software_cuda::access(from, bytes, Access::read);
    software_cuda::access(to, bytes, Access::write);
  }
  return std::memcpy(to, from, bytes);
}
void* software_cuda_memmove(void* to, const void* from, std::size_t bytes) {
  if (software_cuda::inside) {
    software_cuda::access(from, bytes, Access::read);
    software_cuda::access(to, bytes, Access::write);
  }
  return std::memmove(to, from, bytes);
}
void* software_cuda_memset(void* to, int byte, std::size_t bytes) {
  if (software_cuda::inside) software_cuda::access(to, bytes, Access::write);
  return std::memset(to, byte, bytes);
}

// -fsanitize=alignment: a pointer that is not as its type wants it, such as one to a pack of 16 bytes. x86
// takes it on the host. The data begins with file, line and column, then the type and log2 of its alignment.
struct SoftwareCudaMismatch {
  const char* file;
  std::uint32_t line, column;
  const void* type;
  unsigned char log_alignment, kind;
};
void __ubsan_handle_type_mismatch_v1(SoftwareCudaMismatch* data, std::uintptr_t address) {
  if (!software_cuda::inside) return;
  software_cuda::beside_kernel(
      [=] { software_cuda::kernel_misaligned(address, std::size_t{1} << data->log_alignment); });
}
}
