#include "tasks/classification.h"

#include <algorithm>
#include <cstdlib>

#include "io/text.h"
#include "layers/compute.h"
#include "layers/loss.h"
#include "layers/soft_loss.h"
#include "tasks/classification_evaluator.h"
#include "tasks/net_options.h"
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

LossFunction label_loss(const ClassificationLoss& o, const Dataset& train, Device device) {
  if (o.kind == "focal") {
    return [gamma = o.focal_gamma](const Tensor& x, const Tensor& y) {
      return sigmoid_focal_loss(x, y.to(x.dtype()), -1, gamma);
    };
  }
  const Tensor positive = o.class_weights ? positive_weights(train, device) : Tensor();
  return [positive](const Tensor& x, const Tensor& y) {
    return binary_cross_entropy_with_logits(x, y.to(x.dtype()), positive);
  };
}

LossFunction class_loss(const ClassificationLoss& o, const Dataset& train, Device device) {
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
LossFunction mixed_loss(const ClassificationLoss& o, const Dataset& train, Device device) {
  if (train.multi_label()) return label_loss(o, train, device);
  SoftCrossEntropyOptions c;
  c.label_smoothing = o.label_smoothing;
  if (o.class_weights) c.class_weight = class_weights(train, device);
  return [c](const Tensor& x, const Tensor& y) { return soft_cross_entropy(x, y.to(x.dtype()), c); };
}

std::unique_ptr<Task> make(const Checkpoint& c, const std::string& path) {
  const Json options = Json::parse(c.fact("net_options"), nullptr, false),
             classes = Json::parse(c.fact("classes"), nullptr, false);
  const bool names = classes.is_array() && std::all_of(classes.begin(), classes.end(),
                                                       [](const Json& name) { return name.is_string(); });
  const bool values = options.is_object() &&
                      std::all_of(options.begin(), options.end(),
                                  [](const Json& value) { return value.is_primitive() && !value.is_null(); });
  require<CheckpointError, 30>(names && values, "checkpoint: ", path,
                               " does not describe a classifier; was it written by gadolin train?");
  auto task = std::make_unique<ClassificationTask>(
      c.fact("model"), options_from_json(options), classes.get<std::vector<std::string>>(),
      c.fact("multi_label") == "1", Pipeline(c.fact("pipeline")));
  Operation operation;
  if (c.has("temperature")) operation.temperature = std::strtod(c.fact("temperature").c_str(), nullptr);
  require<CheckpointError, 30>(operation.temperature > 0, "checkpoint: ", path, " has the temperature ",
                               c.has("temperature") ? c.fact("temperature") : "",
                               ", which is not above 0; was it written by gadolin eval?");
  if (c.has("thresholds")) operation.thresholds = thresholds_from_json(c.fact("thresholds"), path);
  task->operate(std::move(operation));
  return task;
}

}  // namespace

ClassificationTask::ClassificationTask(std::string model, NetOptions options,
                                       std::vector<std::string> classes, bool multi_label, Pipeline pipeline)
    : ClassificationTask(model, options, std::move(classes), multi_label, std::move(pipeline),
                         make_net(model, options)) {}

ClassificationTask::ClassificationTask(std::string model, NetOptions options,
                                       std::vector<std::string> classes, bool multi_label, Pipeline pipeline,
                                       std::unique_ptr<ImageNet> net)
    : Task(std::move(classes), std::move(pipeline)), model_(std::move(model)), options_(std::move(options)),
      multi_label_(multi_label), net_(std::move(net)) {}

void ClassificationTask::learn_from(const Dataset& train, const ClassificationLoss& wanted, Device device) {
  ClassificationLoss o = wanted;
  if (o.kind == "auto") o.kind = multi_label_ ? "bce" : "cross-entropy";
  require<UsageError>(o.kind == "cross-entropy" || o.kind == "bce" || o.kind == "focal", "--loss ", o.kind,
                      " is unknown; use auto, cross-entropy, bce or focal");
  require<UsageError>(o.kind == "focal" || (o.kind == "bce") == multi_label_, "--loss ", o.kind,
                      " does not fit: the set has ",
                      multi_label_ ? "several labels a sample; use bce or focal"
                                   : "one label a sample; use cross-entropy or focal");
  require<UsageError>(!o.mixes || o.kind != "focal",
                      "--loss focal does not go with --mixup and --cutmix; use auto");
  loss_ = multi_label_ ? label_loss(o, train, device) : class_loss(o, train, device);
  if (o.mixes) mixed_loss_ = mixed_loss(o, train, device);
}

std::unique_ptr<Dataset> ClassificationTask::open(const std::string& path, DatasetOptions options) const {
  options.multi_label = options.multi_label || multi_label_;
  auto set = Task::open(path, options);
  require<DataError, 41>(
      set->multi_label() == multi_label_, "eval: ", path, " has ", set->multi_label() ? "several" : "one",
      " labels a sample, the checkpoint was trained with ", multi_label_ ? "several" : "one");
  return set;
}

