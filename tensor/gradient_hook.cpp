#include "tensor/gradient_hook.h"

#include <unordered_set>

#include "tensor/check.h"

namespace gadolin {

GradientHook::GradientHook(std::vector<Tensor> leaves, Final final)
    : leaves_(std::move(leaves)), final_(std::move(final)) {
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    const Tensor& leaf = leaves_[i];
    require<AutogradError>(leaf.requires_grad() && leaf.is_leaf(), "gradient hook: tensor ", i,
                           " is no leaf that wants a gradient; call requires_grad_() on it, or leave it out");
    const auto [known, is_new] = index_.emplace(leaf.id(), i);
    require<AutogradError>(is_new, "gradient hook: leaves ", known->second, " and ", i,
                           " are the same tensor; give it once");
  }
}

// A walk reaches at most the nodes behind its root: their edges are counted first.
HookedWalk::HookedWalk(const GradientHook* hook, Node* root) : hook_(hook) {
  if (!hook_) return;
  edges_.resize(hook_->leaves_.size());
  if (!root) return;
  std::unordered_set<const Node*> seen{root};
  std::vector<const Node*> waiting{root};
  while (!waiting.empty()) {
    const Node* const node = waiting.back();
    waiting.pop_back();
    for (const Edge& edge : node->inputs) {
      if (edge.node) {
        if (seen.insert(edge.node.get()).second) waiting.push_back(edge.node.get());
      } else if (edge.leaf.defined()) {
        const auto found = hook_->index_.find(edge.leaf.id());
        if (found != hook_->index_.end()) ++edges_[found->second];
      }
    }
  }
}

void HookedWalk::passed(const Node& node) {
  if (!hook_) return;
  for (const Edge& edge : node.inputs) {
    if (!edge.leaf.defined()) continue;
    const auto found = hook_->index_.find(edge.leaf.id());
    if (found != hook_->index_.end() && --edges_[found->second] == 0) tell(found->second);
  }
}

void HookedWalk::ends() {
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (edges_[i] >= 0) tell(i);
  }
}

void HookedWalk::tell(std::size_t index) {
  edges_[index] = -1;
  hook_->final_(index, hook_->leaves_[index]);
}

}  // namespace gadolin
