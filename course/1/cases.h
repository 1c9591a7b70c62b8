// What the cases and the questions of assignment 1 share.
#pragma once

#include "course/grader/assignment.h"

namespace gadolin::course {

using Sizes = std::vector<std::int64_t>;

inline Sizes row_major(const Sizes& shape) {
  Sizes strides(shape.size(), 1);
  for (std::size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * shape[d];
  return strides;
}
std::vector<Question> strides_questions(Draw& draw, bool handout);

}  // namespace gadolin::course
