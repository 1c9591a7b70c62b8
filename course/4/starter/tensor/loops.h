// map: one loop over the elements of up to four tensors, for both devices, all views and broadcasting.
//
// out[i] = f(in[i]...). 16-bit floats are widened on load and narrowed on store, so f only ever sees numbers
// that can be computed with; an f that only moves elements says so (`using moves_bits = void`) and gets them
// as they are, since widening does not keep every NaN. f is a struct with a GADOLIN_HD operator(); nvcc
// refuses generic lambdas.
#pragma once

#include "course/todo.h"
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tensor/cpu/parallel.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"
#ifdef __CUDACC__
#include "tensor/cuda/launch.h"
#endif

// yours: includes and helpers may stand here
// end of yours

namespace gadolin {

// How N tensors (result first) are walked together: sizes from outside in and each tensor's strides, with
// dimensions that are neighbours in memory for every tensor joined into one.
template <int N> struct LoopPlan {
  int dim = 0;                                   // of the joined dimensions
  bool flat = false;                             // all dense in the same order: one loop over memory
  std::int64_t numel = 0;                        // of the result
  std::int64_t sizes[Shape::max_dim] = {};       // from outside in
  std::int64_t strides[N][Shape::max_dim] = {};  // [tensor][dimension], in elements
};

namespace detail {
// tensors[0] is the result; the others broadcast to its shape. Fills sizes and strides (an array of N rows).
void plan_loop(const Tensor* const* tensors, int count, int& dim, bool& flat, std::int64_t* sizes,
               std::int64_t* strides);
}  // namespace detail

// The plan of a result and its inputs, which broadcast to its shape.
template <class... In> LoopPlan<1 + sizeof...(In)> plan_loop(const Tensor& out, const In&... in) {
  LoopPlan<1 + sizeof...(In)> plan;
  const Tensor* tensors[] = {&out, &in...};
  plan.numel = out.numel();
  detail::plan_loop(tensors, 1 + static_cast<int>(sizeof...(In)), plan.dim, plan.flat, plan.sizes,
                    plan.strides[0]);
  return plan;
}

namespace detail {
template <class F>
concept MovesBits = requires {
  typename F::moves_bits;
};
template <class F, class T> using operand_type = std::conditional_t<MovesBits<F>, T, math_type<T>>;
}  // namespace detail

// --- CPU ---------------------------------------------------------------------------------------------------

namespace detail {

// Below so many elements a second thread costs more than it saves.
inline constexpr std::int64_t map_grain = 16384;

// n / by, for n below 2^31, by a multiplication (Granlund and Montgomery 1994, section 4).
struct Divisor {
  std::uint32_t by = 1, factor = 0, shift = 0;
  Divisor() = default;
  explicit Divisor(std::uint32_t divisor) : by(divisor) {
    while ((std::uint64_t{1} << shift) < by) ++shift;
    factor = static_cast<std::uint32_t>((((std::uint64_t{1} << shift) - by) << 32) / by + 1);
  }
  GADOLIN_HD std::uint32_t divide(std::uint32_t n) const {
    return (static_cast<std::uint32_t>(std::uint64_t{n} * factor >> 32) + n) >> shift;
  }
};

// A loop whose positions fit 32 bits, over packs of elements along the innermost dimension.
template <int N> struct SmallLoop {
  int dim = 0;
  std::uint32_t packs = 0;
  Divisor sizes[Shape::max_dim];
  std::int32_t strides[N][Shape::max_dim] = {};  // of packs, innermost

  SmallLoop(const LoopPlan<N>& plan, int pack)
      : dim(plan.dim), packs(static_cast<std::uint32_t>(plan.numel / pack)) {
    for (int d = 0; d < dim; ++d) {
      const int width = d == dim - 1 ? pack : 1;
      sizes[d] = Divisor(static_cast<std::uint32_t>(plan.sizes[d] / width));
      for (int k = 0; k < N; ++k) strides[k][d] = static_cast<std::int32_t>(plan.strides[k][d] * width);
    }
  }
};

// Whether `width` neighbours along the innermost dimension lie side by side in every tensor, from a multiple
// of that on, or, of an input, are one and the same.
template <int N> bool packs_innermost(const LoopPlan<N>& plan, const std::int64_t* from, int width) {
  const int last = plan.dim - 1;
  if (plan.sizes[last] % width != 0) return false;
  for (int k = 0; k < N; ++k) {
    if (k > 0 && plan.strides[k][last] == 0) continue;
    if (plan.strides[k][last] != 1 || from[k] % width != 0) return false;
    for (int d = 0; d < last; ++d)
      if (plan.strides[k][d] % width != 0) return false;
  }
  return true;
}

template <int N> struct Places {
  std::int64_t at[N] = {};
};
// body(part, where it begins in each tensor) for parts whose positions fit 32 bits: the whole, or halves of
// its longest dimension.
template <int N, class Body>
void each_small_loop(const LoopPlan<N>& plan, const Body& body, const Places<N>& from = {},
                     std::int64_t most = std::int64_t{1} << 31) {
  bool small = plan.numel < most;
  for (int k = 0; k < N; ++k) {
    std::int64_t span = 0;
    for (int d = 0; d < plan.dim; ++d) span += (plan.sizes[d] - 1) * std::abs(plan.strides[k][d]);
    small = small && span < most;
  }
  if (small) return body(plan, from.at);
  const int d = static_cast<int>(std::max_element(plan.sizes, plan.sizes + plan.dim) - plan.sizes);
  const std::int64_t half = plan.sizes[d] / 2;
  LoopPlan<N> part = plan;
  part.flat = false;
  Places<N> begin;
  for (const bool second : {false, true}) {
    part.sizes[d] = second ? plan.sizes[d] - half : half;
    part.numel = plan.numel / plan.sizes[d] * part.sizes[d];
    for (int k = 0; k < N; ++k) begin.at[k] = from.at[k] + (second ? half * plan.strides[k][d] : 0);
    each_small_loop(part, body, begin, most);
  }
}

// Positions of the tensors at element `index` of the outer dimensions.
template <int N>
void outer_offsets(const LoopPlan<N>& plan, std::int64_t index, std::int64_t* at, std::int64_t* counter) {
  for (int k = 0; k < N; ++k) at[k] = 0;
  for (int d = plan.dim - 2; d >= 0; --d) {
    counter[d] = index % plan.sizes[d];
    index /= plan.sizes[d];
    for (int k = 0; k < N; ++k) at[k] += counter[d] * plan.strides[k][d];
  }
}
template <int N> void next_outer(const LoopPlan<N>& plan, std::int64_t* at, std::int64_t* counter) {
  for (int d = plan.dim - 2; d >= 0; --d) {
    for (int k = 0; k < N; ++k) at[k] += plan.strides[k][d];
    if (++counter[d] < plan.sizes[d]) return;
    for (int k = 0; k < N; ++k) at[k] -= plan.sizes[d] * plan.strides[k][d];
    counter[d] = 0;
  }
}

template <int... Steps, class F, class TO, class... TI>
void inner_fixed(F f, std::int64_t n, TO* out, const TI*... in) {
  GADOLIN_IVDEP
  for (std::int64_t i = 0; i < n; ++i) {
    out[i] = convert<TO>(f(convert<operand_type<F, TI>>(in[i * Steps])...));
  }
}

template <class TO, class... TI, class F> void map_flat(F f, std::int64_t n, TO* out, const TI*... in) {
  parallel_for(n, map_grain, [&](std::int64_t begin, std::int64_t end) {
    inner_fixed<(static_cast<void>(sizeof(TI)), 1)...>(f, end - begin, out + begin, (in + begin)...);
  });
}

template <class TO, class... TI, class F, std::size_t... I>
void map_strided(F f, const LoopPlan<1 + sizeof...(TI)>& plan, std::index_sequence<I...>, TO* out,
                 const TI*... in) {
  constexpr int N = 1 + static_cast<int>(sizeof...(TI));
  const int last = plan.dim - 1;
  const std::int64_t inner = plan.sizes[last], outer = plan.numel / inner;
  const bool ones = plan.strides[0][last] == 1 && ((plan.strides[I + 1][last] == 1) && ...);
  bool second_fixed = false;  // the second input is one number along the innermost dimension
  if constexpr (N == 3) {
    second_fixed = plan.strides[0][last] == 1 && plan.strides[1][last] == 1 && plan.strides[2][last] == 0;
  }
  parallel_for(outer, 1 + map_grain / inner, [&](std::int64_t begin, std::int64_t end) {
    std::int64_t at[N], counter[Shape::max_dim];
    outer_offsets<N>(plan, begin, at, counter);
    for (std::int64_t o = begin; o < end; ++o) {
      TO* to = out + at[0];
      if (ones) {
        inner_fixed<(static_cast<void>(I), 1)...>(f, inner, to, (in + at[I + 1])...);
      } else if (second_fixed) {
        inner_fixed<(I == 1 ? 0 : 1)...>(f, inner, to, (in + at[I + 1])...);
      } else {
        for (std::int64_t i = 0; i < inner; ++i) {
          to[i * plan.strides[0][last]] =
              convert<TO>(f(convert<operand_type<F, TI>>(in[at[I + 1] + i * plan.strides[I + 1][last]])...));
        }
      }
      next_outer<N>(plan, at, counter);
    }
  });
}

}  // namespace detail

// result[i] = f(input[i]...) with Out and In... as the element types, on as many threads as pay.
template <class TO, class... TI, class F, class... In>
void map(Cpu, const char*, F f, const Tensor& result, const In&... inputs) {
  const auto plan = plan_loop(result, inputs...);
  if (plan.numel == 0) return;
  TO* out = result.template data<TO>();
  if (plan.flat) {
    detail::map_flat<TO, TI...>(f, plan.numel, out, inputs.template data<TI>()...);
  } else {
    detail::map_strided<TO, TI...>(f, plan, std::index_sequence_for<TI...>{}, out,
                                   inputs.template data<TI>()...);
  }
}

// --- CUDA --------------------------------------------------------------------------------------------------

#ifdef __CUDACC__
namespace detail {

template <class T, int V> struct alignas(sizeof(T) * V) Pack { T v[V]; };

// V elements from here on, or one V times.
template <int V, class T> __device__ Pack<T, V> load_pack(const T* from, bool same) {
  Pack<T, V> x;
  if constexpr (V > 1) {
    if (same) {
      const T one = *from;
#pragma unroll
      for (int j = 0; j < V; ++j) x.v[j] = one;
      return x;
    }
  }
  x = *reinterpret_cast<const Pack<T, V>*>(from);
  return x;
}

// Grid-stride over packs of V elements; the last block takes what is left over. In place, `out` is an input.
template <int V, class F, class TO, class... TI>
__global__ void flat_map_kernel(F f, std::int64_t n, TO* out, const TI*... in) {
  // 4.1: flat_map_kernel is not written yet
}

// Any strides, with positions of 32 bits. A thread a pack of V elements along the innermost dimension, where
// every tensor has them side by side or one for all of them.
template <int V, int N, class F, class TO, class... TI>
__global__ void strided_map_kernel(F f, SmallLoop<N> plan, TO* out, const TI*... in) {
  // 4.1: strided_map_kernel is not written yet
}

// Launches for the parts of a loop. A struct: nvcc 13 loses packs of types in lambdas within lambdas.
template <int V, class F, class TO, class... TI> struct StridedMap {
  static constexpr int N = 1 + static_cast<int>(sizeof...(TI));
  const char* op;
  F f;
  bool aligned;  // all tensors begin at a multiple of a pack
  TO* out;
  std::tuple<const TI*...> in;
  template <int W, std::size_t... I>
  void start(const LoopPlan<N>& part, const std::int64_t* from, std::index_sequence<I...>) const {
    const SmallLoop<N> small(part, W);
    launch(op, grid_stride(small.packs), strided_map_kernel<W, N, F, TO, TI...>, f, small, out + from[0],
           (std::get<I>(in) + from[I + 1])...);
  }
  void operator()(const LoopPlan<N>& part, const std::int64_t* from) const {
    if (V > 1 && aligned && packs_innermost(part, from, V))
      start<V>(part, from, std::index_sequence_for<TI...>{});
    else
      start<1>(part, from, std::index_sequence_for<TI...>{});
  }
};

}  // namespace detail

template <class TO, class... TI, class F, class... In>
void map(Cuda, const char* op, F f, const Tensor& result, const In&... inputs) {
  const auto plan = plan_loop(result, inputs...);
  if (plan.numel == 0) return;
  constexpr std::size_t widest = [] {
    std::size_t w = sizeof(TO);
    ((w = sizeof(TI) > w ? sizeof(TI) : w), ...);
    return w;
  }();
  constexpr int V = widest >= 16 ? 1 : static_cast<int>(16 / widest);
  TO* out = result.template data<TO>();
  [&](const TI*... in) {
    const bool aligned = (reinterpret_cast<std::uintptr_t>(out) % (sizeof(TO) * V) == 0) &&
                         ((reinterpret_cast<std::uintptr_t>(in) % (sizeof(TI) * V) == 0) && ...);
    if (plan.flat && aligned) {
      launch(op, grid_stride(plan.numel / V + 1), detail::flat_map_kernel<V, F, TO, TI...>, f, plan.numel,
             out, in...);
      return;
    }
    detail::each_small_loop(plan, detail::StridedMap<V, F, TO, TI...>{op, f, aligned, out, {in...}});
  }(inputs.template data<TI>()...);
}
#endif

}  // namespace gadolin
