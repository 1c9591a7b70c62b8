// What `gadolin import` was asked for, and the tasks that it makes of weights from elsewhere.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/program/command.h"
#include "io/weights.h"
#include "nets/registry.h"
#include "tasks/task.h"

namespace gadolin {

struct ImportOptions {
  std::string in, out, model, pipeline;
  int classes = 0, channels = 0, width = 0;
  bool small_input = false, partial = false, averages = false;
  std::vector<std::string> exclude, class_names, net_options;
};

// What the options say, and before them what our own exports say about themselves.
NetOptions given_options(const ImportOptions& o, const WeightFile& file);
// As asked for, or as the file names them, or `usual` where that has one for each, or numbers. Throws
// UsageError for another number of them than `count`.
std::vector<std::string> imported_classes(const ImportOptions& o, const WeightFile& file, std::size_t count,
                                          const std::vector<std::string>& usual = {});
// As asked for, or as the file names it, or `usual`.
Pipeline imported_pipeline(const ImportOptions& o, const WeightFile& file, const std::string& usual);

// Whether these are the weights of a detector, by their names.
bool looks_like_detector(const State& weights);
// The name of `gadolin models` whose names and shapes these weights have. Throws UsageError when there is
// none.
std::string recognised_detector(const State& weights, const std::string& in);
// The detector that fits the weights, its own still as they start: options and settings from the file where
// it is ours, otherwise from names and shapes, with the preset torchvision. Says what it took for granted.
std::unique_ptr<Task> imported_detector(Session& session, const ImportOptions& o, const WeightFile& file);

}  // namespace gadolin
