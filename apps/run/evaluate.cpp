#include "apps/run/evaluate.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "apps/report/run_report.h"
#include "io/atomic_file.h"
#include "io/csv.h"

namespace gadolin {
namespace {

// path, truth, predicted, one column of probabilities a class. Patients are left out: they are not needed to
// read results.
std::string predictions_csv(const SetPredictions& got, const Dataset& set) {
  const std::size_t classes = set.classes().size();
  std::string text = "path,truth,predicted";
  for (const std::string& name : set.classes()) text += "," + csv_field(name);
  text += "\n";
  for (std::size_t i = 0; i < got.indices.size(); ++i) {
    const SampleInfo& info = set.info(got.indices[i]);
    const double* row = got.predictions.probability.data() + i * classes;
    std::string truth, predicted;
    for (const int label : info.labels)
      truth += (truth.empty() ? "" : "|") + set.classes()[static_cast<std::size_t>(label)];
    for (std::size_t k = 0; k < classes; ++k) {
      const bool chosen = set.multi_label() ? row[k] >= 0.5 : row + k == std::max_element(row, row + classes);
      if (chosen) predicted += (predicted.empty() ? "" : "|") + set.classes()[k];
    }
    text += csv_field(info.path.empty() ? info.name : info.path) + "," + csv_field(truth) + "," +
            csv_field(predicted);
    for (std::size_t k = 0; k < classes; ++k) text += "," + fixed(row[k], 8);
    text += "\n";
  }
  return text;
}

// Rows are the truth, columns what was predicted.
std::string confusion_csv(const Predictions& predictions) {
  const ConfusionMatrix confusion = confusion_of(predictions);
  std::string text = "truth";
  for (const std::string& name : predictions.classes) text += "," + csv_field(name);
  text += "\n";
  for (std::int64_t t = 0; t < confusion.classes(); ++t) {
    text += csv_field(predictions.classes[static_cast<std::size_t>(t)]);
    for (std::int64_t p = 0; p < confusion.classes(); ++p) text += "," + fixed(confusion.at(t, p), 0);
    text += "\n";
  }
  return text;
}

// Share of the samples whose class is among the k likeliest, with its interval.
MetricValue top_accuracy(const Predictions& p, int k, const BootstrapOptions& options) {
  const std::vector<double> hits =
      hits_in_top(p.probability, p.target, static_cast<std::int64_t>(p.classes.size()), k);
  const auto mean = [&](Reals weight) {
    double sum = 0, all = 0;
    for (std::size_t i = 0; i < hits.size(); ++i) {
      const double w = weight.empty() ? 1 : weight[i];
      sum += w * hits[i];
      all += w;
    }
    return sum / all;
  };
  return {cat("top_", k, "_accuracy"), mean({}),
          options.resamples > 0 ? bootstrap(p.patient, mean, options) : Interval{NAN, NAN}};
}

Json metrics_json(const SetPredictions& got, const std::vector<MetricValue>& metrics, const EvalCommand& o) {
  Json json{{"split", o.split},
            {"samples", got.indices.size()},
            {"loss", got.loss},
            {"classes", got.predictions.classes},
            {"multi_label", got.predictions.multi_label()}};
  const auto number = [](double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); };
  for (const MetricValue& m : metrics) {
    json["metrics"][m.name] = {
        {"value", number(m.value)}, {"low", number(m.interval.low)}, {"high", number(m.interval.high)}};
  }
  if (!got.predictions.multi_label()) {
    const ConfusionMatrix confusion = confusion_of(got.predictions);
    const auto scores = class_scores(confusion);
    for (std::int64_t t = 0; t < confusion.classes(); ++t) {
      std::vector<double> row;
      for (std::int64_t p = 0; p < confusion.classes(); ++p) row.push_back(confusion.at(t, p));
      json["confusion"].push_back(row);
      const ClassScore& s = scores[static_cast<std::size_t>(t)];
      json["per_class"].push_back({{"name", got.predictions.classes[static_cast<std::size_t>(t)]},
                                   {"precision", s.precision},
                                   {"recall", s.recall},
                                   {"f1", s.f1},
                                   {"support", s.support}});
    }
  }
  for (const BadSample& bad : got.bad)
    json["bad_samples"].push_back({{"name", bad.name}, {"reason", bad.reason}});
  return json;
}

void show(Session& session, const SetPredictions& got, const std::vector<MetricValue>& metrics,
          const Dataset& set) {
  std::vector<std::vector<std::string>> rows{{"metric", "value", "95 % interval"}};
  for (const MetricValue& m : metrics) {
    rows.push_back(
        {m.name, fixed(m.value, 4), fixed(m.interval.low, 4) + " to " + fixed(m.interval.high, 4)});
    session.metric(m.name, Json{{"value", m.value}, {"low", m.interval.low}, {"high", m.interval.high}});
  }
  session.say(format_table(rows));
  if (set.multi_label()) return;
  const ConfusionMatrix confusion = confusion_of(got.predictions);
  rows = {{"truth \\ predicted"}};
  for (const std::string& name : set.classes()) rows[0].push_back(name);
  for (std::int64_t t = 0; t < confusion.classes(); ++t) {
    rows.push_back({set.classes()[static_cast<std::size_t>(t)]});
    for (std::int64_t p = 0; p < confusion.classes(); ++p)
      rows.back().push_back(fixed(confusion.at(t, p), 0));
  }
  session.say(format_table(rows));
  const auto scores = class_scores(confusion);
  rows = {{"class", "precision", "recall", "F1", "samples"}};
  for (std::size_t k = 0; k < scores.size(); ++k) {
    rows.push_back({set.classes()[k], fixed(scores[k].precision, 4), fixed(scores[k].recall, 4),
                    fixed(scores[k].f1, 4), fixed(scores[k].support, 0)});
  }
  session.say(format_table(rows));
  // The most confident mistakes: where the net is surest of a wrong class.
  struct Mistake {
    double probability;
    std::size_t sample, predicted;
  };
  std::vector<Mistake> mistakes;
  const std::size_t classes = set.classes().size();
  for (std::size_t i = 0; i < got.indices.size(); ++i) {
    const double* row = got.predictions.probability.data() + i * classes;
    const auto top = static_cast<std::size_t>(std::max_element(row, row + classes) - row);
    if (static_cast<std::int64_t>(top) != got.predictions.target[i]) mistakes.push_back({row[top], i, top});
  }
  std::stable_sort(mistakes.begin(), mistakes.end(),
                   [](const Mistake& a, const Mistake& b) { return a.probability > b.probability; });
  if (mistakes.empty()) return session.say("no mistakes");
  rows = {{"most confident mistakes", "truth", "predicted", "probability"}};
  for (std::size_t i = 0; i < mistakes.size() && i < 5; ++i) {
    const Mistake& m = mistakes[i];
    rows.push_back({set.info(got.indices[m.sample]).name,
                    set.classes()[static_cast<std::size_t>(got.predictions.target[m.sample])],
                    set.classes()[m.predicted], fixed(m.probability, 4)});
  }
  session.say(format_table(rows));
}

}  // namespace

