// The evaluation of a task: metrics with intervals, predictions of every sample, the report.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/program/command.h"
#include "tasks/sequences/attribution.h"
#include "tasks/task.h"

namespace gadolin {

// What every command of an evaluation offers.
struct EvaluationOptions {
  std::string bad_samples = "fail";  // or skip: what cannot be read is left out, and named in metrics.json
  std::int64_t batch_size = 32;
  int workers = -1, resamples = 1000;
};
void add_evaluation_options(CLI::App* app, EvaluationOptions& o,
                            const std::string& batch_names = "--batch-size");

struct EvalCommand : EvaluationOptions {
  std::string data, checkpoint, out, splits, split = "test";  // split: also all
  DatasetOptions dataset;
  std::vector<std::string> more;   // further checkpoints: an ensemble
  std::string views = "identity";  // of each picture: "identity,hflip", or "all"
  bool skip_wrong = false;         // of boxes: wrong rows are left out and named
  int report_cams = 4;      // overlays of the report: as many surest mistakes, and surest right answers
  int report_pictures = 4;  // of a detector: as many drawn pictures of each kind (report_pictures.h)
  int report_strips = 4;    // of sequences: as many series with the slices that carried the decision
  int max_detections = 0;   // of a detector: how many count in a picture; 0: 100
  // Fitted on these samples and saved with the checkpoint in `save`.
  bool temperature = false;
  std::string thresholds, save;

  // Not options of gadolin eval, but of command groups that map their own onto it:
  // Instead of Task::open(data, dataset).
  std::function<std::unique_ptr<Dataset>(const Task&, EvalCommand&)> open;
  SlicePicture slice_picture;    // of sequences; empty: slices are named by the files of their pictures
  std::int64_t max_batches = 0;  // only the first samples; 0: all
  std::function<void(Evaluator&)> prepare;          // more to measure
  std::function<void(const Evaluator&)> evaluated;  // more to say
};

// Every sample once. With `out`: metrics.json, the evaluator's files (predictions.csv ...) and
// report/index.html there. Throws DataError for data that do not fit the checkpoint, and for a sample that
// cannot be read unless these are skipped. Several processes share the samples, and the first one measures,
// says and writes (`evaluated` is called there alone).
void evaluate_checkpoint(Session& session, EvalCommand o);

}  // namespace gadolin
