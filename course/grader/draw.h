// Random numbers of a case: the same on every machine, a function of 32 bytes alone.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "course/grader/values.h"

namespace gadolin::course {

using Seed = std::array<std::uint8_t, 32>;

class Draw {
 public:
  // `student`: the same for all cases of a student's assignment.
  explicit Draw(const Seed& seed, const Seed& student = {});
  Draw student() const { return Draw(student_); }             // what is drawn once a student: ops, data sets
  std::int64_t integer(std::int64_t low, std::int64_t high);  // both included
  double uniform(double low, double high);                    // a multiple of 2^-24 of the range
  bool chance(double p) { return uniform(0, 1) < p; }
  template <class T> const T& one_of(const std::vector<T>& choices) {
    return choices[static_cast<std::size_t>(integer(0, static_cast<std::int64_t>(choices.size()) - 1))];
  }
  std::vector<std::int64_t> order(std::int64_t n);  // 0..n-1 shuffled
  // Numbers that every floating type holds exactly in at most 8 bits when `exact`: multiples of 1/16 in
  // [-4, 4]. Otherwise uniform in [low, high).
  Array array(const std::vector<std::int64_t>& shape, double low = -1.5, double high = 1.5);
  Array exact_array(const std::vector<std::int64_t>& shape);

 private:
  std::uint64_t next();
  std::uint64_t state_[4];
  Seed student_;
};

}  // namespace gadolin::course
