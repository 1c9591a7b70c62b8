#include "tasks/sequence_weights.h"

#include <algorithm>

#include "tensor/ops.h"

namespace gadolin {
namespace {

bool belongs_to_optimiser(const std::string& name) {
  const auto ends = [&](const char* end) { return name.ends_with(end); };
  return name == "global_step" || ends("/Adam") || ends("/Adam_1") || ends("/Momentum") || ends("/RMSProp") ||
         ends("/RMSProp_1") || ends("beta1_power") || ends("beta2_power");
}

// "_l1_reverse" of ".../cell_1/bidirectional_rnn/bw/lstm_cell/kernel".
std::string ending_of(const std::string& name) {
  std::string layer = "0";
  for (const char* scope : {"/cell_", "cell_"}) {
    const auto at = name.find(scope);
    if (at == std::string::npos || (at > 0 && *scope != '/')) continue;
    const auto from = at + std::string(scope).size();
    layer = name.substr(from, name.find('/', from) - from);
    break;
  }
  return "_l" + layer + (("/" + name).find("/bw/") != std::string::npos ? "_reverse" : "");
}

// Columns of gates i, c, f, o as rows in our order i, f, c, o.
Tensor gates_of_tensorflow(const Tensor& columns) {
  const Tensor rows = columns.dim() == 2 ? columns.transpose(0, 1) : columns;
  const std::int64_t hidden = rows.size(0) / 4;
  const auto gate = [&](std::int64_t i) { return rows.slice(0, i * hidden, (i + 1) * hidden); };
  return concat({gate(0), gate(2), gate(1), gate(3)}, 0).contiguous();
}

}  // namespace

void rename_tensorflow_cells(WeightFile& weights, NetOptions& options) {
  TensorMap renamed;
  std::vector<std::string> left_out;
  for (const auto& [name, tensor] : weights.tensors) {
    const auto end = name.rfind('/');
    const std::string scope = name.substr(0, end == std::string::npos ? 0 : end),
                      what = name.substr(end == std::string::npos ? 0 : end + 1);
    const bool cell = scope.ends_with("lstm_cell");
    require<Unsupported>(!cell || name.find("bidirectional_rnn") == std::string::npos ||
                             name.find("multi_rnn_cell") == std::string::npos,
                         "weights: ", name,
                         " belongs to layers of one direction each, which are joined only at the end; "
                         "stack_bidirectional_dynamic_rnn makes what lstm computes");
    if (belongs_to_optimiser(name)) {
      left_out.push_back(name);
    } else if (cell && what == "kernel" && tensor.dim() == 2 && tensor.size(1) % 4 == 0) {
      // The state's rows stand below those of the input: as many as the projection gives, or as units.
      const auto projection = weights.tensors.find(scope + "/projection/kernel");
      const std::int64_t state =
          projection == weights.tensors.end() ? tensor.size(1) / 4 : projection->second.size(1);
      const std::int64_t features = tensor.size(0) - state;
      renamed["lstm.weight_ih" + ending_of(name)] = gates_of_tensorflow(tensor.slice(0, 0, features));
      renamed["lstm.weight_hh" + ending_of(name)] =
          gates_of_tensorflow(tensor.slice(0, features, tensor.size(0)));
    } else if (cell && what == "bias") {
      renamed["lstm.bias_ih" + ending_of(name)] = gates_of_tensorflow(tensor);
    } else if (scope.ends_with("lstm_cell/projection") && what == "kernel") {
      renamed["lstm.weight_hr" + ending_of(name)] = tensor.transpose(0, 1).contiguous();
    } else if (scope.ends_with("dense") && (what == "kernel" || what == "bias")) {
      renamed[what == "kernel" ? "fc.weight" : "fc.bias"] =
          what == "kernel" ? tensor.transpose(0, 1).contiguous() : tensor;
    } else {
      renamed[name] = tensor;
    }
  }
  if (!left_out.empty())
    weights.notes.push_back(
        cat("left out, the optimiser's: ", left_out.front(), " and ", left_out.size() - 1, " more"));
  weights.tensors = std::move(renamed);
  options.emplace("one_bias", true);
  options.emplace("forget_bias", 1.0);
}

NetOptions sequence_options_from_weights(const State& weights, NetOptions given) {
  const auto size = [&](const std::string& name, int dim) {
    const auto found = weights.find(name);
    return found == weights.end() || found->second.dim() <= dim ? 0 : found->second.size(dim);
  };
  const std::string ih = "lstm.weight_ih_l0", hh = "lstm.weight_hh_l0";
  require<CheckpointError>(
      size(ih, 1) > 0 && size(hh, 1) > 0, "weights: no ", ih,
      "; a sequence classifier has its recurrent layers under lstm and its last layer as fc");
  const std::int64_t state = size(hh, 1), projected_from = size("lstm.weight_hr_l0", 1),
                     hidden = projected_from > 0 ? projected_from : state, gates = size(hh, 0) / hidden;
  int layers = 0;
  while (weights.count(cat("lstm.weight_ih_l", layers)) > 0) ++layers;
  const auto number = [&](const char* name, std::int64_t value) {
    if (value > 0) given.emplace(name, static_cast<double>(value));
  };
  number("input_size", size(ih, 1));
  number("hidden_size", hidden);
  number("num_layers", layers);
  number("num_classes", size("fc.weight", 0));
  if (projected_from > 0) number("proj_size", state);
  const bool biased = weights.count("lstm.bias_ih_l0") > 0;
  given.emplace("bidirectional", weights.count(ih + "_reverse") > 0);
  given.emplace("bias", biased);
  given.emplace("one_bias", biased && weights.count("lstm.bias_hh_l0") == 0);
  const char* const cell = gates == 4 ? "lstm" : gates == 3 ? "gru" : "rnn_tanh";
  given.emplace("cell", std::string(cell));
  if (!given.contains("forget_bias")) given.emplace("forget_bias", 0.0);  // PyTorch's
  return given;
}

}  // namespace gadolin
