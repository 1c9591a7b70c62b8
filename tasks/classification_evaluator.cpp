#include "tasks/classification_evaluator.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "io/csv.h"
#include "io/text.h"
#include "layers/loss.h"
#include "tasks/classification.h"
#include "tasks/classification_operation.h"
#include "tasks/intervals.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

// "Effusion|Mass"
std::string names_of(const std::vector<int>& labels, const std::vector<std::string>& classes) {
  std::string names;
  for (const int label : labels)
    if (label >= 0) names += (names.empty() ? "" : "|") + classes[static_cast<std::size_t>(label)];
  return names;
}

std::string picture_name(const SampleInfo& info) { return info.path.empty() ? info.name : info.path; }

}  // namespace

std::string ClassificationEvaluator::row_name(std::int64_t i) const {
  const std::string name = picture_name(set_.info(i));
  return name.substr(name.rfind('/') + 1);
}

ClassificationEvaluator::ClassificationEvaluator(const Dataset& set, std::vector<std::string> classes,
                                                 bool multi_label, std::vector<Threshold> thresholds)
    : set_(set), multi_label_(multi_label), thresholds_(std::move(thresholds)) {
  predictions_.classes = std::move(classes);
  outputs_ = predictions_.classes.size();
  for (std::size_t k = 0; k < outputs_; ++k) columns_.push_back(static_cast<int>(k));
}

void ClassificationEvaluator::leave_out(const std::vector<std::string>& apart,
                                        const std::vector<std::string>& untrained) {
  const auto listed = [](const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  std::vector<std::string> kept;
  for (std::size_t k = 0; k < outputs_; ++k) {
    const std::string& name = predictions_.classes[k];
    const bool stays = !multi_label_ || (!name.empty() && !listed(untrained, name));
    columns_[k] = stays ? static_cast<int>(kept.size()) : -1;
    if (stays) kept.push_back(name);
  }
  predictions_.classes = std::move(kept);
  for (const std::string& name : apart)
    if (listed(predictions_.classes, name)) predictions_.apart.push_back(name);
}

std::vector<Metric> ClassificationEvaluator::metrics() const {
  std::vector<Metric> all = summary_metrics(predictions_.classes, multi_label_);
  for (const int k : top_) all.push_back({cat("top_", k, "_accuracy")});
  if (findings_)
    for (const Metric& m : findings_->names(predictions_.classes)) all.push_back(m);
  return all;
}

double ClassificationEvaluator::loss() const {
  const double sum = std::accumulate(losses_.begin(), losses_.end(), 0.0);
  return indices_.empty() ? std::nan("") : sum / static_cast<double>(indices_.size());
}

void ClassificationEvaluator::add(const Batch& batch, const Outputs& outputs) {
  const Tensor& logits = outputs["logits"];
  const Tensor& labels = batch["label"];
  const Tensor value =
      multi_label_ ? binary_cross_entropy_with_logits(logits, labels) : cross_entropy(logits, labels);
  losses_.push_back(value.item() * static_cast<double>(batch.size()));
  Predictions& p = predictions_;
  const std::vector<double> rows = probabilities(logits, multi_label_);
  const std::vector<double> raw = logits.to_vector<double>();
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (columns_[i % outputs_] < 0) continue;
    p.probability.push_back(rows[i]);
    logits_.push_back(raw[i]);
  }
  indices_.insert(indices_.end(), batch.indices.begin(), batch.indices.end());
  for (const std::int64_t index : batch.indices) add_truth(set_.info(index));
}

void ClassificationEvaluator::add_truth(const SampleInfo& info) {
  Predictions& p = predictions_;
  p.patient.push_back(info.patient.empty() ? info.name : info.patient);
  if (multi_label_) {
    std::vector<std::uint8_t> row(p.classes.size(), 0);
    for (const int label : info.labels)
      if (const int column = columns_[static_cast<std::size_t>(label)]; column >= 0)
        row[static_cast<std::size_t>(column)] = 1;
    p.labels.insert(p.labels.end(), row.begin(), row.end());
  } else {
    p.target.push_back(info.labels.at(0));
  }
}

void ClassificationEvaluator::gather(Communicator& communicator) {
  if (communicator.alone()) return;
  Predictions& p = predictions_;
  losses_ = gather_values(communicator, losses_);
  logits_ = gather_values(communicator, logits_);
  p.probability = gather_values(communicator, p.probability);
  indices_ = gather_values(communicator, indices_);
  p.patient.clear();
  p.labels.clear();
  p.target.clear();
  for (const std::int64_t index : indices_) add_truth(set_.info(index));
}

