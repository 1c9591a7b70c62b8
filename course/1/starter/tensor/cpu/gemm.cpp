// c = a b in tiles: panels of a and b are packed so that the innermost loop reads neighbours and the compiler
// keeps a block of c in registers (Goto and van de Geijn 2008).
#include "course/todo.h"
#include "tensor/cpu/gemm.h"

#include <algorithm>
#include <vector>

#include "tensor/cpu/parallel.h"
#include "tensor/dtype.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin {
namespace {

// A tile of c is tile_m x tile_n and stays in the second-level cache together with its panels; a block of it
// is block_m x block_n and stays in registers.
constexpr std::int64_t tile_m = 64, tile_n = 128, tile_k = 256, block_m = 4, block_n = 16;

// No larger than the product: half a megabyte of zeros for a 2 x 3 matrix took longer than the product
// itself.
template <class M> struct Panels {
  explicit Panels(const MatrixProduct& p)
      : a(rounded(std::min(tile_m, p.m), block_m) * depth(p)),
        b(rounded(std::min(tile_n, p.n), block_n) * depth(p)),
        c(rounded(std::min(tile_m, p.m), block_m) * tile_n) {}
  static std::size_t rounded(std::int64_t n, std::int64_t block) {
    return static_cast<std::size_t>((n + block - 1) / block * block);
  }
  static std::size_t depth(const MatrixProduct& p) { return static_cast<std::size_t>(std::min(tile_k, p.k)); }
  std::vector<M> a, b, c;
};

// Copies rows x cols (strides row, col) into groups of `group` rows, column after column within a group; rows
// that are missing in the last group are 0.
template <std::int64_t group, class T, class M>
void pack(std::int64_t rows, std::int64_t cols, const T* from, std::int64_t row, std::int64_t col, M* to) {
  course::todo("1.5", "pack");
}

// One block of c (row-major, tile_n wide) += panel of a times panel of b. The four rows have names of their
// own because compilers keep such sums in registers; as an array of rows GCC 12 runs this 25 times slower.
template <class M>
void multiply_block(std::int64_t k, const M* __restrict a, const M* __restrict b, M* __restrict c) {
  course::todo("1.5", "multiply_block");
}

template <class T, class M>
void multiply_tile(const MatrixProduct& p, const T* a, const T* b, T* c, std::int64_t i0, std::int64_t j0,
                   Panels<M>& panels) {
  course::todo("1.5", "multiply_tile");
}

}  // namespace

template <class T> void gemm_reference(const MatrixProduct& p, const T* a, const T* b, T* c) {
  using M = math_type<T>;
  const std::int64_t down = (p.m + tile_m - 1) / tile_m, across = (p.n + tile_n - 1) / tile_n;
  const std::int64_t work = std::max<std::int64_t>(1, std::min(tile_m, p.m) * std::min(tile_n, p.n) * p.k);
  parallel_for(p.batch * down * across, 1 + 65536 / work, [&](std::int64_t begin, std::int64_t end) {
    Panels<M> panels(p);
    for (std::int64_t job = begin; job < end; ++job) {
      const std::int64_t matrix = job / (down * across), tile = job % (down * across);
      multiply_tile(p, a + matrix * p.a.step, b + matrix * p.b.step, c + matrix * p.m * p.n,
                    tile / across * tile_m, tile % across * tile_n, panels);
    }
  });
}

template void gemm_reference(const MatrixProduct&, const float*, const float*, float*);
template void gemm_reference(const MatrixProduct&, const double*, const double*, double*);
template void gemm_reference(const MatrixProduct&, const bfloat16*, const bfloat16*, bfloat16*);
template void gemm_reference(const MatrixProduct&, const float16*, const float16*, float16*);

}  // namespace gadolin
