// The demonstration of assignment 5.
#pragma once

#include "course/grader/values.h"
#include "data/sets/dataset.h"

namespace gadolin::course {

// Divides films, trains a small net, and reports: refuses while a patient stands on both sides. With "folder"
// in the request it writes report.html there.
Values film_report_answer(const Values& request);

Dataset report_films(const Values& request);  // patients and labels of such a request

}  // namespace gadolin::course