std::vector<double> ClassificationEvaluator::values(Reals weight) const {
  std::vector<double> all = summary_values(predictions_, weight);
  for (const int k : top_) all.push_back(top_accuracy(predictions_, k, weight));
  if (findings_)
    for (const double v : findings_->values(predictions_, thresholds_, weight)) all.push_back(v);
  return all;
}

std::vector<MetricValue> ClassificationEvaluator::finish(const BootstrapOptions& options) const {
  auto all = summarize(predictions_, options);
  for (const int k : top_) {
    const std::vector<double> hits =
        hits_in_top(predictions_.probability, predictions_.target, std::ssize(predictions_.classes), k);
    const std::vector<std::uint8_t> right(hits.begin(), hits.end());
    all.push_back({cat("top_", k, "_accuracy"), top_accuracy(predictions_, k, {}),
                   options.resamples > 0 ? share_by_patient(predictions_.patient, right, options).interval
                                         : Interval{NAN, NAN}});
  }
  if (findings_)
    for (MetricValue& m : findings_->summarize(predictions_, thresholds_, options))
      all.push_back(std::move(m));
  return all;
}

std::map<std::string, std::string> ClassificationEvaluator::facts() const {
  if (!multi_label_ || indices_.empty()) return {};
  const Operation chosen = validation_operation(*this);
  return {{"temperature", exact_text(chosen.temperature)},
          {"thresholds", thresholds_to_json(chosen.thresholds)}};
}

Json ClassificationEvaluator::details() const {
  Json json{{"loss", loss()}, {"classes", predictions_.classes}, {"multi_label", multi_label_}};
  json.update(operation_json(predictions_, thresholds_));
  for (const LeftOutOfMeans& one : left_out_of_means(predictions_))
    if (multi_label_) json["left_out_of_means"].push_back({{"name", one.name}, {"reason", one.reason}});
  if (findings_) json["delong"] = delong_json(predictions_);
  if (multi_label_) return json;
  const ConfusionMatrix confusion = confusion_of(predictions_);
  const auto scores = class_scores(confusion);
  for (std::int64_t t = 0; t < confusion.classes(); ++t) {
    std::vector<double> row;
    for (std::int64_t p = 0; p < confusion.classes(); ++p) row.push_back(confusion.at(t, p));
    json["confusion"].push_back(row);
    const ClassScore& s = scores[static_cast<std::size_t>(t)];
    json["per_class"].push_back({{"name", predictions_.classes[static_cast<std::size_t>(t)]},
                                 {"precision", s.precision},
                                 {"recall", s.recall},
                                 {"f1", s.f1},
                                 {"support", s.support}});
  }
  return json;
}

std::vector<std::pair<std::string, std::string>> ClassificationEvaluator::files() const {
  std::vector<std::pair<std::string, std::string>> all;
  if (!row_name_.empty()) all.emplace_back("predictions.csv", named_csv());
  all.emplace_back(row_name_.empty() ? "predictions.csv" : "samples.csv", predictions_csv());
  if (!multi_label_) all.emplace_back("confusion.csv", confusion_csv());
  return all;
}

std::string ClassificationEvaluator::named_csv() const {
  std::string text = csv_field(row_name_);
  for (const std::string& name : predictions_.classes) text += "," + csv_field(name);
  const std::size_t classes = predictions_.classes.size();
  for (std::size_t i = 0; i < indices_.size(); ++i) {
    text += "\n" + csv_field(row_name(indices_[i]));
    for (std::size_t k = 0; k < classes; ++k)
      text += "," + exact_text(predictions_.probability[i * classes + k]);
  }
  return text + "\n";
}

// path, patient where any is known, truth, predicted, one column of probabilities a class.
std::string ClassificationEvaluator::predictions_csv() const {
  const std::vector<std::string>& names = predictions_.classes;
  const bool patients = std::any_of(indices_.begin(), indices_.end(),
                                    [&](std::int64_t i) { return !set_.info(i).patient.empty(); });
  std::string text = patients ? "path,patient,truth,predicted" : "path,truth,predicted";
  for (const std::string& name : names) text += "," + csv_field(name);
  text += "\n";
  for (std::size_t i = 0; i < indices_.size(); ++i) {
    const SampleInfo& info = set_.info(indices_[i]);
    const double* row = predictions_.probability.data() + i * names.size();
    const std::vector<double> one(row, row + names.size());
    std::vector<int> chosen;
    if (multi_label_ && !thresholds_.empty()) {
      for (const std::size_t k : positive_at(one, names, thresholds_)) chosen.push_back(static_cast<int>(k));
    }
    for (std::size_t k = 0; k < names.size(); ++k) {
      if (multi_label_ ? thresholds_.empty() && row[k] >= 0.5
                       : row + k == std::max_element(row, row + names.size()))
        chosen.push_back(static_cast<int>(k));
    }
    std::vector<int> truth;
    for (const int label : info.labels) truth.push_back(columns_[static_cast<std::size_t>(label)]);
    text += csv_field(picture_name(info)) + "," + (patients ? csv_field(info.patient) + "," : "") +
            csv_field(names_of(truth, names)) + "," + csv_field(names_of(chosen, names));
    for (std::size_t k = 0; k < names.size(); ++k) text += "," + exact_text(row[k]);
    text += "\n";
  }
  return text;
}

