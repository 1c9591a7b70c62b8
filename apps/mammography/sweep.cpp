// gadolin mammography sweep: every snapshot of a folder on the validation films, a row each.
#include <algorithm>
#include <filesystem>

#include "apps/mammography/commands.h"
#include "apps/mammography/marked_data.h"
#include "apps/mammography/reading.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "apps/run/judges.h"
#include "apps/run/table_of_run.h"
#include "data/sets/overlap.h"
#include "tasks/detection/detection_evaluator.h"
#include "tasks/detection/voc_metrics.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace {

struct SweepFlags {
  std::string folder, by = "mAP";
  MarkedData data;
  std::string splits;
  bool test = false;
  int workers = 1;
};

std::vector<std::string> snapshots_in(const std::string& folder) {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.path().extension() == checkpoint_suffix) found.push_back(entry.path().string());
  std::ranges::sort(found);
  require<FileError>(!found.empty(), "mammography sweep: ", printable(folder), " holds no ",
                     checkpoint_suffix, " files; name the --snapshot-path of a training");
  return found;
}

struct Measured {
  double map, sensitivity, mean_sensitivity, auc;
  std::string score;
};

Measured measure(const Session& session, const std::string& snapshot, const SweepFlags& f, Split split) {
  Judges judges(session, snapshot, {}, "identity");
  const DetectionTask& task = as_detector(judges.task(), snapshot);
  const auto films = open_marked(session, f.data, task.classes());
  if (!f.splits.empty()) read_splits(f.splits, *films);
  const auto set = films->subset(split);
  LoaderOptions load;
  load.batch_size = 1;
  load.workers = f.workers;
  load.device = session.device();
  const auto loader = task.loader(*set, task.pipeline(), load);
  DetectionEvaluator evaluator(dynamic_cast<const DetectionSet&>(*set), task.classes(),
                               task.settings().detect.score);
  gadolin::evaluate(judges.predict(*set, load, ""), *loader, evaluator);
  const int classes = static_cast<int>(task.classes().size());
  const FrocMetrics m = froc(evaluator.pictures(), classes);
  return {voc_metrics(evaluator.pictures(), classes).map, m.over_all[2].sensitivity.value,
          m.mean_sensitivity.value, m.picture_auc.value,
          task.remembered("score_threshold").empty() ? "" : exact_text(shown_from(task, {}, 0).score)};
}

double chosen_by(const Measured& m, const std::string& by) {
  return by == "mAP" ? m.map : by == "sensitivity" ? m.sensitivity : m.auc;
}

std::string shown(double value) { return std::isnan(value) ? "not defined" : fixed(value, 4); }

void sweep(Session& session, const SweepFlags& f) {
  require<UsageError>(f.by == "mAP" || f.by == "sensitivity" || f.by == "auc", "--by ", f.by,
                      " is unknown; use mAP, sensitivity or auc");
  const std::vector<std::string> snapshots = snapshots_in(f.folder);
  {
    const auto films = open_marked(session, f.data);
    for (const std::string& met : met_in(*films)) session.log(f.data.paths[0] + ": " + met);
    if (!f.splits.empty()) read_splits(f.splits, *films);
    require<DataError>(films->has_split(Split::val), "mammography sweep: ", f.data.paths[0],
                       " has no validation films to choose on; give --splits, such as split.csv of the run");
    if (films->has_split(Split::test))
      session.say(require_apart(*films->subset(Split::val), *films->subset(Split::test), "val", "test"));
    require<DataError>(!f.test || films->has_split(Split::test), "mammography sweep: ", f.data.paths[0],
                       " has no test films; leave --test out");
  }
  TextRows rows{{"snapshot", "mAP", "sensitivity at 1", "mean sensitivity", "AUC of films", "score shown"}};
  std::string best;
  double best_value = -1;
  for (const std::string& snapshot : snapshots) {
    const Measured m = measure(session, snapshot, f, Split::val);
    const std::string name = std::filesystem::path(snapshot).filename().string();
    rows.push_back(
        {name, shown(m.map), shown(m.sensitivity), shown(m.mean_sensitivity), shown(m.auc), m.score});
    session.event(
        {{"event", "snapshot"}, {"file", name}, {"mAP", m.map}, {"sensitivity_at_1", m.sensitivity}});
    if (chosen_by(m, f.by) > best_value) {
      best_value = chosen_by(m, f.by);
      best = snapshot;
    }
  }
  session.say(format_table(rows));
  session.metric("snapshots", snapshots.size());
  if (best.empty()) {
    session.say("none is chosen: " + f.by + " is not defined on these films");
    return;
  }
  session.say(cat("chosen on validation films by ", f.by, ": ", best,
                  "; its number there is too good for what it was chosen from, so measure it on test films"));
  session.output("best", best);
  session.metric("best", best_value);
  if (!f.test) return;
  const Measured m = measure(session, best, f, Split::test);
  session.say(cat("on test films: mAP ", shown(m.map), ", sensitivity ", shown(m.sensitivity),
                  " at 1 false alarm a film, AUC of films ", shown(m.auc)));
  session.metric("test_mAP", m.map);
  session.metric("test_sensitivity_at_1", m.sensitivity);
}

}  // namespace

void add_sweep(Program& program, CLI::App* group) {
  const auto f = std::make_shared<SweepFlags>();
  CLI::App* app = program.add(
      group, "sweep", "Every snapshot of a folder on the validation films, and which of them to take",
      [f](Session& s) { sweep(s, *f); },
      "gadolin mammography sweep snapshots csv films/boxes.csv --splits snapshots/split.csv");
  app->add_option("snapshots", f->folder, "Folder with snapshots")->required();
  add_marked_data(app, f->data, false);
  app->add_option("--splits", f->splits, "Take the splits from this table, such as split.csv of the run");
  app->add_option("--by", f->by, "mAP, sensitivity (at one false alarm a film) or auc (of films)")
      ->capture_default_str();
  app->add_flag("--test", f->test, "Measure the chosen one on the test films");
  app->add_option("--workers", f->workers, "Threads that decode; -1: one a core")
      ->check(between(-1, 64))
      ->capture_default_str();
}

}  // namespace gadolin::mammography
