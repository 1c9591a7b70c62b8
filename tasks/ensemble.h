// Several answers to one question made one: flipped views of a picture, or several nets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

// How a picture is turned before the net sees it. Each is its own inverse.
enum class View : std::uint8_t { identity, hflip, vflip, both };
const char* view_name(View view);  // "identity", "hflip", "vflip", "both"
// From a list such as "identity,hflip", or "all" for the four. Throws UsageError for another word, for one
// that comes twice and for an empty list. For films with a side or a heart, hflip shows the net a body that
// does not exist: leave it out unless the net was trained with flips.
std::vector<View> views_from(const std::string& text);
// images [.., H, W] on any device -> the same, turned. Differentiable. Throws ShapeError for fewer than two
// dimensions.
Tensor seen(const Tensor& images, View view);

// What one net, or one view, said about a set of samples.
struct Member {
  std::string name;                  // in messages: "best.gdck", "hflip"
  std::vector<std::string> classes;  // K names, each once, in the order of the columns
  std::vector<double> logits;  // [N, K]; who has only probabilities p gives log(p), or logit(p) of labels
  double weight = 1;           // 0: the member is not there
  double temperature = 1;      // of its calibration: logits are divided by it
};

struct EnsembleOptions {
  // probabilities: the weighted mean of what the members think likely ("linear pool"; Lakshminarayanan et al.
  // 2017). logits: the mean of logits, then one softmax, which is the normalised geometric mean: surer than
  // the linear pool where members agree, and one member can veto.
  enum class Mean : std::uint8_t { probabilities, logits } mean = Mean::probabilities;
  bool multi_label = false;  // each label has its own logistic function instead of a softmax over all
};

struct Ensemble {
  std::vector<std::string> classes;  // as the first member orders them
  std::vector<double> probability;   // [N, K]
};

// Members are matched class by class by name: another order is put right, other names are refused. The first
// member decides the order even with weight 0. The result does not depend on the order of the other members,
// except for rounding.
// Throws DataError for classes that differ (both names said) or come twice, ShapeError for sizes,
// ValueError for no member, weights that are negative, not finite or all 0, and temperatures that are not
// above 0, NumericError, naming member and sample, for logits that are NaN. Members of weight 0 are checked
// for their classes only. Infinite logits are let through where the result is a number.
Ensemble combine(const std::vector<Member>& members, const EnsembleOptions& options = {});

}  // namespace gadolin
