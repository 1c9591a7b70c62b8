// Reference, starter and known mistakes are graded as they deserve; results say what was and was not run.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "course/grader/diagnosis.h"
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

// In CI each assignment is tried where it is cheapest: the fourth on the device made of software, which it
// needs, the others in the plain build. Campaigns try all of them everywhere.
bool tried_here(int number) { return campaign() || (number == 4) == (test::kit().cuda == "software"); }
const Who tester{"", "test", Secret{1, 2, 3}};

// Every case answered by production in this process, and judged.
TEST(Grading, ProductionIsRightInEveryCase) {
  for (int number : known_assignments()) {
    if (!tried_here(number)) continue;
    const Course& course = test::course(number);
    for (const Task& task : course.assignment.tasks) {
      if (task.inspect || task.cut == "*") continue;
      std::vector<Outcome> outcomes;
      for (int i = 0; i < task.publics + task.hiddens; ++i) {
        Outcome outcome{case_of(course, task, tester, i), {}, {}, "", ""};
        try {
          outcome.got = production_answer(number, outcome.the_case.request);
        } catch (const std::exception& error) {
          outcome.got = {{"error", std::string(error.what())}};
        }
        outcomes.push_back(std::move(outcome));
      }
      judge(task, number, outcomes);
      std::size_t errors = 0;
      std::string last;
      for (const Outcome& outcome : outcomes) {
        EXPECT_EQ(outcome.wrong, "") << task.id << ", " << outcome.the_case.what;
        if (!outcome.want.contains("error")) continue;
        ++errors;
        last = text(outcome.want, "error");
      }
      // Where production fails, every submission that fails in the same way would be right.
      EXPECT_LT(2 * errors, outcomes.size()) << task.id << ": " << last;
    }
  }
}

// The report of 5.6 is judged by its own net, so what that net happened to learn costs nobody points.
TEST(Grading, MapsOfAReportAreThoseOfItsNet) {
  if (!tried_here(5)) GTEST_SKIP() << "tried in the plain build";
  const Course& course = test::course(5);
  const Task& task = course.assignment.tasks.back();
  ASSERT_EQ(task.id, "5.6");
  const Case asked = case_of(course, task, tester, 0);
  const Values right = production_answer(5, asked.request);
  EXPECT_EQ(task.compare(asked, right, {}), "");
  Values other_map = right, other_net = right;
  std::get<Array>(other_map.at("maps")).numbers[5] += 0.01;
  EXPECT_TRUE(task.compare(asked, other_map, {}).starts_with("maps[0, 0, 5] is "));
  for (double& weight : std::get<Array>(other_net.at("net.0.weight")).numbers) weight = -weight;
  EXPECT_TRUE(task.compare(asked, other_net, {}).starts_with("maps["));
}

// The whole starter as one probe: it compiles, and no case passes.
TEST(Grading, TheStarterCompilesAndGetsNothing) {
  for (int number : known_assignments()) {
    if (!tried_here(number) || (number > 2 && !campaign())) continue;
    const Course& course = test::course(number);
    const Submission empty = starter(course);
    for (const Task& task : course.assignment.tasks) {
      if (task.inspect || task.cut == "*") continue;
      Task whole = task;
      whole.cut = "*";
      const TaskGrade none = grade_task(course, whole, empty, tester, false);
      EXPECT_EQ(none.points, 0) << task.id;
      EXPECT_EQ(none.error, "") << task.id;
      EXPECT_TRUE(none.sentence.starts_with("Not written yet: ")) << task.id << none.sentence;
    }
  }
}

