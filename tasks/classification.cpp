#include "tasks/classification.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "data/sets/feature_set.h"
#include "io/text.h"
#include "tasks/classification_evaluator.h"
#include "tasks/feature_classifier.h"
#include "tasks/net_options.h"
#include "tensor/autograd.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

std::unique_ptr<Task> make(const Checkpoint& c, const std::string& path) {
  DescribedNet net = described_net(c, path, "a classifier");
  auto task =
      std::make_unique<ClassificationTask>(c.fact("model"), std::move(net.options), std::move(net.classes),
                                           c.fact("multi_label") == "1", Pipeline(c.fact("pipeline")));
  Operation operation;
  if (c.has("temperature")) operation.temperature = std::strtod(c.fact("temperature").c_str(), nullptr);
  require<CheckpointError, 30>(operation.temperature > 0, "checkpoint: ", path, " has the temperature ",
                               c.has("temperature") ? c.fact("temperature") : "",
                               ", which is not above 0; was it written by gadolin eval?");
  if (c.has("thresholds")) operation.thresholds = thresholds_from_json(c.fact("thresholds"), path);
  task->operate(std::move(operation));
  for (const char* fact : {"apart", "untrained"}) {
    if (!c.has(fact)) continue;
    const Json list = Json::parse(c.fact(fact), nullptr, false);
    require<CheckpointError, 30>(
        list.is_array() &&
            std::all_of(list.begin(), list.end(), [](const Json& name) { return name.is_string(); }),
        "checkpoint: ", path, " names no classes under ", fact, "; was it written by gadolin train?");
    fact[0] == 'a' ? task->set_apart(list) : task->set_untrained(list);
  }
  return task;
}

std::unique_ptr<Task> begin_classifier(const TaskStart& start) {
  NetOptions options = start.options;
  options["num_classes"] = static_cast<double>(start.train.num_classes());
  const auto* features = dynamic_cast<const FeatureSet*>(&start.train);
  require<UsageError>((features != nullptr) == (start.model == feature_classifier_name), "--model ",
                      start.model,
                      features ? " learns from pictures, and these are features; use --model mlp"
                               : " learns from features; make them with nodule extract-features");
  if (features) options["features"] = static_cast<double>(features->row().numel());
  auto task = std::make_unique<ClassificationTask>(start.model, options, start.train.classes(),
                                                   start.train.multi_label(), start.pipeline);
  task->set_apart(start.apart);
  task->learn_from(start.train, start.loss, start.device);
  return task;
}

}  // namespace

ClassificationTask::ClassificationTask(std::string model, NetOptions options,
                                       std::vector<std::string> classes, bool multi_label, Pipeline pipeline)
    : ClassificationTask(model, options, std::move(classes), multi_label, std::move(pipeline),
                         make_classifier(model, options)) {}

ClassificationTask::ClassificationTask(std::string model, NetOptions options,
                                       std::vector<std::string> classes, bool multi_label, Pipeline pipeline,
                                       std::unique_ptr<ImageNet> net)
    : Task(std::move(classes), std::move(pipeline)), model_(std::move(model)), options_(std::move(options)),
      multi_label_(multi_label), net_(std::move(net)) {}

std::unique_ptr<Dataset> ClassificationTask::open(const std::string& path, DatasetOptions options) const {
  options.multi_label = options.multi_label || multi_label_;
  auto set = Task::open(path, options);
  require<UsageError>(
      dynamic_cast<const FeatureSet*>(set.get()) == nullptr || model_ == feature_classifier_name,
      "eval: ", printable(path), " holds features, and the net of the checkpoint, ", model_,
      ", reads pictures; give it pictures, or a checkpoint of nodule train-model");
  require<DataError, 41>(
      set->multi_label() == multi_label_, "eval: ", path, " has ", set->multi_label() ? "several" : "one",
      " labels a sample, the checkpoint was trained with ", multi_label_ ? "several" : "one");
  return set;
}

std::unique_ptr<DataLoader> ClassificationTask::loader(const Dataset& set, const Pipeline& pipeline,
                                                       const LoaderOptions& options,
                                                       std::shared_ptr<const Sampler> sampler) const {
  const bool rows = dynamic_cast<const FeatureSet*>(&set) != nullptr;
  if (!sampler && !rows) return std::make_unique<DataLoader>(set, pipeline, options);
  LoaderOptions rest = options;
  rest.shuffle = rest.drop_last = false;
  if (!sampler) {
    const BatchCut cut{options.batch_size, options.drop_last};
    sampler = options.shuffle ? shuffled(set.size(), cut) : in_order(set.size(), cut);
  }
  const int classes = set.multi_label() ? set.num_classes() : 0;
  std::unique_ptr<Collation> collation;
  if (rows)
    collation = std::make_unique<RowCollation>(classes);
  else
    collation = std::make_unique<ClassificationCollation>(pipeline, classes);
  return std::make_unique<DataLoader>(set, std::move(sampler), std::move(collation), rest);
}

