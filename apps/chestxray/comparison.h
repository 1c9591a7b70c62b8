// Two nets on the same films, from the predictions.csv that `chestxray test` leaves.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "apps/program/command.h"
#include "io/csv.h"
#include "tasks/classification_evaluator.h"

namespace gadolin::chestxray {

// Another net, by the predictions.csv that it left.
class OtherNet {
 public:
  // Throws FileError and FormatError, also for a film with two rows.
  explicit OtherNet(const std::string& predictions);
  // What compare() will need is there: before the long work. Throws DataError for films that the file lacks
  // and when it has none of the findings, FormatError for what is no probability.
  void check(const ClassificationEvaluator& evaluator) const;
  // Areas of this evaluation and of the other net, finding by finding, with DeLong's test (patients as
  // clusters): a table on the screen, comparison.csv in `out` unless that is empty, metrics difference/NAME.
  // Throws as check().
  void compare(Session& session, const ClassificationEvaluator& evaluator, const std::string& out) const;

 private:
  // Probabilities of the other net for these films, [N] a finding that both have.
  std::map<std::string, std::vector<double>> of_films(const std::vector<std::string>& films,
                                                      const std::vector<std::string>& findings) const;
  CsvTable table_;
  std::map<std::string, std::size_t> row_of_;  // by the film's file name
};

}  // namespace gadolin::chestxray
