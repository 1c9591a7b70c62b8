#include "apps/weights/onnx_trace.h"

#include <algorithm>
#include <unordered_set>

#include "layers/module.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

// Parameters want gradients and the net evaluates while this is alive.
class Tracing {
 public:
  explicit Tracing(Module& net) : net_(net), was_training_(net.training()) {
    net_.eval();
    for (Parameter& p : net_.parameters()) {
      if (!p.tensor.requires_grad()) frozen_.push_back(p.tensor.requires_grad_());
    }
  }
  ~Tracing() {
    for (Tensor& t : frozen_) t.requires_grad_(false);
    net_.train(was_training_);
  }
  Tracing(const Tracing&) = delete;
  Tracing& operator=(const Tracing&) = delete;

 private:
  Module& net_;
  bool was_training_;
  Unfused apart_;
  std::vector<Tensor> frozen_;
};

Trace run_traced(const TracedCall& call, std::int64_t batch, const Shape& image) {
  Trace trace;
  trace.input = zeros({batch, image[0], image[1], image[2]}).requires_grad_();
  trace.outputs = call(trace.input);
  std::unordered_set<const Node*> seen;
  std::vector<const Node*> waiting;
  const auto visit = [&](const Node* node) {
    if (node && seen.insert(node).second) waiting.push_back(node);
  };
  for (const Tensor& output : trace.outputs) visit(output.node());
  while (!waiting.empty()) {
    const Node* node = waiting.back();
    waiting.pop_back();
    trace.ops.push_back({node, node->attributes(), node->shape.vec()});
    for (const Edge& edge : node->inputs) visit(edge.node.get());
  }
  std::sort(trace.ops.begin(), trace.ops.end(),
            [](const TracedOp& a, const TracedOp& b) { return a.node->serial < b.node->serial; });
  return trace;
}

bool same(const Attribute& a, const Attribute& b) {
  if (const auto* t = std::get_if<Tensor>(&a))
    return std::holds_alternative<Tensor>(b) && t->same_as(std::get<Tensor>(b));
  if (std::holds_alternative<Tensor>(b) || a.index() != b.index()) return false;
  if (const auto* text = std::get_if<std::string>(&a)) return *text == std::get<std::string>(b);
  if (const auto* number = std::get_if<double>(&a)) return *number == std::get<double>(b);
  if (const auto* whole = std::get_if<std::int64_t>(&a)) return *whole == std::get<std::int64_t>(b);
  return std::get<std::vector<std::int64_t>>(a) == std::get<std::vector<std::int64_t>>(b);
}
bool same(const TracedOp& a, const TracedOp& b) {
  return std::string_view(a.node->name()) == b.node->name() &&
         a.node->inputs.size() == b.node->inputs.size() && a.sizes.size() == b.sizes.size() &&
         std::equal(a.node->inputs.begin(), a.node->inputs.end(), b.node->inputs.begin(),
                    [](const Edge& x, const Edge& y) {
                      return !x.value.defined() || (y.value.defined() && x.value.shape() == y.value.shape());
                    }) &&
         std::equal(
             a.attributes.begin(), a.attributes.end(), b.attributes.begin(), b.attributes.end(),
             [](const auto& x, const auto& y) { return x.first == y.first && same(x.second, y.second); });
}

}  // namespace

std::string TracedOp::place() const {
  return node->place.empty() ? node->name() : node->place + ": " + node->name();
}

Trace trace_net(Module& net, const TracedCall& call, const Shape& image) {
  require<ShapeError>(image.dim() == 3, "export: input ", image, " is not [C, H, W]");
  const Tracing tracing(net);
  const EnableGrad recording;
  Trace trace = run_traced(call, 2, image);
  const Trace larger = run_traced(call, 3, image);
  require<Unsupported>(trace.ops.size() == larger.ops.size(), "export: 2 images take ", trace.ops.size(),
                       " ops and 3 take ", larger.ops.size(),
                       "; a net must not depend on the size of the batch");
  for (std::size_t i = 0; i < trace.ops.size(); ++i) {
    require<Unsupported>(same(trace.ops[i], larger.ops[i]), "export: ", trace.ops[i].place(),
                         " depends on the size of the batch, which ONNX leaves open");
    std::vector<std::int64_t>& sizes = trace.ops[i].sizes;
    for (std::size_t d = 0; d < sizes.size(); ++d) {
      if (sizes[d] != larger.ops[i].sizes[d]) sizes[d] = -1;
    }
  }
  return trace;
}

}  // namespace gadolin
