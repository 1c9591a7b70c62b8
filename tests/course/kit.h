// The build's own kit, and probes of bodies that a test writes.
#pragma once

#include <map>
#include <string>

#include "course/grader/diagnosis.h"
#include "course/grader/grade.h"
#include "course/grader/remote.h"

namespace gadolin::course::test {

inline std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}
inline const Kit& kit() {
  static const Kit the_kit = open_kit(GADOLIN_COURSE_KIT);
  return the_kit;
}
inline const Course& course(int number) {
  static std::map<int, Course> open;
  const auto at = open.find(number);
  return at != open.end() ? at->second : open.emplace(number, open_course(kit(), number)).first->second;
}
// Production with another body for `part`, and helpers.
inline Submission with_body(const Course& course, const std::string& part, const std::string& body,
                            const std::string& helpers = "") {
  Submission submission = reference(course);
  for (auto& [known, text] : submission.bodies.parts) {
    if (known->name != part) continue;
    text = body;
    if (!helpers.empty()) submission.bodies.helpers[known->file] = helpers;
  }
  return submission;
}

}  // namespace gadolin::course::test
