#include "apps/run/evaluate.h"

#include <cmath>
#include <filesystem>
#include <set>

#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "apps/program/version.h"
#include "apps/report/run_report.h"
#include "apps/run/box_options.h"
#include "apps/run/judges.h"
#include "apps/run/prepared_films.h"
#include "apps/run/report_cams.h"
#include "apps/run/report_pictures.h"
#include "apps/run/report_strips.h"
#include "apps/run/scored.h"
#include "apps/run/table_of_run.h"
#include "data/sets/division.h"
#include "io/atomic_file.h"
#include "tasks/classification.h"
#include "tasks/classification_evaluator.h"
#include "tasks/detection/detection_evaluator.h"
#include "tasks/detection/operating_score.h"
#include "tasks/evaluate.h"
#include "tasks/subgroups.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

Json number_or_null(double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); }

// What an evaluation found, apart from where it goes.
struct Findings {
  std::string kind, model;
  std::int64_t samples = 0;
  std::vector<BadSample> bad;
  std::vector<MetricValue> metrics;
  Json details;
};

Json metrics_json(const Findings& f, const EvalCommand& o) {
  Json json{{"task", f.kind},
            {"split", o.split},
            {"samples", f.samples},
            {"program", cat("gadolin ", program_version(), ", commit ", program_commit())}};
  json.update(f.details);
  for (const MetricValue& m : f.metrics) {
    json["metrics"][m.name] = {{"value", number_or_null(m.value)},
                               {"low", number_or_null(m.interval.low)},
                               {"high", number_or_null(m.interval.high)}};
  }
  for (const BadSample& bad : f.bad)
    json["bad_samples"].push_back({{"name", bad.name}, {"reason", bad.reason}});
  return json;
}

std::string interval_text(const Interval& i) {
  if (std::isnan(i.low) || std::isnan(i.high)) return "none";
  return fixed(i.low, 4) + " to " + fixed(i.high, 4);
}

// Numbers on another version of a published table are not those that the net learnt from.
void say_table(Session& session, const Json& details) {
  const auto version = [](const Json& table) {
    return cat(table["version"].get<std::string>(), ", sha256 ",
               table["sha256"].get<std::string>().substr(0, 12));
  };
  const Json& here = details["table"];
  session.say("table: " + version(here));
  for (const Json& one : details["checkpoints"])
    if (one.contains("table") && is_table(one["table"]) && one["table"]["sha256"] != here["sha256"])
      session.log(cat("eval: ", printable(one["file"].get<std::string>()), " learnt from ",
                      version(one["table"]), "; these samples are of ", version(here)));
}

void show(Session& session, const Findings& f, const EvalCommand& o, const Evaluator& evaluator) {
  session.say(cat(f.samples, " samples of ", o.split, ", ", f.model));
  if (f.details.contains("table")) say_table(session, f.details);
  if (f.details.contains("division")) session.say(f.details["division"]["text"].get<std::string>());
  TextRows rows{{"metric", "value", "95 % interval"}};
  for (const MetricValue& m : f.metrics) {
    rows.push_back({m.name, std::isnan(m.value) ? evaluator.undefined(m.name) : fixed(m.value, 4),
                    interval_text(m.interval)});
    session.metric(m.name, Json{{"value", m.value}, {"low", m.interval.low}, {"high", m.interval.high}});
  }
  session.say(format_table(rows));
  for (const TextRows& table : evaluator.tables())
    session.say(table.size() == 1 && table[0].size() == 1 ? table[0][0] : format_table(table));
  if (f.details.contains("subgroups"))
    session.say(format_table(subgroup_rows(subgroups_from(f.details["subgroups"]))));
  if (evaluator.has_loss()) session.metric("loss", evaluator.loss());
  session.metric("samples", f.samples);
}

// metrics.json is written last: with it the folder is that of an evaluation.
void write(Session& session, const Findings& f, const EvalCommand& o, const Evaluator& evaluator) {
  make_folders("eval", o.out + "/report");
  for (const auto& [name, text] : evaluator.files()) {
    write_file_atomically(o.out + "/" + name, text);
    session.output(name.substr(0, name.rfind('.')), o.out + "/" + name);
  }
  write_file_atomically(o.out + "/metrics.json", metrics_json(f, o).dump(1));
  const std::string report = o.out + "/report/index.html";
  write_run_reports({o.out}, report);
  session.say("report: " + report);
  session.output("metrics", o.out + "/metrics.json");
  session.output("report", report);
}

