#include "io/graphviz.h"

#include <algorithm>
#include <unordered_set>

#include "tensor/autograd.h"

namespace gadolin {

std::string graphviz(const Tensor& result, const std::vector<std::pair<std::string, Tensor>>& names) {
  std::string text = "digraph tape {\n  node [fontname=\"sans-serif\"];\n";
  if (!result.node()) return text + "}\n";
  auto leaf_name = [&](const Tensor& leaf) {
    for (const auto& [name, t] : names) {
      if (t.same_as(leaf)) return name;
    }
    return std::string("leaf");
  };
  std::unordered_set<const Node*> seen{result.node()};
  std::vector<const Node*> waiting{result.node()};
  std::vector<const void*> leaves;
  while (!waiting.empty()) {
    const Node* node = waiting.back();
    waiting.pop_back();
    const std::string id = "n" + std::to_string(node->serial);
    text += cat("  ", id, " [shape=box, label=\"", node->name(), "\\n", node->shape,
                node->place.empty() ? "" : "\\n", node->place, "\"];\n");
    for (const Edge& edge : node->inputs) {
      if (edge.node) {
        text += cat("  n", edge.node->serial, " -> ", id, ";\n");
        if (seen.insert(edge.node.get()).second) waiting.push_back(edge.node.get());
      } else if (edge.leaf.defined()) {
        auto at = std::find(leaves.begin(), leaves.end(), edge.leaf.id());
        if (at == leaves.end()) {
          leaves.push_back(edge.leaf.id());
          at = leaves.end() - 1;
          text += cat("  l", at - leaves.begin(), " [shape=ellipse, label=\"", leaf_name(edge.leaf), "\\n",
                      edge.shape, "\"];\n");
        }
        text += cat("  l", at - leaves.begin(), " -> ", id, ";\n");
      }
    }
  }
  return text + "}\n";
}

}  // namespace gadolin
