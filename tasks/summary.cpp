#include "tasks/summary.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

#include "layers/module.h"
#include "tensor/autograd.h"

namespace gadolin {
namespace {

// Own parameters of the module at each path: the names of parameters() cut at their last dot.
struct Own {
  std::int64_t all = 0, trainable = 0;
};
std::map<std::string, Own> own_parameters(const Module& net) {
  std::map<std::string, Own> own;
  for (const Parameter& p : net.parameters()) {
    const std::size_t dot = p.name.rfind('.');
    Own& sizes = own[dot == std::string::npos ? "" : p.name.substr(0, dot)];
    sizes.all += p.tensor.numel();
    if (p.tensor.requires_grad()) sizes.trainable += p.tensor.numel();
  }
  return own;
}

int depth_of(const std::string& path) {
  return path.empty() ? 0 : 1 + static_cast<int>(std::count(path.begin(), path.end(), '.'));
}
bool below(const std::string& path, const std::string& parent) {
  return parent.empty() ? !path.empty()
                        : path.size() > parent.size() && path.compare(0, parent.size(), parent) == 0 &&
                              path[parent.size()] == '.';
}

// 11689512 -> "11,689,512".
std::string grouped(std::int64_t n) {
  std::string text = std::to_string(n);
  for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, ",");
  return text;
}
std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string space(text.size() < width ? width - text.size() : 0, ' ');
  return right ? space + text : text + space;
}

}  // namespace

NetSummary summarise(Layer& net, const Shape& input) {
  return summarise(net, input, [&](const Tensor& x) { net(x); });
}

NetSummary summarise(Module& net, const Shape& input, const std::function<void(const Tensor&)>& forward) {
  NetSummary s;
  s.input = input;
  std::map<std::string, Own> own = own_parameters(net);
  const bool training = net.training();
  net.eval();
  {
    const NoGrad guard;
    const Unfused apart;
    const CallObserver observer([&](const Module& module, const std::string& path, std::span<const Tensor> in,
                                    std::span<const Tensor> out) {
      const bool passes_through = out[0].same_as(in[0]);
      LayerRow row{path, module.kind(), depth_of(path), out[0].shape(), 0, 0, module.macs(in, out), 0, true};
      for (const Tensor& y : out) row.output_bytes += y.same_as(in[0]) ? 0 : y.nbytes();
      row.parameters = std::exchange(own[path].all, 0);
      row.trainable = std::exchange(own[path].trainable, 0);
      // Children have been seen already: the parent goes before them.
      auto at = s.rows.end();
      while (at != s.rows.begin() && below(std::prev(at)->path, path)) --at;
      row.leaf = at == s.rows.end();
      if (row.leaf && passes_through && row.kind == "Sequential")
        return;  // an empty one, such as a shortcut without projection
      if (row.leaf) s.activation_bytes += row.output_bytes;
      s.rows.insert(at, row);
    });
    try {
      forward(zeros(input));
    } catch (...) {
      net.train(training);
      throw;
    }
  }
  net.train(training);
  for (const LayerRow& row : s.rows) s.macs += row.macs;
  for (const Parameter& p : net.parameters()) {
    s.parameters += p.tensor.numel();
    if (p.tensor.requires_grad()) s.trainable += p.tensor.numel();
  }
  for (const Parameter& p : net.state()) {
    ++s.state_entries;
    s.state_bytes += p.tensor.nbytes();
  }
  return s;
}

std::string to_text(const NetSummary& s, int max_depth) {
  std::vector<std::vector<std::string>> table = {
      {"layer", "kind", "output", "parameters", "multiply-adds", "memory"}};
  for (const LayerRow& row : s.rows) {
    if (row.depth > max_depth) continue;
    const std::string indent(2 * static_cast<std::size_t>(std::max(0, row.depth - 1)), ' ');
    table.push_back({indent + (row.path.empty() ? "(net)" : row.path), row.kind, to_string(row.output),
                     row.parameters ? grouped(row.parameters) : "", row.macs ? grouped(row.macs) : "",
                     row.leaf && row.output_bytes ? human_bytes(row.output_bytes) : ""});
  }
  std::vector<std::size_t> widths(table[0].size());
  for (const auto& line : table) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const auto& line : table) {
    std::string joined;
    for (std::size_t i = 0; i < widths.size(); ++i)
      joined += (i ? "  " : "") + padded(line[i], widths[i], i >= 3);
    text += joined.substr(0, joined.find_last_not_of(' ') + 1) + "\n";
  }
  char gmacs[32];
  std::snprintf(gmacs, sizeof gmacs, "%.3f", static_cast<double>(s.macs) / 1e9);
  text += "\nparameters        " + grouped(s.parameters) + " (" + grouped(s.trainable) + " trainable)\n";
  text += "state             " + std::to_string(s.state_entries) + " tensors, " + human_bytes(s.state_bytes) +
          "\n";
  text += "multiply-adds     " + std::string(gmacs) + " G for input " + to_string(s.input) + "\n";
  text += "activations       " + human_bytes(s.activation_bytes) + ", the results of all layers\n";
  return text;
}

}  // namespace gadolin
