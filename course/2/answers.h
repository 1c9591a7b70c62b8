// Parts of answer_2 that have files of their own.
#pragma once

#include "course/grader/values.h"

namespace gadolin::course {

Values check_answer(const Values& request);    // check.cpp: which of six ops the gradient check finds broken
Values spirals_answer(const Values& request);  // spirals.cpp: the demonstration

}  // namespace gadolin::course
