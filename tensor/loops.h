// map: one loop over the elements of up to four tensors, for both devices, all views and broadcasting.
//
// out[i] = f(in[i]...). 16-bit floats are widened on load and narrowed on store, so f only ever sees numbers
// that can be computed with; an f that only moves elements says so (`using moves_bits = void`) and gets them
// as they are, since widening does not keep every NaN. f is a struct with a GADOLIN_HD operator(); nvcc
// refuses generic lambdas.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "tensor/cpu/parallel.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"
#ifdef __CUDACC__
#include "tensor/cuda/launch.h"
#endif

namespace gadolin {

// How N tensors (result first) are walked together: sizes from outside in and each tensor's strides, with
// dimensions that are neighbours in memory for every tensor joined into one.
template <int N>
struct LoopPlan {
  int dim = 0;
  bool flat = false;  // all dense in the same order: one loop over memory
  std::int64_t numel = 0;
  std::int64_t sizes[Shape::max_dim] = {};
  std::int64_t strides[N][Shape::max_dim] = {};
};

namespace detail {
// tensors[0] is the result; the others broadcast to its shape. Fills sizes and strides (an array of N rows).
void plan_loop(const Tensor* const* tensors, int count, int& dim, bool& flat, std::int64_t* sizes,
               std::int64_t* strides);
}  // namespace detail

template <class... In>
LoopPlan<1 + sizeof...(In)> plan_loop(const Tensor& out, const In&... in) {
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
template <class F, class T>
using operand_type = std::conditional_t<MovesBits<F>, T, math_type<T>>;
}  // namespace detail

// --- CPU ---------------------------------------------------------------------------------------------------

namespace detail {

// Below so many elements a second thread costs more than it saves.
inline constexpr std::int64_t map_grain = 16384;

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
template <int N>
void next_outer(const LoopPlan<N>& plan, std::int64_t* at, std::int64_t* counter) {
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

template <class TO, class... TI, class F>
void map_flat(F f, std::int64_t n, TO* out, const TI*... in) {
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

template <class T, int V>
struct alignas(sizeof(T) * V) Pack {
  T v[V];
};

// Grid-stride over packs of V elements; the last block takes what is left over. In place, `out` is an input.
template <int V, class F, class TO, class... TI>
__global__ void flat_map_kernel(F f, std::int64_t n, TO* out, const TI*... in) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t packs = n / V;
  for (std::int64_t i = first; i < packs; i += step) {
    Pack<TO, V> y;
    [&](const Pack<TI, V>... x) {
#pragma unroll
      for (int j = 0; j < V; ++j) y.v[j] = convert<TO>(f(convert<operand_type<F, TI>>(x.v[j])...));
    }(reinterpret_cast<const Pack<TI, V>*>(in)[i]...);
    reinterpret_cast<Pack<TO, V>*>(out)[i] = y;
  }
  for (std::int64_t i = packs * V + first; i < n; i += step)
    out[i] = convert<TO>(f(convert<operand_type<F, TI>>(in[i])...));
}

// A thread an element, any strides.
template <int N, class F, class TO, class... TI>
__global__ void strided_map_kernel(F f, LoopPlan<N> plan, TO* out, const TI*... in) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < plan.numel;
       i += step) {
    std::int64_t at[N] = {}, rest = i;
    for (int d = plan.dim - 1; d >= 0; --d) {
      const std::int64_t c = rest % plan.sizes[d];
      rest /= plan.sizes[d];
#pragma unroll
      for (int k = 0; k < N; ++k) at[k] += c * plan.strides[k][d];
    }
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      out[at[0]] = convert<TO>(f(convert<operand_type<F, TI>>(in[at[I + 1]])...));
    }
    (std::index_sequence_for<TI...>{});
  }
}

}  // namespace detail

template <class TO, class... TI, class F, class... In>
void map(Cuda, const char* op, F f, const Tensor& result, const In&... inputs) {
  constexpr int N = 1 + static_cast<int>(sizeof...(In));
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
    if (!plan.flat) {
      launch(op, grid_stride(plan.numel), detail::strided_map_kernel<N, F, TO, TI...>, f, plan, out, in...);
      return;
    }
    std::uintptr_t misaligned = reinterpret_cast<std::uintptr_t>(out) % (sizeof(TO) * V);
    ((misaligned |= reinterpret_cast<std::uintptr_t>(in) % (sizeof(TI) * V)), ...);
    if (misaligned) {
      launch(op, grid_stride(plan.numel), detail::flat_map_kernel<1, F, TO, TI...>, f, plan.numel, out,
             in...);
    } else {
      launch(op, grid_stride(plan.numel / V + 1), detail::flat_map_kernel<V, F, TO, TI...>, f, plan.numel,
             out, in...);
    }
  }(inputs.template data<TI>()...);
}
#endif

}  // namespace gadolin