// In CI one of each assignment, in campaigns all, beside the reference through the whole machine.
TEST(Grading, KnownMistakesAreNamed) {
  for (int number : known_assignments()) {
    if (!tried_here(number)) continue;
    const Course& course = test::course(number);
    // Of files that take long to compile, CI tries those that are cheap.
    static const std::set<std::string> cheap{"1.1", "2.3", "3.4a", "5.2a", "6B.6"};
    for (const Mistake& mistake : course.mistakes) {
      if (!campaign() && !cheap.contains(mistake.task)) continue;
      EXPECT_EQ(joined(mistake_faults(course, mistake)), "") << number;
      if (!campaign()) break;
    }
    if (!campaign()) continue;
    EXPECT_EQ(joined(reference_faults(course)), "") << number;
    EXPECT_EQ(joined(starter_grade_faults(course)), "") << number;
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
  if (!tried_here(1)) GTEST_SKIP() << "tried in the plain build";
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
  if (!tried_here(1)) GTEST_SKIP() << "tried in the plain build";
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
  if (!tried_here(1)) GTEST_SKIP() << "tried in the plain build";
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
  if (!tried_here(1)) GTEST_SKIP() << "tried in the plain build";
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

// J7: the same bytes again and again.
TEST(Reports, TheSameSubmissionGetsTheSameBytes) {
  if (!tried_here(1)) GTEST_SKIP() << "tried in the plain build";
  const Course& course = test::course(1);
  Submission submission = with_mistake(course, "slice-floor");
  std::string first;
  for (int i = 0; i < (campaign() ? 20 : 2); ++i) {
    Grade grade;
    for (std::size_t t = 0; t < 4; ++t)
      grade.tasks.push_back(grade_task(course, course.assignment.tasks[t], submission, tester));
    const std::string text = as_json(grade);
    if (first.empty()) first = text;
    EXPECT_EQ(text, first);
  }
}

// J6, J10: a result file is there from the first moment, whole, and nobody else's to read.
TEST(Reports, AResultFileIsThereAndIsPrivate) {
  if (!tried_here(1)) GTEST_SKIP() << "tried in the plain build";
  const gadolin::test::Scratch scratch;
  const std::string out = scratch / "result.json", work = scratch / "work";
  std::filesystem::create_directories(work);
  const std::string words =
      std::string(GADOLIN_GRADE_PROGRAM) + " 1 " + work + " --format json --out " + out + " > /dev/null 2>&1";
  EXPECT_NE(std::system(("umask 000; " + words).c_str()), 0);
  const json report = json::parse(read_text(out));
  EXPECT_EQ(report["points"], 0.0);  // nothing was handed in
  EXPECT_FALSE(report["gradable"].get<bool>());
  EXPECT_EQ(report["tasks"][0]["error"], "tensor/shape.cpp: not handed in");
  struct stat facts;
  ASSERT_EQ(::stat(out.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 077, 0u);
  // What cannot be graded leaves a result too: no points.
  const std::string secret = scratch.write("secret", "no secret at all");
  ::chmod(secret.c_str(), 0600);
  EXPECT_NE(std::system((words + " --secret " + secret).c_str()), 0);
  EXPECT_EQ(json::parse(read_text(out))["points"], 0.0);
  EXPECT_NE(std::system((std::string(GADOLIN_GRADE_PROGRAM) +
                         " 1 --starter --out /nowhere/result.json > /dev/null 2>&1")
                            .c_str()),
            0);
}

TEST(Reports, OneTaskAloneIsGraded) {
  if (!tried_here(1)) GTEST_SKIP() << "tried in the plain build";
  const gadolin::test::Scratch scratch;
  const std::string out = scratch / "out";
  const auto run = [&](const std::string& words) {
    return std::system((std::string(GADOLIN_GRADE_PROGRAM) + " 1 " + words + " > " + out + " 2>&1").c_str());
  };
  EXPECT_EQ(run("--reference --task 1.1"), 0);
  EXPECT_NE(read_text(out).find("6 of 6 points; hidden cases, which count 6 more"), std::string::npos)
      << read_text(out);
  EXPECT_NE(run("--reference --task 9.9"), 0);
  EXPECT_EQ(read_text(out),
            "gadolin-grade: --task: assignment 1 has no '9.9'; it has 1.1, 1.2, 1.3, 1.4, 1.5 values, "
            "1.5 reads, demo\n");
}

TEST(Reports, ASecretThatOthersMayReadIsRefused) {
  const gadolin::test::Scratch scratch;
  const std::string file = scratch.write("secret", secret_text(new_secret()));
  ::chmod(file.c_str(), 0644);
  EXPECT_EQ(gadolin::test::message_of<std::invalid_argument>([&] { read_secret(file); }),
            "secret: others may read " + file + "; chmod 600 it, and make a new one");
  ::chmod(file.c_str(), 0600);
  EXPECT_NO_THROW(read_secret(file));
}

// J5: what is changed outside the parts is named and does nothing.
TEST(Grading, ChangesElsewhereAreNamedAndIgnored) {
  if (!tried_here(1)) GTEST_SKIP() << "tried in the plain build";
  const Course& course = test::course(1);
  Sources mine = starters(course.cut);
  for (auto& [file, text] : mine)
    if (file == "tensor/shape.cpp") text.replace(text.find("return n;"), 9, "return 1;");
  const Bodies bodies = bodies_of(course.cut, mine);
  EXPECT_EQ(joined(bodies.notes),
            "tensor/shape.cpp: changed outside your parts, which is ignored; first at '  return 1;'\n");
}

// What hidden cases hold is in no output, whatever the submission prints or throws.
TEST(Reports, NoHiddenNumberIsShown) {
  if (!tried_here(1)) GTEST_SKIP() << "tried in the plain build";
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
