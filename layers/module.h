// Module: a part of a network. It owns parameters, buffers and children, each under the name that its file
// format uses.
//
//   Conv2d& conv1_ = add("conv1", Conv2d(3, 64, 7, {.stride = 2}));   // declared, named, built and
//   registered
//
// Children live on the heap of their parent, so references to them stay valid when the parent is moved.
#pragma once

#include <concepts>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "layers/compute.h"
#include "tensor/autograd.h"
#include "tensor/tensor.h"

namespace gadolin {

struct Parameter {
  std::string name;  // "layer1.0.conv1.weight"
  Tensor tensor;
};
using State = std::map<std::string, Tensor>;

struct LoadOptions {
  bool strict = true;                     // every name must be found, none left over
  std::vector<std::string> exclude = {};  // prefixes of names that keep their present values
};
struct LoadReport {
  std::vector<std::string> loaded, missing, unexpected, excluded;
};

class Module {
 public:
  Module() = default;
  Module(Module&&) noexcept = default;
  Module& operator=(Module&&) noexcept = default;
  virtual ~Module() = default;

  virtual Tensor forward(const Tensor& x) = 0;
  // forward, with this module's name on errors and on the nodes of the tape.
  Tensor operator()(const Tensor& x) {
    return called(x, [&] { return forward(x); });
  }
  virtual const char* kind() const = 0;  // "Conv2d"
  // Multiply-adds of one call, without those of children.
  virtual std::int64_t macs(const Tensor& /*in*/, const Tensor& /*out*/) const { return 0; }

  // Depth first in order of declaration; a module's own come before its children's.
  std::vector<Parameter> parameters() const;
  std::vector<Parameter> buffers() const;
  std::vector<Parameter> state() const;  // both, in PyTorch's order
  // This module and everything below it, with paths ("" for this one).
  void visit(const std::function<void(const std::string& path, Module& module)>& f);
  void visit(const std::function<void(const std::string& path, const Module& module)>& f) const;
  const std::string& name() const { return *name_; }  // own name below its parent

  Module& train(bool on = true);
  Module& eval() { return train(false); }
  bool training() const { return training_; }
  Module& to(Device device);
  Module& to(DType dtype);  // floating parameters and buffers
  // Copies values by name. Throws CheckpointError naming the first five names that are missing, left over or
  // of another shape, and the option that helps.
  LoadReport load_state(const State& from, const LoadOptions& options = {},
                        const std::string& source = "state");
  // Parts under these prefixes ("layer1", "conv1", "" for all) want no gradient and their batch norms keep
  // their statistics.
  void freeze(const std::vector<std::string>& prefixes);
  // Everything but the parts under these prefixes is frozen. Throws UsageError for a prefix that names
  // nothing.
  void set_trainable(const std::vector<std::string>& prefixes);
  bool frozen() const { return frozen_; }
  // Whether a CallObserver is alive: who fuses calls of several modules then makes them one by one, for it to
  // see.
  static bool watching();

 protected:
  template <std::derived_from<Module> M>
  M& add(std::string name, M child) {
    auto held = std::make_unique<M>(std::move(child));
    M& reference = *held;
    adopt(std::move(name), std::move(held));
    return reference;
  }
  Module& adopt(std::string name, std::unique_ptr<Module> child);
  Tensor parameter(std::string name, Tensor initial);  // wants a gradient
  Tensor buffer(std::string name, Tensor initial);
  // Runs f as a call of this module: for calls with other arguments than operator()'s.
  template <class F>
  Tensor called(const Tensor& x, F&& f) {
    const PlaceScope place(*name_);
    try {
      Tensor y = f();
      if (watching()) [[unlikely]]
        observe(x, y);
      return y;
    } catch (Error& error) {
      error.add_place(*name_);
      throw;
    }
  }

 private:
  friend class CallObserver;
  void observe(const Tensor& x, const Tensor& y) const;
  std::unique_ptr<std::string> name_ = std::make_unique<std::string>();
  std::vector<Parameter> parameters_, buffers_;
  std::vector<std::unique_ptr<Module>> children_;
  bool training_ = true, frozen_ = false;
};

// While one is alive, it is told of every call of a module on this thread, children before parents: for
// summaries and for the features of a layer.
class CallObserver {
 public:
  using Call = std::function<void(const Module& module, const std::string& place, const Tensor& in,
                                  const Tensor& out)>;
  explicit CallObserver(Call call);
  ~CallObserver();
  CallObserver(const CallObserver&) = delete;
  CallObserver& operator=(const CallObserver&) = delete;

 private:
  friend class Module;
  Call call_;
  CallObserver* before_;
};

// Runs its children one after another; without children it is the identity.
class Sequential : public Module {
 public:
  Sequential() = default;
  // Children named "0", "1", ...
  template <std::derived_from<Module>... M>
  explicit Sequential(M... children) {
    (append(std::move(children)), ...);
  }
  template <std::derived_from<Module> M>
  M& append(M child) {
    return append(std::to_string(size()), std::move(child));
  }
  template <std::derived_from<Module> M>
  M& append(std::string name, M child) {
    M& held = add(std::move(name), std::move(child));
    order_.push_back(&held);
    return held;
  }
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "Sequential"; }
  std::size_t size() const { return order_.size(); }
  bool empty() const { return order_.empty(); }
  Module& operator[](std::size_t i) { return *order_[i]; }

 private:
  std::vector<Module*> order_;
};

}  // namespace gadolin
