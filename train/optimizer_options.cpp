// The usual settings of each rule by its name.
#include <cmath>

#include "tensor/check.h"
#include "train/optimizer.h"

namespace gadolin {

OptimizerOptions optimizer_options(const std::string& name) {
  OptimizerOptions o;
  if (name == "sgd") return o;
  if (name == "momentum" || name == "nesterov") {
    o.momentum = 0.9;
    o.nesterov = name == "nesterov";
    return o;
  }
  if (name == "adam" || name == "adamw") {
    o.rule = name == "adam" ? Rule::adam : Rule::adamw;
    o.lr = 1e-3;
    o.weight_decay = name == "adamw" ? 0.01 : 0;
    return o;
  }
  if (name == "rmsprop") {
    o.rule = Rule::rmsprop;
    o.lr = 0.01;
    return o;
  }
  if (name == "rmsprop_slim" || name == "rmsprop-slim") {
    o.rule = Rule::rmsprop_slim;
    o.lr = 0.01;
    o.alpha = o.momentum = 0.9;
    o.eps = 1;
    return o;
  }
  if (name == "adadelta") {
    o.rule = Rule::adadelta;
    o.lr = 1;
    o.alpha = 0.95;
    o.eps = 1e-6;
    return o;
  }
  if (name == "adagrad" || name == "ftrl") {
    o.rule = name == "adagrad" ? Rule::adagrad : Rule::ftrl;
    o.lr = 0.01;
    o.eps = 0;
    o.initial_square = 0.1;
    return o;
  }
  fail<UsageError>("optimizer: ", name,
                   " is unknown; use sgd, momentum, nesterov, adam, adamw, rmsprop, rmsprop_slim, adadelta, "
                   "adagrad or ftrl");
}

void check_options(const OptimizerOptions& o) {
  const struct {
    const char* name;
    double value;
    bool share = false;  // at most 1
  } numbers[] = {{"learning rate", o.lr},
                 {"momentum", o.momentum},
                 {"weight decay", o.weight_decay},
                 {"beta1", o.beta1, true},
                 {"beta2", o.beta2, true},
                 {"alpha", o.alpha, true},
                 {"eps", o.eps},
                 {"clip norm", o.clip_norm},
                 {"clip norm of each", o.clip_each_norm},
                 {"clip value", o.clip_value},
                 {"initial square", o.initial_square},
                 {"l1", o.l1},
                 {"l2", o.l2},
                 {"power", o.power}};
  for (const auto& n : numbers) {
    require<UsageError>(n.value >= 0 && std::isfinite(n.value), "optimizer: a ", n.name, " of ", n.value,
                        "; it must be a number from 0 on");
    require<UsageError>(!n.share || n.value <= 1, "optimizer: a ", n.name, " of ", n.value,
                        "; it must be a share, from 0 to 1");
  }
}

const char* name_of(Rule rule) {
  constexpr const char* names[] = {"sgd",          "adam",     "adamw",   "rmsprop",
                                   "rmsprop_slim", "adadelta", "adagrad", "ftrl"};
  return names[static_cast<int>(rule)];
}

}  // namespace gadolin
