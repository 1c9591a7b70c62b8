// What a probe of assignment 3 does when it is asked: layers forwards and back, steps of optimisers, and the
// net of the demonstration, all with the framework's plain loops.
#include <cmath>

#include "course/3/rules.h"
#include "course/grader/assignment.h"
#include "course/grader/tensors.h"
#include "layers/conv.h"
#include "layers/linear.h"
#include "layers/loss.h"
#include "layers/module.h"
#include "layers/norm.h"
#include "tensor/autograd.h"
#include "tensor/check.h"
#include "tensor/cpu/parallel.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "train/optimizer.h"

namespace gadolin::course {
namespace {

DType type_of(const Values& r) { return dtype_named(text(r, "dtype")); }
bool flag(const Values& r, const char* name) { return integer(r, name) != 0; }
// Wants a gradient when the request's "of" names it: " x weight ".
Tensor leaf(const Values& r, const std::string& name) {
  return tensor_of(array(r, name), type_of(r))
      .requires_grad_(r.contains("of") && text(r, "of").find(" " + name + " ") != std::string::npos);
}
void add_gradients(Values& answer, const Values& r, const Tensor& y,
                   const std::map<std::string, Tensor>& leaves) {
  y.backward(tensor_of(array(r, "dy"), y.dtype()));
  for (const auto& [name, t] : leaves)
    if (t.requires_grad()) answer["d" + name] = array_of(t.grad());
}

Values linear_answer(const Values& r) {
  const Tensor x = leaf(r, "x"), weight = leaf(r, "weight"), bias = leaf(r, "bias");
  const Tensor y = linear(x, weight, bias, flag(r, "relu") ? Activation::relu : Activation::none);
  Values answer;
  add_gradients(answer, r, y, {{"x", x}, {"weight", weight}, {"bias", bias}});
  return answer;
}

Conv2dOptions options_of(const Values& r) {
  const std::vector<std::int64_t>& o = integers(r, "options");
  const auto pair = [&](std::size_t i) {
    return Pair(static_cast<int>(o.at(i)), static_cast<int>(o.at(i + 1)));
  };
  Conv2dOptions options;
  options.stride = pair(0), options.padding = pair(2), options.dilation = pair(4);
  options.groups = static_cast<int>(o.at(6)), options.same = o.at(7) != 0;
  return options;
}
Values conv_answer(const Values& r) {
  const Tensor x = leaf(r, "x"), weight = leaf(r, "weight");
  const Conv2dOptions options = options_of(r);
  Values answer;
  if (r.contains("large")) {
    try {
      answer["larger filter"] = vector_of(conv2d(x, leaf(r, "large"), {}, options).shape());
    } catch (const Error& error) {
      answer["larger filter"] = std::string(error.what());
    }
  }
  const Tensor y = conv2d(x, weight, {}, options);
  if (r.contains("dy"))
    add_gradients(answer, r, y, {{"x", x}, {"weight", weight}});
  else
    answer["y"] = array_of(y);
  return answer;
}

Values norm_answer(const Values& r) {
  const Tensor x = leaf(r, "x"), weight = leaf(r, "weight"), bias = leaf(r, "bias"),
               mean = tensor_of(array(r, "mean"), type_of(r)),
               variance = tensor_of(array(r, "variance"), type_of(r));
  BatchNormOptions options;
  options.training = flag(r, "training"), options.momentum = real(r, "momentum"),
  options.eps = real(r, "eps");
  const Tensor y = batch_norm(x, weight, bias, mean, variance, options);
  Values answer;
  if (r.contains("dy")) {
    add_gradients(answer, r, y, {{"x", x}, {"weight", weight}, {"bias", bias}});
    return answer;
  }
  answer["y"] = array_of(y), answer["running mean"] = array_of(mean),
  answer["running variance"] = array_of(variance);
  return answer;
}

// The weights after each step, by the rules of train/update_rules.h.
Values optimizer_answer(const Values& r) {
  StepOptions o;
  o.rule = text(r, "rule");
  o.lr = real(r, "lr"), o.decay = real(r, "decay"), o.eps = real(r, "eps"), o.clip = real(r, "clip");
  o.momentum = real(r, "momentum"), o.scale = real(r, "scale");
  const Array &w = array(r, "w"), &gradients = array(r, "gradients");
  const auto steps = [&](const StepOptions& options) {
    return Array{gradients.shape, weights_after_steps(options, w.numbers, gradients.numbers)};
  };
  Values answer;
  if (o.rule == "sgd") {
    answer["momentum"] = steps(o);
    o.nesterov = true;
    answer["nesterov"] = steps(o);
    if (o.clip == 0) return answer;
    o.rule = "adam", o.clip = 0, o.scale = 1;
  }
  answer[o.rule] = steps(o);
  return answer;
}

// A small net learns digits; what it says of others.
Values digits_answer(const Values& r) {
  manual_seed(3);
  const Tensor x = tensor_of(array(r, "train"), DType::fp32).reshape({-1, 1, 28, 28}),
               held = tensor_of(array(r, "test"), DType::fp32).reshape({-1, 1, 28, 28});
  const std::vector<std::int64_t>& label = integers(r, "labels");
  const Tensor target = from_vector(label, {static_cast<std::int64_t>(label.size())});
  Sequential net(Conv2d(1, 8, 5, {.stride = 2, .padding = 2, .bias = false}), BatchNorm2d(8), ReLU(),
                 Conv2d(8, 16, 3, {.stride = 2, .padding = 1, .bias = false}), BatchNorm2d(16), ReLU(),
                 Flatten(), Linear(16 * 49, 10));
  OptimizerOptions options = optimizer_options("adamw");
  options.lr = 4e-3, options.weight_decay = 0.05, options.clip_norm = 5;
  Optimizer optimizer(net.parameters(), options);
  const std::int64_t size = 50, batches = x.size(0) / size, epochs = integer(r, "epochs");
  double first = 0;
  for (std::int64_t step = 0; step < epochs * batches; ++step) {
    const std::int64_t begin = step % batches * size;
    optimizer.zero_grad();
    const Tensor loss =
        cross_entropy(net(x.slice(0, begin, begin + size)), target.slice(0, begin, begin + size));
    if (step == 0) first = loss.item();
    loss.backward();
    optimizer.step();
  }
  const NoGrad guard;
  net.eval();
  return {{"classes", argmax(net(held), 1).to_vector<std::int64_t>()}, {"first loss", first}};
}

}  // namespace

Values answer_3(const Values& request) {
  set_backend(Backend::reference);
  set_num_threads(1);
  manual_seed(1);
  const std::string& op = text(request, "op");
  if (op == "linear") return linear_answer(request);
  if (op == "conv") return conv_answer(request);
  if (op == "norm") return norm_answer(request);
  if (op == "steps") return optimizer_answer(request);
  if (op == "digits") return digits_answer(request);
  throw std::invalid_argument("no op " + op);
}

}  // namespace gadolin::course
