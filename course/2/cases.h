// What the cases and the questions of assignment 2 share.
#pragma once

#include "course/grader/assignment.h"

namespace gadolin::course {

std::vector<Question> tape_questions(Draw& draw, bool handout);

}  // namespace gadolin::course