// Patients of the set; 0 when it does not name them all.
std::size_t patients_of(const Dataset& set) {
  std::set<std::string> patients;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    if (set.info(i).patient.empty()) return 0;
    patients.insert(set.info(i).patient);
  }
  return patients.size();
}

// Which checkpoints answered: their files' names and, of those that a training wrote, their steps.
Json checkpoints_of(const EvalCommand& o) {
  Json list = Json::array();
  std::vector<std::string> paths{o.checkpoint};
  paths.insert(paths.end(), o.more.begin(), o.more.end());
  for (const std::string& path : paths) {
    Json one{{"file", std::filesystem::path(path).filename().string()}};
    const auto facts = load_checkpoint_facts(path);
    if (const auto step = facts.find("step"); step != facts.end()) one["step"] = step->second;
    if (const auto table = facts.find("table"); table != facts.end())
      one["table"] = Json::parse(table->second, nullptr, false);
    list.push_back(one);
  }
  return list;
}

std::unique_ptr<Dataset> open_set(const Task& task, EvalCommand& o, const Session& session,
                                  std::vector<std::string>& wrong) {
  allow_table_of_run(o.dataset, o.data);
  // A missing picture is one that cannot be read; of a table of boxes it is a wrong row.
  auto set = open_logged(
      session, o.dataset, o.skip_wrong || o.bad_samples == "skip",
      [&] { return o.open ? o.open(task, o) : task.open(o.data, o.dataset); }, &wrong);
  for (const std::string& met : met_in(*set)) session.log("eval: " + o.data + ": " + met);
  if (!o.splits.empty()) read_splits(o.splits, *set);
  return set;
}

// What is evaluated of the set.
std::unique_ptr<Dataset> chosen_of(const Dataset& whole, const EvalCommand& o) {
  std::vector<std::int64_t> places;
  const std::int64_t most = o.max_batches > 0 ? o.max_batches * o.batch_size : whole.size();
  const Split split = o.split == "all" ? Split::none : split_option(o.split);
  if (split != Split::none) whole.subset(split);  // throws for an empty one
  for (std::int64_t i = 0; i < whole.size() && std::ssize(places) < most; ++i)
    if (split == Split::none || whole.info(i).split == split) places.push_back(i);
  return whole.subset(places);
}

// Leaves out what cannot be read and names it. A loader that skips puts another sample in its place, which is
// for training; so it only looks here.
std::vector<BadSample> leave_out_bad(const Task& task, LoaderOptions load, const std::string& label,
                                     std::unique_ptr<Dataset>& set, Communicator& communicator) {
  load.bad_samples = BadSamples::skip;
  const auto loader = task.loader(*set, task.pipeline(), load);
  for_each_batch(*loader, label, [](const Batch&) {});
  std::vector<BadSample> bad = bad_samples_of_all(*loader, set->size(), communicator);
  std::set<std::int64_t> out;
  for (const BadSample& b : bad) out.insert(b.index);
  std::vector<std::int64_t> rest;
  for (std::int64_t i = 0; i < set->size(); ++i)
    if (!out.contains(i)) rest.push_back(i);
  if (!out.empty()) set = set->subset(rest);
  return bad;
}

void check_options(const EvalCommand& o) {
  if (o.split != "all") split_option(o.split);
  require<UsageError>(o.bad_samples == "fail" || o.bad_samples == "skip", "--bad-samples ", o.bad_samples,
                      " is unknown; use fail or skip");
  const bool fits = o.temperature || !o.thresholds.empty();
  require<UsageError>(
      fits == !o.save.empty(),
      "eval: --temperature and --thresholds need --save, a checkpoint to write, and --save one of them");
  require<UsageError>(!fits || (o.more.empty() && o.views == "identity"),
                      "eval: --save fits one checkpoint without --views; evaluate ensembles after that");
  if (!o.thresholds.empty()) threshold_rule(o.thresholds);
  if (fits) check_output_file("eval: --save", o.save, checkpoint_suffix, {o.checkpoint, o.data});
  if (!o.out.empty()) check_output_folder("eval: --out", o.out);
}

