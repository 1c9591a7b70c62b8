// Names what is wrong: known mistakes are run on the same cases and their answers compared.
#pragma once

#include "course/grader/grade.h"

namespace gadolin::course {

struct Diagnosis {
  std::string sentence, mistake;
};
// Looks at all cases of a task that did not get full points. A mistake's sentence is given only when it
// explains each of them: where the student's code passes it passes, elsewhere it gives the same.
Diagnosis diagnosis(const Course& course, const Task& task, const std::vector<Outcome>& outcomes);

// Whether both pass and fail the same cases, with the same wrong answers.
bool explains(const std::vector<Outcome>& student, const std::vector<Outcome>& mistake);

// Shared with the grading. Throws CompileError.
std::filesystem::path probe_of(const Course& course, const std::string& cut, const Bodies& bodies);
Case case_of(const Course& course, const Task& task, const Who& who, int number);
std::vector<Outcome> outcomes_of(const Course& course, const Task& task, const std::filesystem::path& probe,
                                 const std::vector<Case>& cases, std::string* log = nullptr);
void judge(const Task& task, int number, std::vector<Outcome>& outcomes);
Values production_answer(int number, const Values& request);  // answer_N

}  // namespace gadolin::course
