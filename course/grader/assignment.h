// What an assignment is to the grader. course/N/cases.cpp fills in `assignment_N()`, course/N/answer.cpp
// `answer_N`; README.md in this folder shows the files around them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "course/grader/draw.h"
#include "course/grader/values.h"

namespace gadolin::course {

// Numbers pass when |got - want| <= relative * max(|want|, floor) + absolute. NaN passes only for NaN,
// infinity only for the same infinity. The default asks for equal numbers.
struct Limit {
  double relative = 0, absolute = 0, floor = 0;
};

// One request to the probe. It is answered by `answer_N` in the probe, where the framework holds the
// student's bodies of one task, and by the same `answer_N` in the grader, where it holds production's.
struct Case {
  std::string what;  // "a slice of a slice": shown for hidden cases too, so it tells no drawn number
  Values request;
  Limit limit = {};
  // What may separate right from wrong, true of this case: "step does not divide the length". When a task is
  // wrong exactly where one of these holds, the feedback says so.
  std::vector<std::string> traits = {};
};

// What came of a case.
struct Outcome {
  Case the_case;
  Values got, want;
  std::string ended;  // how the probe ended instead of answering: "time limit of 10 s", "signal 11"; else ""
  std::string wrong;  // "" when the case passes; otherwise one line: where, got, wanted
  bool passed() const { return wrong.empty(); }
};

// A file that the student hands in besides code, by name; missing ones are not there.
using Files = std::map<std::string, std::string>;
// A point looked at in such files.
struct Finding {
  std::string what;   // "AUC before"
  std::string wrong;  // "" when it is right
  double share = 1;   // of the task's points, relative to the other findings
};

struct Limits {
  int cpu_seconds = 10, wall_seconds = 15;
  std::int64_t memory = std::int64_t{1} << 30, file_size = std::int64_t{16} << 20;
};

struct Task {
  std::string id;     // "1.3"; several tasks may share a cut: "1.5 reads" has .cut = "1.5"
  std::string title;  // "permute, expand, slice"
  double points = 0;  // half for public cases, half for hidden ones, each case the same share
  // Name in cut.toml. "*" is the student's whole submission at once (demonstrations); "" needs no probe.
  std::string cut;
  int publics = 0, hiddens = 0;
  // Case `number`: 0 .. publics - 1 are the public ones, the following are hidden. The seed depends on the
  // number too. Kinds go round with the number, so that both halves see each of them.
  std::function<Case(int number, Draw& draw)> draw;
  // Left out, the production framework's answer. An oracle of plain loops or a bound stands here.
  std::function<Values(const Values& request)> want = {};
  // Left out, every value of `want` must be in `got`, integers and text equal, numbers within the limit.
  // Returns "" or one line on what is wrong.
  std::function<std::string(const Case&, const Values& got, const Values& want)> compare = {};
  // Tried when no known mistake explains the failures: a sentence or "". Sees all outcomes of the task.
  std::function<std::string(const std::vector<Outcome>&)> explain = {};
  Limits limits = {};
  // Instead of cases, for files handed in: names, and who looks at them. `draw` has the student's seed.
  std::vector<std::string> files = {};
  std::function<std::vector<Finding>(const Files&, Draw& draw)> inspect = {};
};

// A question whose answer is numbers, drawn for the student; seed 0 gives those of the handout.
struct Question {
  std::string id;    // "q1", the key in work/answers.toml: q1 = 270 or q1 = [3136, 1, 224, 16]
  std::string text;  // with the drawn numbers
  std::vector<double> answer;
  bool whole = false;  // exactly; otherwise to 1e-5 of the number's size
  // Known wrong answers with their sentences.
  std::vector<std::pair<std::vector<double>, std::string>> known = {};
  double points = 3;
};

struct Assignment {
  int number = 0;
  std::string title;
  std::vector<Task> tasks;  // the demonstration is the last one, with cut "*"
  // `handout`: the numbers of the handout instead of drawn ones.
  std::function<std::vector<Question>(Draw& draw, bool handout)> questions;
  // What else is drawn for a student, a line for the question sheet; Draw::student() draws the same in cases.
  std::function<std::string(Draw student)> sheet = {};
  // A student's data set, written to a folder by `gadolin-grade data N FOLDER`.
  std::function<void(Draw student, const std::string& folder)> data = {};
  // Files of tasks that inspect them, right in everything: what --reference hands in.
  std::function<Files(Draw student)> right_files = {};
};

// The default comparison, for those that add to it: "" or one line on the first value of `want` that `got`
// does not have.
std::string difference(const Case& the_case, const Values& got, const Values& want);

// In course/N/cases.cpp and course/N/answer.cpp.
Assignment assignment_1();
Assignment assignment_2();
Assignment assignment_3();
Assignment assignment_4();
Assignment assignment_5();
Assignment assignment_6();
Assignment assignment_7();  // the other choice of 6
Values answer_1(const Values& request);
Values answer_2(const Values& request);
Values answer_3(const Values& request);
Values answer_4(const Values& request);
Values answer_5(const Values& request);
Values answer_6(const Values& request);
Values answer_7(const Values& request);

}  // namespace gadolin::course
