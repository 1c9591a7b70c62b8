// The tape: nodes, saved tensors and the backward walk.
//
// A node has inputs, a serial number and one virtual function. Serial numbers grow, so taking ready nodes
// from a heap by falling number is reverse topological order: no recursion, no sorting pass. Nodes are freed
// by a loop as well.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

using Grads = std::vector<Tensor>;  // a gradient an input, in their order; undefined: none

// What an op was called with besides its inputs, by name: for those who read the tape, such as pictures and
// exports.
using Attribute = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>, Tensor>;
using Attributes = std::map<std::string, Attribute>;  // by name

// Which inputs want a gradient; the others' slots stay undefined.
struct Need {
  std::uint32_t bits = 0;                                    // bit i: of input i
  bool operator[](int i) const { return (bits >> i) & 1u; }  // whether input i wants one
};

// A tensor kept for backward. Remembers the version of the storage, so a change in place is an error and not
// a wrong gradient. An input keeps its history (needed to differentiate twice); a result is kept as data, so
// no node owns itself.
class Saved {
 public:
  Saved() = default;
  // Without history where it is a result.
  Saved(const Tensor& t) : tensor_(t), version_(t.defined() ? t.version() : 0) {}
  // Throws AutogradError when the tensor was changed after it was kept, or was released by an earlier
  // backward.
  const Tensor& get() const;
  // As get():
  operator const Tensor&() const { return get(); }
  const Tensor* operator->() const { return &get(); }
  bool defined() const { return tensor_.defined(); }  // whether something is kept

 private:
  Tensor tensor_;
  std::uint64_t version_ = 0;
};

// One input of a node.
struct Edge {
  Ref<Node> node;             // the op that made the input, or
  Tensor leaf;                // the leaf that wants the gradient; neither when none is wanted
  Shape shape;                // these three: of the input, to which its gradient must fit
  DType dtype = DType::fp32;  // fp32 unless the input says otherwise
  Device device;              // where the input is
  // A tensor that wants no gradient. An optional one that was not given has neither this nor the others.
  bool constant = false;
  Tensor value;  // of a small constant, at most 1024 elements
};

// An op on the tape; FunctionNode of tensor/function.h is the one that there is.
struct Node : Counted {
  virtual ~Node() = default;
  virtual const char* name() const = 0;  // of the op: "conv2d"
  // Gradient of every needed input from the gradient of the result.
  virtual Grads backward(const Tensor& dy, Need need) = 0;
  // True when backward is written with ops, so that it can itself be recorded.
  virtual bool twice_differentiable() const = 0;
  virtual void release_saved() = 0;                     // gives up what was kept for backward
  virtual Attributes attributes() const { return {}; }  // for those who read the tape

  // The gradient gathered so far for an input, when adding to it in place is safe: undefined when there is
  // none, when somebody else holds it, or when the walk is itself recorded.
  Tensor gathered(std::size_t input) const;

  std::vector<Edge> inputs;  // in the order of the call
  std::uint64_t serial = 0;  // above those of all inputs
  std::string place;         // where in the network the op was called, e.g. layer1.0.conv1
  bool released = false;     // its tensors were given up by an earlier backward
  Tensor pending;            // gradient gathered so far during a walk
  Shape shape;               // of the result
};

// Whether ops record on this thread: true unless a NoGrad is alive.
bool grad_enabled();
class RecordingScope {  // decides it for this thread while it lives
 public:
  explicit RecordingScope(bool on);  // from now on
  ~RecordingScope();
  RecordingScope(const RecordingScope&) = delete;
  RecordingScope& operator=(const RecordingScope&) = delete;

 private:
  bool before_;
};
// Ops on this thread do not record while one is alive.
struct NoGrad : RecordingScope {
  explicit NoGrad(bool off = true) : RecordingScope(grad_enabled() && !off) {}  // false: changes nothing
};
// Ops on this thread record while one is alive, within a NoGrad too.
struct EnableGrad : RecordingScope {
  EnableGrad() : RecordingScope(true) {}
};

// Anomaly mode: every result and every gradient is checked for NaN and infinity; the error names the op, its
// place and the range of its inputs. Slow; for finding a fault.
void detect_anomaly(bool on);
bool anomaly_enabled();  // whether the mode is on, for all threads
// Throws NumericError when `t` holds NaN or infinity; `what` says in its message which tensor that is.
void check_anomaly(const char* op, const char* what, const Tensor& t, const std::string& place);

// Name of the part of the network that runs, e.g. "layer1.0.conv1"; modules push theirs.
class PlaceScope {
 public:
  explicit PlaceScope(const std::string& name);  // `name` must outlive it
  ~PlaceScope();
  PlaceScope(const PlaceScope&) = delete;
  PlaceScope& operator=(const PlaceScope&) = delete;
  static std::string current();  // names from outside in, joined by dots

 private:
  const std::string* name_;
  PlaceScope* parent_;
};

// Connects `result` to the tape; called by apply().
void attach(Tensor& result, Ref<Node> node, const Tensor* const* inputs, int count);

// Number of nodes alive; tests use it to show that graphs are freed.
std::int64_t live_nodes();

}  // namespace gadolin
