// The sequence classifier in ONNX's own recurrent ops.
#include <map>

#include "apps/weights/onnx_export.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

// ONNX's op, and its order of our gates: LSTM i o f c, GRU z r h.
struct OnnxCell {
  const char* op;
  std::vector<std::int64_t> gates;
};
OnnxCell onnx_cell(Cell cell) {
  switch (cell) {
    case Cell::lstm: return {"LSTM", {0, 3, 1, 2}};
    case Cell::gru: return {"GRU", {1, 0, 2}};
    default: return {"RNN", {0}};
  }
}

class SequenceGraph {
 public:
  explicit SequenceGraph(SequenceNet& net)
      : options_(net.options()), cell_(onnx_cell(options_.recurrent.cell)) {
    for (const Parameter& p : net.state()) state_[p.name] = p.tensor.detach();
  }

  OnnxModel build() {
    const bool classifies = options_.num_classes > 0;
    const RecurrentOptions& r = options_.recurrent;
    const std::int64_t sides = r.bidirectional ? 2 : 1;
    model_.name = "lstm";
    model_.inputs = {{"input", {onnx_batch, onnx_steps, options_.input_size}},
                     {"length", {onnx_batch}, DType::int64}};
    model_.outputs = {{classifies ? "logits" : "features",
                       {onnx_batch, onnx_steps, classifies ? options_.num_classes : sides * r.hidden}}};
    add("Cast", {"length"}, "length32", {{"to", std::int64_t{6}}});  // int32
    add("Transpose", {"input"}, "steps", {{"perm", Sizes{1, 0, 2}}});
    std::string x = "steps";
    for (int k = 0; k < r.layers; ++k) x = layer(k, x);
    add("Transpose", {x}, "features", {{"perm", Sizes{1, 0, 2}}});
    if (!classifies) return std::move(model_);
    model_.initializers["fc.weight"] = state_.at("fc.weight").transpose(0, 1).contiguous();
    model_.initializers["fc.bias"] = state_.at("fc.bias");
    add("MatMul", {"features", "fc.weight"}, "products", {});
    add("Add", {"products", "fc.bias"}, "logits", {});
    return std::move(model_);
  }

 private:
  using Sizes = std::vector<std::int64_t>;

  void add(const std::string& op, std::vector<std::string> in, const std::string& out,
           std::map<std::string, OnnxAttribute> attributes) {
    model_.nodes.push_back({op, out, std::move(in), {out}, std::move(attributes)});
  }
  // A parameter of a layer, all directions, with ONNX's order of gates; zeros [rows] where there is none.
  Tensor by_side(const std::string& what, int layer) {
    const RecurrentOptions& r = options_.recurrent;
    std::vector<Tensor> sides;
    for (const char* side : {"", "_reverse"}) {
      if (*side && !r.bidirectional) continue;
      const auto found = state_.find(cat("lstm.", what, "_l", layer, side));
      const Tensor t = found != state_.end()
                           ? found->second
                           : zeros({static_cast<std::int64_t>(cell_.gates.size()) * r.hidden});
      std::vector<Tensor> gates;
      for (const std::int64_t gate : cell_.gates)
        gates.push_back(t.slice(0, gate * r.hidden, (gate + 1) * r.hidden));
      sides.push_back(gadolin::concat(gates, 0));
    }
    return stack(sides);
  }
  // [steps, batch, features] to [steps, batch, directions x hidden].
  std::string layer(int k, const std::string& x) {
    const RecurrentOptions& r = options_.recurrent;
    const std::string name = cat("lstm.", k);
    Tensor bias = by_side("bias_ih", k);
    if (r.forget_bias != 0)
      bias.slice(1, 2 * r.hidden, 3 * r.hidden).add_(full({bias.size(0), r.hidden}, r.forget_bias));
    model_.initializers[name + ".W"] = by_side("weight_ih", k);
    model_.initializers[name + ".R"] = by_side("weight_hh", k);
    model_.initializers[name + ".B"] = gadolin::concat({bias, by_side("bias_hh", k)}, 1);
    std::map<std::string, OnnxAttribute> attributes{
        {"hidden_size", std::int64_t{r.hidden}},
        {"direction", std::string(r.bidirectional ? "bidirectional" : "forward")}};
    if (r.cell == Cell::gru) attributes["linear_before_reset"] = std::int64_t{1};
    add(cell_.op, {x, name + ".W", name + ".R", name + ".B", "length32"}, name, attributes);
    add("Transpose", {name}, name + ".sides_last", {{"perm", Sizes{0, 2, 1, 3}}});
    model_.initializers[name + ".shape"] =
        from_vector(Sizes{0, 0, by_side("bias_ih", k).size(0) * r.hidden}, {3});
    add("Reshape", {name + ".sides_last", name + ".shape"}, name + ".joined", {});
    return name + ".joined";
  }

  SequenceNetOptions options_;
  OnnxCell cell_;
  std::map<std::string, Tensor> state_;
  OnnxModel model_;
};

}  // namespace

OnnxModel onnx_of(SequenceNet& net) {
  const NoGrad guard;
  const RecurrentOptions& r = net.options().recurrent;
  require<Unsupported>(r.projection == 0,
                       "export: ONNX has no recurrent layers with a projection, but proj_size is ",
                       r.projection);
  require<Unsupported>(r.cell != Cell::relu,
                       "export: rnn_relu has no form in ONNX here; use rnn_tanh, lstm or gru");
  return SequenceGraph(net).build();
}

}  // namespace gadolin
