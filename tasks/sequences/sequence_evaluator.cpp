#include "tasks/sequences/sequence_evaluator.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "io/csv.h"
#include "io/text.h"
#include "tasks/weighted_log_loss.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

using detail::no_value;

struct FourCounts {
  double true_positive = 0, false_positive = 0, false_negative = 0, true_negative = 0;
  void add(bool truth, bool called, double weight) {
    (truth ? called ? true_positive : false_negative : called ? false_positive : true_negative) += weight;
  }
  double f1() const {  // 0 / 0 = 0
    const double sum = 2 * true_positive + false_positive + false_negative;
    return sum > 0 ? 2 * true_positive / sum : 0;
  }
  double sensitivity() const {
    const double all = true_positive + false_negative;
    return all > 0 ? true_positive / all : no_value;
  }
  double specificity() const {
    const double all = true_negative + false_positive;
    return all > 0 ? true_negative / all : no_value;
  }
};

double weight_at(Reals weight, std::size_t i) { return weight.empty() ? 1 : weight[i]; }

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

constexpr const char* level_measures[] = {"roc_auc", "f1", "sensitivity", "specificity"};

}  // namespace

Decisive::Decisive(const std::vector<std::string>& classes)
    : classes_(classes.size()),
      column_(static_cast<std::size_t>(std::find(classes.begin(), classes.end(), "any") - classes.begin())) {}

// What does not depend on the draw of patients.
struct SequenceEvaluator::Measured {
  std::vector<double> losses, base_losses;
  std::vector<Level> levels;
  std::vector<Ranking> rankings;
};

SequenceEvaluator::SequenceEvaluator(const SequenceSet& set, std::vector<std::string> classes)
    : set_(set), label_weight_(usual_label_weights(classes)), decisive_(classes) {
  said_.classes = std::move(classes);
}

std::vector<Metric> SequenceEvaluator::metrics() const {
  std::vector<Metric> all{{"weighted_log_loss", false}};
  if (set_.has_base()) {
    all.push_back({"base_weighted_log_loss", false});
    all.push_back({"gain_over_base"});
  }
  all.push_back({"f1"});
  for (const char* level : {"series", "patient"})
    for (const char* measure : level_measures) all.push_back({cat(level, "_", measure)});
  for (const Metric& m : summary_metrics(said_.classes, true)) all.push_back(m);
  return all;
}

double SequenceEvaluator::loss() const {
  double sum = 0;
  for (std::size_t i = 0; i < logits_.size(); ++i) {
    const double x = logits_[i];
    sum += std::max(x, 0.0) - x * said_.labels[i] + std::log1p(std::exp(-std::abs(x)));
  }
  return said_.size() > 0 ? sum / static_cast<double>(said_.size()) : no_value;
}

void SequenceEvaluator::add(const Batch& batch, const Outputs& outputs) {
  const Tensor& logits = outputs["logits"];
  const std::vector<double> rows = logits.to_vector<double>();
  const auto width = static_cast<std::size_t>(logits.size(1)), k = said_.classes.size();
  measured_.reset();
  for (std::size_t n = 0; n < batch.indices.size(); ++n) {
    const std::int64_t index = batch.indices[n];
    const auto slices = set_.slices(index);
    for (std::size_t t = 0; t < slices.size(); ++t) {
      if (!slices[t].labelled) continue;
      for (std::size_t c = 0; c < k; ++c) {
        const double x = rows[(n * width + t) * k + c];
        require<NumericError>(!std::isnan(x), "sequences: ", printable(slices[t].name), " of ",
                              printable(set_.name(index)),
                              " got a logit that is NaN; train with a smaller "
                              "rate");
        logits_.push_back(x);
        said_.probability.push_back(logistic(x));
      }
    }
    indices_.push_back(index);
    add_truth(index);
  }
}

