// The demonstration of assignment 5.
#pragma once

#include "course/grader/values.h"
#include "data/sets/dataset.h"
#include "layers/module.h"

namespace gadolin::course {

// Divides films, trains a small net, and reports: refuses while a patient stands on both sides. With "folder"
// in the request it writes report.html there. The net that was trained stands in the answer, as "net." and
// each parameter's name.
Values film_report_answer(const Values& request);

Dataset report_films(const Values& request);  // patients and labels of such a request
Sequential report_net();                      // before training
// At most eight of the test side, with a spot.
std::vector<std::int64_t> films_to_show(const Dataset& films);
Tensor report_maps(Sequential& net, const Values& request, const std::vector<std::int64_t>& shown);

}  // namespace gadolin::course
