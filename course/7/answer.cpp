// What a probe of assignment 6B does when it is asked: LSTMs forwards and back, orders of slices, losses, and
// the two nets of the demonstration.
#include <algorithm>
#include <cmath>

#include "course/grader/assignment.h"
#include "course/grader/tensors.h"
#include "data/dicom/series.h"
#include "layers/linear.h"
#include "layers/loss.h"
#include "layers/recurrent.h"
#include "tasks/weighted_log_loss.h"
#include "tensor/autograd.h"
#include "tensor/cpu/parallel.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "train/optimizer.h"

namespace gadolin::course {
namespace {

Tensor lstm_input(const Values& r, const std::string& name) {
  return tensor_of(array(r, name), DType::fp64)
      .requires_grad_(r.contains("of") && text(r, "of").find(" " + name + " ") != std::string::npos);
}
Values lstm_answer(const Values& r) {
  const int sides = static_cast<int>(integer(r, "sides"));
  std::map<std::string, Tensor> leaves;
  const auto leaf = [&](const std::string& name) { return leaves[name] = lstm_input(r, name); };
  const Tensor x = leaf("x");
  std::vector<RecurrentWeights> weights;
  for (int d = 0; d < sides; ++d) {
    const std::string back = d == 0 ? "" : " back";
    RecurrentWeights w;
    w.ih = leaf("ih" + back), w.hh = leaf("hh" + back), w.bias_ih = leaf("bias" + back);
    weights.push_back(w);
  }
  RecurrentState initial;
  if (r.contains("h0")) initial.h = leaf("h0"), initial.c = leaf("c0");
  RecurrentOptions o;
  o.hidden = static_cast<int>(integer(r, "hidden")), o.bidirectional = sides == 2, o.biases = 1;
  o.forget_bias = real(r, "forget bias");
  const Steps steps = r.contains("lengths") ? Steps(integers(r, "lengths")) : Steps();
  const RecurrentOutput out = recurrent(x, steps, initial, weights, o);
  Values answer;
  if (!r.contains("of")) {
    answer["y"] = array_of(out.y), answer["last h"] = array_of(out.last.h),
    answer["last c"] = array_of(out.last.c);
    return answer;
  }
  // The last state counts, too, so that short series have a gradient that passes their padding.
  const Tensor loss = sum(out.y * tensor_of(array(r, "dy"))) + sum(out.last.h * tensor_of(array(r, "dh")));
  loss.backward();
  for (const auto& [name, t] : leaves)
    if (t.requires_grad()) answer["d" + name] = array_of(t.grad());
  return answer;
}

Values series_answer(const Values& r) {
  const Array &position = array(r, "position"), &orientation = array(r, "orientation");
  const std::vector<std::int64_t>& number = integers(r, "number");
  std::vector<SlicePlace> slices(number.size());
  for (std::size_t i = 0; i < slices.size(); ++i) {
    SlicePlace& s = slices[i];
    s.placed = true, s.instance = number[i];
    std::copy_n(position.numbers.begin() + static_cast<std::ptrdiff_t>(3 * i), 3, s.position.begin());
    std::copy_n(orientation.numbers.begin(), 6, s.orientation.begin());
  }
  const SeriesOrder order = order_series(slices);
  return {{"order", std::vector<std::int64_t>(order.order.begin(), order.order.end())}};
}

Values loss_answer(const Values& r) {
  const std::vector<std::int64_t>& label = integers(r, "label");
  const std::vector<std::uint8_t> known(label.begin(), label.end());
  const std::vector<double> losses =
      weighted_log_losses(array(r, "probability").numbers, known, array(r, "weight").numbers);
  return {{"losses", Array{{static_cast<std::int64_t>(losses.size())}, losses}}};
}

// A net that sees a slice and one that sees its series, both trained on the same features.
Values neighbours_answer(const Values& r) {
  set_backend(Backend::best);
  manual_seed(7);
  const Tensor x = tensor_of(array(r, "train"), DType::fp32), held = tensor_of(array(r, "test"), DType::fp32),
               y = tensor_of(array(r, "label"), DType::fp32);
  const std::vector<std::int64_t>&lengths = integers(r, "lengths"),
        &test_lengths = integers(r, "test lengths");
  const std::int64_t features = x.size(2), labels = y.size(2);
  const auto learn = [&](const std::vector<Parameter>& parameters, const auto& net) {
    OptimizerOptions options = optimizer_options("adamw");
    options.lr = 0.02, options.weight_decay = 0.1;
    Optimizer optimizer(parameters, options);
    const Tensor mask =
        Steps(lengths).mask(x.size(0), x.size(1), cpu).to(DType::fp32).unsqueeze(2).expand(y.shape());
    for (std::int64_t step = 0; step < integer(r, "steps"); ++step) {
      optimizer.zero_grad();
      binary_cross_entropy_with_logits(net(x, lengths), y, {}, mask.contiguous()).backward();
      optimizer.step();
    }
    const NoGrad guard;
    return array_of(sigmoid(net(held, test_lengths)));
  };
  const int wide = 8;
  Linear hidden(static_cast<int>(features), wide), top(wide, static_cast<int>(labels));
  Recurrent lstm(static_cast<int>(features),
                 {.hidden = wide, .bidirectional = true, .biases = 1, .forget_bias = 1});
  Linear head(2 * wide, static_cast<int>(labels));
  const auto both = [](Module& a, Module& b) {
    std::vector<Parameter> all = a.parameters();
    for (const Parameter& p : b.parameters()) all.push_back({"top." + p.name, p.tensor});
    return all;
  };
  Values answer;
  answer["slices"] = learn(both(hidden, top), [&](const Tensor& in, const std::vector<std::int64_t>&) {
    return top(relu(hidden(in)));
  });
  answer["series"] = learn(both(lstm, head), [&](const Tensor& in, const std::vector<std::int64_t>& n) {
    return head(lstm(in, Steps(n)).y);
  });
  return answer;
}

}  // namespace

Values answer_7(const Values& request) {
  set_backend(Backend::reference);
  set_num_threads(1);
  manual_seed(1);
  const std::string& op = text(request, "op");
  if (op == "lstm") return lstm_answer(request);
  if (op == "series") return series_answer(request);
  if (op == "loss") return loss_answer(request);
  if (op == "neighbours") return neighbours_answer(request);
  throw std::invalid_argument("no op " + op);
}

}  // namespace gadolin::course