LossParts ClassificationTask::loss(const Batch& batch) {
  require<ValueError>(loss_ != nullptr, "classification: there is no loss yet; call learn_from first");
  const bool mixes = batch.has("mix_share");
  require<ValueError>(!mixes || mixed_loss_ != nullptr,
                      "classification: the batch is mixed, but learn_from was not told so");
  Tensor images = batch["image"], target = batch["label"];
  if (mixes) {
    const MixTensors mix{batch["mix_partner"], batch["mix_keep"], batch["mix_share"]};
    images = mixed_images(images, mix);
    if (!multi_label_) target = one_hot(target, static_cast<std::int64_t>(classes_.size()));
    target = mixed_targets(target, mix);
  }
  const LossFunction& cost = mixes ? mixed_loss_ : loss_;
  const Logits logits = net_->logits(images);
  LossParts parts(loss_with_auxiliary(logits, [&](const Tensor& x) { return cost(x, target); }));
  if (count_right_) {
    const NoGrad guard;
    const Tensor hits = compare(Compare::equal, argmax(logits.main.detach(), 1), batch["label"]);
    parts.parts.emplace_back("accuracy", mean(hits.to(DType::fp32)));
  }
  return parts;
}

Outputs ClassificationTask::predict(const Batch& batch) {
  const NoGrad guard;
  const Tensor logits = (*net_)(batch["image"]).to(DType::fp32);
  return Outputs({{"logits", operation_.temperature == 1 ? logits : logits / operation_.temperature}});
}

std::unique_ptr<Evaluator> ClassificationTask::evaluator(const Dataset& set) const {
  return std::make_unique<ClassificationEvaluator>(set, classes_, multi_label_, operation_.thresholds);
}

Said ClassificationTask::say(const Outputs& outputs, std::int64_t n, int most) const {
  const Tensor& logits = outputs["logits"];
  const std::vector<double> p = probabilities(logits.slice(0, n, n + 1), multi_label_);
  std::vector<std::size_t> order(p.size());
  for (std::size_t k = 0; k < p.size(); ++k) order[k] = k;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
  std::string next;
  for (std::size_t k = 1; k < order.size() && static_cast<int>(k) < most; ++k) {
    next += (next.empty() ? "" : ", ") + classes_[order[k]] + " " + fixed(p[order[k]], 4);
  }
  Json all = Json::object();
  for (std::size_t k = 0; k < p.size(); ++k) all[classes_[k]] = p[k];
  const std::string& top = classes_[order[0]];
  Said said{{{top, fixed(p[order[0]], 4), next}}, {{"class", top}, {"probabilities", all}}};
  if (!operation_.thresholds.empty()) {
    said.event["positive"] = Json::array();
    for (const std::size_t k : positive_at(p, classes_, operation_.thresholds))
      said.event["positive"].push_back(classes_[k]);
  }
  return said;
}

Tensor ClassificationTask::evidence(const Batch& batch, int target) {
  const Tensor logits = (*net_)(batch["image"]);
  require<ValueError>(target >= 0 && target < logits.size(1), "cam: class ", target, " of a net with ",
                      logits.size(1), " classes");
  return sum(logits.slice(1, target, target + 1).to(DType::fp32));
}

void ClassificationTask::describe(Checkpoint& checkpoint) const {
  Task::describe(checkpoint);
  checkpoint.facts["model"] = model_;
  checkpoint.facts["net_options"] = options_to_json(options_).dump();
  checkpoint.facts["multi_label"] = multi_label_ ? "1" : "0";
  if (operation_.temperature != 1) checkpoint.facts["temperature"] = exact_text(operation_.temperature);
  if (!operation_.thresholds.empty())
    checkpoint.facts["thresholds"] = thresholds_to_json(operation_.thresholds);
}

std::vector<double> probabilities(const Tensor& logits, bool multi_label) {
  const Tensor x = logits.to(DType::fp32);
  return (multi_label ? sigmoid(x) : softmax(x, 1)).to_vector<double>();
}

const ClassificationTask& as_classifier(const Task& task, const std::string& path) {
  const auto* classifier = dynamic_cast<const ClassificationTask*>(&task);
  require<CheckpointError, 33>(classifier != nullptr, "checkpoint: ", path, " is of kind ", task.kind(),
                               ", but a classifier is needed here; use the commands of its kind");
  return *classifier;
}

std::unique_ptr<ClassificationTask> load_classifier(const std::string& path, Device device) {
  std::unique_ptr<Task> task = load_task(path, device);
  as_classifier(*task, path);
  return std::unique_ptr<ClassificationTask>(static_cast<ClassificationTask*>(task.release()));
}

TaskKind classification_kind() { return {ClassificationTask::name, make, report_classification}; }

}  // namespace gadolin
