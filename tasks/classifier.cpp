#include "tasks/classifier.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "io/mapped_file.h"
#include "io/weights.h"
#include "layers/init.h"
#include "layers/loss.h"
#include "tasks/net_options.h"
#include "tensor/capture.h"
#include "tensor/ops.h"
#include "train/checkpoint_store.h"
#include "train/progress.h"

namespace gadolin {

void Classifier::describe(Checkpoint& checkpoint) const {
  checkpoint.facts["model"] = model;
  checkpoint.facts["net_options"] = options_to_json(options).dump();
  checkpoint.facts["classes"] = Json(classes).dump();
  checkpoint.facts["multi_label"] = multi_label ? "1" : "0";
  checkpoint.facts["pipeline"] = pipeline.text();
}

Classifier load_classifier(const std::string& path, Device device) {
  const Checkpoint c = load_checkpoint(path);
  Classifier result;
  result.model = c.fact("model");
  const Json options = Json::parse(c.fact("net_options"), nullptr, false),
             classes = Json::parse(c.fact("classes"), nullptr, false);
  const bool names = classes.is_array() && std::all_of(classes.begin(), classes.end(),
                                                       [](const Json& name) { return name.is_string(); });
  const bool values = options.is_object() &&
                      std::all_of(options.begin(), options.end(),
                                  [](const Json& value) { return value.is_primitive() && !value.is_null(); });
  require<CheckpointError, 30>(names && values, "checkpoint: ", path,
                               " does not describe a classifier; was it written by gadolin train?");
  result.options = options_from_json(options);
  result.classes = classes.get<std::vector<std::string>>();
  result.multi_label = c.fact("multi_label") == "1";
  result.pipeline = Pipeline(c.fact("pipeline"));
  const SkipInitialValues zeros;
  result.net = make_net(result.model, result.options);
  State state;
  const bool averaged = c.tensors.count("ema.updates") != 0;
  for (const auto& [name, tensor] : c.tensors) {
    if (name.rfind("model.", 0) == 0) state.emplace(name.substr(6), tensor);
  }
  if (averaged) {
    for (auto& [name, tensor] : state) {
      const auto found = c.tensors.find("ema." + name);
      if (found != c.tensors.end()) tensor = found->second;
    }
  }
  result.net->load_state(state, {}, path);
  result.net->to(device);
  result.net->eval();
  return result;
}

std::string find_checkpoint(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::is_directory(path, error) || fs::exists(path + "/checkpoint", error)) return path;
  for (const std::string& folder : {path + "/checkpoints", path}) {
    if (!fs::is_directory(folder, error)) continue;
    if (const auto found = CheckpointStore(folder).newest()) return found->path;
  }
  fail<FileError>("checkpoint: ", path, " holds no checkpoints; is it the folder of a run?");
}

bool is_checkpoint(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error) && MappedFile(path).text().substr(0, 8) == "GADOLIN\n";
}

State load_weights(const std::string& path) {
  if (!is_checkpoint(path)) return read_weights(path).tensors;
  State state;
  for (const auto& [name, tensor] : load_checkpoint(path).tensors) {
    if (name.rfind("model.", 0) == 0) state[name.substr(6)] = tensor;
  }
  require<CheckpointError, 31>(!state.empty(), "weights: ", path, " holds no model");
  return state;
}

std::vector<double> probabilities(const Tensor& logits, bool multi_label) {
  const Tensor x = logits.to(DType::fp32);
  return (multi_label ? sigmoid(x) : softmax(x, 1)).to_vector<double>();
}

SetPredictions predict_set(Module& net, const Dataset& set, const Pipeline& pipeline,
                           const LoaderOptions& options, DType compute, const std::string& progress_label) {
  const NoGrad guard;
  const ComputeScope scope(compute);
  const bool was_training = net.training();
  net.eval();
  SetPredictions result;
  Predictions& p = result.predictions;
  p.classes = set.classes();
  DataLoader loader(set, pipeline, options);
  std::optional<Progress> progress;
  if (!progress_label.empty()) progress.emplace(progress_label, loader.batches(), progress_on_stderr());
  // One launch a batch on a GPU; a net that cannot be recorded is run as it is, as nothing has happened yet
  // then.
  const CapturedStep::Function forward = [&](const std::vector<Tensor>& in) {
    return net(in[0]).to(DType::fp32);
  };
  std::optional<CapturedStep> captured(std::in_place, forward,
                                       CaptureOptions{.warm_up = 2, .reads_only = true});
  double loss = 0;
  Batch batch;
  std::int64_t done = 0;
  while (loader.next(batch)) {
    Tensor logits;
    try {
      if (captured) logits = (*captured)({batch["image"]});
    } catch (const CaptureError&) {
      captured.reset();
    }
    if (!captured) logits = forward({batch["image"]});
    const Tensor value = set.multi_label() ? binary_cross_entropy_with_logits(logits, batch["label"])
                                           : cross_entropy(logits, batch["label"]);
    loss += value.item() * static_cast<double>(batch.size());
    const std::vector<double> rows = probabilities(logits, set.multi_label());
    p.probability.insert(p.probability.end(), rows.begin(), rows.end());
    for (const std::int64_t index : batch.indices) {
      const SampleInfo& info = set.info(index);
      result.indices.push_back(index);
      p.patient.push_back(info.patient.empty() ? info.name : info.patient);
      if (set.multi_label()) {
        std::vector<std::uint8_t> row(set.classes().size(), 0);
        for (const int label : info.labels) row[static_cast<std::size_t>(label)] = 1;
        p.labels.insert(p.labels.end(), row.begin(), row.end());
      } else {
        p.target.push_back(info.labels.at(0));
      }
    }
    if (progress) progress->update(++done, loader.stats().wait_seconds);
  }
  if (progress) progress->finish();
  result.bad = loader.bad_samples();
  result.loss = loss / std::max(1.0, static_cast<double>(result.indices.size()));
  net.train(was_training);
  return result;
}

}  // namespace gadolin
