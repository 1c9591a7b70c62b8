// elementwise: a differentiable function of one tensor from a scalar functor. Loops, devices, dtypes, views
// and the tape come from here; the functor is one formula and its derivative:
//
//   struct Silu {
//     static constexpr auto name = "silu";
//     static constexpr auto keep = Keep::input;  // what the tape stores, and so its cost in memory
//     template <class T> GADOLIN_HD T forward(T x) const;
//     template <class T> GADOLIN_HD T backward(T x, T y, T dy) const;  // what is not kept of x and y is 0
//   };
//
// Functors see float or double. NaN stays NaN: write `x < 0 ? 0 : x`, not `x > 0 ? x : 0`.
#pragma once

#include "tensor/function.h"
#include "tensor/loops.h"

namespace gadolin {

// What the tape keeps of an elementwise op: what goes in, or what comes out.
enum class Keep { input, output };

namespace detail {

template <class F> struct ForwardOf {
  F f;
  template <class T> GADOLIN_HD T operator()(T x) const { return f.template forward<T>(x); }
};
template <class F> struct BackwardOf {
  F f;
  template <class T> GADOLIN_HD T operator()(T kept, T dy) const {
    return F::keep == Keep::input ? f.template backward<T>(kept, T(0), dy)
                                  : f.template backward<T>(T(0), kept, dy);
  }
};

template <class F> struct ElementwiseFunction {
  static constexpr auto name = F::name;
  F f;
  Saved kept;

  Tensor allocate(const Tensor& x) const {
    require_floating(name, x.dtype());
    return empty_like(x);
  }
  Attributes attributes() const {
    if constexpr (requires { f.attributes(); }) return f.attributes();
    return {};
  }
  void save(const Tensor& x, const Tensor& y) { kept = F::keep == Keep::input ? x : y; }
  template <class D> void forward(D device, const Tensor& x, Tensor& y) const {
    dispatch_floating(x.dtype(), name,
                      [&]<class T>(Tag<T>) { map<T, T>(device, name, ForwardOf<F>{f}, y, x); });
  }
  template <class D> Grads backward(D device, const Tensor& dy, Need) const {
    const Tensor &given = kept, dx = empty_like(given);
    dispatch_floating(dy.dtype(), name,
                      [&]<class T>(Tag<T>) { map<T, T, T>(device, name, BackwardOf<F>{f}, dx, given, dy); });
    return {dx};
  }
};

}  // namespace detail

// With CUDA compiled in, call this from .cu files only: the kernel must be instantiated there.
template <class F> Tensor elementwise(F f, const Tensor& x) {
  return apply(detail::ElementwiseFunction<F>{f, {}}, x);
}

}  // namespace gadolin
