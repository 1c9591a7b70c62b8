// A detector's page of the report, from what an evaluation left in a folder.
#pragma once

#include <string>

#include "tasks/task.h"

namespace gadolin {

// `metrics` (metrics.json) of `folder`, and the drawn pictures that it names in report/pictures, into the
// page. Throws FormatError for a damaged one.
void report_detection(const std::string& folder, const Json& metrics, report::RunReport& page);

}  // namespace gadolin
