// What teachers need beside points: bodies for a tool that compares texts, failed submissions by what went
// wrong, questions for an oral check, cases of their own, and grading in two places.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>

#include "course/grader/grade.h"

namespace gadolin::course {

// OUT/NAME/PATH for each submission DIR/NAME, and OUT/production: the students' parts alone, so that a tool
// such as JPlag does not find what all have from the starter.
void write_bodies(const Course& course, const std::filesystem::path& dir, const std::filesystem::path& out,
                  std::ostream& say);

// Groups the submissions of DIR task by task: those that fail the same public cases with the same answers, or
// do not compile for the same reason. Cases are the same for all, whoever they are.
void cluster(const Course& course, const std::filesystem::path& dir, std::ostream& say);

// Three single changes of the student's own code that make public cases fail, drawn for the student, with
// what then fails.
void viva(const Course& course, const Submission& submission, const Who& who, std::ostream& say);

// Adds the cases of FOLDER/*.toml to their tasks, as public ones of the same weight. Each begins with a
// public case of the handout's numbers and changes some of its values:
//   [[case]]
//   task = "1.3"
//   like = 4                     # that public case, from 0
//   what = "the last element alone"
//   begin = 6                    # values of the request, of the type they have there
//   x = [1, 2, 3, 4]             # an array keeps its shape; x_shape = [2, 2] gives another
// Throws std::invalid_argument "file:line: ..." for what does not fit.
void add_extra_cases(Course& course, const std::filesystem::path& folder);

// Grading in two places. inputs() draws all cases and writes their requests alone; collect() runs a
// submission on them, with no secret near it; judge_kept() gives points where the secret is and runs nothing
// of it.
std::string inputs(const Course& course, const Who& who);
std::string collect(const Course& course, const Submission& submission, const std::string& inputs);
Grade judge_kept(const Course& course, const Submission& submission, const Who& who,
                 const std::string& answers);

}  // namespace gadolin::course
