// cumsum, sort and topk. Sorting finds the order; the values are gathered by it, which also gives their
// gradient.
#include <algorithm>
#include <limits>
#include <vector>

#include "tensor/function.h"
#include "tensor/ops.h"
#include "tensor/ops/index_loop.h"
#include "tensor/ops/promote.h"

namespace gadolin {
namespace {

// --- cumsum ------------------------------------------------------------------------------------------------

// One slice a call: the running sum is kept in Acc. From the last element to the first when `reversed`.
template <class T, class Acc>
struct CumsumLoop {
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

template <class T, class Acc>
void cumsum_loop(Cpu device, const CumsumLoop<T, Acc>& loop) {
  detail::for_each_index(device, "cumsum", loop.slices.numel, loop.n, loop);
}

#ifdef __CUDACC__
// One slice a block: a chunk of blockDim.x elements at a time is summed in steps of 1, 2, 4, ... (Hillis and
// Steele 1986); the total goes on to the next chunk.
template <class T, class Acc>
__global__ void cumsum_kernel(CumsumLoop<T, Acc> loop) {
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
template <class T, class Acc>
void cumsum_loop(Cuda device, const CumsumLoop<T, Acc>& loop) {
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
  void save(const Tensor&, const Tensor&) {}
  template <class T, class Acc, class D>
  void run(D device, const Tensor& x, Tensor& y) const {
    const auto slices = detail::make_slice_walk<2>(x.shape(), {y.strides(), x.strides()}, dim);
    cumsum_loop(device, CumsumLoop<T, Acc>{slices, x.size(dim), y.stride(dim), x.stride(dim), reversed,
                                           y.data<T>(), x.data<T>()});
  }
  template <class D>
  void forward(D device, const Tensor& x, Tensor& y) const {
    if (x.numel() == 0) return;
    if (x.dtype() == DType::int64) return run<std::int64_t, std::int64_t>(device, x, y);
    dispatch_floating(x.dtype(), name,
                      [&](auto tag) { run<typename decltype(tag)::type, double>(device, x, y); });
  }
  Grads backward(const Tensor& dy, Need) const { return {apply(CumsumFunction{dim, !reversed}, dy)}; }
};

// --- sort --------------------------------------------------------------------------------------------------

template <class M>
struct Entry {
  M value;
  std::int64_t index;
};
// Strict order: NaN is larger than every number, equal values stay in the order of their indices.
template <class M>
struct Before {
  bool descending;
  GADOLIN_HD bool operator()(const Entry<M>& a, const Entry<M>& b) const {
    const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
    if (a_nan != b_nan) return descending ? a_nan : b_nan;
    if (!a_nan && a.value != b.value) return descending ? a.value > b.value : a.value < b.value;
    return a.index < b.index;
  }
};

// The slices of x and where the order of each goes; the first k are wanted.
template <class T>
struct SortProblem {
  detail::Walk<2> slices;  // order, x
  std::int64_t n, k, order_step, x_step;
  std::int64_t* order;
  const T* x;
  bool descending;
};

template <class T>
void sort_slices(Cpu, const char*, const SortProblem<T>& p, Device) {
  using M = math_type<T>;
  parallel_for(p.slices.numel, 1 + detail::map_grain / (8 * p.n), [&](std::int64_t begin, std::int64_t end) {
    std::vector<Entry<M>> entries(static_cast<std::size_t>(p.n));
    for (std::int64_t slice = begin; slice < end; ++slice) {
      std::int64_t at[2];
      p.slices.at(slice, at);
      for (std::int64_t i = 0; i < p.n; ++i)
        entries[static_cast<std::size_t>(i)] = {convert<M>(p.x[at[1] + i * p.x_step]), i};
      const Before<M> before{p.descending};
      if (p.k < p.n) {
        std::partial_sort(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(p.k), entries.end(),
                          before);
      } else {
        std::sort(entries.begin(), entries.end(), before);
      }
      for (std::int64_t i = 0; i < p.k; ++i)
        p.order[at[0] + i * p.order_step] = entries[static_cast<std::size_t>(i)].index;
    }
  });
}

// A sorting network (Batcher 1968) over slices of `padded` entries, a power of two. Entries from n on come
// after all others: they carry no value, only an index that says so.
template <class T>
struct FillEntries {
  SortProblem<T> p;
  std::int64_t padded;
  Entry<math_type<T>>* entries;
  GADOLIN_HD void operator()(std::int64_t job) const {
    const std::int64_t i = job % padded;
    std::int64_t at[2];
    p.slices.at(job / padded, at);
    entries[job] = {i < p.n ? convert<math_type<T>>(p.x[at[1] + i * p.x_step]) : math_type<T>(0), i};
  }
};
template <class M>
struct Network {
  std::int64_t n, padded;
  Before<M> before;
  // Puts the entries at places low and low + distance of a slice in order while runs of `run` are merged.
  GADOLIN_HD void exchange(Entry<M>& a, Entry<M>& b, std::int64_t low, std::int64_t run) const {
    const bool forwards = (low & run) == 0;
    const bool a_there = a.index < n, b_there = b.index < n;
    const bool in_order = a_there != b_there ? a_there : !a_there ? a.index < b.index : before(a, b);
    if (in_order == forwards) return;
    const Entry<M> held = a;
    a = b;
    b = held;
  }
};
// The lower of a pair that stands `distance` apart.
GADOLIN_HD std::int64_t low_of(std::int64_t pair, std::int64_t distance) {
  return pair / distance * 2 * distance + pair % distance;
}
template <class M>
struct CompareExchange {
  Network<M> network;
  std::int64_t run, distance;
  Entry<M>* entries;
  GADOLIN_HD void operator()(std::int64_t job) const {
    const std::int64_t half = network.padded / 2, low = low_of(job % half, distance);
    Entry<M>* const slice = entries + job / half * network.padded;
    network.exchange(slice[low], slice[low + distance], low, run);
  }
};

constexpr std::int64_t sort_chunk = 2048;
#ifdef __CUDACC__
// The merges of runs from `first` to `last` as far as partners stand within a chunk, which a block holds in
// shared memory: all of them where a slice is one chunk.
template <class M>
__global__ void sort_chunk_kernel(Network<M> network, std::int64_t first, std::int64_t last,
                                  std::int64_t jobs, Entry<M>* entries) {
  alignas(16) __shared__ unsigned char bytes[sort_chunk * sizeof(Entry<M>)];
  Entry<M>* const here = reinterpret_cast<Entry<M>*>(bytes);
  const std::int64_t width = network.padded < sort_chunk ? network.padded : sort_chunk;
  for (std::int64_t job = blockIdx.x; job < jobs; job += gridDim.x) {
    Entry<M>* const chunk = entries + job * width;
    const std::int64_t start = job * width % network.padded;  // of the chunk in its slice
    for (std::int64_t i = threadIdx.x; i < width; i += blockDim.x) here[i] = chunk[i];
    __syncthreads();
    for (std::int64_t run = first; run <= last; run *= 2) {
      for (std::int64_t distance = run / 2 < width / 2 ? run / 2 : width / 2; distance > 0; distance /= 2) {
        for (std::int64_t pair = threadIdx.x; pair < width / 2; pair += blockDim.x) {
          const std::int64_t low = low_of(pair, distance);
          network.exchange(here[low], here[low + distance], start + low, run);
        }
        __syncthreads();
      }
    }
    for (std::int64_t i = threadIdx.x; i < width; i += blockDim.x) chunk[i] = here[i];
    __syncthreads();
  }
}
#endif
template <class T>
struct StoreOrder {
  SortProblem<T> p;
  std::int64_t padded;
  const Entry<math_type<T>>* entries;
  GADOLIN_HD void operator()(std::int64_t job) const {
    const std::int64_t slice = job / p.k, i = job % p.k;
    std::int64_t at[2];
    p.slices.at(slice, at);
    p.order[at[0] + i * p.order_step] = entries[slice * padded + i].index;
  }
};

#ifdef __CUDACC__
// Launches: for slices of up to 2048 entries 3; the network's own steps, 66 for 2048, each on its own would
// read and write all entries.
template <class T>
void sort_slices(Cuda device, const char* op, const SortProblem<T>& p, Device where) {
  using M = math_type<T>;
  std::int64_t padded = 1;
  while (padded < p.n) padded *= 2;
  const std::int64_t jobs = p.slices.numel * padded;
  const Tensor scratch = empty({jobs * static_cast<std::int64_t>(sizeof(Entry<M>))}, DType::uint8, where);
  Entry<M>* entries = static_cast<Entry<M>*>(scratch.raw());
  const Network<M> network{p.n, padded, Before<M>{p.descending}};
  const auto in_chunks = [&](std::int64_t first, std::int64_t last) {
    const std::int64_t chunks = jobs / std::min(padded, sort_chunk);
    launch(op, grid_stride(chunks * 256), sort_chunk_kernel<M>, network, first, last, chunks, entries);
  };
  detail::for_each_index(device, op, jobs, 1, FillEntries<T>{p, padded, entries});
  in_chunks(2, std::min(padded, sort_chunk));
  for (std::int64_t run = 2 * sort_chunk; run <= padded; run *= 2) {
    for (std::int64_t distance = run / 2; distance >= sort_chunk; distance /= 2)
      detail::for_each_index(device, op, jobs / 2, 2, CompareExchange<M>{network, run, distance, entries});
    in_chunks(run, run);
  }
  detail::for_each_index(device, op, p.slices.numel * p.k, 1, StoreOrder<T>{p, padded, entries});
}
#endif

template <class D>
void order_of(D device, const char* op, const Tensor& x, int dim, const Tensor& order, bool descending) {
  const auto run = [&](auto tag) {
    using T = typename decltype(tag)::type;
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
