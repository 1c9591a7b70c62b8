// Gradients of ops that Gadolin lacks.
#include "course/2/own_ops.h"

#include <cmath>
#include <stdexcept>

#include "tensor/function.h"
#include "tensor/ops.h"

namespace gadolin::course {

Tensor softsign_gradient(const Tensor& x, const Tensor& dy) {
  const Tensor d = 1 + abs(x);
  return dy / (d * d);
}

Tensor log_cosh_gradient(const Tensor& x, const Tensor& dy) { return dy * tanh(x); }

Tensor mish_gradient(const Tensor& x, const Tensor& dy) {
  const Tensor t = tanh(softplus(x));
  return dy * (t + x * (1 - t * t) * sigmoid(x));
}

Tensor wave_gradient(const Tensor& x, const Tensor& dy) { return dy * (1 - 2 * x * x) * exp(-(x * x)); }

Tensor bent_gradient(const Tensor& x, const Tensor& dy) { return dy * (x / (2 * sqrt(x * x + 1)) + 1); }

Tensor swish2_gradient(const Tensor& x, const Tensor& dy) {
  const Tensor s = sigmoid(2 * x);
  return dy * (s + 2 * x * s * (1 - s));
}

Tensor log_square_gradient(const Tensor& x, const Tensor& dy) { return dy * 2 * x / (1 + x * x); }

Tensor sine_square_gradient(const Tensor& x, const Tensor& dy) { return dy * 2 * sin(x) * cos(x); }

Tensor damped_gradient(const Tensor& x, const Tensor& dy) {
  const Tensor e = exp(x * x * -0.5);
  return -(dy * e * (x * cos(3 * x) + 3 * sin(3 * x)));
}

Tensor square_gate_gradient(const Tensor& x, const Tensor& dy) {
  const Tensor s = sigmoid(x);
  return dy * (2 * x * s + x * x * s * (1 - s));
}

Tensor root_gradient(const Tensor& x, const Tensor& dy) { return dy * pow(1 + x * x, -1.5); }

Tensor snake_gradient(const Tensor& x, const Tensor& dy) { return dy * (1 + 2 * sin(x) * cos(x)); }

Tensor tanh_shrink_gradient(const Tensor& x, const Tensor& dy) {
  const Tensor t = tanh(x);
  return dy * t * t;
}

Tensor hermite_gradient(const Tensor& x, const Tensor& dy) {
  return dy * x * (3 - x * x) * exp(x * x * -0.5);
}

Tensor lorentz_gradient(const Tensor& x, const Tensor& dy) {
  const Tensor y = 1 / (1 + x * x);
  return -(dy * 2 * x * y * y);
}

Tensor chirp_gradient(const Tensor& x, const Tensor& dy) { return dy * 2 * x * cos(x * x); }

Tensor smooth_abs_gradient(const Tensor& x, const Tensor& dy) { return dy * x / sqrt(x * x + 0.25); }

Tensor gate_cos_gradient(const Tensor& x, const Tensor& dy) {
  const Tensor s = sigmoid(x);
  return dy * (cos(x) * s * (1 - s) - sin(x) * s);
}

Tensor cube_tanh_gradient(const Tensor& x, const Tensor& dy) {
  const Tensor t = tanh(x);
  return dy * 3 * t * t * (1 - t * t);
}

Tensor exp_sine_gradient(const Tensor& x, const Tensor& dy) { return dy * cos(x) * exp(sin(x)); }

Tensor serf_gradient(const Tensor& x, const Tensor& dy) {
  const Tensor t = tanh(log(1 + x * x));
  return dy * (t + 2 * x * x * (1 - t * t) / (1 + x * x));
}

Tensor soft_square_gradient(const Tensor& x, const Tensor& dy) { return dy * 2 * softplus(x) * sigmoid(x); }

Tensor gompertz_gradient(const Tensor& x, const Tensor& dy) { return dy * exp(-x) * exp(-exp(-x)); }

Tensor ripple_gradient(const Tensor& x, const Tensor& dy) { return dy * (cos(x) - x * sin(x)); }

// --- the ops on the tape, given ----------------------------------------------------------------------------

namespace {

struct OwnOp {
  const char* name;
  Tensor (*value)(const Tensor& x);
  Tensor (*gradient)(const Tensor& x, const Tensor& dy);
};

const OwnOp own_ops[] = {
    {"softsign", [](const Tensor& x) { return x / (1 + abs(x)); }, softsign_gradient},
    {"log_cosh", [](const Tensor& x) { return abs(x) + softplus(abs(x) * -2.0) - std::log(2.0); },
     log_cosh_gradient},
    {"mish", [](const Tensor& x) { return x * tanh(softplus(x)); }, mish_gradient},
    {"wave", [](const Tensor& x) { return x * exp(-(x * x)); }, wave_gradient},
    {"bent", [](const Tensor& x) { return (sqrt(x * x + 1) - 1) / 2 + x; }, bent_gradient},
    {"swish2", [](const Tensor& x) { return x * sigmoid(2 * x); }, swish2_gradient},
    {"log_square", [](const Tensor& x) { return log(1 + x * x); }, log_square_gradient},
    {"sine_square", [](const Tensor& x) { return sin(x) * sin(x); }, sine_square_gradient},
    {"damped", [](const Tensor& x) { return exp(x * x * -0.5) * cos(3 * x); }, damped_gradient},
    {"square_gate", [](const Tensor& x) { return x * x * sigmoid(x); }, square_gate_gradient},
    {"root", [](const Tensor& x) { return x / sqrt(1 + x * x); }, root_gradient},
    {"snake", [](const Tensor& x) { return x + sin(x) * sin(x); }, snake_gradient},
    {"tanh_shrink", [](const Tensor& x) { return x - tanh(x); }, tanh_shrink_gradient},
    {"hermite", [](const Tensor& x) { return (x * x - 1) * exp(x * x * -0.5); }, hermite_gradient},
    {"lorentz", [](const Tensor& x) { return 1 / (1 + x * x); }, lorentz_gradient},
    {"chirp", [](const Tensor& x) { return sin(x * x); }, chirp_gradient},
    {"smooth_abs", [](const Tensor& x) { return sqrt(x * x + 0.25); }, smooth_abs_gradient},
    {"gate_cos", [](const Tensor& x) { return cos(x) * sigmoid(x); }, gate_cos_gradient},
    {"cube_tanh", [](const Tensor& x) { return pow(tanh(x), 3); }, cube_tanh_gradient},
    {"exp_sine", [](const Tensor& x) { return exp(sin(x)); }, exp_sine_gradient},
    {"serf", [](const Tensor& x) { return x * tanh(log(1 + x * x)); }, serf_gradient},
    {"soft_square", [](const Tensor& x) { return softplus(x) * softplus(x); }, soft_square_gradient},
    {"gompertz", [](const Tensor& x) { return exp(-exp(-x)); }, gompertz_gradient},
    {"ripple", [](const Tensor& x) { return x * cos(x); }, ripple_gradient},
};

struct OwnFunction {
  static constexpr auto name = "own op";
  const OwnOp* op;
  Saved x = {};
  Shape shape(const Tensor& in) const { return in.shape(); }
  void save(const Tensor& in, const Tensor&) { x = in; }
  template <class D> void forward(D, const Tensor& in, Tensor& y) const { y.copy_(op->value(in)); }
  Grads backward(const Tensor& dy, Need) const { return {op->gradient(x, dy)}; }
};

}  // namespace

const std::vector<std::string>& own_op_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const OwnOp& op : own_ops) all.push_back(op.name);
    return all;
  }();
  return names;
}

Tensor own_op(const std::string& name, const Tensor& x) {
  for (const OwnOp& op : own_ops)
    if (name == op.name) return apply(OwnFunction{&op}, x);
  throw std::invalid_argument("no op '" + name + "'");
}

}  // namespace gadolin::course
