// The demonstration of assignment 3: handwritten digits.
#pragma once

#include "course/grader/assignment.h"

namespace gadolin::course {

// 4,000 digits to learn from and 1,000 others, drawn from examples/data/mnist-test.
Task digits_demonstration();

}  // namespace gadolin::course
