// The evaluation of a classifier: metrics with intervals, predictions of every sample, the report.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/program/command.h"
#include "tasks/classifier.h"

namespace gadolin {

struct EvalCommand {
  std::string data, checkpoint, out, splits, split = "test";  // split: also all
  DatasetOptions dataset;
  std::int64_t batch_size = 32;
  int workers = -1, resamples = 1000;

  // Not options of gadolin eval, but of command groups that map their own onto it:
  std::function<std::unique_ptr<Dataset>(const Classifier&, EvalCommand&)>
      open;                      // instead of open_dataset(data, dataset)
  std::int64_t max_batches = 0;  // only the first samples; 0: all
  std::vector<int> top;          // accuracies among the k likeliest classes
};

// Every sample once. With `out`: metrics.json, predictions.csv, confusion.csv (of one label a sample) and
// report/index.html there. Throws DataError for data that do not fit the checkpoint, and for a sample that
// cannot be read.
void evaluate_classifier(Session& session, EvalCommand o);

}  // namespace gadolin
