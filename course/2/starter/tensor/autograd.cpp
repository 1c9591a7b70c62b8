#include "course/todo.h"
#include "tensor/autograd.h"

#include <algorithm>
#include <utility>

#include "tensor/function.h"
#include "tensor/gradient_hook.h"
#include "tensor/ops.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin {
namespace {

thread_local bool recording = true;
thread_local PlaceScope* innermost_place = nullptr;
thread_local const char* running_op = "backward";
// Shared by all threads: a node's number must be above those of its inputs, whichever thread made them.
std::atomic<std::uint64_t> last_serial{0};
std::atomic<std::int64_t> alive{0};
std::atomic<bool> anomaly{false};

}  // namespace

bool grad_enabled() { return recording; }
RecordingScope::RecordingScope(bool on) : before_(std::exchange(recording, on)) {}
RecordingScope::~RecordingScope() { recording = before_; }
std::int64_t live_nodes() { return alive.load(); }

void detect_anomaly(bool on) { anomaly = on; }
bool anomaly_enabled() { return anomaly.load(std::memory_order_relaxed); }

PlaceScope::PlaceScope(const std::string& name) : name_(&name), parent_(innermost_place) {
  innermost_place = this;
}
PlaceScope::~PlaceScope() { innermost_place = parent_; }
std::string PlaceScope::current() {
  std::string place;
  for (PlaceScope* scope = innermost_place; scope; scope = scope->parent_) {
    if (scope->name_->empty()) continue;
    place = place.empty() ? *scope->name_ : *scope->name_ + "." + place;
  }
  return place;
}

// Freeing a node frees what it saved, and with it perhaps the next node: a queue instead of the stack.
void release(Node* node) {
  thread_local std::vector<Node*>* queue = nullptr;
  alive.fetch_sub(1, std::memory_order_relaxed);
  if (queue) {
    queue->push_back(node);
    return;
  }
  std::vector<Node*> waiting{node};
  queue = &waiting;
  while (!waiting.empty()) {
    Node* last = waiting.back();
    waiting.pop_back();
    delete last;
  }
  queue = nullptr;
}

const Tensor& Saved::get() const {
  if (tensor_.defined()) {
    require<AutogradError, 2>(tensor_.version() == version_, running_op,
                              ": a tensor kept for backward was changed in place (version ",
                              tensor_.version(), ", kept at ", version_, "); clone() it before changing it");
  }
  return tensor_;
}

Tensor Node::gathered(std::size_t input) const {
  const Edge& edge = inputs[input];
  if (!edge.node || grad_enabled() || !edge.node->pending.defined() || !edge.node->pending.sole_owner())
    return {};
  return edge.node->pending;
}

bool detail::wants_tape(const Tensor* const* inputs, int count) {
  return recording && std::any_of(inputs, inputs + count, [](const Tensor* t) { return t->requires_grad(); });
}

void attach(Tensor& result, Ref<Node> node, const Tensor* const* inputs, int count) {
  course::todo("2.1", "attach");
}

void detail::check_same(const char* op, const Tensor* const* inputs, int count) {
  require<ValueError>(inputs[0]->defined(), op, ": input 0 is undefined");
  for (int i = 1; i < count; ++i) {
    if (!inputs[i]->defined()) continue;
    require<DeviceError>(inputs[i]->device() == inputs[0]->device(), op, ": input 0 is on ",
                         inputs[0]->device(), " but input ", i, " is on ", inputs[i]->device(),
                         "; move one with .to(...)");
    require<DTypeError>(inputs[i]->dtype() == inputs[0]->dtype(), op, ": input 0 is ", inputs[0]->dtype(),
                        " but input ", i, " is ", inputs[i]->dtype(), "; convert one with .to(DType::...)");
  }
}

void detail::no_overload(const char* op, const char* pass, Device device) {
  fail<Unsupported>(op, pass, ": not available on ", device, "; run this part on the ",
                    device.is_cuda() ? "cpu" : "gpu");
}

void check_anomaly(const char* op, const char* what, const Tensor& t, const std::string& place) {
  thread_local bool inside = false;  // the check is made of ops too
  if (inside || !t.defined() || !is_floating(t.dtype()) || t.numel() == 0) return;
  const NoGrad guard;
  inside = true;
  // x - x is 0 for finite numbers and NaN otherwise, so one sum finds both.
  const double probe = sum(sub(t.detach(), t.detach())).item();
  inside = false;
  if (probe == 0) return;
  fail<NumericError>(place.empty() ? "" : place + ": ", op, ": ", what, " ", t.shape(),
                     " holds NaN or infinity; look at the inputs of this op");
}

// --- the walk ----------------------------------------------------------------------------------------------

namespace {

bool later(const Node* a, const Node* b) { return a->serial < b->serial; }

// `sum` becomes sum + g; the first gradient is stored, later ones are added, in place when nobody else holds
// it. A Function that has added to the total itself returns the total.
void gather(Tensor& total, Tensor g) {
  course::todo("2.2", "gather");
}

void accumulate_leaf(const Tensor& leaf, Tensor g) {
  course::todo("2.3", "accumulate_leaf");
}

struct Walk {
  std::vector<Node*> heap;

  ~Walk() {  // an error leaves gradients behind
    for (Node* node : heap) node->pending = Tensor();
  }
  void push(Node* node, Tensor g) {
    course::todo("2.2", "Walk::push");
  }
  Node* pop() {
    course::todo("2.2", "Walk::pop");
  }
};

void check_gradient(const Node& node, const Edge& edge, const Tensor& g, std::size_t index) {
  require<AutogradError, 3>(g.shape() == edge.shape && g.dtype() == edge.dtype && g.device() == edge.device,
                            node.name(), " backward: gradient of input ", index, " is ", g.dtype(), " ",
                            g.shape(), " on ", g.device(), ", but the input is ", edge.dtype, " ", edge.shape,
                            " on ", edge.device);
}

Grads run(Node& node, const Tensor& dy, bool create_graph) {
  Need need;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i].node || node.inputs[i].leaf.defined()) need.bits |= 1u << i;
  }
  require<AutogradError, 4>(
      !node.released, node.name(),
      ": its graph was freed by an earlier backward(); pass {.keep_graph = true} to the first call");
  if (create_graph && !node.twice_differentiable()) {
    fail<Unsupported>(node.name(),
                      ": cannot be differentiated twice; write it with other ops where that is needed");
  }
  running_op = node.name();
  Grads grads = node.backward(dy, need);
  running_op = "backward";
  return grads;
}

}  // namespace

void Tensor::backward(BackwardOptions options) const {
  require<AutogradError>(numel() == 1, "backward: loss has shape ", shape(),
                         "; reduce it to one number with mean() or sum()");
  backward(full(shape(), 1, dtype(), device()), options);
}

void Tensor::backward(const Tensor& seed, BackwardOptions options) const {
  require<AutogradError>(requires_grad(),
                         "backward: nothing behind this tensor wants a gradient; call requires_grad_() on a ",
                         "leaf, or look for a NoGrad or detach() on the way");
  require<ShapeError>(seed.shape() == shape(), "backward: seed has shape ", seed.shape(), ", the tensor ",
                      shape());
  const NoGrad guard(!options.create_graph);
  HookedWalk hooked(options.hook, node());
  if (is_leaf()) {
    accumulate_leaf(*this, seed);
    return hooked.ends();
  }
  const Ref<Node> root(node());
  // Holds nodes that only the walk still refers to once the edge that led here is gone.
  Walk walk;
  course::todo("2.2", "the loop of Tensor::backward");
  hooked.ends();
}

}  // namespace gadolin