void ClassificationTask::check_batches(const DataLoader& loader) const {
  const auto* collation = dynamic_cast<const ClassificationCollation*>(&loader.collation());
  if (collation == nullptr) return;
  const Shape image = collation->image_shape();
  require_size(*net_, model_, image[1], image[2], true);
}

Tensor ClassificationTask::input_of(const Batch& batch) {
  return batch.has("x") ? batch["x"].flatten(1) : batch["image"];
}

Batch ClassificationTask::one(const Dataset& set, std::int64_t i, Device device) const {
  if (dynamic_cast<const FeatureSet*>(&set) == nullptr) return Task::one(set, i, device);
  LoaderOptions options;
  options.batch_size = 1;
  options.workers = 0;
  options.device = device;
  const auto alone = set.subset(std::vector<std::int64_t>{i});
  Batch batch;
  loader(*alone, pipeline_, options)->next(batch);
  return batch;
}

Tensor ClassificationTask::logits_of(const Batch& batch) {
  const Tensor images = input_of(batch);
  if (images.dim() == 4) require_size(*net_, model_, images.size(2), images.size(3), false);
  return (*net_)(images);
}

Outputs ClassificationTask::predict(const Batch& batch) {
  const NoGrad guard;
  const Tensor logits = logits_of(batch).to(DType::fp32);
  return Outputs({{"logits", operation_.temperature == 1 ? logits : logits / operation_.temperature}});
}

std::unique_ptr<Evaluator> ClassificationTask::evaluator(const Dataset& set) const {
  auto evaluator =
      std::make_unique<ClassificationEvaluator>(set, classes_, multi_label_, operation_.thresholds);
  evaluator->leave_out(apart_, untrained_);
  return evaluator;
}

std::vector<double> ClassificationTask::class_probabilities(const Outputs& outputs, std::int64_t n) const {
  return probabilities(outputs["logits"].slice(0, n, n + 1), multi_label_);
}

bool ClassificationTask::trained(std::size_t k) const {
  const std::string& label = classes_.at(k);
  return !label.empty() && std::find(untrained_.begin(), untrained_.end(), label) == untrained_.end();
}

std::vector<std::string> ClassificationTask::columns() const {
  if (multi_label_) return {"finding", "probability", "threshold", "positive"};
  return {"class", "probability", "next"};
}

// Every label that was trained: one of them alone would hide the others.
Said ClassificationTask::say_labels(const std::vector<double>& p) const {
  Said said{{}, {{"probabilities", Json::object()}}};
  const auto& thresholds = operation_.thresholds;
  const std::vector<std::size_t> positive = positive_at(p, classes_, thresholds);
  Json limits = Json::object(), names = Json::array();
  std::size_t top = 0;
  for (std::size_t k = 0; k < p.size(); ++k) {
    if (!trained(k)) continue;
    const auto chosen = std::find_if(thresholds.begin(), thresholds.end(),
                                     [&](const Threshold& t) { return t.label == classes_[k]; });
    const bool known = chosen != thresholds.end() && chosen->defined();
    const bool reached = std::find(positive.begin(), positive.end(), k) != positive.end();
    said.rows.push_back({classes_[k], fixed(p[k], 4), known ? fixed(chosen->value, 4) : "none",
                         known ? (reached ? "yes" : "no") : ""});
    said.event["probabilities"][classes_[k]] = p[k];
    if (!said.event.contains("class") || p[k] > p[top]) {
      top = k;
      said.event["class"] = classes_[k];
    }
    limits[classes_[k]] = known && std::isfinite(chosen->value) ? Json(chosen->value) : Json(nullptr);
    if (reached) names.push_back(classes_[k]);
  }
  if (thresholds.empty()) return said;
  said.event["thresholds"] = limits;
  said.event["positive"] = names;
  return said;
}

Said ClassificationTask::say(const Outputs& outputs, std::int64_t n, int most) const {
  const std::vector<double> p = class_probabilities(outputs, n);
  if (multi_label_) return say_labels(p);
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
  const Tensor logits = logits_of(batch);
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
  if (!apart_.empty()) checkpoint.facts["apart"] = Json(apart_).dump();
  if (!untrained_.empty()) checkpoint.facts["untrained"] = Json(untrained_).dump();
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

TaskKind classification_kind() {
  return {.name = ClassificationTask::name,
          .make = make,
          .report = report_classification,
          .begin = begin_classifier,
          .check_model = [](const std::string& model) {
            require<UsageError>(!model.starts_with("retinanet_"), "--model ", model,
                                " is a detector; add --task detection");
            if (model != feature_classifier_name) net_info(model);
          }};
}

}  // namespace gadolin
