// The demonstration of assignment 6A: made-up lesions in made-up films.
#pragma once

#include "course/grader/assignment.h"

namespace gadolin::course {

// 200 pictures to learn from and 60 others, of 64 x 64, with up to two masses or clusters of calcifications.
Task lesions_demonstration();

}  // namespace gadolin::course
