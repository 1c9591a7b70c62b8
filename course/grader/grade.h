// Grades a submission: a probe a task, cases public and hidden, questions, files handed in; and names the
// mistake when it is known.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "course/grader/assignment.h"
#include "course/grader/cut.h"
#include "course/grader/kit.h"
#include "course/grader/seed.h"

namespace gadolin::course {

// A known mistake: other bodies for its task. `edit` gives them.
struct Mistake {
  std::string name, task, says;
  std::map<const Part*, std::string> parts;  // all of the task
};
std::vector<Mistake> read_mistakes(const Cut& cut);

// What does not depend on a submission. Parts are known by their address, so a course is moved, not copied.
struct Course {
  Course(Kit the_kit, Assignment the_assignment, Cut the_cut)
      : kit(std::move(the_kit)), assignment(std::move(the_assignment)), cut(std::move(the_cut)) {}
  Course(Course&&) = default;
  Course(const Course&) = delete;
  Kit kit;
  Assignment assignment;
  Cut cut;
  std::vector<Mistake> mistakes;
};
// Throws std::invalid_argument for a number without an assignment.
Course open_course(const Kit& kit, int number);
std::vector<int> known_assignments();

struct Who {
  std::string student, term;
  std::optional<Secret> secret;  // without it hidden cases are not run
};

struct TaskGrade {
  std::string id, title;
  double points = 0, of = 0;
  int publics = 0, publics_passed = 0, hiddens = 0, hiddens_passed = 0;
  double hidden_points = 0;  // that cases not run here are worth; not in `of`
  std::string sentence;  // what is not written yet, the known mistake's, or what separates right from wrong
  std::string mistake;   // its name
  std::string error;     // why nothing was run
  std::vector<std::string> lines;         // of failed public cases: what, where, got, wanted
  std::vector<std::string> hidden_lines;  // of failed hidden cases: their kind alone
  std::string log;  // what the code printed; shown to people only, for it may differ from run to run
  std::vector<Outcome> outcomes;
  bool full() const { return of > 0 && points >= of - 1e-9; }
};

struct Grade {
  int number = 0;
  std::string title, student, isolation;
  std::vector<TaskGrade> tasks;  // those of the assignment, then the questions
  std::vector<std::string> notes;
  double points = 0, of = 0, hidden_points = 0;
  bool hidden_run = false;
  bool gradable = true;  // false: nothing of it compiles
  bool full() const { return points >= of - 1e-9 && of > 0; }
};

// What is handed in.
struct Submission {
  Bodies bodies;
  Files files;  // answers.toml and those that tasks name
};
Submission read_submission(const Course& course, const std::filesystem::path& folder);
Submission reference(const Course& course);  // production's bodies and the right answers
Submission starter(const Course& course);

// Answers that a probe gave somewhere else.
struct KeptTask {
  std::string error;  // why there are none
  std::vector<Values> got;
  std::vector<std::string> ended;  // of each, as in Outcome
};
using Kept = std::map<std::string, KeptTask>;  // by task

// Public cases, then hidden ones where they are asked for.
std::vector<Case> cases_of(const Course& course, const Task& task, const Who& who, bool hidden);
// One task: all of its cases, and the diagnosis of those that fail. With `kept` nothing of the submission is
// run.
TaskGrade grade_task(const Course& course, const Task& task, const Submission& submission, const Who& who,
                     bool diagnose = true, const KeptTask* kept = nullptr);
TaskGrade grade_questions(const Course& course, const Submission& submission, const Who& who);
Grade grade(const Course& course, const Submission& submission, const Who& who, const Kept* kept = nullptr);

}  // namespace gadolin::course
