// gadolin bodypart eval: the flags of TF-Slim's evaluation on the one evaluator.
#include "apps/bodypart/commands.h"
#include "apps/bodypart/records.h"
#include "apps/bodypart/slim_models.h"
#include "apps/program/ranges.h"
#include "apps/run/evaluate.h"
#include "tasks/classification_evaluator.h"
#include "train/checkpoint_store.h"

namespace gadolin::bodypart {
namespace {

constexpr const char* eval_command = "bodypart eval";

struct EvalOptions {
  std::string checkpoint, dataset_name = "dicom", dataset_dir, split = "test", out;
  std::int64_t batch_size = 100, max_batches = 0;
  int labels_offset = 0, workers = -1, resamples = 1000, top = 0;
  Expected said;
};

// Recall_5 of seven classes says next to nothing: k reaches as far as half of the classes.
int top_of(const EvalOptions& o, int classes) {
  const int most = classes / 2;
  if (o.top == 0) return std::min(5, most);
  require<UsageError>(o.top >= 1 && o.top <= most, eval_command, ": --top-k ", o.top, " of ", classes,
                      " classes says next to nothing; at most ", most, " is possible");
  return o.top;
}

std::unique_ptr<Dataset> open_evaluated(const EvalOptions& o, const Task& classifier) {
  auto set = open_records(eval_command, o.dataset_name, o.dataset_dir, o.labels_offset);
  std::string theirs, ours;
  for (const std::string& name : set->classes()) theirs += (theirs.empty() ? "" : ", ") + name;
  for (const std::string& name : classifier.classes()) ours += (ours.empty() ? "" : ", ") + name;
  require<DataError>(set->classes() == classifier.classes(), eval_command, ": ", o.dataset_dir,
                     " has the classes ", theirs, ", the checkpoint knows ", ours,
                     "; is --labels-offset as in training?");
  // A set without any splits is what is to be evaluated.
  if (o.split != "all" && !set->has_split(Split::train) && !set->has_split(Split::val) &&
      !set->has_split(Split::test)) {
    for (std::int64_t i = 0; i < set->size(); ++i)
      set->set_split(i, split_from(o.split, "--dataset-split-name"));
  }
  return set;
}

void eval(Session& session, const EvalOptions& o) {
  EvalCommand run;
  run.checkpoint = find_checkpoint(o.checkpoint);
  run.data = o.dataset_dir;
  run.split = o.split;
  run.out = o.out;
  run.batch_size = o.batch_size;
  run.max_batches = o.max_batches;
  run.workers = o.workers;
  run.resamples = o.resamples;
  run.open = [&o](const Task& task, EvalCommand& settled) {
    check_expected(eval_command, o.said, as_classifier(task, settled.checkpoint), settled.checkpoint);
    const int k = top_of(o, static_cast<int>(task.classes().size()));
    if (k > 1)
      settled.prepare = [k](Evaluator& e) { dynamic_cast<ClassificationEvaluator&>(e).count_top({k}); };
    return open_evaluated(o, task);
  };
  evaluate_checkpoint(session, run);
}

}  // namespace

void add_eval(Program& program, CLI::App* group) {
  const auto o = std::make_shared<EvalOptions>();
  CLI::App* app = program.add(
      group, "eval", "Every record once: accuracy, balanced accuracy, macro F1, confusion, with intervals",
      [o](Session& s) { eval(s, *o); },
      "gadolin bodypart eval --dataset_dir records --checkpoint_path runs/v4 --eval_dir runs/v4/eval");
  app->add_option(both_spellings("--checkpoint-path,--checkpoint"), o->checkpoint,
                  "A checkpoint, or the folder of a run: its newest one")
      ->required();
  app->add_option(both_spellings("--dataset-dir,--data-dir"), o->dataset_dir,
                  "Records of convert-data, or anything that gadolin train takes")
      ->required();
  app->add_option(both_spellings("--dataset-name"), o->dataset_name, "dicom; there is no other")
      ->capture_default_str();
  app->add_option(both_spellings("--dataset-split-name"), o->split, "train, validation, test or all")
      ->capture_default_str();
  app->add_option(both_spellings("--eval-dir,--out"), o->out,
                  "Folder for metrics.json, confusion.csv, predictions.csv and report/");
  app->add_option(both_spellings("--batch-size"), o->batch_size, "pictures at once")
      ->check(between(1, 1000000))
      ->capture_default_str();
  app->add_option(both_spellings("--max-num-batches"), o->max_batches, "Only the first of them; 0: all")
      ->check(count_from(0))
      ->capture_default_str();
  app->add_option(both_spellings("--labels-offset"), o->labels_offset, "As in training")
      ->check(count_from(0))
      ->capture_default_str();
  app->add_option(both_spellings("--top-k"), o->top,
                  "Also how often the class is among the k likeliest; at most half of the classes. Default "
                  "that, at most 5")
      ->check(count_from(0));
  app->add_option("--resamples", o->resamples, "Of the bootstrap by patient")
      ->check(between(0, 1000000))
      ->capture_default_str();
  app->add_option(both_spellings("--num-preprocessing-threads,--workers"), o->workers,
                  "Threads that decode; -1: one a core")
      ->check(between(-1, 64))
      ->capture_default_str();
  app->add_option(both_spellings("--model-name"), o->said.model_name,
                  "Checked: the checkpoint knows its net");
  app->add_option(both_spellings("--preprocessing-name"), o->said.preprocessing_name,
                  "Checked: the checkpoint knows its pipeline");
  app->add_option(both_spellings("--eval-image-size"), o->said.image_size, "Checked, likewise")
      ->check(count_from(0));
  app->add_option(both_spellings("--moving-average-decay"), o->said.moving_average_decay,
                  "Checked: averages are used wherever the checkpoint holds them")
      ->check(finite());
}

}  // namespace gadolin::bodypart
