// Two nets on the same films, from the predictions.csv that `chestxray test` leaves.
#pragma once

#include <string>

#include "apps/program/command.h"
#include "tasks/classification_evaluator.h"

namespace gadolin::chestxray {

// Areas of this evaluation and of the net whose predictions.csv is `against`, finding by finding, with
// DeLong's test (patients as clusters): a table on the screen, comparison.csv in `out` unless that is empty,
// metrics difference/NAME. The evaluator names its rows (name_rows). Throws DataError for films or findings
// that the file lacks.
void compare_areas(Session& session, const ClassificationEvaluator& evaluator, const std::string& against,
                   const std::string& out);

}  // namespace gadolin::chestxray
