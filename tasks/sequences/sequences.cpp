#include "tasks/sequences/sequences.h"

#include <algorithm>
#include <cmath>

#include "data/sets/collation.h"
#include "io/text.h"
#include "tasks/net_options.h"
#include "tasks/sequences/sequence_evaluator.h"
#include "tasks/weighted_log_loss.h"
#include "tensor/autograd.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

std::unique_ptr<Task> make_sequences(const Checkpoint& c, const std::string& path) {
  DescribedNet net = described_net(c, path, "a model of sequences");
  return std::make_unique<SequenceTask>(std::move(net.options), std::move(net.classes));
}

std::unique_ptr<Task> begin_sequences(const TaskStart& start) {
  const SequenceSet& train = as_sequences(start.train);
  NetOptions options = start.options;
  options["num_classes"] = static_cast<double>(train.num_classes());
  options["input_size"] = static_cast<double>(train.features());
  auto task = std::make_unique<SequenceTask>(options, train.classes());
  task->learn_from(start.loss, start.device);
  return task;
}

std::int64_t input_size_of(const NetOptions& options) {
  const auto found = options.find("input_size");
  return found == options.end() ? 0 : static_cast<std::int64_t>(std::get<double>(found->second));
}

}  // namespace

const SequenceSet& as_sequences(const Dataset& set) {
  const auto* sequences = dynamic_cast<const SequenceSet*>(&set);
  require<DataError>(sequences != nullptr, "sequences: ", printable(set.root()),
                     " is no set of series; give a folder of hemorrhage extract-features");
  return *sequences;
}

SequenceTask::SequenceTask(NetOptions options, std::vector<std::string> classes)
    : Task(std::move(classes), {}), options_(std::move(options)), net_(make_sequence_net(options_)) {}

void SequenceTask::learn_from(const LossOptions& o, Device device) {
  loss_ = row_losses(o.kind == "auto" ? "bin" : o.kind, usual_label_weights(classes_), device);
}

std::unique_ptr<Dataset> SequenceTask::open(const std::string& path, DatasetOptions options) const {
  options.classes = classes_;
  return open_sequences(path, options);
}

std::unique_ptr<DataLoader> SequenceTask::loader(const Dataset& set, const Pipeline&,
                                                 const LoaderOptions& options,
                                                 std::shared_ptr<const Sampler> sampler) const {
  const SequenceSet& series = as_sequences(set);
  require<DataError>(series.features() == input_size_of(options_), "sequences: the slices of ",
                     printable(set.root()), " have ", series.features(), " features, the net was made for ",
                     input_size_of(options_), "; extract them with the same net and layer");
  SequenceOptions padding{.series = {"x", "label", "known"}, .label = SequenceOptions::Label::none};
  padding.lengths = padded_lengths(series, options.drop_last ? options.batch_size : 1);
  const BucketOf bucket_of = [&](std::int64_t i) {
    return padded_size(series.length(i), padding.lengths, 1);
  };
  const LastBatch last = options.drop_last ? LastBatch::fill : LastBatch::keep;
  if (sampler)
    if (auto own = sampler->within(bucket_of, last)) sampler = std::move(own);
  if (!sampler) sampler = by_bucket(set.size(), bucket_of, {options.batch_size, options.shuffle, last});
  LoaderOptions rest = options;
  rest.shuffle = rest.drop_last = false;
  return std::make_unique<DataLoader>(set, std::move(sampler), std::make_unique<SequenceCollation>(padding),
                                      rest);
}

Batch SequenceTask::one(const Dataset& set, std::int64_t i, Device device) const {
  const auto alone = set.subset(std::vector<std::int64_t>{i});
  LoaderOptions options;
  options.batch_size = 1;
  options.workers = 0;
  options.device = device;
  Batch batch;
  loader(*alone, pipeline_, options)->next(batch);
  return batch;
}

