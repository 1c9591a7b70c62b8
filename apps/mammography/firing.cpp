#include "apps/mammography/firing.h"

#include <algorithm>

#include "apps/program/ranges.h"
#include "apps/run/table_of_run.h"
#include "tensor/check.h"

namespace gadolin::mammography {

void add_firing_flags(CLI::App* app, FiringFlags& f, bool several) {
  add_marked_data(app, f.data, false);
  add_reading_flags(app, f.reading, several);
  app->add_option("--split", f.split, "train, val, test or all")->capture_default_str();
  app->add_option("--splits", f.splits, "Take the splits from this table, such as split.csv of a run");
  app->add_option("--where", f.where,
                  "any: a detection counts wherever it lies, as in the original; centre: the centre of an "
                  "annotation lies in it; iou: it overlaps one by --hit-iou")
      ->capture_default_str();
  app->add_option("--hit-iou", f.iou, "Of --where iou")->check(between(0.0, 1.0))->capture_default_str();
  app->add_option("--class", f.label, "Class of the lesions; default the first one");
}

FiringRule firing_rule(const FiringFlags& f, const DetectionTask& task) {
  FiringRule rule;
  require<UsageError>(f.where == "any" || f.where == "centre" || f.where == "iou", "--where ", f.where,
                      " is unknown; use any, centre or iou");
  rule.where = f.where == "any"      ? FiringRule::Where::any
               : f.where == "centre" ? FiringRule::Where::centre
                                     : FiringRule::Where::iou;
  rule.iou = f.iou;
  rule.score = f.reading.score_threshold.value_or(0.1);
  if (f.label.empty()) return rule;
  const auto at = std::ranges::find(task.classes(), f.label);
  require<UsageError>(at != task.classes().end(), "--class ", f.label,
                      " is no class of the model, whose first is ", task.classes().front(),
                      "; gadolin mammography detect shows the others");
  rule.label = static_cast<int>(at - task.classes().begin());
  return rule;
}

std::string text_of(const FiringRule& rule, const DetectionTask& task) {
  return cat("a film is fired on by one ", task.classes()[static_cast<std::size_t>(rule.label)], " of score ",
             exact_text(rule.score), " or more",
             rule.where == FiringRule::Where::any ? ", wherever it lies"
             : rule.where == FiringRule::Where::centre
                 ? " in which the centre of an annotation lies"
                 : cat(" that overlaps an annotation by ", exact_text(rule.iou)));
}

bool fires(const std::vector<Detection>& found, const MarkedPicture& film, const FiringRule& rule) {
  return std::ranges::any_of(found, [&](const Detection& d) {
    if (d.box.label != rule.label || !(d.score >= rule.score)) return false;
    if (rule.where == FiringRule::Where::any || film.boxes.empty()) return true;
    return std::ranges::any_of(film.boxes, [&](const MarkedBox& marked) {
      const ObjectBox& b = marked.box;
      if (rule.where == FiringRule::Where::iou) return intersection_over_union(d.box, b) >= rule.iou;
      const double x = (b.x1 + b.x2) / 2, y = (b.y1 + b.y2) / 2;
      return x >= d.box.x1 && x < d.box.x2 && y >= d.box.y1 && y < d.box.y2;
    });
  });
}

std::unique_ptr<DetectionSet> films_of(const Session& session, FiringFlags& f, const DetectionTask& task) {
  const auto set = open_marked(session, f.data, task.classes());
  for (const std::string& met : met_in(*set)) session.log(f.data.paths[0] + ": " + met);
  if (!f.splits.empty()) read_splits(f.splits, *set);
  return part_of(*set, f.split);
}

}  // namespace gadolin::mammography
