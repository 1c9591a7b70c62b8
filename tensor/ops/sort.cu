// cumsum, sort and topk. Sorting finds the order; the values are gathered by it, which also gives their
// gradient.
#include <algorithm>
#include <bit>
#include <limits>
#include <vector>

#ifdef __CUDACC__
#include <cub/device/device_radix_sort.cuh>
#endif

#include "tensor/function.h"
#include "tensor/ops.h"
#include "tensor/ops/index_loop.h"
#include "tensor/ops/promote.h"

namespace gadolin {
namespace {

// --- cumsum ------------------------------------------------------------------------------------------------

// One slice a call: the running sum is kept in Acc. From the last element to the first when `reversed`.
template <class T, class Acc> struct CumsumLoop {
  detail::Walk<2> slices;  // y, x
  std::int64_t n, y_step, x_step;
  bool reversed;
  T* y;
  const T* x;
  GADOLIN_HD void operator()(std::int64_t slice) const {
    std::int64_t at[2];
    slices.at(slice, at);
    Acc sum = 0;
    for (std::int64_t j = 0; j < n; ++j) {
      const std::int64_t i = reversed ? n - 1 - j : j;
      sum += static_cast<Acc>(convert<math_type<T>>(x[at[1] + i * x_step]));
      y[at[0] + i * y_step] = convert<T>(static_cast<math_type<T>>(sum));
    }
  }
};

template <class T, class Acc> void cumsum_loop(Cpu device, const CumsumLoop<T, Acc>& loop) {
  detail::for_each_index(device, "cumsum", loop.slices.numel, loop.n, loop);
}

#ifdef __CUDACC__
// One slice a block: a chunk of blockDim.x elements at a time is summed in steps of 1, 2, 4, ... (Hillis and
// Steele 1986); the total goes on to the next chunk.
template <class T, class Acc> __global__ void cumsum_kernel(CumsumLoop<T, Acc> loop) {
  __shared__ Acc shared[256];
  for (std::int64_t slice = blockIdx.x; slice < loop.slices.numel; slice += gridDim.x) {
    std::int64_t at[2];
    loop.slices.at(slice, at);
    Acc before = 0;
    for (std::int64_t first = 0; first < loop.n; first += blockDim.x) {
      const std::int64_t j = first + threadIdx.x, i = loop.reversed ? loop.n - 1 - j : j;
      Acc sum =
          j < loop.n ? static_cast<Acc>(convert<math_type<T>>(loop.x[at[1] + i * loop.x_step])) : Acc(0);
      for (unsigned width = 1; width < blockDim.x; width *= 2) {
        shared[threadIdx.x] = sum;
        __syncthreads();
        if (threadIdx.x >= width) sum += shared[threadIdx.x - width];
        __syncthreads();
      }
      shared[threadIdx.x] = sum;
      __syncthreads();
      if (j < loop.n) loop.y[at[0] + i * loop.y_step] = convert<T>(static_cast<math_type<T>>(before + sum));
      before += shared[blockDim.x - 1];
      __syncthreads();
    }
  }
}
template <class T, class Acc> void cumsum_loop(Cuda device, const CumsumLoop<T, Acc>& loop) {
  if (loop.x_step == 1 && loop.n > 32) {
    launch("cumsum", grid_stride(loop.slices.numel * 256), cumsum_kernel<T, Acc>, loop);
  } else {  // neighbouring threads read neighbouring slices
    detail::for_each_index(device, "cumsum", loop.slices.numel, loop.n, loop);
  }
}
#endif

struct CumsumFunction {
  static constexpr auto name = "cumsum";
  int dim;
  bool reversed;

