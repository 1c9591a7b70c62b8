// The score from which on a detector's boxes are shown: chosen on validation pictures, kept in checkpoints.
#pragma once

#include <optional>
#include <string>

#include "tasks/detection/froc.h"

namespace gadolin {

struct OperatingScore {
  double value = 0;
  double sensitivity = 0, false_per_picture = 0, f1 = 0;  // there, on the pictures it was chosen on
  std::int64_t pictures = 0, lesions = 0;
};

// The score with the largest F1 of lesions found against lesions missed and false alarms; of equal ones the
// lowest. Nothing where no lesion is there or none is found.
std::optional<OperatingScore> choose_operating_score(const FrocMetrics& froc);

// For a checkpoint. Reading throws FormatError, beginning with `place`, for what writing does not give.
std::string operating_score_to_json(const OperatingScore& score);
OperatingScore operating_score_from_json(const std::string& text, const std::string& place);

}  // namespace gadolin