// A detector's checkpoint with the score from which on its boxes are shown.
void fit_detector(Session& session, const EvalCommand& o, const DetectionEvaluator& evaluator) {
  require<UsageError>(!o.temperature && o.thresholds == "f1",
                      "eval: of a detector --save takes --thresholds f1, the score with the largest F1");
  const auto facts = evaluator.facts();
  require<DataError>(!facts.empty(),
                     "eval: no lesion is found, so there is no score to choose; train longer");
  Checkpoint checkpoint = load_checkpoint(o.checkpoint);
  for (const auto& [name, text] : facts) checkpoint.facts[name] = text;
  save_checkpoint(o.save, checkpoint);
  const OperatingScore score =
      operating_score_from_json(facts.at("score_threshold"), "eval: " + o.checkpoint);
  session.say(cat("boxes are shown from score ", exact_text(score.value), " on\nsaved: ", o.save));
  session.metric("score_threshold", score.value);
  session.output("checkpoint", o.save);
}

// By the columns of the manifest that tell sex, age, view or site. Empty where there are none.
Json measured_groups(const EvalCommand& o, const Dataset& set, const ClassificationEvaluator& evaluator,
                     const BootstrapOptions& options) {
  std::vector<Grouping> groupings = groupings_of(extra_columns(o.data, set));
  for (Grouping& grouping : groupings) {  // in the order of the predictions
    std::vector<std::string> ordered;
    for (const std::int64_t i : evaluator.indices())
      ordered.push_back(grouping.group[static_cast<std::size_t>(i)]);
    grouping.group = std::move(ordered);
  }
  return subgroups_json(measure_subgroups(evaluator.predictions(), groupings, options));
}

// The checkpoint with what was chosen on these samples.
void fit(Session& session, const EvalCommand& o, const Evaluator& evaluator, double before) {
  if (o.split != "val")
    session.log("eval: chosen on " + o.split + "; choose on validation samples and measure on others");
  if (const auto* detector = dynamic_cast<const DetectionEvaluator*>(&evaluator))
    return fit_detector(session, o, *detector);
  const auto* classifier = dynamic_cast<const ClassificationEvaluator*>(&evaluator);
  require<UsageError>(classifier != nullptr, "eval: --temperature and --thresholds are for classifiers");
  const Operation chosen = fit_operation(*classifier, o.temperature, o.thresholds);
  Checkpoint checkpoint = load_checkpoint(o.checkpoint);
  // The logits were divided by the temperature that the checkpoint had.
  const double temperature = chosen.temperature * before;
  if (o.temperature) checkpoint.facts["temperature"] = exact_text(temperature);
  if (!o.thresholds.empty()) checkpoint.facts["thresholds"] = thresholds_to_json(chosen.thresholds);
  save_checkpoint(o.save, checkpoint);
  if (o.temperature) session.say("temperature " + exact_text(temperature));
  for (const Threshold& t : chosen.thresholds)
    session.say(t.label + " from " +
                (t.defined() ? exact_text(t.value) : "nothing on, not defined: " + t.undefined));
  session.say("saved: " + o.save);
  if (o.temperature) session.metric("temperature", temperature);
  session.output("checkpoint", o.save);
}

// Of a slice that is called by its file.
Image picture_in_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error) ? read_image(path) : Image();
}

}  // namespace

void add_evaluation_options(CLI::App* app, EvaluationOptions& o, const std::string& batch_names) {
  app->add_option("--bad-samples", o.bad_samples, "fail at a file that cannot be read, or skip it")
      ->capture_default_str();
  app->add_option(batch_names, o.batch_size, "Samples that are computed together")
      ->check(between(1, 1000000))
      ->capture_default_str();
  app->add_option("--workers", o.workers, "Threads that decode; -1: one a core")
      ->check(between(-1, 64))
      ->capture_default_str();
  app->add_option("--resamples", o.resamples, "Of the bootstrap by patient")
      ->check(between(0, 1000000))
      ->capture_default_str();
}

