#include "apps/weights/onnx_graph.h"

#include <algorithm>
#include <cmath>

#include "tensor/check.h"

namespace gadolin {

OnnxGraph::OnnxGraph(const Trace& trace, const std::vector<Parameter>& names)
    : trace_(trace), used_{"", "input", "logits", "deltas"} {
  for (const Parameter& p : names) {
    names_[p.tensor.id()] = p.name;
    used_.insert(p.name);
  }
}

void OnnxGraph::refuse(const std::string& why) const {
  fail<Unsupported, 40>("export: ", op_->place(), " has no form in ONNX: ", why);
}

bool OnnxGraph::has_input(std::size_t i) const {
  const Edge& edge = op_->node->inputs[i];
  return edge.node || edge.leaf.defined() || edge.constant;
}

std::string OnnxGraph::input(std::size_t i) {
  const Edge& edge = op_->node->inputs.at(i);
  if (edge.value.defined()) return constant("constant", edge.value);
  if (edge.constant) refuse(cat("input ", i, " is a large tensor that is no parameter; make it one"));
  if (edge.node) return values_.at(edge.node.get());
  if (!edge.leaf.defined()) return "";
  if (edge.leaf.same_as(trace_.input)) return "input";
  return state(edge.leaf, "input");
}

std::string OnnxGraph::state(const Tensor& t, const char* what) {
  const auto found = names_.find(t.id());
  if (found == names_.end())
    refuse(cat("its ", what, " ", t.shape(), " is neither a parameter nor a buffer of the net"));
  model_.initializers.emplace(found->second, t.detach());
  return found->second;
}

std::string OnnxGraph::unique(const std::string& wish) {
  std::string name = wish;
  for (int i = 2; !used_.insert(name).second; ++i) name = wish + "_" + std::to_string(i);
  return name;
}

std::string OnnxGraph::node(const std::string& type, std::vector<std::string> in,
                            std::map<std::string, OnnxAttribute> attributes) {
  const std::string name = unique(op_->node->place.empty() ? type : op_->node->place + "/" + type);
  model_.nodes.push_back({type, name, std::move(in), {name}, std::move(attributes)});
  return name;
}

std::string OnnxGraph::constant(const std::string& what, const Tensor& values) {
  const std::string name = unique(op_->node->place.empty() ? what : op_->node->place + "/" + what);
  model_.initializers[name] = values;
  return name;
}

std::string OnnxGraph::numbers(const std::string& what, const Integers& values) {
  return constant(what, from_vector(values, {static_cast<std::int64_t>(values.size())}));
}

void OnnxGraph::add(const TracedOp& op) {
  op_ = &op;
  for (const auto* table : {&onnx_layers(), &onnx_functions()}) {
    const auto found = table->find(op.node->name());
    if (found == table->end()) continue;
    values_[op.node] = found->second(*this);
    return;
  }
  refuse("only ops of classification nets are written");
}

OnnxModel OnnxGraph::finish(const std::vector<std::string>& outputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Node* const made_by = trace_.outputs[i].node();
    const std::string result = values_.at(made_by);
    if (!model_.nodes.empty() && model_.nodes.back().outputs[0] == result) {
      model_.nodes.back().outputs[0] = outputs[i];
    } else {
      model_.nodes.push_back({"Identity", outputs[i] + "/Identity", {result}, {outputs[i]}, {}});
    }
    const auto op = std::find_if(trace_.ops.begin(), trace_.ops.end(),
                                 [&](const TracedOp& traced) { return traced.node == made_by; });
    model_.outputs.push_back({outputs[i], op->sizes});
  }
  const Shape& in = trace_.input.shape();
  model_.inputs = {{"input", {-1, in[1], in[2], in[3]}}};
  return std::move(model_);
}

// y = scale (conv(x) - mean) / sqrt(variance + eps) + bias: the factor goes into the filters, the rest into
// the bias.
void fold_batch_norms(OnnxModel& model) {
  std::map<std::string, int> uses;
  std::map<std::string, std::size_t> maker;
  for (std::size_t i = 0; i < model.nodes.size(); ++i) {
    for (const std::string& name : model.nodes[i].inputs) ++uses[name];
    maker[model.nodes[i].outputs[0]] = i;
  }
  std::set<std::size_t> gone;
  for (std::size_t i = 0; i < model.nodes.size(); ++i) {
    const OnnxNode norm = model.nodes[i];
    const auto made = maker.find(norm.inputs.empty() ? "" : norm.inputs[0]);
    if (norm.op != "BatchNormalization" || made == maker.end() || uses[norm.inputs[0]] != 1) continue;
    OnnxNode& conv = model.nodes[made->second];
    if (conv.op != "Conv" || uses[conv.inputs[1]] != 1 || model.initializers.count(conv.inputs[1]) == 0)
      continue;
    const auto values = [&](std::size_t k) {
      return model.initializers.at(norm.inputs[k]).to_vector<double>();
    };
    const std::vector<double> scale = values(1), bias = values(2), mean = values(3), variance = values(4);
    const bool biased = conv.inputs.size() > 2 && !conv.inputs[2].empty();
    std::vector<double> old_bias(scale.size(), 0);
    if (biased) old_bias = model.initializers.at(conv.inputs[2]).to_vector<double>();
    const Tensor filters = model.initializers.at(conv.inputs[1]);
    std::vector<double> w = filters.to_vector<double>(), b(scale.size());
    const std::size_t each = w.size() / scale.size();
    for (std::size_t c = 0; c < scale.size(); ++c) {
      const double factor =
          scale[c] / std::sqrt(variance[c] + std::get<double>(norm.attributes.at("epsilon")));
      for (std::size_t k = 0; k < each; ++k) w[c * each + k] *= factor;
      b[c] = (old_bias[c] - mean[c]) * factor + bias[c];
    }
    const std::string bias_name = biased ? conv.inputs[2] : conv.name + "/bias";
    model.initializers[conv.inputs[1]] = tensor(w, filters.shape());
    model.initializers[bias_name] = tensor(b, {static_cast<std::int64_t>(b.size())});
    conv.inputs = {conv.inputs[0], conv.inputs[1], bias_name};
    conv.outputs = norm.outputs;
    for (std::size_t k = 1; k < 5; ++k) {
      if (uses[norm.inputs[k]] == 1) model.initializers.erase(norm.inputs[k]);
    }
    gone.insert(i);
  }
  std::vector<OnnxNode> kept;
  for (std::size_t i = 0; i < model.nodes.size(); ++i) {
    if (gone.count(i) == 0) kept.push_back(std::move(model.nodes[i]));
  }
  model.nodes = std::move(kept);
}

}  // namespace gadolin
