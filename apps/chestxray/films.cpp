#include "apps/chestxray/films.h"

#include <algorithm>

#include "apps/chestxray/nih_table.h"
#include "apps/run/table_of_run.h"
#include "tensor/check.h"

namespace gadolin::chestxray {

std::unique_ptr<Dataset> open_films(const std::string& path, const std::string& findings,
                                    bool allow_outside) {
  DatasetOptions options;
  options.multi_label = true;
  options.allow_outside = allow_outside;
  allow_table_of_run(options, path);
  const auto& labels = nih_labels();
  const std::vector<std::string> official(labels.begin(), labels.end());
  if (findings == "nih") options.classes = official;
  auto films = open_dataset(path, options);
  const auto& classes = films->classes();
  const bool all_official = std::all_of(classes.begin(), classes.end(), [&](const std::string& name) {
    return std::find(labels.begin(), labels.end(), name) != labels.end();
  });
  if (findings == "auto" && all_official && classes != official) {
    options.classes = official;
    films = open_dataset(path, options);
  }
  return films;
}

std::vector<std::string> apart_of(const Dataset& films) {
  const auto& classes = films.classes();
  if (std::find(classes.begin(), classes.end(), no_finding) == classes.end()) return {};
  return {no_finding};
}

const ClassificationTask& as_findings(const Task& task, const std::string& command, const std::string& path) {
  const ClassificationTask& classifier = as_classifier(task, path);
  require<UsageError>(classifier.multi_label(), command, ": ", path,
                      " gives one class a picture; gadolin eval and predict take it");
  return classifier;
}

std::string views_of_tta(const std::string& tta) {
  return tta == "none" ? "identity" : tta == "hflip" ? "identity,hflip" : tta;
}

}  // namespace gadolin::chestxray