void SequenceEvaluator::add_truth(std::int64_t index) {
  const SampleInfo& info = set_.info(index);
  const std::vector<float> base = set_.base(index);
  const auto slices = set_.slices(index);
  const std::size_t k = said_.classes.size();
  for (std::size_t t = 0; t < slices.size(); ++t) {
    if (!slices[t].labelled) continue;
    for (std::size_t c = 0; c < k; ++c) said_.labels.push_back(slices[t].labels >> c & 1);
    said_.patient.push_back(info.patient.empty() ? info.name : info.patient);
    series_.push_back(info.name);
    slice_.push_back(slices[t].name);
    if (!base.empty())
      base_.insert(base_.end(), base.begin() + static_cast<std::ptrdiff_t>(t * k),
                   base.begin() + static_cast<std::ptrdiff_t>((t + 1) * k));
  }
}

void SequenceEvaluator::gather(Communicator& communicator) {
  if (communicator.alone()) return;
  logits_ = gather_values(communicator, logits_);
  said_.probability = gather_values(communicator, said_.probability);
  indices_ = gather_values(communicator, indices_);
  said_.labels.clear();
  said_.patient.clear();
  series_.clear();
  slice_.clear();
  base_.clear();
  measured_.reset();
  for (const std::int64_t index : indices_) add_truth(index);
}

std::vector<double> SequenceEvaluator::probabilities_of(std::size_t s) const {
  std::size_t at = 0;
  const auto labelled = [&](std::int64_t index) {
    const auto slices = set_.slices(index);
    return static_cast<std::size_t>(
        std::count_if(slices.begin(), slices.end(), [](const SequenceSlice& one) { return one.labelled; }));
  };
  const std::size_t k = said_.classes.size();
  for (std::size_t i = 0; i < s; ++i) at += labelled(indices_[i]) * k;
  const auto from = said_.probability.begin() + static_cast<std::ptrdiff_t>(at);
  return {from, from + static_cast<std::ptrdiff_t>(labelled(indices_.at(s)) * k)};
}

SequenceEvaluator::Level SequenceEvaluator::level(const char* name,
                                                  const std::vector<std::string>& member) const {
  const std::size_t k = said_.classes.size(), enough = slices_not_enough + 1;
  struct Gathered {
    std::vector<double> most;  // the largest scores, falling
    std::size_t positive = 0, slice = 0, slices = 0;
  };
  std::map<std::string, Gathered> all;
  for (std::size_t i = 0; i < member.size(); ++i) {
    const auto [at, fresh] = all.try_emplace(member[i]);
    Gathered& g = at->second;
    if (fresh) g.slice = i;
    ++g.slices;
    g.positive += decisive_.of(said_.labels.data() + i * k) == 1;
    const double score = decisive_.of(said_.probability.data() + i * k);
    g.most.insert(std::upper_bound(g.most.begin(), g.most.end(), score, std::greater<>()), score);
    if (g.most.size() > enough) g.most.pop_back();
  }
  Level level{name, {}, {}, {}, {}, {}};
  for (const auto& [who, g] : all) {
    level.member.push_back(who);
    level.score.push_back(g.most.size() < enough ? 0 : g.most.back());
    level.truth.push_back(g.positive >= enough);
    level.slice.push_back(g.slice);
    level.slices.push_back(g.slices);
  }
  return level;
}

const SequenceEvaluator::Measured& SequenceEvaluator::measured() const {
  if (measured_) return *measured_;
  auto m = std::make_shared<Measured>();
  m->losses = weighted_log_losses(said_.probability, said_.labels, label_weight_);
  if (set_.has_base()) m->base_losses = weighted_log_losses(base_, said_.labels, label_weight_);
  m->levels = {level("series", series_), level("patient", said_.patient)};
  for (const Level& l : m->levels) m->rankings.emplace_back(l.score, l.truth);
  measured_ = std::move(m);
  return *measured_;
}

