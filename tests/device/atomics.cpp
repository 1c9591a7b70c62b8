// std::atomic in instrumented code, which calls these instead of the processor's instructions.
#include <cstdint>

#include "checker.h"

namespace software_cuda {
void atomic_access(const void* place, std::size_t bytes);
}

#define SOFTWARE_CUDA_FETCH(bits, name, builtin)                                        \
  T##bits __tsan_atomic##bits##_fetch_##name(volatile T##bits* p, T##bits value, int) { \
    software_cuda::atomic_access(const_cast<T##bits*>(p), bits / 8);                    \
    return builtin(p, value, __ATOMIC_SEQ_CST);                                         \
  }
#define SOFTWARE_CUDA_EXCHANGE(bits, name)                                                                 \
  int __tsan_atomic##bits##_compare_exchange_##name(volatile T##bits* p, T##bits* expected, T##bits value, \
                                                    int, int) {                                            \
    software_cuda::atomic_access(const_cast<T##bits*>(p), bits / 8);                                       \
    return __atomic_compare_exchange_n(p, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);     \
  }
#define SOFTWARE_CUDA_ATOMICS(bits)                                                                        \
  using T##bits = std::uint##bits##_t;                                                                     \
  T##bits __tsan_atomic##bits##_load(const volatile T##bits* p, int) {                                     \
    software_cuda::atomic_access(const_cast<const T##bits*>(p), bits / 8);                                 \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                           \
  }                                                                                                        \
  void __tsan_atomic##bits##_store(volatile T##bits* p, T##bits value, int) {                              \
    software_cuda::atomic_access(const_cast<T##bits*>(p), bits / 8);                                       \
    __atomic_store_n(p, value, __ATOMIC_SEQ_CST);                                                          \
  }                                                                                                        \
  T##bits __tsan_atomic##bits##_exchange(volatile T##bits* p, T##bits value, int) {                        \
    software_cuda::atomic_access(const_cast<T##bits*>(p), bits / 8);                                       \
    return __atomic_exchange_n(p, value, __ATOMIC_SEQ_CST);                                                \
  }                                                                                                        \
  SOFTWARE_CUDA_FETCH(bits, add, __atomic_fetch_add)                                                       \
  SOFTWARE_CUDA_FETCH(bits, sub, __atomic_fetch_sub)                                                       \
  SOFTWARE_CUDA_FETCH(bits, and, __atomic_fetch_and)                                                       \
  SOFTWARE_CUDA_FETCH(bits, or, __atomic_fetch_or)                                                         \
  SOFTWARE_CUDA_FETCH(bits, xor, __atomic_fetch_xor)                                                       \
  SOFTWARE_CUDA_FETCH(bits, nand, __atomic_fetch_nand)                                                     \
  SOFTWARE_CUDA_EXCHANGE(bits, strong)                                                                     \
  SOFTWARE_CUDA_EXCHANGE(bits, weak)                                                                       \
  T##bits __tsan_atomic##bits##_compare_exchange_val(volatile T##bits* p, T##bits expected, T##bits value, \
                                                     int, int) {                                           \
    __tsan_atomic##bits##_compare_exchange_strong(p, &expected, value, 0, 0);                              \
    return expected;                                                                                       \
  }

extern "C" {
SOFTWARE_CUDA_ATOMICS(8)
SOFTWARE_CUDA_ATOMICS(16)
SOFTWARE_CUDA_ATOMICS(32)
SOFTWARE_CUDA_ATOMICS(64)
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
}
