// Average precision as the original prints it after each epoch and evaluation.
#pragma once

#include "apps/program/command.h"
#include "tasks/detection/detection_evaluator.h"
#include "tasks/detection/voc_metrics.h"

namespace gadolin::mammography {

// "17 instances of class mass with average precision: 0.8133", a line a class, then "mAP: 0.8133"; with
// `weighted` the mean by instances beside it.
void say_precisions(Session& session, const DetectionEvaluator& evaluator,
                    const std::vector<std::string>& classes, const VocOptions& options, bool weighted);

}  // namespace gadolin::mammography
