// Grad-CAM overlays of the samples that an evaluation shows in its report.
#pragma once

#include <string>

#include "tasks/classification_evaluator.h"
#include "tasks/predictor.h"

namespace gadolin {

// Of the `each` surest mistakes and the `each` surest right answers, as small PNG files in `folder`, which is
// emptied first. What metrics.json says about them: [{"sample": line of predictions.csv from 0, "class",
// "picture"}]. Nothing for a net without places to look at. Throws FileError.
Json write_report_cams(Predictor& predictor, const Dataset& set, const ClassificationEvaluator& evaluator,
                       std::size_t each, Device device, const std::string& folder);

}  // namespace gadolin
