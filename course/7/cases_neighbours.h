// The demonstration of assignment 6B: what the neighbours of a slice are worth.
#pragma once

#include "course/grader/assignment.h"

namespace gadolin::course {

// Features of made-up CT series, 250 to learn from and 60 others: a bleeding shows in several slices one
// after the other, each too noisy to be judged alone.
Task neighbours_demonstration();

}  // namespace gadolin::course
