// predictions.csv of an evaluation, read back.
#pragma once

#include <string>
#include <vector>

#include "tasks/metric_summary.h"

namespace gadolin {

struct PredictionsFile {
  Predictions said;                       // patient is empty when the file names none
  std::vector<std::string> path, truth;   // of each sample, as the file says them
  std::vector<std::vector<bool>> called;  // [N][K]: whether the sample was predicted to be of the class

  bool is(std::size_t i, std::size_t k) const;  // whether it is
  bool has_patients() const { return !said.patient.empty(); }
};

// The last columns are the probabilities of `classes`. Throws FormatError, beginning with "report: ", for
// another number of columns and for a true class that is not among them; DataError when path, truth or
// predicted is missing.
PredictionsFile read_predictions(const std::string& path, const std::vector<std::string>& classes,
                                 bool multi_label);

}  // namespace gadolin
