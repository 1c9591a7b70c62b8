// The page of the report about a model of sequences.
#include <limits>

#include "io/text.h"
#include "tasks/classification_evaluator.h"
#include "tasks/report_gallery.h"
#include "tasks/sequences/sequence_evaluator.h"
#include "tasks/sequences/sequences.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

std::string with_its_interval(const Json& m) {
  if (!m.is_object() || !m.at("value").is_number()) return "not defined";
  const std::string value = fixed(m.at("value").get<double>(), 4);
  if (!m.at("low").is_number() || !m.at("high").is_number()) return value;
  return value + " (" + fixed(m.at("low").get<double>(), 4) + " to " + fixed(m.at("high").get<double>(), 4) +
         ")";
}

// Series and patients, each positive by its slices.
void add_levels(const Json& metrics, report::RunReport& page) {
  report::Table table{
      "Series and patients",
      {"", "members", "positive", "called positive", "ROC AUC", "sensitivity", "specificity", "F1"},
      {},
      cat("Positive when more than ", slices_not_enough,
          " of its slices are, at a probability of 0.5; 95 % intervals by patient.")};
  for (const Json& level : metrics.at("levels")) {
    const std::string name = level.at("name").get<std::string>();
    const auto of = [&](const char* measure) {
      return with_its_interval(metrics.at("metrics").at(name + "_" + measure));
    };
    table.rows.push_back({name, cat(level.at("members").get<std::int64_t>()),
                          fixed(level.at("positive").get<double>(), 0),
                          fixed(level.at("called").get<double>(), 0), of("roc_auc"), of("sensitivity"),
                          of("specificity"), of("f1")});
  }
  page.tables.push_back(std::move(table));
}

// What the slices' neighbours were worth.
void add_gain(const Json& metrics, report::RunReport& page) {
  const Json& all = metrics.at("metrics");
  if (!all.contains("gain_over_base")) return;
  page.tables.push_back(
      {"Weighted log loss",
       {"each slice alone", "the sequence", "difference"},
       {{with_its_interval(all.at("base_weighted_log_loss")), with_its_interval(all.at("weighted_log_loss")),
         with_its_interval(all.at("gain_over_base"))}},
       "Lower is better; the interval of the difference draws the same patients for both."});
}

void add_strips(const std::string& folder, const Json& metrics, report::RunReport& page) {
  if (!metrics.contains("strips")) return;
  add_gallery(
      {"Which slices carried the decision",
       "Below each slice its probability, and its part of the decision: integrated gradients of the largest "
       "logit over the features of the series, from features of 0 (Sundararajan et al. 2017), as shares of "
       "their absolute values.",
       {}},
      metrics.at("strips"), folder + "/report/strips", page);
}

}  // namespace

void report_sequences(const std::string& folder, const Json& metrics, report::RunReport& page) {
  report_classification(folder, metrics, page);
  page.kind = "Sequences";
  // Slices that lie in a container have no picture to show.
  for (auto* examples : {&page.worst, &page.best})
    std::erase_if(*examples, [](const report::Example& e) { return e.png.empty(); });
  try {
    page.data.push_back({"series", std::to_string(metrics.at("series").get<std::int64_t>())});
    page.data.push_back({"slices", std::to_string(metrics.at("slices").get<std::int64_t>())});
    add_gain(metrics, page);
    add_levels(metrics, page);
    add_strips(folder, metrics, page);
  } catch (const Json::exception& error) {
    fail<FormatError>("report: ", folder, "/metrics.json is none of sequences: ", error.what(),
                      "; evaluate again");
  }
}

}  // namespace gadolin
