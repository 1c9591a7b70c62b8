#include "course/grader/selftest.h"

#include <algorithm>
#include <cstdio>
#include <ostream>
#include <set>
#include <stdexcept>

#include "course/grader/toml.h"

namespace gadolin::course {
namespace {

// A secret that is none: what it draws is known to everybody.
Who tester() { return {"", "selftest", Secret{1, 2, 3}}; }

std::string all_digits(double x) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", x);
  return text;
}

std::string said(const TaskGrade& task) {
  std::string out = all_digits(task.points) + " of " + all_digits(task.of) + " points";
  if (!task.error.empty()) out += ", " + task.error;
  if (!task.sentence.empty()) out += ", \"" + task.sentence + "\"";
  if (!task.lines.empty()) out += ", " + task.lines[0];
  if (!task.hidden_lines.empty()) out += ", hidden: " + task.hidden_lines[0];
  return out;
}

}  // namespace

std::vector<Question> questions_of(const Course& course, const Who& who) {
  if (!course.assignment.questions) return {};
  Draw draw(
      seed_of(public_key(who.term, who.student), course.assignment.number, "questions", who.student, 0));
  return course.assignment.questions(draw, who.student.empty());
}

std::string right_answers(const Course& course, const Who& who) {
  std::string out;
  for (const Question& question : questions_of(course, who)) {
    out += question.id + " = [";
    for (std::size_t i = 0; i < question.answer.size(); ++i)
      out += (i ? ", " : "") + all_digits(question.answer[i]);
    out += "]\n";
  }
  return out;
}

void add_right_files(const Course& course, const Who& who, Submission& submission) {
  submission.files["answers.toml"] = right_answers(course, who);
  if (!course.assignment.right_files) return;
  const Draw student(student_seed(who.term, who.student, course.assignment.number));
  for (const auto& [name, text] : course.assignment.right_files(student)) submission.files[name] = text;
}

Submission with_mistake(const Course& course, const std::string& name) {
  for (const Mistake& mistake : course.mistakes) {
    if (mistake.name != name) continue;
    Submission submission = reference(course);
    for (const auto& [part, body] : mistake.parts) submission.bodies.parts[part] = body;
    return submission;
  }
  throw std::invalid_argument("mistakes.toml knows no '" + name + "'");
}

std::vector<std::string> starter_faults(const Cut& cut) {
  std::vector<std::string> faults;
  for (const auto& [file, text] : starters(cut)) {
    std::string there;
    try {
      there = read_text(cut.folder / "starter" / file);
    } catch (const std::exception&) {
      faults.push_back(file + ": the starter is missing; gadolin-grade cut writes it");
      continue;
    }
    if (there != text)
      faults.push_back(file + ": the starter is not what is left of production; gadolin-grade cut writes it");
  }
  return faults;
}

std::vector<std::string> mistake_faults(const Course& course, const Mistake& mistake) {
  std::vector<std::string> faults;
  Submission submission;
  submission.bodies.parts = mistake.parts;
  double points = 0, of = 0;
  bool named = false;
  for (const Task& task : course.assignment.tasks) {
    if (task.cut != mistake.task) continue;
    const TaskGrade result = grade_task(course, task, submission, tester());
    points += result.points;
    of += result.of;
    if (result.full()) continue;
    if (result.sentence != mistake.says) {
      faults.push_back(mistake.name + ": task " + task.id + " was told otherwise: " + said(result) +
                       (result.mistake.empty() ? "" : " (" + result.mistake + ")"));
    }
    named = true;
  }
  if (!named) faults.push_back(mistake.name + ": every case passes");
  if (points > of * 2 / 3 + 1e-9)
    faults.push_back(mistake.name + ": only " + all_digits(of - points) + " of " + all_digits(of) +
                     " points are lost");
  return faults;
}

std::vector<std::string> reference_faults(const Course& course) {
  std::vector<std::string> faults;
  Submission submission = reference(course);
  add_right_files(course, tester(), submission);
  const Grade result = grade(course, submission, tester());
  for (const TaskGrade& task : result.tasks)
    if (!task.full()) faults.push_back("reference, task " + task.id + ": " + said(task));
  double most = 0;
  for (const TaskGrade& task : result.tasks) most += task.of + task.hidden_points;
  if (most != 100) faults.push_back("the points of all tasks are " + all_digits(most) + ", not 100");
  return faults;
}

std::vector<std::string> starter_grade_faults(const Course& course) {
  std::vector<std::string> faults;
  const Submission submission = starter(course);
  for (const Task& task : course.assignment.tasks) {
    const TaskGrade result = grade_task(course, task, submission, tester(), false);
    if (result.points != 0 || !result.error.empty())
      faults.push_back("starter, task " + task.id + ": " + said(result));
  }
  return faults;
}

bool selftest(const Course& course, bool quick, std::ostream& out) {
  bool good = true;
  const auto step = [&](const std::string& what, const std::vector<std::string>& faults) {
    out << (faults.empty() ? "ok     " : "WRONG  ") << what << "\n";
    for (const std::string& fault : faults) out << "       " << fault << "\n";
    out.flush();
    good = good && faults.empty();
  };
  step("starter is production without its parts", starter_faults(course.cut));
  step("reference: full marks", reference_faults(course));
  step("starter: no points", starter_grade_faults(course));
  std::set<std::string> tried;
  for (const Mistake& mistake : course.mistakes)
    if (tried.insert(mistake.task).second || !quick) step(mistake.name, mistake_faults(course, mistake));
  return good;
}

}  // namespace gadolin::course
