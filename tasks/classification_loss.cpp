// How wrong a classifier is: cross-entropy, its binary and its focal form, and against mixed labels.
#include <algorithm>

#include "layers/loss.h"
#include "tasks/classification.h"
#include "tensor/autograd.h"
#include "tensor/check.h"
#include "tensor/ops.h"
#include "train/mix.h"

namespace gadolin {
namespace {

using LossFunction = std::function<Tensor(const Tensor& logits, const Tensor& target)>;

Tensor on_device(const std::vector<float>& weights, Device device) {
  return from_vector(weights, {static_cast<std::int64_t>(weights.size())}).to(device);
}

// Samples over classes times samples of the class: a set in balance gives 1 everywhere.
Tensor class_weights(const Dataset& train, Device device) {
  std::vector<float> weights;
  const auto counts = train.class_counts();
  for (const std::int64_t n : counts) {
    const double balanced = static_cast<double>(counts.size()) * static_cast<double>(n);
    weights.push_back(n == 0 ? 0.0f : static_cast<float>(static_cast<double>(train.size()) / balanced));
  }
  return on_device(weights, device);
}

// Negatives over positives of each label, as far as ten.
Tensor positive_weights(const Dataset& train, Device device) {
  std::vector<float> weights;
  for (const std::int64_t n : train.class_counts()) {
    const double ratio = static_cast<double>(train.size() - n) / std::max(1.0, static_cast<double>(n));
    weights.push_back(static_cast<float>(std::clamp(ratio, 1.0, 10.0)));
  }
  return on_device(weights, device);
}

LossFunction label_loss(const LossOptions& o, const Dataset& train, Device device) {
  if (o.own) return o.own;
  if (o.kind == "focal") {
    return [alpha = o.focal_alpha > 0 ? o.focal_alpha : -1, gamma = o.focal_gamma](const Tensor& x,
                                                                                   const Tensor& y) {
      return sigmoid_focal_loss(x, y.to(x.dtype()), alpha, gamma);
    };
  }
  const Tensor positive = o.class_weights ? positive_weights(train, device) : Tensor();
  return [positive](const Tensor& x, const Tensor& y) {
    return binary_cross_entropy_with_logits(x, y.to(x.dtype()), positive);
  };
}

LossFunction class_loss(const LossOptions& o, const Dataset& train, Device device) {
  CrossEntropyOptions c;
  c.label_smoothing = o.label_smoothing;
  if (o.class_weights) c.class_weight = class_weights(train, device);
  if (o.kind == "focal") {
    return [c, gamma = o.focal_gamma](const Tensor& x, const Tensor& y) {
      return softmax_focal_loss(x, y, gamma, c);
    };
  }
  return [c](const Tensor& x, const Tensor& y) { return cross_entropy(x, y, c); };
}

// Against the shares of two samples' classes or labels.
LossFunction mixed_loss(const LossOptions& o, const Dataset& train, Device device) {
  if (train.multi_label()) return label_loss(o, train, device);
  CrossEntropyOptions c;
  c.label_smoothing = o.label_smoothing;
  if (o.class_weights) c.class_weight = class_weights(train, device);
  return [c](const Tensor& x, const Tensor& y) { return soft_cross_entropy(x, y.to(x.dtype()), c); };
}

}  // namespace

void ClassificationTask::learn_from(const Dataset& train, const LossOptions& wanted, Device device) {
  LossOptions o = wanted;
  if (o.kind == "auto") o.kind = multi_label_ ? "bce" : "cross-entropy";
  if (o.own && multi_label_) o.kind = "bce";
  require<UsageError>(o.kind == "cross-entropy" || o.kind == "bce" || o.kind == "focal", "--loss ", o.kind,
                      " is unknown; use auto, cross-entropy, bce or focal");
  require<UsageError>(o.kind == "focal" || (o.kind == "bce") == multi_label_, "--loss ", o.kind,
                      " does not fit: the set has ",
                      multi_label_ ? "several labels a sample; use bce or focal"
                                   : "one label a sample; use cross-entropy or focal");
  require<UsageError>(!o.mixes || o.kind != "focal",
                      "--loss focal does not go with --mixup and --cutmix; use auto");
  require<UsageError>(
      o.focal_alpha == 0 || (o.kind == "focal" && multi_label_ && o.focal_alpha > 0 && o.focal_alpha <= 1),
      "--focal-alpha ", o.focal_alpha,
      " belongs to --loss focal with several labels a sample, and is above 0, 1 at most; leave it out");
  // Outputs that no positive sample has ever shown say nothing.
  untrained_.clear();
  const auto counts = train.class_counts();
  for (std::size_t k = 0; multi_label_ && k < counts.size(); ++k)
    if (counts[k] == 0) untrained_.push_back(classes_[k]);
  loss_ = multi_label_ ? label_loss(o, train, device) : class_loss(o, train, device);
  if (o.mixes) mixed_loss_ = mixed_loss(o, train, device);
  class_weight_ = o.class_weights && !multi_label_ ? class_weights(train, device) : Tensor();
  count_right_ = o.count_right && !multi_label_;
}

LossParts ClassificationTask::loss(const Batch& batch) {
  require<ValueError>(loss_ != nullptr, "classification: there is no loss yet; call learn_from first");
  const bool mixes = batch.has("mix_share");
  require<ValueError>(!mixes || mixed_loss_ != nullptr,
                      "classification: the batch is mixed, but learn_from was not told so");
  Tensor images = input_of(batch), target = batch["label"];
  if (mixes) {
    const MixTensors mix{batch["mix_partner"], batch["mix_keep"], batch["mix_share"]};
    images = mixed_images(images, mix);
    if (!multi_label_) target = one_hot(target, static_cast<std::int64_t>(classes_.size()));
    target = mixed_targets(target, mix);
  }
  const LossFunction& cost = mixes ? mixed_loss_ : loss_;
  const Logits logits = net_->logits(images);
  LossParts parts(loss_with_auxiliary(logits, [&](const Tensor& x) { return cost(x, target); }));
  const NoGrad guard;
  // Of mixed labels the loss is the mean over samples (soft_cross_entropy).
  if (class_weight_.defined() && !mixes) parts.count = sum(index_select(class_weight_, 0, target));
  if (count_right_) {
    const Tensor hits = compare(Compare::equal, argmax(logits.main.detach(), 1), batch["label"]);
    parts.parts.emplace_back("accuracy", mean(hits.to(DType::fp32)));
  }
  return parts;
}

}  // namespace gadolin
