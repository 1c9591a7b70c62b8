// Reference, starter and known mistakes are graded as they deserve; results say what was and was not run.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "course/grader/report.h"
#include "course/grader/sandbox.h"
#include "course/grader/selftest.h"
#include "course/grader/toml.h"
#include "tests/course/kit.h"
#include "tests/scratch.h"

namespace gadolin::course {
namespace {

using test::joined;

using nlohmann::json;

bool campaign() { return std::getenv("GADOLIN_CAMPAIGN") != nullptr; }

// Of the assignments from 3 on, whose files take long to compile, CI tries the tasks that are cheap;
// campaigns and `gadolin-grade selftest N` try all.
bool tried(int number, const std::string& task) {
  static const std::set<std::string> cheap{"3.4a", "3.4b", "5.2a", "6B.6"};
  return campaign() || number <= 2 || cheap.contains(task);
}

// nvcc is no part of the course: what it would compile is tried where kernels are plain C++.
bool has_tasks_here(const Course& course, const std::string& cut) {
  if (test::kit().cuda != "nvcc" || cut.empty()) return true;
  for (const std::string& task : cut == "*" ? course.cut.tasks() : std::vector<std::string>{cut})
    for (const Unit& unit : course.cut.units.at(task))
      if (unit.file.ends_with(".cu")) return false;
  return true;
}

TEST(Grading, TheReferenceGetsAllPointsAndTheStarterNone) {
  if (test::kit().cuda == "software" && !campaign()) GTEST_SKIP() << "tried in the plain build";
  for (int number : known_assignments()) {
    const Course& course = test::course(number);
    const Who who{"", "test", Secret{1, 2, 3}};
    const Submission right = reference(course), empty = starter(course);
    for (const Task& task : course.assignment.tasks) {
      if (task.inspect || !tried(number, task.id) || !has_tasks_here(course, task.cut)) continue;
      const TaskGrade full = grade_task(course, task, right, who, false);
      EXPECT_TRUE(full.full()) << task.id << ": " << full.error << joined(full.lines)
                               << joined(full.hidden_lines);
      if (task.cut == "*" && !campaign()) continue;
      const TaskGrade none = grade_task(course, task, empty, who, false);
      EXPECT_EQ(none.points, 0) << task.id;
      EXPECT_EQ(none.error, "") << task.id;  // it compiles
    }
  }
}

// In CI the first mistake of each task, in campaigns all of them.
TEST(Grading, KnownMistakesAreNamed) {
  if (test::kit().cuda == "software" && !campaign()) GTEST_SKIP() << "tried in the plain build";
  for (int number : known_assignments()) {
    const Course& course = test::course(number);
    std::set<std::string> seen;
    for (const Mistake& mistake : course.mistakes) {
      if (!tried(number, mistake.task) || !has_tasks_here(course, mistake.task)) continue;
      if (!seen.insert(mistake.task).second && !campaign()) continue;
      EXPECT_EQ(joined(mistake_faults(course, mistake)), "");
    }
  }
}

// The grade of a submission whose task 1.1 alone is wrong, by all ways of saying it.
const Grade& one_mistake() {
  static const Grade result = [] {
    const Course& course = test::course(1);
    Submission submission = with_mistake(course, "fastest-first");
    submission.files["answers.toml"] = "q1 = 270\nq2 = 5\n";
    return grade(course, submission, {"", "test", Secret{1, 2, 3}});
  }();
  return result;
}

TEST(Grading, OneMistakeCostsItsOwnTaskAlone) {
  for (const TaskGrade& task : one_mistake().tasks) {
    if (task.id == "1.1") {
      EXPECT_LE(task.points, 8);
      EXPECT_EQ(task.mistake, "fastest-first");
    } else if (task.id == "questions") {
      EXPECT_EQ(task.points, 3);
    } else if (task.id != "demo") {
      EXPECT_TRUE(task.full()) << task.id << joined(task.lines);
    }
  }
}

TEST(Reports, GradescopeTakesTheForm) {
  const json report = json::parse(as_gradescope(one_mistake()));
  EXPECT_FALSE(report.contains("score"));  // it would override the sum
  double sum = 0, most = 0;
  for (const json& test : report["tests"]) {
    for (const char* key :
         {"number", "name", "score", "max_score", "status", "output", "output_format", "visibility", "tags"})
      EXPECT_TRUE(test.contains(key)) << key;
    EXPECT_GE(test["score"], 0.0);
    sum += test["score"].get<double>();
    most += test["max_score"].get<double>();
  }
  EXPECT_NEAR(sum, one_mistake().points, 0.1);
  EXPECT_NEAR(most, one_mistake().of, 0.1);
}

TEST(Reports, PrairieLearnAndClassroomTakeTheForm) {
  const json report = json::parse(as_prairielearn(one_mistake()));
  EXPECT_TRUE(report["gradable"].get<bool>());
  EXPECT_NEAR(report["score"], one_mistake().points / one_mistake().of, 0.01);
  EXPECT_LT(as_prairielearn(one_mistake()).size(), 1u << 20);
  const std::string packed = as_classroom(one_mistake());
  EXPECT_EQ(packed.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="),
            std::string::npos);
  EXPECT_EQ(packed.size() % 4, 0u);
}

TEST(Reports, AScoreOfNothingIsZeroAndNotFull) {
  for (double points : {0.0, 0.004, 1.0, 99.99, 100.0}) {
    Grade grade;
    TaskGrade task;
    task.id = "1.1";
    task.of = 100;
    task.points = points;
    task.publics = 1;
    grade.tasks = {task};
    grade.points = points;
    grade.of = 100;
    EXPECT_EQ(grade.full(), points == 100.0);
    EXPECT_NEAR(json::parse(as_json(grade))["points"], points, 0.006);
    EXPECT_EQ(json::parse(as_gradescope(grade))["tests"][0]["status"], points == 100.0 ? "passed" : "failed");
  }
  EXPECT_EQ(json::parse(nothing_yet(Format::json, "why"))["points"], 0.0);
  EXPECT_EQ(json::parse(nothing_yet(Format::gradescope, "why"))["tests"][0]["score"], 0.0);
  EXPECT_FALSE(json::parse(nothing_yet(Format::prairielearn, "why"))["gradable"].get<bool>());
}

TEST(Reports, WhatWasNotRunIsSaid) {
  const Course& course = test::course(1);
  const Task& task = course.assignment.tasks[0];
  Grade grade;
  grade.tasks = {grade_task(course, task, reference(course), {})};
  grade.points = grade.tasks[0].points;
  grade.of = grade.tasks[0].of;
  grade.hidden_points = grade.tasks[0].hidden_points;
  EXPECT_NE(as_text(grade).find("6 of 6 points; hidden cases, which count 6 more, were not run here"),
            std::string::npos)
      << as_text(grade);
}

// What hidden cases hold is in no output, whatever the submission prints or throws.
TEST(Reports, NoHiddenNumberIsShown) {
  const Course& course = test::course(1);
  const Task& task = course.assignment.tasks[0];
  const Submission spy = test::with_body(course, "strides_for", R"(
  (void)format;
  fail<ShapeError>("spy: ", shape, " was asked");
)");
  const Who who{"", "test", Secret{7, 7, 7}};
  Grade grade;
  grade.tasks = {grade_task(course, task, spy, who)};
  ASSERT_EQ(grade.tasks[0].hiddens_passed + grade.tasks[0].publics_passed, 0);
  std::set<std::string> open, hidden;
  for (std::size_t i = 0; i < grade.tasks[0].outcomes.size(); ++i) {
    const Outcome& outcome = grade.tasks[0].outcomes[i];
    if (outcome.got.contains("error"))
      (i < static_cast<std::size_t>(task.publics) ? open : hidden).insert(text(outcome.got, "error"));
  }
  std::string shown_text;
  for (Format format : {Format::text, Format::json, Format::gradescope, Format::prairielearn})
    shown_text += shown(grade, format);
  int looked = 0;
  for (const std::string& text : hidden) {
    if (open.contains(text)) continue;
    ++looked;
    EXPECT_EQ(shown_text.find(text), std::string::npos) << text;
  }
  EXPECT_GT(looked, 5);
}

}  // namespace
}  // namespace gadolin::course
