#include "layers/module.h"

#include <algorithm>
#include <utility>

#include "tensor/ops.h"

namespace gadolin {
namespace {

thread_local CallObserver* observer = nullptr;
thread_local bool apart = false;  // an Unfused is alive

std::string join(const std::string& path, const std::string& name) {
  return path.empty() ? name : name.empty() ? path : path + "." + name;
}
// True when `name` is `prefix` or lies below it; the empty prefix holds everything.
bool under(const std::string& name, const std::string& prefix) {
  return prefix.empty() || name == prefix ||
         (name.size() > prefix.size() && name.compare(0, prefix.size(), prefix) == 0 &&
          name[prefix.size()] == '.');
}
bool under_any(const std::string& name, const std::vector<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const std::string& p) { return under(name, p); });
}
// A tensor whose shape is another one in a file.
struct Misfit {
  std::string name;
  Shape theirs, ours;
  bool only(int d) const {
    if (theirs.dim() != ours.dim()) return false;
    for (int i = 0; i < ours.dim(); ++i)
      if ((theirs[i] != ours[i]) != (i == d)) return false;
    return true;
  }
};
// What the shapes tell of how the other net was made. The last layers differ in what they give, the first
// convolution in what it takes.
std::string way_out(const std::vector<Misfit>& misfits) {
  if (std::all_of(misfits.begin(), misfits.end(), [](const Misfit& m) { return m.only(0); }))
    return "for another number of classes pass --exclude-scopes with the last layer";
  if (misfits.size() == 1 && misfits[0].ours.dim() == 4 && misfits[0].only(1))
    return cat("it was made for pictures of C=", misfits[0].theirs[1], ", not C=", misfits[0].ours[1],
               ": pass --channels ", misfits[0].theirs[1]);
  return "was it saved by a net of another --model, --width or --channels?";
}
std::string first_names(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 5; ++i) text += (i ? ", " : "") + names[i];
  return names.size() > 5 ? text + ", ..." : text;
}

}  // namespace

void Module::require_new(const std::string& name) const {
  const auto named = [&](const Parameter& p) { return p.name == name; };
  const bool taken =
      std::any_of(children_.begin(), children_.end(), [&](const auto& c) { return c->name() == name; }) ||
      std::any_of(parameters_.begin(), parameters_.end(), named) ||
      std::any_of(buffers_.begin(), buffers_.end(), named);
  require<ValueError>(!taken, "module: it has a part called ", name, " already; give this one another name");
}
Module& Module::adopt(std::string name, std::unique_ptr<Module> child) {
  require_new(name);
  *child->name_ = std::move(name);
  children_.push_back(std::move(child));
  return *children_.back();
}
Tensor Module::parameter(std::string name, Tensor initial) {
  require_new(name);
  initial.requires_grad_();
  parameters_.push_back({std::move(name), initial});
  return initial;
}
Tensor Module::buffer(std::string name, Tensor initial) {
  require_new(name);
  buffers_.push_back({std::move(name), initial});
  return initial;
}

void Module::visit(const std::function<void(const std::string&, Module&)>& f) {
  const std::function<void(const std::string&, Module&)> walk = [&](const std::string& path, Module& module) {
    f(path, module);
    for (const auto& child : module.children_) walk(join(path, child->name()), *child);
  };
  walk("", *this);
}
void Module::visit(const std::function<void(const std::string&, const Module&)>& f) const {
  const_cast<Module*>(this)->visit([&](const std::string& path, Module& module) { f(path, module); });
}

std::vector<Parameter> Module::all(bool parameters, bool buffers) const {
  std::vector<Parameter> all;
  visit([&](const std::string& path, const Module& module) {
    const auto take = [&](const std::vector<Parameter>& own) {
      for (const Parameter& p : own) all.push_back({join(path, p.name), p.tensor});
    };
    if (parameters) take(module.parameters_);
    if (buffers) take(module.buffers_);
  });
  return all;
}

Module& Module::train(bool on) {
  visit([on](const std::string&, Module& module) { module.training_ = on; });
  return *this;
}