TextRows SequenceTask::remarks(const Dataset& train) const {
  const SequenceSet& set = as_sequences(train);
  TextRows rows{{"padded to", "series", "slices"}};
  std::int64_t from = 0;
  for (const std::int64_t length : padded_lengths(set)) {
    std::int64_t series = 0, slices = 0;
    for (std::int64_t i = 0; i < set.size(); ++i) {
      if (set.length(i) <= from || set.length(i) > length) continue;
      ++series;
      slices += set.length(i);
    }
    from = length;
    rows.push_back({cat(length), cat(series), cat(slices)});
  }
  for (const std::string& note : set.notes()) rows.push_back({note, "", ""});
  return rows;
}

LossParts SequenceTask::loss(const Batch& batch) {
  require<ValueError>(loss_ != nullptr, "sequences: there is no loss yet; call learn_from first");
  const Tensor logits = (*net_)(batch["x"], Steps(batch["mask"]));
  return {
      masked_mean(loss_(logits, batch["label"]), batch["known"]), {}, sum(batch["known"].to(DType::fp32))};
}

Outputs SequenceTask::predict(const Batch& batch) {
  const NoGrad guard;
  const Tensor logits = (*net_)(batch["x"], Steps(batch["mask"])).to(DType::fp32);
  const Tensor& mask = batch["mask"];
  const Tensor there = compare(Compare::greater, mask.reshape({mask.size(0), mask.size(1), 1}), 0.0);
  return Outputs({{"logits", where(there, logits, full({}, NAN, DType::fp32, logits.device()))}});
}

std::unique_ptr<Evaluator> SequenceTask::evaluator(const Dataset& set) const {
  return std::make_unique<SequenceEvaluator>(as_sequences(set), classes_);
}

std::vector<double> SequenceTask::class_probabilities(const Outputs& outputs, std::int64_t n) const {
  const std::vector<double> logits = outputs["logits"].slice(0, n, n + 1).to_vector<double>();
  std::vector<double> most(classes_.size(), 0.0);
  for (std::size_t i = 0; i < logits.size(); ++i)
    if (!std::isnan(logits[i]))
      most[i % most.size()] = std::max(most[i % most.size()], 1 / (1 + std::exp(-logits[i])));
  return most;
}

Said SequenceTask::say(const Outputs& outputs, std::int64_t n, int most) const {
  const std::vector<double> logits = outputs["logits"].slice(0, n, n + 1).to_vector<double>();
  const std::size_t k = classes_.size();
  Said said{{}, {{"slices", Json::array()}}};
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i])) continue;
    order.push_back(i);
    if (i % k == 0) said.event["slices"].push_back(Json::object());
    said.event["slices"].back()[classes_[i % k]] = 1 / (1 + std::exp(-logits[i]));
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  for (std::size_t i = 0; i < order.size() && (i == 0 || static_cast<int>(i) < most); ++i)
    said.rows.push_back(
        {cat(order[i] / k), classes_[order[i] % k], fixed(1 / (1 + std::exp(-logits[order[i]])), 4)});
  return said;
}

Tensor SequenceTask::evidence(const Batch& batch, int target) {
  const Tensor& mask = batch["mask"];
  require<ValueError>(target >= 0 && target < std::ssize(classes_), "sequences: class ", target,
                      " of a net with ", classes_.size(), " classes");
  const Tensor logits = (*net_)(batch["x"], Steps(mask)).slice(2, target, target + 1).to(DType::fp32);
  const Tensor there = compare(Compare::greater, mask.reshape({mask.size(0), mask.size(1), 1}), 0.0);
  return sum(max(where(there, logits, full({}, -1e30, DType::fp32, logits.device())), {1}));
}

void SequenceTask::describe(Checkpoint& checkpoint) const {
  Task::describe(checkpoint);
  checkpoint.facts["model"] = model();
  checkpoint.facts["net_options"] = options_to_json(options_).dump();
}

TaskKind sequence_kind() {
  return {.name = SequenceTask::name,
          .make = make_sequences,
          .report = report_sequences,
          .begin = begin_sequences,
          .check_model =
              [](const std::string& model) {
                require<UsageError>(model == "lstm", "--model ", model,
                                    " is no net of sequences; use --model lstm");
              },
          .open = [](const std::string& path, const DatasetOptions& options) -> std::unique_ptr<Dataset> {
            return open_sequences(path, options);
          }};
}

}  // namespace gadolin