// The metrics before those of summarize().
std::vector<double> SequenceEvaluator::own_values(Reals weight) const {
  const Measured& m = *measured_;
  std::vector<double> all{mean_of_known(m.losses, weight)};
  if (set_.has_base()) {
    all.push_back(mean_of_known(m.base_losses, weight));
    all.push_back(all[1] - all[0]);
  }
  FourCounts cells;
  const std::size_t k = said_.classes.size();
  for (std::size_t i = 0; i < said_.labels.size(); ++i)
    cells.add(said_.labels[i] == 1, said_.probability[i] > 0.5, weight_at(weight, i / k));
  all.push_back(cells.f1());
  for (std::size_t l = 0; l < m.levels.size(); ++l) {
    const Level& level = m.levels[l];
    std::vector<double> own;
    FourCounts counts;
    for (std::size_t i = 0; i < level.score.size(); ++i) {
      own.push_back(weight_at(weight, level.slice[i]));
      counts.add(level.truth[i] == 1, level.score[i] > 0.5, own.back());
    }
    all.insert(all.end(), {m.rankings[l].auc(own), counts.f1(), counts.sensitivity(), counts.specificity()});
  }
  return all;
}

std::vector<double> SequenceEvaluator::values(Reals weight) const {
  measured();
  std::vector<double> all = own_values(weight);
  for (const double v : summary_values(said_, weight)) all.push_back(v);
  return all;
}

std::vector<MetricValue> SequenceEvaluator::finish(const BootstrapOptions& options) const {
  require<DataError>(!said_.labels.empty(),
                     "sequences: no slice has a label, so nothing can be measured; use hemorrhage predict");
  measured();
  const std::vector<Metric> names = metrics();
  const std::vector<double> own = own_values({});
  std::vector<MetricValue> all;
  const std::vector<Interval> intervals =
      options.resamples > 0 ? bootstrap_all(
                                  said_.patient, [&](Reals weight) { return own_values(weight); }, options)
                            : std::vector<Interval>(own.size(), Interval{NAN, NAN});
  for (std::size_t i = 0; i < own.size(); ++i) all.push_back({names[i].name, own[i], intervals[i]});
  for (MetricValue& m : summarize(said_, options)) all.push_back(std::move(m));
  return all;
}

Json SequenceEvaluator::details() const {
  Json json{{"loss", loss()},         {"classes", said_.classes},
            {"multi_label", true},    {"label_weights", label_weight_},
            {"slices", said_.size()}, {"series", indices_.size()}};
  for (const Level& level : measured().levels) {
    FourCounts counts;
    for (std::size_t i = 0; i < level.score.size(); ++i)
      counts.add(level.truth[i] == 1, level.score[i] > 0.5, 1);
    json["levels"].push_back({{"name", level.name},
                              {"members", level.score.size()},
                              {"positive", counts.true_positive + counts.false_negative},
                              {"called", counts.true_positive + counts.false_positive},
                              {"right", counts.true_positive + counts.true_negative}});
  }
  return json;
}

std::vector<std::pair<std::string, std::string>> SequenceEvaluator::files() const {
  const std::size_t k = said_.classes.size();
  std::string slices = "path,patient,series,truth,predicted";
  for (const std::string& name : said_.classes) slices += "," + csv_field(name);
  slices += "\n";
  const auto names = [&](const auto& is) {
    std::string text;
    for (std::size_t c = 0; c < k; ++c)
      if (is(c)) text += (text.empty() ? "" : "|") + said_.classes[c];
    return csv_field(text);
  };
  for (std::size_t i = 0; i < slice_.size(); ++i) {
    slices += csv_field(slice_[i]) + "," + csv_field(said_.patient[i]) + "," + csv_field(series_[i]) + "," +
              names([&](std::size_t c) { return said_.labels[i * k + c] == 1; }) + "," +
              names([&](std::size_t c) { return said_.probability[i * k + c] > 0.5; });
    for (std::size_t c = 0; c < k; ++c) slices += "," + exact_text(said_.probability[i * k + c]);
    slices += "\n";
  }
  std::string series = "level,name,slices,truth,score\n";
  for (const Level& level : measured().levels)
    for (std::size_t i = 0; i < level.member.size(); ++i)
      series += cat(level.name, ",", csv_field(level.member[i]), ",", level.slices[i], ",",
                    static_cast<int>(level.truth[i]), ",", exact_text(level.score[i]), "\n");
  return {{"predictions.csv", std::move(slices)}, {"series.csv", std::move(series)}};
}

}  // namespace gadolin