void evaluate_checkpoint(Session& session, EvalCommand o) {
  check_options(o);
  Judges judges(session, o.checkpoint, o.more, o.views);
  const Task& task = judges.task();
  std::vector<std::string> wrong;
  const auto whole = open_set(task, o, session, wrong);
  auto set = chosen_of(*whole, o);
  refuse_films("eval", *set, task, o.checkpoint,
               "gadolin mammography convert makes a set of such pictures, so evaluate that");
  LoaderOptions load;
  load.batch_size = o.batch_size;
  load.workers = o.workers;
  load.device = session.device();
  load.bad_samples = BadSamples::fail;
  Communicator& processes = session.communicator();
  load = divided(load, processes);
  const std::string label = session.bars() ? "evaluating" : "";
  std::vector<BadSample> out;
  if (o.bad_samples == "skip")
    out = leave_out_bad(task, load, session.bars() ? "reading" : "", set, processes);
  const auto loader = task.loader(*set, task.pipeline(), load);
  const auto evaluator = task.evaluator(*set);
  auto* finder = dynamic_cast<DetectionEvaluator*>(evaluator.get());
  require<UsageError>(o.max_detections == 0 || finder != nullptr,
                      "eval: --max-dets is for detectors; leave it out");
  if (o.max_detections > 0) finder->set_max_detections(o.max_detections);
  if (o.prepare) o.prepare(*evaluator);
  Findings found{task.kind(), judges.name(), set->size(), std::move(out), {}, {}};
  evaluate(judges.predict(*set, load, label), *loader, *evaluator, label);
  evaluator->gather(processes);
  if (!processes.first()) return;
  for (const BadSample& bad : found.bad) session.log(cat("left out ", bad.name, ": ", bad.reason));
  const BootstrapOptions draws{o.resamples, 0.95, session.common().seed};
  found.metrics = evaluator->finish(draws);
  found.details = evaluator->details();
  if (Json division = division_of(o.data, *whole); !division.empty())
    found.details["division"] = std::move(division);
  for (std::string& row : wrong) row = without_root(row, *whole);
  if (!wrong.empty()) found.details["wrong_rows"] = wrong;
  if (const std::size_t patients = patients_of(*set); patients > 0) found.details["patients"] = patients;
  if (Json table = source_table(o.data); !table.empty()) found.details["table"] = std::move(table);
  found.details["checkpoints"] = checkpoints_of(o);
  found.details.update(scored_json(*whole, *set, found.bad));
  const auto* classifier = dynamic_cast<const ClassificationEvaluator*>(evaluator.get());
  if (classifier != nullptr) {
    Json groups = measured_groups(o, *set, *classifier, draws);
    if (!groups.empty()) found.details["subgroups"] = std::move(groups);
  }
  show(session, found, o, *evaluator);
  if (o.evaluated) o.evaluated(*evaluator);
  if (!o.out.empty() && judges.alone() && classifier && o.report_cams > 0 && set->sample(0).has("image")) {
    found.details["cams"] =
        write_report_cams(*judges.alone(), *set, *classifier, static_cast<std::size_t>(o.report_cams),
                          session.device(), o.out + "/report/cams");
  }
  if (!o.out.empty() && finder && o.report_pictures > 0)
    found.details["drawn"] =
        write_report_pictures(*set, *finder, task.classes(), static_cast<std::size_t>(o.report_pictures),
                              o.out + "/report/pictures");
  const auto* reader = dynamic_cast<const SequenceEvaluator*>(evaluator.get());
  if (!o.out.empty() && reader && judges.alone() && o.report_strips > 0)
    found.details["strips"] = write_report_strips(
        *judges.alone(), as_sequences(*set), *reader, static_cast<std::size_t>(o.report_strips),
        o.slice_picture ? o.slice_picture : picture_in_file, session.device(), o.out + "/report/strips");
  if (!o.out.empty()) write(session, found, o, *evaluator);
  if (o.save.empty()) return;
  const auto* measured = dynamic_cast<const ClassificationTask*>(&task);
  fit(session, o, *evaluator, measured ? measured->operation().temperature : 1);
}

}  // namespace gadolin
