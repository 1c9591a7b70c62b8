// A grade as text for people and in the forms that other systems read.
#pragma once

#include <filesystem>
#include <string>

#include "course/grader/grade.h"

namespace gadolin::course {

struct Shown {
  bool numbers_of_hidden = false;  // never for students
  double seconds = -1;             // of the whole grading; only with --times
};
std::string as_text(const Grade& grade);
std::string as_json(const Grade& grade, double seconds = -1);
std::string as_gradescope(const Grade& grade, double seconds = -1);
std::string as_prairielearn(const Grade& grade);
std::string as_classroom(const Grade& grade);  // base64, the step's output `result`

enum class Format : std::uint8_t { text, json, gradescope, prairielearn, classroom };
Format format_named(const std::string& name);  // throws std::invalid_argument
std::string shown(const Grade& grade, Format format, double seconds = -1);
// What stands in the result file until the grading has ended: no points, and why.
std::string nothing_yet(Format format, const std::string& why);

}  // namespace gadolin::course
