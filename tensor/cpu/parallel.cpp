#include "tensor/cpu/parallel.h"

namespace gadolin {

namespace {
int chosen_threads = 0;
}

void set_num_threads(int threads) {
  chosen_threads = threads;
#ifdef _OPENMP
  static const int machine = omp_get_max_threads();
  omp_set_num_threads(threads > 0 ? threads : machine);  // oneDNN follows this setting
#endif
}

int num_threads() {
#ifdef _OPENMP
  return chosen_threads > 0 ? chosen_threads : omp_get_max_threads();
#else
  return 1;
#endif
}

}  // namespace gadolin
