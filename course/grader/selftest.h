// The grader tried on what is known: production's code, the starter, and every known mistake.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "course/grader/grade.h"

namespace gadolin::course {

// A line a fault: "tensor/shape.cpp: starter and production differ ...". Empty when all is well.
std::vector<std::string> starter_faults(const Cut& cut);
// Of one mistake: its own sentence and no other, at least a third of its task's points lost.
std::vector<std::string> mistake_faults(const Course& course, const Mistake& mistake);
std::vector<std::string> reference_faults(const Course& course);
std::vector<std::string> starter_grade_faults(const Course& course);

// Prints a line a step. quick: one mistake a task.
bool selftest(const Course& course, bool quick, std::ostream& out);

Submission with_mistake(const Course& course, const std::string& name);  // production with this mistake
void add_right_files(const Course& course, const Who& who, Submission& submission);  // and questions' answers
std::string right_answers(const Course& course, const Who& who);                     // answers.toml
std::vector<Question> questions_of(const Course& course, const Who& who);

}  // namespace gadolin::course
