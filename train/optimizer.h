// Optimisers: SGD, Adam, AdamW, RMSProp, Adadelta, Adagrad and FTRL, each as one launch over all parameters,
// with clipping and loss scaling.
//
// Everything that changes from step to step (rate, step number, loss scale, whether a gradient overflowed)
// lives in a control block on the parameters' device, so a recorded step can be replayed (tensor/capture.h).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "layers/module.h"

namespace gadolin {

class Communicator;        // train/communicator.h
struct GradientReduction;  // train/gradient_sum.h
class GradientSum;         // train/gradient_sum.h

enum class Rule : std::uint8_t { sgd, adam, adamw, rmsprop, rmsprop_slim, adadelta, adagrad, ftrl };

// The defaults are PyTorch's; optimizer_options() below gives those of each rule.
struct OptimizerOptions {
  Rule rule = Rule::sgd;              // which formula
  double lr = 0.1;                    // the rate
  double momentum = 0;                // SGD, RMSProp
  bool nesterov = false;              // SGD
  double weight_decay = 0;            // added to the gradient; AdamW takes it from the weight instead
  bool decay_norm_and_bias = true;    // false: parameters of one dimension are not decayed
  double beta1 = 0.9, beta2 = 0.999;  // Adam, AdamW
  double alpha = 0.99;                // RMSProp, Adadelta: decay of the mean square
  double eps = 1e-8;                  // added to the root of the mean square
  // Adam: eps is added before the bias correction, as TensorFlow does, not after it.
  bool eps_before_bias = false;
  double clip_norm = 0;       // largest global L2 norm of the gradient; 0: off
  double clip_each_norm = 0;  // largest L2 norm of each parameter's gradient, after clip_norm; 0: off
  double clip_value = 0;      // largest absolute value of an element; 0: off
  double initial_square = 0;  // Adagrad, FTRL: where the sum of squares starts
  double l1 = 0, l2 = 0;      // FTRL: penalties; an l1 makes weights exactly 0
  double power = 0.5;         // FTRL: of the sum of squares, the negative of TensorFlow's learning_rate_power
  std::vector<std::string> undecayed = {};  // names of parameters that are never decayed
};
// "sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "rmsprop_slim", "adadelta", "adagrad", "ftrl".
// Throws UsageError naming the known ones.
OptimizerOptions optimizer_options(const std::string& name);
// Throws UsageError for numbers that are negative, NaN or infinite, and for averages' decays above 1.
void check_options(const OptimizerOptions& options);
const char* name_of(Rule rule);  // "adamw"

// Dynamic loss scale for fp16 (Micikevicius et al. 2018): doubled after `interval` good steps, halved by an
// overflow. A fixed scale has growth 1 and stays as it is; 1 is no scale.
struct LossScale {
  // The first scale; factors after good steps and after an overflow.
  double scale = 1, growth = 1, backoff = 0.5;
  std::int64_t interval = 2000;  // good steps before it grows
};
inline constexpr LossScale dynamic_loss_scale{65536, 2, 0.5, 2000};  // starts at 65536, doubles, halves

// Changes parameters by their gradients.
class Optimizer {
 public:
  // Parameters must be dense fp32 or fp64 leaves on one device; those that want no gradient are left out.
  // Options go through check_options.
  Optimizer(std::vector<Parameter> parameters, OptimizerOptions options, LossScale scale = {});

  void zero_grad();  // of all parameters: undefined again, or 0 in place within a recorded step
  // One step from the parameters' gradients; a parameter without one is left alone, as in PyTorch.
  // With a loss scale, gradients are divided by it first. With one, fixed or dynamic, or with a largest norm,
  // a step with an infinite or NaN gradient is skipped whole: weights, moments and the number of steps stay.
  // Otherwise nobody looks for such gradients, which would take one more pass over all of them, and they
  // reach the weights. Copies in which layers compute (layers/compute.h) are written with their weights, and
  // gradients of 16 bits are read.
  void step();

  // With several processes: from now on step() first makes each gradient its mean over all ranks, so that
  // norm, clipping, overflow and update see that one. The communicator must outlive the optimiser.
  void average_over(Communicator& communicator, const GradientReduction& reduction);
  void average_over(Communicator& communicator);  // with what is usual
  // For the last backward before a step, so that the sums begin while it runs; nullptr for one process.
  const GradientHook* gradient_hook() const;
  // Of several processes, after the first step: parameters that no rank had a gradient of.
  std::vector<std::string> unused() const;

  void set_lr(double lr);                    // for the steps from now on
  double lr() const { return options_.lr; }  // of the next step
  // Seed for backward: the loss scale as a tensor of the loss's shape [] and dtype, on the device.
  Tensor loss_seed(DType dtype) const;
  bool dynamic_scale() const { return scale_.growth != 1; }  // whether the scale changes
  // Whether overflowing steps are skipped, by any loss scale or by a largest norm: see step().
  bool skips_overflows() const {
    return scale_.scale != 1 || dynamic_scale() || options_.clip_norm > 0 || options_.clip_each_norm > 0;
  }

  // Whether the last step was skipped: bool [] on the device, without waiting.
  Tensor skipped() const;

  // These wait for the device.
  double gradient_norm() const;    // of the last step, before clipping; NaN or infinity if it overflowed
  bool last_step_skipped() const;  // as skipped(), on the host
  std::int64_t steps() const;      // not counting skipped ones
  double loss_scale() const;       // of the next step
  // Sum of decay / 2 |w|^2, the penalty whose gradient weight decay is; 0 for AdamW, whose decay is none.
  double penalty() const;
  // Name of the first parameter whose gradient is not finite, or "".
  std::string bad_gradient() const;

  // State by name: "control", and "<parameter>.1", "<parameter>.2" for the moments.
  std::vector<Parameter> state() const;
  // What state() gave. Throws CheckpointError for what is missing or of another shape.
  void load_state(const std::map<std::string, Tensor>& state);
  const std::vector<Parameter>& parameters() const { return parameters_; }  // those that learn
  const OptimizerOptions& options() const { return options_; }              // as made

 private:
  std::vector<Parameter> parameters_;
  OptimizerOptions options_;
  LossScale scale_;
  std::vector<Tensor> first_, second_;  // moments; undefined where the rule needs none
  std::vector<double> decay_;
  Tensor control_;  // fp64, see optimizer.cu
  std::shared_ptr<GradientSum> sum_;
};

// Copies `from` into the tensors of `into` by name. Throws CheckpointError when one is missing or of another
// shape.
void load_named(const std::vector<Parameter>& into, const std::map<std::string, Tensor>& from,
                const char* what);

}  // namespace gadolin
