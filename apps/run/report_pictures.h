// Drawn pictures of an evaluation of a detector, for its report.
#pragma once

#include <string>

#include "apps/program/command.h"
#include "data/sets/dataset.h"
#include "tasks/detection/detection_evaluator.h"

namespace gadolin {

// The `each` pictures with the most missed objects, the surest false alarms and the best ones, as PNG files
// of 440 pixels in `folder`, which is emptied first. What metrics.json says about them:
// {"from": score, "groups": [{"title", "pictures": [{"name", "says", "picture"}]}]}. Throws FileError.
Json write_report_pictures(const Dataset& set, const DetectionEvaluator& evaluator,
                           const std::vector<std::string>& classes, std::size_t each,
                           const std::string& folder);

}  // namespace gadolin
