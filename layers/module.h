// Module: a part of a network. It owns parameters, buffers and children, each under the name that its file
// format uses.
//
//   Conv2d& conv1_ = add("conv1", Conv2d(3, 64, 7, {.stride = 2}));   // declared, named, built, registered
//
// Children live on the heap of their parent, so references to them stay valid when the parent is moved.
//
// There is no one way to call a Module. A Layer makes one Tensor from one Tensor; a module that takes or
// gives more declares its own typed call and runs it through `called`.
//
// Threads: different nets may be used on different threads at any time. One net is used by one thread at a
// time, in evaluation too, because layers keep things from one call to the next: filters with batch norms
// folded in, 16-bit copies of weights. To serve many threads, let one thread own the net. Results are
// returned and never left in members, so that no call can affect the result of another.
#pragma once

#include <concepts>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "layers/compute.h"
#include "tensor/autograd.h"
#include "tensor/tensor.h"

namespace gadolin {

// A tensor of a module by its name, "layer1.0.conv1.weight".
struct Parameter {
  std::string name;  // "layer1.0.conv1.weight"
  Tensor tensor;     // the module's own handle
};
using State = std::map<std::string, Tensor>;  // by name

// What a loading need not find.
struct LoadOptions {
  bool strict = true;                     // every name must be found, none left over
  std::vector<std::string> exclude = {};  // prefixes of names that keep their present values
};
// What a loading did.
struct LoadReport {
  // Names: of both sides, of the module alone, of the file alone, left out on purpose.
  std::vector<std::string> loaded, missing, unexpected, excluded;
};

// The tensors of a call's result: of a Tensor, of several, or of a struct that lists its own by `tensors()`.
inline std::span<const Tensor> tensors_of(const Tensor& y) { return {&y, 1}; }
// The tensors of a call's result, of whatever form, for those who watch:
inline std::span<const Tensor> tensors_of(const std::vector<Tensor>& y) { return y; }
template <class Result>
requires requires(const Result& y) {
  { y.tensors() } -> std::same_as<std::vector<Tensor>>;
}
std::vector<Tensor> tensors_of(const Result& y) { return y.tensors(); }

// A part of a network: parameters, buffers and children, all with names. It has no forward: a Layer has one,
// and other modules have calls of their own.
class Module {
 public:
  Module() = default;
  Module(Module&&) noexcept = default;
  Module& operator=(Module&&) noexcept = default;
  virtual ~Module() = default;

  virtual const char* kind() const = 0;  // "Conv2d"
  // Multiply-adds of one call, without those of children.
  virtual std::int64_t macs(std::span<const Tensor> /*in*/, std::span<const Tensor> /*out*/) const {
    return 0;
  }

  // Depth first in order of declaration; a module's own come before its children's.
  std::vector<Parameter> parameters() const { return all(true, false); }
  // Running statistics and the like: saved, not learnt.
  std::vector<Parameter> buffers() const { return all(false, true); }
  std::vector<Parameter> state() const { return all(true, true); }  // in PyTorch's order
  // This module and everything below it, with paths ("" for this one).
  void visit(const std::function<void(const std::string& path, Module& module)>& f);
  // Calls f for this module and all below it, parents first; `path` is "" for this one:
  void visit(const std::function<void(const std::string& path, const Module& module)>& f) const;
  const std::string& name() const { return *name_; }  // own name below its parent

  Module& train(bool on = true);               // and all modules below it
  Module& eval() { return train(false); }      // and all modules below it
  bool training() const { return training_; }  // the mode it is in
  Module& to(Device device);                   // parameters and buffers; handles stay valid
  Module& to(DType dtype);                     // floating parameters and buffers
  // Copies values by name. Throws CheckpointError naming the first five names that are missing, left over or
  // of another shape, and the option that helps.
  LoadReport load_state(const State& from, const LoadOptions& options = {},
                        const std::string& source = "state");
  // Parts under these prefixes ("layer1", "conv1", "" for all) want no gradient and their batch norms keep
  // their statistics.
  void freeze(const std::vector<std::string>& prefixes);
  // Everything but the parts under these prefixes ("fc", "fc.bias") is frozen. Throws UsageError for a prefix
  // that names nothing.
  void set_trainable(const std::vector<std::string>& prefixes);
  bool frozen() const { return frozen_; }  // by freeze() or set_trainable()

