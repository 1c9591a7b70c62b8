// parallel_for: OpenMP behind one function. Work is cut into pieces that do not depend on the number of
// threads when the caller reduces, so that results do not either.
#pragma once

#include <cstdint>

#ifdef _OPENMP
#include <omp.h>
#endif

// Before a loop whose iterations do not depend on one another: the compiler may vectorise it without run-time
// checks.
#if defined(__clang__)
#define GADOLIN_IVDEP _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__) && !defined(__CUDA_ARCH__)
#define GADOLIN_IVDEP _Pragma("GCC ivdep")
#else
#define GADOLIN_IVDEP
#endif

namespace gadolin {

// Threads a parallel loop uses; 0 restores the machine's number.
void set_num_threads(int threads);
int num_threads();  // of loops on the CPU

// Calls f(begin, end) on pieces of [0, n), each of at least `grain` items. f may run on several threads at
// once and must not throw.
template <class F>
void parallel_for(std::int64_t n, [[maybe_unused]] [[maybe_unused]] std::int64_t grain, F&& f) {
  if (n <= 0) return;
#ifdef _OPENMP
  const std::int64_t pieces = grain > 0 ? (n + grain - 1) / grain : n;
  const int threads = static_cast<int>(pieces < num_threads() ? pieces : num_threads());
  if (threads > 1 && !omp_in_parallel()) {
#pragma omp parallel num_threads(threads)
    {
      const std::int64_t id = omp_get_thread_num(), count = omp_get_num_threads();
      const std::int64_t begin = n * id / count, end = n * (id + 1) / count;
      if (begin < end) f(begin, end);
    }
    return;
  }
#endif
  f(std::int64_t{0}, n);
}

}  // namespace gadolin