  Tensor allocate(const Tensor& x) const { return empty_like(x); }
  template <class T, class Acc, class D> void run(D device, const Tensor& x, Tensor& y) const {
    const auto slices = detail::make_slice_walk<2>(x.shape(), {y.strides(), x.strides()}, dim);
    cumsum_loop(device, CumsumLoop<T, Acc>{slices, x.size(dim), y.stride(dim), x.stride(dim), reversed,
                                           y.data<T>(), x.data<T>()});
  }
  template <class D> void forward(D device, const Tensor& x, Tensor& y) const {
    if (x.numel() == 0) return;
    if (x.dtype() == DType::int64) return run<std::int64_t, std::int64_t>(device, x, y);
    dispatch_floating(x.dtype(), name, [&]<class T>(Tag<T>) { run<T, double>(device, x, y); });
  }
  Grads backward(const Tensor& dy, Need) const { return {apply(CumsumFunction{dim, !reversed}, dy)}; }
};

// --- sort --------------------------------------------------------------------------------------------------

// Unsigned numbers in the order of the values: NaN is larger than every number, and all NaN are equal, as
// both zeros are. Equal values stay in the order of their indices.
GADOLIN_HD std::uint64_t rising_key(std::int64_t value) {
  return static_cast<std::uint64_t>(value) ^ std::uint64_t{1} << 63;
}
template <class M> GADOLIN_HD std::uint64_t rising_key(M value) {
  using Bits = std::conditional_t<sizeof(M) == 4, std::uint32_t, std::uint64_t>;
  constexpr Bits all = static_cast<Bits>(-1), sign = all ^ all >> 1;
  if (value != value) return all;
  const Bits bits = std::bit_cast<Bits>(value == M(0) ? M(0) : value);
  return bits & sign ? all ^ bits : bits | sign;
}

// The slices of x and where the order of each goes; the first k are wanted.
template <class T> struct SortProblem {
  detail::Walk<2> slices;  // order, x
  std::int64_t n, k, order_step, x_step;
  std::int64_t* order;
  const T* x;
  bool descending;
  // Of element i of the slice that begins at `start`.
  GADOLIN_HD std::uint64_t key(std::int64_t start, std::int64_t i) const {
    const std::uint64_t rising = rising_key(convert<math_type<T>>(x[start + i * x_step]));
    return descending ? ~rising : rising;
  }
};

template <class T> void sort_slices(Cpu, const char*, const SortProblem<T>& p, Device) {
  parallel_for(p.slices.numel, 1 + detail::map_grain / (8 * p.n), [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::pair<std::uint64_t, std::int64_t>> entries(static_cast<std::size_t>(p.n));
    for (std::int64_t slice = begin; slice < end; ++slice) {
      std::int64_t at[2];
      p.slices.at(slice, at);
      for (std::int64_t i = 0; i < p.n; ++i) entries[static_cast<std::size_t>(i)] = {p.key(at[1], i), i};
      if (p.k < p.n)
        std::partial_sort(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(p.k), entries.end());
      else
        std::sort(entries.begin(), entries.end());
      for (std::int64_t i = 0; i < p.k; ++i)
        p.order[at[0] + i * p.order_step] = entries[static_cast<std::size_t>(i)].second;
    }
  });
}

#ifdef __CUDACC__
constexpr int shared_most = 2048;  // entries that a block sorts in shared memory

// A sorting network (Batcher 1968), a block for a slice, over `padded` entries, a power of two: those from n
// on have the largest key, and indices that come after all others.
template <class T> __global__ void sort_kernel(SortProblem<T> p, int padded) {
  __shared__ std::uint64_t keys[shared_most];
  __shared__ int places[shared_most];
  const int threads = static_cast<int>(blockDim.x), thread = static_cast<int>(threadIdx.x);
  for (std::int64_t slice = blockIdx.x; slice < p.slices.numel; slice += gridDim.x) {
    std::int64_t at[2];
    p.slices.at(slice, at);
    for (int i = thread; i < padded; i += threads) {
      keys[i] = i < p.n ? p.key(at[1], i) : ~std::uint64_t{0};
      places[i] = i;
    }
    __syncthreads();
    for (int run = 2; run <= padded; run *= 2) {
      for (int distance = run / 2; distance > 0; distance /= 2) {
        for (int pair = thread; pair < padded / 2; pair += threads) {
          const int a = pair / distance * 2 * distance + pair % distance, b = a + distance;
          const std::uint64_t key_a = keys[a], key_b = keys[b];
          const int place_a = places[a], place_b = places[b];
          if ((key_a != key_b ? key_a < key_b : place_a < place_b) == ((a & run) == 0)) continue;
          keys[a] = key_b, keys[b] = key_a;
          places[a] = place_b, places[b] = place_a;
        }
        __syncthreads();
      }
    }
    for (int i = thread; i < p.k; i += threads) p.order[at[0] + i * p.order_step] = places[i];
    __syncthreads();
  }
}

template <class T> struct FillKeys {
  SortProblem<T> p;
  std::uint64_t* keys;
  std::int64_t* places;
  GADOLIN_HD void operator()(std::int64_t job) const {
    std::int64_t at[2];
    p.slices.at(job / p.n, at);
    keys[job] = p.key(at[1], job % p.n);
    places[job] = job;
  }
};
struct SliceKeys {
  std::int64_t n;
  const std::int64_t* places;
  std::uint64_t* keys;
  GADOLIN_HD void operator()(std::int64_t job) const {
    keys[job] = static_cast<std::uint64_t>(places[job] / n);
  }
};
template <class T> struct StoreOrder {
  SortProblem<T> p;
  const std::int64_t* places;
  GADOLIN_HD void operator()(std::int64_t job) const {
    const std::int64_t slice = job / p.k, i = job % p.k;
    std::int64_t at[2];
    p.slices.at(slice, at);
    p.order[at[0] + i * p.order_step] = places[slice * p.n + i] - slice * p.n;
  }
};

using Keys = cub::DoubleBuffer<std::uint64_t>;
using Places = cub::DoubleBuffer<std::int64_t>;
// Sorts places by bits [first, last) of their keys; those with equal keys stay in their order.
void radix_sort(const char* op, Keys& keys, Places& places, std::int64_t n, int first, int last,
                Device where) {
  std::size_t bytes = 0;
  const auto run = [&](void* memory) {
    check(cub::DeviceRadixSort::SortPairs(memory, bytes, keys, places, n, first, last, current_stream()), op);
  };
  run(nullptr);
  run(empty({static_cast<std::int64_t>(bytes)}, DType::uint8, where).raw());
}

// Launches: 1 for slices of up to 2048 entries. For longer ones all slices are sorted at once, by value and
// then by slice: of 65,536 numbers in fp32 8 launches, where the network took 21.
template <class T> void sort_slices(Cuda device, const char* op, const SortProblem<T>& p, Device where) {
  if (p.n <= shared_most) {
    const auto padded = std::bit_ceil(static_cast<std::uint64_t>(p.n));
    return launch(op, grid_stride(p.slices.numel * 256), sort_kernel<T>, p, static_cast<int>(padded));
  }
  const std::int64_t jobs = p.slices.numel * p.n;
  const Tensor memory = empty({4 * jobs}, DType::int64, where);
  std::int64_t* const begin = memory.data<std::int64_t>();
  Places places(begin, begin + jobs);
  Keys keys(reinterpret_cast<std::uint64_t*>(begin + 2 * jobs),
            reinterpret_cast<std::uint64_t*>(begin + 3 * jobs));
  detail::for_each_index(device, op, jobs, 1, FillKeys<T>{p, keys.Current(), places.Current()});
  // fp32 made of 16 bits: below the lowest 13 of the fraction all bits are alike.
  radix_sort(op, keys, places, jobs, sizeof(T) == 2 ? 13 : 0, 8 * static_cast<int>(sizeof(math_type<T>)),
             where);
  if (p.slices.numel > 1) {
    detail::for_each_index(device, op, jobs, 1, SliceKeys{p.n, places.Current(), keys.Current()});
    const int bits = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(p.slices.numel - 1)));
    radix_sort(op, keys, places, jobs, 0, bits, where);
  }
  detail::for_each_index(device, op, p.slices.numel * p.k, 1, StoreOrder<T>{p, places.Current()});
}
#endif