 protected:
  // Takes a child over and returns it where it now lives. For constructors.
  template <std::derived_from<Module> M> M& add(std::string name, M child) {
    auto held = std::make_unique<M>(std::move(child));
    M& reference = *held;
    adopt(std::move(name), std::move(held));
    return reference;
  }
  // Names of children, parameters and buffers: throws ValueError for one that the module has already.
  Module& adopt(std::string name, std::unique_ptr<Module> child);
  Tensor parameter(std::string name, Tensor initial);  // wants a gradient
  Tensor buffer(std::string name, Tensor initial);     // saved with the module, wants no gradient
  // Runs f as a call of this module with the arguments `in`: the module's name is added to errors and to the
  // nodes of the tape, and an observer sees the call. f gives a Tensor or anything that tensors_of takes.
  template <class F> auto called(std::span<const Tensor> in, F&& f) {
    const PlaceScope place(*name_);
    try {
      auto y = f();
      if (observed()) [[unlikely]]
        observe(in, tensors_of(y));
      return y;
    } catch (Error& error) {
      error.add_place(*name_);
      throw;
    }
  }
  // The same with one argument.
  template <class F> auto called(const Tensor& x, F&& f) { return called(tensors_of(x), std::forward<F>(f)); }

 private:
  friend class CallObserver;
  void require_new(const std::string& name) const;
  std::vector<Parameter> all(bool parameters, bool buffers) const;
  static bool observed();  // whether a CallObserver is alive on this thread
  void observe(std::span<const Tensor> in, std::span<const Tensor> out) const;
  std::unique_ptr<std::string> name_ = std::make_unique<std::string>();
  std::vector<Parameter> parameters_, buffers_;
  std::vector<std::unique_ptr<Module>> children_;
  bool training_ = true, frozen_ = false;
};

// While one is alive, its function is called after every call of a module on this thread, for children before
// their parents. If there are several observers, only the newest one sees the call. It does not change what
// runs: to see every layer, open an Unfused scope too.
class CallObserver {
 public:
  // Arguments as the module was called with; results as tensors_of its result.
  using Call = std::function<void(const Module& module, const std::string& place, std::span<const Tensor> in,
                                  std::span<const Tensor> out)>;
  explicit CallObserver(Call call);  // from now on, on this thread
  ~CallObserver();
  CallObserver(const CallObserver&) = delete;
  CallObserver& operator=(const CallObserver&) = delete;

 private:
  friend class Module;
  Call call_;
  CallObserver* before_;
};

// --- fusion: neighbouring layers run as one, unless somebody wants to see each of them

// While one is alive on this thread, layers run one by one, as in the papers: summaries, features of a layer,
// activation maps and exports need that. Without one, neighbouring layers are fused wherever the results stay
// the same except for rounding, and a CallObserver sees only the calls that remain. All fusing is done in
// layers/conv_norm.h, channels.h and branches.h; nets have none of their own.
class Unfused {
 public:
  Unfused();
  ~Unfused();
  Unfused(const Unfused&) = delete;
  Unfused& operator=(const Unfused&) = delete;
  static bool here();  // whether one is alive on this thread

 private:
  bool before_;
};

// A module that makes one tensor from one tensor.
class Layer : public Module {
 public:
  virtual Tensor forward(const Tensor& x) = 0;  // what it computes; call the layer, not this
  // forward, as a call of this module.
  Tensor operator()(const Tensor& x) {
    return called(x, [&] { return forward(x); });
  }
};

// A function of one tensor as a layer.
class FunctionLayer : public Layer {
 public:
  // `kind`: as kind() says it; must outlive it.
  FunctionLayer(const char* kind, std::function<Tensor(const Tensor&)> f) : kind_(kind), f_(std::move(f)) {}
  Tensor forward(const Tensor& x) override { return f_(x); }
  const char* kind() const override { return kind_; }

 private:
  const char* kind_;
  std::function<Tensor(const Tensor&)> f_;
};

// Runs its children one after another; without children it is the identity.
class Sequential : public Layer {
 public:
  Sequential() = default;
  // Children named "0", "1", ...
  template <std::derived_from<Layer>... M> explicit Sequential(M... children) {
    (append(std::move(children)), ...);
  }
  // Takes a layer over and puts it at the end.
  template <std::derived_from<Layer> M> M& append(M child) {
    return append(std::to_string(size()), std::move(child));
  }
  // The same with a name of its own.
  template <std::derived_from<Layer> M> M& append(std::string name, M child) {
    M& held = add(std::move(name), std::move(child));
    order_.push_back(&held);
    return held;
  }
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "Sequential"; }
  std::size_t size() const { return order_.size(); }       // layers
  bool empty() const { return order_.empty(); }            // whether it is the identity
  Layer& operator[](std::size_t i) { return *order_[i]; }  // from 0

 private:
  std::vector<Layer*> order_;
};

}  // namespace gadolin
