// Strips of slices of an evaluation of sequences, for its report: what carried the decisions.
#pragma once

#include <string>

#include "apps/program/command.h"
#include "tasks/predictor.h"
#include "tasks/sequences/attribution.h"
#include "tasks/sequences/sequence_evaluator.h"

namespace gadolin {

// Of the `count` series with the likeliest slices, the class of that slice: integrated gradients over the
// series, drawn (slice_strip) as PNG files in `folder`, which is emptied first. What metrics.json says of
// them: [{"name", "says", "class", "picture", "attribution": [T], "probability": [T]}]. Throws FileError.
Json write_report_strips(Predictor& predictor, const SequenceSet& set, const SequenceEvaluator& evaluator,
                         std::size_t count, const SlicePicture& picture, Device device,
                         const std::string& folder);

}  // namespace gadolin