template <class D>
void order_of(D device, const char* op, const Tensor& x, int dim, const Tensor& order, bool descending) {
  const auto run = [&]<class T>(Tag<T>) {
    const auto slices = detail::make_slice_walk<2>(x.shape(), {order.strides(), x.strides()}, dim);
    const SortProblem<T> problem{slices,          x.size(dim),
                                 order.size(dim), order.stride(dim),
                                 x.stride(dim),   order.data<std::int64_t>(),
                                 x.data<T>(),     descending};
    sort_slices(device, op, problem, x.device());
  };
  if (x.dtype() == DType::int64) return run(Tag<std::int64_t>{});
  dispatch_floating(x.dtype(), op, run);
}

// The first k along `dim` of x's sorted order.
Sorted first_sorted(const char* op, const Tensor& x, int dim, std::int64_t k, bool descending) {
  Shape shape = x.shape();
  shape[dim] = k;
  const Tensor order = empty(shape, DType::int64, x.device(), x.format());
  const Tensor keys = detail::as_int64(x.detach());
  if (order.numel() > 0)
    on_device(x.device(), [&](auto device) { order_of(device, op, keys, dim, order, descending); });
  return {gather(x, dim, order), order};
}

}  // namespace

Tensor cumsum(const Tensor& x, int dim) {
  return apply(CumsumFunction{checked_dim("cumsum", dim, x.dim()), false}, detail::as_int64(x));
}

Sorted sort(const Tensor& x, int dim, bool descending) {
  dim = checked_dim("sort", dim, x.dim());
  return first_sorted("sort", x, dim, x.size(dim), descending);
}

Sorted topk(const Tensor& x, std::int64_t k, int dim, bool largest) {
  dim = checked_dim("topk", dim, x.dim());
  require<ValueError>(k >= 0 && k <= x.size(dim), "topk: k ", k, " is outside [0, ", x.size(dim),
                      "], the size of dimension ", dim, " of ", x.shape());
  return first_sorted("topk", x, dim, k, largest);
}

}  // namespace gadolin