Module& Module::to(Device device) {
  const NoGrad guard;
  for (Parameter& p : state()) p.tensor.set_data(p.tensor.to(device));
  return *this;
}
Module& Module::to(DType dtype) {
  require<DTypeError>(is_floating(dtype), "module: parameters cannot be ", dtype, "; use a floating type");
  const NoGrad guard;
  for (Parameter& p : state()) {
    if (is_floating(p.tensor.dtype())) p.tensor.set_data(p.tensor.to(dtype));
  }
  return *this;
}

LoadReport Module::load_state(const State& from, const LoadOptions& options, const std::string& source) {
  LoadReport report;
  std::vector<Misfit> misfits;
  std::vector<Parameter> mine = state();
  for (const Parameter& p : mine) {
    const auto found = from.find(p.name);
    if (under_any(p.name, options.exclude)) {
      report.excluded.push_back(p.name);
    } else if (found == from.end()) {
      // Files written before PyTorch 0.4.1 have no such counter; nothing depends on it.
      if (!p.name.ends_with("num_batches_tracked")) report.missing.push_back(p.name);
    } else if (found->second.shape() != p.tensor.shape()) {
      misfits.push_back({p.name, found->second.shape(), p.tensor.shape()});
    } else {
      report.loaded.push_back(p.name);
    }
  }
  for (const auto& entry : from) {
    const std::string& name = entry.first;  // clang 14 does not let lambdas capture structured bindings
    const bool known =
        std::any_of(mine.begin(), mine.end(), [&](const Parameter& p) { return p.name == name; });
    if (!known && !under_any(name, options.exclude)) report.unexpected.push_back(name);
  }
  std::vector<std::string> shapes;
  for (const Misfit& m : misfits) shapes.push_back(cat(m.name, " ", m.theirs, " for ", m.ours));
  require<CheckpointError, 2>(misfits.empty(), "load: ", source, " has other shapes: ", first_names(shapes),
                              "; ", misfits.empty() ? "" : way_out(misfits));
  if (options.strict) {
    require<CheckpointError, 3>(report.missing.empty(), "load: ", source, " has no ",
                                first_names(report.missing), " (", report.loaded.size(), " of ", mine.size(),
                                " names found); was it saved by another network?");
    require<CheckpointError, 4>(report.unexpected.empty(), "load: ", source, " holds ",
                                first_names(report.unexpected),
                                ", which this network does not have; was it saved by another network?");
  }
  const NoGrad guard;
  for (Parameter& p : mine) {
    const auto found = from.find(p.name);
    if (found != from.end() && !under_any(p.name, options.exclude)) p.tensor.copy_(found->second);
  }
  return report;
}

void Module::freeze(const std::vector<std::string>& prefixes) {
  visit([&](const std::string& path, Module& module) {
    if (under_any(path, prefixes)) module.frozen_ = true;
    for (Parameter& p : module.parameters_) {
      if (under_any(join(path, p.name), prefixes)) p.tensor.requires_grad_(false);
    }
  });
}

void Module::set_trainable(const std::vector<std::string>& prefixes) {
  std::vector<bool> used(prefixes.size(), false);
  visit([&](const std::string& path, Module& module) {
    const auto mark = [&](const std::string& name) {
      for (std::size_t i = 0; i < prefixes.size(); ++i) used[i] = used[i] || under(name, prefixes[i]);
      return under_any(name, prefixes);
    };
    module.frozen_ = !mark(path);
    for (Parameter& p : module.parameters_) p.tensor.requires_grad_(mark(join(path, p.name)));
  });
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    require<UsageError>(used[i], "trainable scopes: nothing in the network is called ", prefixes[i],
                        "; run gadolin summary to see the names");
  }
}

// --- observation -------------------------------------------------------------------------------------------

CallObserver::CallObserver(Call call) : call_(std::move(call)), before_(observer) { observer = this; }
CallObserver::~CallObserver() { observer = before_; }
bool Module::observed() { return observer != nullptr; }
void Module::observe(std::span<const Tensor> in, std::span<const Tensor> out) const {
  observer->call_(*this, PlaceScope::current(), in, out);
}

Unfused::Unfused() : before_(std::exchange(apart, true)) {}
Unfused::~Unfused() { apart = before_; }
bool Unfused::here() { return apart; }

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (Layer* layer : order_) y = (*layer)(y);
  return y;
}

}  // namespace gadolin
