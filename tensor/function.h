// apply: runs a Function. Checks, the shape rule, allocation, the choice of the device's overload and the
// tape stand here once, for all ops. forward and backward run with their tensors' device as the current one.
//
// A Function is a struct with `static constexpr auto name`, its options and `Saved` tensors as data members,
// and these members:
//   Shape shape(in...) const          the shape rule; throws when the inputs do not fit
//   void forward(Cpu, in..., Tensor& y)            and the same with Cuda: one overload per device
//   Grads backward(Cpu, const Tensor& dy, Need)    and the same with Cuda, or instead of both:
//   Grads backward(const Tensor& dy, Need)         written with ops, so it can be differentiated again
// Optional members:
//   void save(in..., y)               keeps what backward needs; y comes without history
//   void check(in...) const           instead of the usual check that all inputs have the device and dtype of
//                                     the first one
//   Tensor allocate(in...) const      instead of the usual result: uninitialised, with shape(in...), the
//                                     dtype and the memory format of the first input
//   Attributes attributes() const     the options by name, for those who read the tape
//   Tensor into                       before backward it holds the gradient gathered so far for input 0, if
//                                     that may be written; backward may add its part and return it as
//                                     grads[0]
#pragma once

#include <optional>
#include <utility>

#include "tensor/autograd.h"

namespace gadolin {
namespace detail {

template <class F, class... In>
concept ChecksItself = requires(const F f, const In&... in) {
  f.check(in...);
};
template <class F, class... In>
concept Allocates = requires(const F f, const In&... in) {
  f.allocate(in...);
};
template <class F, class D, class... In>
concept RunsOn = requires(F f, D d, const In&... in, Tensor& y) {
  f.forward(d, in..., y);
};
template <class F>
concept AddsInPlace = requires(F f) {
  f.into = Tensor();
};
template <class F>
concept ComposedBackward = requires(F f, const Tensor& dy, Need need) {
  f.backward(dy, need);
};
template <class F, class D>
concept BackwardOn = requires(F f, D d, const Tensor& dy, Need need) {
  f.backward(d, dy, need);
};

// Same device and dtype as the first defined input; throws DeviceError or DTypeError naming the argument's
// index.
void check_same(const char* op, const Tensor* const* inputs, int count);
[[noreturn]] void no_overload(const char* op, const char* pass, Device device);

template <class F, class D, class... In> void forward_on(F& f, D device, Tensor& y, const In&... in) {
  if constexpr (RunsOn<F, D, In...>)
    f.forward(device, in..., y);
  else
    no_overload(F::name, "", y.device());
}

// Holds the Function from the forward to the end of its backward.
template <class F> struct FunctionNode final : Node {
  std::optional<F> f;
  explicit FunctionNode(F&& function) : f(std::move(function)) {}
  const char* name() const override { return F::name; }
  bool twice_differentiable() const override { return ComposedBackward<F>; }
  void release_saved() override { f.reset(); }
  Attributes attributes() const override {
    if constexpr (requires(const F& g) { g.attributes(); }) return f ? f->attributes() : Attributes();
    return {};
  }
  Grads backward(const Tensor& dy, Need need) override {
    if constexpr (AddsInPlace<F>) f->into = need[0] ? gathered(0) : Tensor();
    Grads grads = on_device(dy.device(), [&](auto device) { return backward_on(device, dy, need); });
    if constexpr (AddsInPlace<F>) f->into = Tensor();
    return grads;
  }
  template <class D> Grads backward_on(D device, const Tensor& dy, Need need) {
    if constexpr (ComposedBackward<F>)
      return f->backward(dy, need);
    else if constexpr (BackwardOn<F, D>)
      return f->backward(device, dy, need);
    else
      no_overload(F::name, " backward", dy.device());
  }
};

// True when recording is on and one of the inputs wants a gradient.
bool wants_tape(const Tensor* const* inputs, int count);

// Whether F has a member save, overloaded or not: a name that two bases have is ambiguous.
struct NamesSave {
  void save();
};
template <class F> struct NamesSaveToo : F, NamesSave {};
template <class F>
concept keeps_something = !requires {
  &NamesSaveToo<F>::save;
};

}  // namespace detail

// The tape's part of apply, for results that are computed already (views).
template <class F, class... In> Tensor record(F f, Tensor y, const In&... in) {
  const Tensor* inputs[] = {&in...};
  constexpr int count = static_cast<int>(sizeof...(In));
  if (detail::wants_tape(inputs, count)) {
    if constexpr (detail::keeps_something<F>) f.save(in..., y.detach());
    attach(y, Ref<Node>(new detail::FunctionNode<F>(std::move(f))), inputs, count);
  }
  return y;
}

// Runs f and records it. Optional inputs are undefined tensors; the first input must be defined.
template <class F, class... In> Tensor apply(F f, const In&... in) {
  const Tensor* inputs[] = {&in...};
  constexpr int count = static_cast<int>(sizeof...(In));
  if constexpr (detail::ChecksItself<F, In...>) {
    f.check(in...);
  } else {
    detail::check_same(F::name, inputs, count);
  }
  const Tensor& first = *inputs[0];
  Tensor y;
  if constexpr (detail::Allocates<F, In...>) {
    y = f.allocate(in...);
  } else {
    y = empty(f.shape(in...), first.dtype(), first.device(), first.format());
  }
  {
    const NoGrad guard;  // what forward calls is not recorded: this Function is
    on_device(first.device(), [&](auto device) { detail::forward_on(f, device, y, in...); });
  }
  if (anomaly_enabled()) [[unlikely]]
    check_anomaly(F::name, "its result", y, PlaceScope::current());
  return record(std::move(f), std::move(y), in...);
}

}  // namespace gadolin
