// A product by tiles in shared memory. The course's own: the framework's products on a GPU are cuBLASLt's.
#include "course/4/kernels.h"
#include "tensor/loops.h"

namespace gadolin::course {
#ifdef __CUDACC__
namespace {

constexpr int tile = 16;

// A block of tile x tile threads takes every gridDim.x-th tile of c, [m, n], and goes along k.
template <class T>
__global__ void gemm_tiled_kernel(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, const T* b,
                                  T* c) {
  __shared__ T of_a[tile][tile + 1];  // a column more, so that a column's elements lie in different banks
  __shared__ T of_b[tile][tile + 1];
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const std::int64_t across = (n + tile - 1) / tile, tiles = (m + tile - 1) / tile * across;
  for (std::int64_t job = blockIdx.x; job < tiles; job += gridDim.x) {
    const std::int64_t row = job / across * tile + y, column = job % across * tile + x;
    T sum = 0;
    for (std::int64_t first = 0; first < k; first += tile) {
      of_a[y][x] = row < m && first + x < k ? a[row * k + first + x] : T(0);
      of_b[y][x] = first + y < k && column < n ? b[(first + y) * n + column] : T(0);
      __syncthreads();
      for (int p = 0; p < tile; ++p) sum += of_a[y][p] * of_b[p][x];
      __syncthreads();
    }
    if (row < m && column < n) c[row * n + column] = sum;
  }
}

}  // namespace

void multiply_tiled(const Tensor& a, const Tensor& b, const Tensor& c, unsigned blocks) {
  launch("tiled product", Launch{dim3(blocks), dim3(tile, tile), 0}, gemm_tiled_kernel<float>, a.size(0),
         b.size(1), a.size(1), a.data<float>(), b.data<float>(), c.data<float>());
}
#endif
}  // namespace gadolin::course
