// The demonstration of assignment 5: cases, and the judgement of what a report says.
#pragma once

#include "course/grader/assignment.h"

namespace gadolin::course {

Task report_demonstration();

}  // namespace gadolin::course