// Rows are the truth, columns what was predicted.
std::string ClassificationEvaluator::confusion_csv() const {
  const ConfusionMatrix confusion = confusion_of(predictions_);
  std::string text = "truth";
  for (const std::string& name : predictions_.classes) text += "," + csv_field(name);
  text += "\n";
  for (std::int64_t t = 0; t < confusion.classes(); ++t) {
    text += csv_field(predictions_.classes[static_cast<std::size_t>(t)]);
    for (std::int64_t p = 0; p < confusion.classes(); ++p) text += "," + fixed(confusion.at(t, p), 0);
    text += "\n";
  }
  return text;
}

std::vector<TextRows> ClassificationEvaluator::tables() const {
  const TextRows points = operating_table(predictions_, thresholds_);
  const std::vector<TextRows> about_thresholds =
      points.size() > 1 ? std::vector<TextRows>{points} : std::vector<TextRows>{};
  if (multi_label_) {
    std::vector<TextRows> all = about_thresholds;
    std::string out;
    const auto left_out = left_out_of_means(predictions_);
    for (const LeftOutOfMeans& one : left_out)
      out += (out.empty() ? "; left out: " : ", ") + one.name + " (" + one.reason + ")";
    if (!left_out.empty())
      all.push_back({{cat("means of areas are over ", predictions_.classes.size() - left_out.size(), " of ",
                          predictions_.classes.size(), " findings", out)}});
    return all;
  }
  const std::vector<std::string>& names = predictions_.classes;
  const ConfusionMatrix confusion = confusion_of(predictions_);
  TextRows counts{{"truth \\ predicted"}}, classes{{"class", "precision", "recall", "F1", "samples"}};
  counts[0].insert(counts[0].end(), names.begin(), names.end());
  for (std::int64_t t = 0; t < confusion.classes(); ++t) {
    counts.push_back({names[static_cast<std::size_t>(t)]});
    for (std::int64_t p = 0; p < confusion.classes(); ++p)
      counts.back().push_back(fixed(confusion.at(t, p), 0));
  }
  const auto scores = class_scores(confusion);
  for (std::size_t k = 0; k < scores.size(); ++k) {
    classes.push_back({names[k], fixed(scores[k].precision, 4), fixed(scores[k].recall, 4),
                       fixed(scores[k].f1, 4), fixed(scores[k].support, 0)});
  }
  std::vector<TextRows> all{counts, classes};
  all.insert(all.end(), about_thresholds.begin(), about_thresholds.end());
  all.push_back(surest_mistakes());
  return all;
}

// Where the net is surest of a wrong class.
TextRows ClassificationEvaluator::surest_mistakes() const {
  struct Mistake {
    double probability;
    std::size_t sample, predicted;
  };
  std::vector<Mistake> mistakes;
  const std::vector<std::string>& names = predictions_.classes;
  for (std::size_t i = 0; i < indices_.size(); ++i) {
    const double* row = predictions_.probability.data() + i * names.size();
    const auto top = static_cast<std::size_t>(std::max_element(row, row + names.size()) - row);
    if (static_cast<std::int64_t>(top) != predictions_.target[i]) mistakes.push_back({row[top], i, top});
  }
  std::stable_sort(mistakes.begin(), mistakes.end(),
                   [](const Mistake& a, const Mistake& b) { return a.probability > b.probability; });
  if (mistakes.empty()) return {{"no mistakes"}};
  TextRows rows{{"most confident mistakes", "truth", "predicted", "probability"}};
  for (std::size_t i = 0; i < mistakes.size() && i < 5; ++i) {
    const Mistake& m = mistakes[i];
    rows.push_back({set_.info(indices_[m.sample]).name,
                    names[static_cast<std::size_t>(predictions_.target[m.sample])], names[m.predicted],
                    fixed(m.probability, 4)});
  }
  return rows;
}

}  // namespace gadolin
