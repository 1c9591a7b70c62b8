// What teachers have beside points: bodies, cases of their own, grading in two places; in campaigns clusters
// and the oral check.
#include "course/grader/teachers.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "course/grader/report.h"
#include "course/grader/selftest.h"
#include "course/grader/toml.h"
#include "tests/course/kit.h"
#include "tests/scratch.h"

namespace gadolin::course {
namespace {

namespace fs = std::filesystem;
using gadolin::test::message_of;
using gadolin::test::Scratch;

const Who anna{"anna", "test", Secret{1, 2, 3}};

class Teachers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (test::kit().cuda == "software") GTEST_SKIP() << "tried in the plain build";
  }
};

void hand_in(const Scratch& scratch, const std::string& name, const Sources& sources) {
  for (const auto& [file, text] : sources) scratch.write(name + "/" + file, text);
}

TEST_F(Teachers, TwoPlacesGiveThePointsOfOne) {
  const Course& course = test::course(1);
  const Submission submission = with_mistake(course, "fastest-first");
  const std::string questions = inputs(course, anna), answers = collect(course, submission, questions);
  EXPECT_EQ(as_json(judge_kept(course, submission, anna, answers)), as_json(grade(course, submission, anna)));
  // Without the secret the inputs are public ones; of another student they do not fit.
  EXPECT_LT(inputs(course, {"anna", "test", std::nullopt}).size(), questions.size());
  const std::string fewer = collect(course, submission, inputs(course, {"anna", "test", std::nullopt}));
  EXPECT_EQ(message_of<std::invalid_argument>([&] { judge_kept(course, submission, anna, fewer); }),
            "--judge: 12 answers for 24 cases; collect them again, with the inputs of this secret");
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { judge_kept(course, submission, anna, answers.substr(0, answers.size() - 1)); }),
            "--judge: not a file that gadolin-grade wrote, or cut short");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { collect(course, submission, "nonsense"); }),
            "--collect: not a file that gadolin-grade wrote, or cut short");
  // No answers, no points.
  EXPECT_EQ(judge_kept(course, submission, anna, "").points, 0);
}

TEST_F(Teachers, BodiesAreTheStudentsAlone) {
  const Course& course = test::course(1);
  const Scratch scratch;
  hand_in(scratch, "in/anna", production(course.cut));
  hand_in(scratch, "in/bob", starters(course.cut));
  std::ostringstream said;
  write_bodies(course, scratch / "in", scratch / "out", said);
  EXPECT_EQ(said.str(), "anna: 11 of 11 bodies\nbob: 0 of 11 bodies\n");
  EXPECT_EQ(read_text(scratch / "out/anna/tensor/shape.cpp"),
            read_text(scratch / "out/production/tensor/shape.cpp"));
  EXPECT_FALSE(fs::exists(scratch / "out/bob"));
  EXPECT_EQ(read_text(scratch / "out/production/tensor/shape.cpp").find("is_empty"), std::string::npos);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { write_bodies(course, "/nowhere", "/nowhere", said); }),
            "/nowhere: no folder; a folder of submissions is needed, one each");
}

TEST_F(Teachers, CasesOfTheirOwnAreCounted) {
  Course course = open_course(test::kit(), 1);
  const Scratch scratch;
  const int before = course.assignment.tasks[0].publics;
  const Case last_hidden = case_of(course, course.assignment.tasks[0], anna, before + 3);
  scratch.write("own/a.toml",
                "[[case]]\ntask = \"1.1\"\nlike = 0\nwhat = \"a long row\"\nshapes = [2, 1, 9]\n");
  add_extra_cases(course, scratch / "own");
  const Task& task = course.assignment.tasks[0];
  EXPECT_EQ(task.publics, before + 1);
  const Case own = case_of(course, task, anna, before);
  EXPECT_EQ(own.what, "a long row");
  EXPECT_EQ(integers(own.request, "shapes"), (std::vector<std::int64_t>{2, 1, 9}));
  const TaskGrade result = grade_task(course, task, reference(course), anna, false);
  EXPECT_TRUE(result.full()) << test::joined(result.lines);
  EXPECT_EQ(case_of(course, task, anna, before + 4).what, last_hidden.what);
  const auto told = [&](const std::string& text) {
    scratch.write("own/a.toml", text);
    Course fresh = open_course(test::kit(), 1);
    std::string message = message_of<std::invalid_argument>([&] { add_extra_cases(fresh, scratch / "own"); });
    return message.substr(message.rfind("a.toml") == std::string::npos ? 0 : message.rfind("a.toml"));
  };
  EXPECT_EQ(told("[[case]]\ntask = \"9.9\"\n"), "a.toml:1: no task '9.9' with cases");
  EXPECT_EQ(told("[[case]]\ntask = \"1.1\"\nlike = 99\n"),
            "a.toml:1: like = 0 to 11 names the public case to begin with");
  EXPECT_EQ(told("[[case]]\ntask = \"1.1\"\nlike = 0\nwhat = \"w\"\nsizes = 3\n"),
            "a.toml:1: the request has no 'sizes'; it has channels_last, op, shapes");
  EXPECT_EQ(told("[[case]]\ntask = \"1.1\"\nlike = 0\nwhat = \"w\"\nshapes = [1, 2.5]\n"),
            "a.toml:1: 'shapes' holds whole numbers");
  EXPECT_EQ(told("[[thing]]\nx = 1\n"), "a.toml:1: the list holds [[case]] alone");
}

// Minutes of compiling.
TEST_F(Teachers, ClustersAndOralChecks) {
  if (!std::getenv("GADOLIN_CAMPAIGN")) GTEST_SKIP() << "GADOLIN_CAMPAIGN=1 tries it";
  const Course& course = test::course(1);
  const Scratch scratch;
  Sources wrong = production(course.cut);
  std::string& text = wrong.at("tensor/ops/views.cpp");
  const std::string right = "to[d] = (end - begin + step - 1) / step;";
  ASSERT_NE(text.find(right), std::string::npos);
  text.replace(text.find(right), right.size(), "to[d] = (end - begin) / step;");
  hand_in(scratch, "anna", wrong);
  hand_in(scratch, "bob", wrong);
  hand_in(scratch, "carl", production(course.cut));
  std::ostringstream said;
  cluster(course, scratch.path(), said);
  EXPECT_NE(said.str().find("1.3, 2 submissions: anna, bob\n  known: slice-floor: A slice has ceil("),
            std::string::npos)
      << said.str();
  EXPECT_EQ(said.str().find("carl"), std::string::npos) << said.str();
  std::ostringstream asked, again;
  viva(course, reference(course), anna, asked);
  viva(course, reference(course), anna, again);
  EXPECT_EQ(asked.str(), again.str());
  for (const char* number : {"1. tensor/", "2. tensor/", "3. tensor/"})
    EXPECT_NE(asked.str().find(number), std::string::npos) << asked.str();
}

}  // namespace
}  // namespace gadolin::course
