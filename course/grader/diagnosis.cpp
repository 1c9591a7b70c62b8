#include "course/grader/diagnosis.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <stdexcept>

namespace gadolin::course {
namespace {

std::string separating_trait(const std::vector<Outcome>& outcomes) {
  std::set<std::string> traits;
  for (const Outcome& outcome : outcomes)
    traits.insert(outcome.the_case.traits.begin(), outcome.the_case.traits.end());
  for (const std::string& trait : traits) {
    bool exactly = true, opposite = true, passed = false;
    for (const Outcome& outcome : outcomes) {
      const auto& own = outcome.the_case.traits;
      const bool has = std::find(own.begin(), own.end(), trait) != own.end();
      exactly = exactly && has != outcome.passed();
      opposite = opposite && has == outcome.passed();
      passed = passed || outcome.passed();
    }
    if (!passed) continue;
    if (exactly) return "Right everywhere but where " + trait + ".";
    if (opposite) return "Right only where " + trait + ".";
  }
  return "";
}

}  // namespace

bool explains(const std::vector<Outcome>& student, const std::vector<Outcome>& mistake) {
  for (std::size_t i = 0; i < student.size(); ++i) {
    if (student[i].passed() != mistake[i].passed()) return false;
    if (student[i].passed()) continue;
    if (student[i].ended.empty() != mistake[i].ended.empty()) return false;
    if (!student[i].ended.empty()) {
      if (student[i].ended != mistake[i].ended) return false;
    } else if (!difference(student[i].the_case, student[i].got, mistake[i].got).empty() ||
               !difference(student[i].the_case, mistake[i].got, student[i].got).empty()) {
      return false;
    }
  }
  return true;
}

Values production_answer(int number, const Values& request) {
  static std::mutex one_at_a_time;  // an answer may count the process's nodes or seed its generator
  const std::lock_guard lock(one_at_a_time);
  switch (number) {
#ifdef GADOLIN_COURSE_1
    case 1: return answer_1(request);
#endif
#ifdef GADOLIN_COURSE_2
    case 2: return answer_2(request);
#endif
#ifdef GADOLIN_COURSE_3
    case 3: return answer_3(request);
#endif
#ifdef GADOLIN_COURSE_4
    case 4: return answer_4(request);
#endif
#ifdef GADOLIN_COURSE_5
    case 5: return answer_5(request);
#endif
#ifdef GADOLIN_COURSE_6
    case 6: return answer_6(request);
#endif
#ifdef GADOLIN_COURSE_7
    case 7: return answer_7(request);
#endif
    default: throw std::invalid_argument("no assignment has the number " + std::to_string(number));
  }
}

Diagnosis diagnosis(const Course& course, const Task& task, const std::vector<Outcome>& outcomes) {
  if (std::all_of(outcomes.begin(), outcomes.end(), [](const Outcome& o) { return o.passed(); })) return {};
  std::vector<Case> cases;
  for (const Outcome& outcome : outcomes) cases.push_back(outcome.the_case);
  for (const Mistake& mistake : course.mistakes) {
    if (mistake.task != task.cut) continue;
    Bodies bodies;
    bodies.parts = mistake.parts;
    std::vector<Outcome> tried = outcomes_of(course, task, probe_of(course, task.cut, bodies), cases);
    judge(task, course.assignment.number, tried);
    if (explains(outcomes, tried)) return {mistake.says, mistake.name};
  }
  if (task.explain) {
    std::string sentence = task.explain(outcomes);
    if (!sentence.empty()) return {std::move(sentence), ""};
  }
  return {separating_trait(outcomes), ""};
}

}  // namespace gadolin::course