void evaluate_classifier(Session& session, EvalCommand o) {
  Classifier classifier = load_classifier(o.checkpoint, session.device());
  o.dataset.classes = classifier.classes;
  o.dataset.multi_label = o.dataset.multi_label || classifier.multi_label;
  // The split.csv of a run names files where they lie.
  const std::filesystem::path folder = std::filesystem::path(o.data).parent_path();
  o.dataset.allow_outside = o.dataset.allow_outside || std::filesystem::exists(folder / "config.toml");
  auto set = o.open ? o.open(classifier, o) : open_dataset(o.data, o.dataset);
  require<DataError, 41>(set->multi_label() == classifier.multi_label, "eval: ", o.data, " has ",
                         set->multi_label() ? "several" : "one",
                         " labels a sample, the checkpoint was trained with ",
                         classifier.multi_label ? "several" : "one");
  if (!o.splits.empty()) read_splits(o.splits, *set);
  if (o.split != "all") set = set->subset(split_from(o.split, "--split"));
  if (o.max_batches > 0 && set->size() > o.max_batches * o.batch_size) {
    std::vector<std::int64_t> first(static_cast<std::size_t>(o.max_batches * o.batch_size));
    std::iota(first.begin(), first.end(), 0);
    set = set->subset(first);
  }
  LoaderOptions loader;
  loader.batch_size = o.batch_size;
  loader.workers = o.workers;
  loader.device = session.device();
  loader.bad_samples = BadSamples::fail;
  const bool quiet = session.common().quiet || session.common().json;
  const SetPredictions got = predict_set(*classifier.net, *set, classifier.pipeline, loader,
                                         session.compute(), quiet ? "" : "evaluating");
  const BootstrapOptions intervals{o.resamples, 0.95, session.common().seed};
  auto metrics = summarize(got.predictions, intervals);
  for (const int k : o.top) metrics.push_back(top_accuracy(got.predictions, k, intervals));
  session.say(cat(got.indices.size(), " samples of ", o.split, ", ", classifier.model));
  show(session, got, metrics, *set);
  session.metric("loss", got.loss);
  session.metric("samples", got.indices.size());
  if (o.out.empty()) return;
  std::filesystem::create_directories(o.out + "/report");
  write_file_atomically(o.out + "/metrics.json", metrics_json(got, metrics, o).dump(1));
  write_file_atomically(o.out + "/predictions.csv", predictions_csv(got, *set));
  if (!set->multi_label()) {
    write_file_atomically(o.out + "/confusion.csv", confusion_csv(got.predictions));
    session.output("confusion", o.out + "/confusion.csv");
  }
  const std::string report = o.out + "/report/index.html";
  write_run_reports({o.out}, report);
  session.say("report: " + report);
  session.output("metrics", o.out + "/metrics.json");
  session.output("predictions", o.out + "/predictions.csv");
  session.output("report", report);
}

}  // namespace gadolin
