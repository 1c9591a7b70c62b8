// Films that a net sees only after a preparation that the command at hand knows nothing of.
#pragma once

#include <string>

#include "data/sets/dataset.h"
#include "tasks/task.h"

namespace gadolin {

// A detector of mammography learns from films that were cut and windowed; of a DICOM file it would see
// another picture. Throws UsageError, beginning with `command` and ending with `way_out`, at the first DICOM
// file of the set where the checkpoint remembers a preparation.
void refuse_films(const std::string& command, const Dataset& set, const Task& task,
                  const std::string& checkpoint, const std::string& way_out);

}  // namespace gadolin
