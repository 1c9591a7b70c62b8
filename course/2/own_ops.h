// Ops that Gadolin lacks, each with a value made of ops. Their gradients are in own_ops.cpp.
#pragma once

#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin::course {

// dx from x and dy, made of ops, so that it can be differentiated again.
Tensor softsign_gradient(const Tensor& x, const Tensor& dy);     // x / (1 + |x|)
Tensor log_cosh_gradient(const Tensor& x, const Tensor& dy);     // ln cosh x
Tensor mish_gradient(const Tensor& x, const Tensor& dy);         // x tanh(softplus(x)) (Misra 2019)
Tensor wave_gradient(const Tensor& x, const Tensor& dy);         // x exp(-x^2)
Tensor bent_gradient(const Tensor& x, const Tensor& dy);         // (sqrt(x^2 + 1) - 1) / 2 + x
Tensor swish2_gradient(const Tensor& x, const Tensor& dy);       // x s(2 x), s the logistic function
Tensor log_square_gradient(const Tensor& x, const Tensor& dy);   // ln(1 + x^2)
Tensor sine_square_gradient(const Tensor& x, const Tensor& dy);  // sin(x)^2
Tensor damped_gradient(const Tensor& x, const Tensor& dy);       // exp(-x^2 / 2) cos(3 x)
Tensor square_gate_gradient(const Tensor& x, const Tensor& dy);  // x^2 s(x)
Tensor root_gradient(const Tensor& x, const Tensor& dy);         // x / sqrt(1 + x^2)
Tensor snake_gradient(const Tensor& x, const Tensor& dy);        // x + sin(x)^2 (Ziyin et al. 2020)
Tensor tanh_shrink_gradient(const Tensor& x, const Tensor& dy);  // x - tanh x
Tensor hermite_gradient(const Tensor& x, const Tensor& dy);      // (x^2 - 1) exp(-x^2 / 2)
Tensor lorentz_gradient(const Tensor& x, const Tensor& dy);      // 1 / (1 + x^2)
Tensor chirp_gradient(const Tensor& x, const Tensor& dy);        // sin(x^2)
Tensor smooth_abs_gradient(const Tensor& x, const Tensor& dy);   // sqrt(x^2 + 1/4)
Tensor gate_cos_gradient(const Tensor& x, const Tensor& dy);     // cos(x) s(x)
Tensor cube_tanh_gradient(const Tensor& x, const Tensor& dy);    // tanh(x)^3
Tensor exp_sine_gradient(const Tensor& x, const Tensor& dy);     // exp(sin x)
Tensor serf_gradient(const Tensor& x, const Tensor& dy);         // x tanh(ln(1 + x^2))
Tensor soft_square_gradient(const Tensor& x, const Tensor& dy);  // softplus(x)^2
Tensor gompertz_gradient(const Tensor& x, const Tensor& dy);     // exp(-exp(-x))
Tensor ripple_gradient(const Tensor& x, const Tensor& dy);       // x cos(x)

const std::vector<std::string>& own_op_names();
// One of them on the tape. Throws std::invalid_argument for another name.
Tensor own_op(const std::string& name, const Tensor& x);

}  // namespace gadolin::course
