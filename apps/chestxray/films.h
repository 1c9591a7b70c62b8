// The films of a manifest, as the commands of this group read them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/program/command.h"
#include "data/sets/dataset.h"
#include "tasks/classification.h"

namespace gadolin::chestxray {

// Several labels a film. `findings`: nih: NIH's 15; table: what is there; auto: NIH's where all are of these.
// Throws as open_dataset.
std::unique_ptr<Dataset> open_films(const std::string& path, const std::string& findings, bool allow_outside);
// "No Finding", where it is a class: it counts in no mean.
std::vector<std::string> apart_of(const Dataset& films);

// A classifier of several labels. Throws UsageError naming the command for other ones.
const ClassificationTask& as_findings(const Task& task, const std::string& command, const std::string& path);

// --tta as views of gadolin eval. Throws UsageError.
std::string views_of_tta(const std::string& tta);

}  // namespace gadolin::chestxray
