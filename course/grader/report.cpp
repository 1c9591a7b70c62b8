#include "course/grader/report.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

namespace gadolin::course {
namespace {

using Json = nlohmann::ordered_json;

// Two digits: the same text on every machine.
double rounded(double points) {
  return static_cast<double>(static_cast<std::int64_t>(points * 100 + 0.5)) / 100;
}

std::string points_text(double points) {
  char text[40];
  std::snprintf(text, sizeof text, "%.2f", rounded(points));
  std::string out = text;
  while (out.back() == '0') out.pop_back();
  if (out.back() == '.') out.pop_back();
  return out;
}

std::string plural(std::size_t n, const std::string& one) {
  return std::to_string(n) + " " + one + (n == 1 ? "" : "s");
}

// Lines of feedback of a task, without its points.
std::string feedback(const TaskGrade& task) {
  std::string out;
  const auto add = [&](const std::string& line) { out += (out.empty() ? "" : "\n") + line; };
  if (!task.error.empty()) add(task.error);
  if (!task.sentence.empty()) add(task.sentence);
  // Three that say something new; questions and files handed in have a line each.
  std::set<std::string> shown;
  std::size_t other = 0;
  for (const std::string& line : task.lines) {
    if (task.hidden_points + task.hiddens > 0 && (shown.size() == 3 || shown.contains(line)))
      ++other;
    else if (shown.insert(line).second)
      add(line);
  }
  if (other > 0) add("and " + plural(other, "more public case"));
  if (!task.hidden_lines.empty()) {
    std::string kinds;
    for (const std::string& kind : task.hidden_lines)
      if (kinds.find(kind) == std::string::npos) kinds += (kinds.empty() ? "" : "; ") + kind;
    add(plural(task.hidden_lines.size(), "hidden case") + " failed: " + kinds);
  }
  return out;
}

std::string counts(const TaskGrade& task) {
  if (!task.error.empty()) return "not run";
  std::string out = "public " + std::to_string(task.publics_passed) + " of " + std::to_string(task.publics);
  if (task.hiddens > 0)
    out += ", hidden " + std::to_string(task.hiddens_passed) + " of " + std::to_string(task.hiddens);
  return out;
}

std::string summary(const Grade& grade) {
  std::string out = points_text(grade.points) + " of " + points_text(grade.of) + " points";
  if (grade.hidden_points > 0)
    out += "; hidden cases, which count " + points_text(grade.hidden_points) + " more, were not run here";
  return out;
}

std::string indented(const std::string& text) {
  std::string out = "      ";
  for (char c : text) {
    out += c;
    if (c == '\n') out += "      ";
  }
  return out;
}

std::string base64(const std::string& bytes) {
  static const char* const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t word = 0;
    for (std::size_t j = 0; j < 3; ++j)
      word = word << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j) out += i + j > bytes.size() ? '=' : digits[word >> (18 - 6 * j) & 63];
  }
  return out;
}

std::string written(const Json& json, int indent = 1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string as_text(const Grade& grade) {
  std::string out = "Assignment " + std::to_string(grade.number) + ": " + grade.title + "\n";
  for (const TaskGrade& task : grade.tasks) {
    char line[200];
    std::snprintf(line, sizeof line, "  %-11s %6s of %-5s %s (%s)\n", task.id.c_str(),
                  points_text(task.points).c_str(), points_text(task.of).c_str(),
                  task.id == "questions" ? "" : task.title.c_str(), counts(task).c_str());
    out += line;
    const std::string words = feedback(task);
    if (!words.empty()) out += indented(words) + "\n";
    if (!task.log.empty()) out += indented("it printed: " + task.log) + "\n";
  }
  for (const std::string& note : grade.notes) out += "note: " + note + "\n";
  return out + summary(grade) + "\nsandbox: " + grade.isolation + "\n";
}

std::string as_json(const Grade& grade, double seconds) {
  Json tasks = Json::array();
  for (const TaskGrade& task : grade.tasks) {
    tasks.push_back({{"error", task.error},
                     {"hidden", {{"passed", task.hiddens_passed}, {"run", task.hiddens}}},
                     {"id", task.id},
                     {"lines", task.lines},
                     {"max_points", rounded(task.of)},
                     {"mistake", task.mistake},
                     {"points", rounded(task.points)},
                     {"public", {{"passed", task.publics_passed}, {"run", task.publics}}},
                     {"sentence", task.sentence},
                     {"title", task.title}});
  }
  Json out = {{"assignment", grade.number},
              {"gradable", grade.gradable},
              {"hidden_points_not_run", rounded(grade.hidden_points)},
              {"max_points", rounded(grade.of)},
              {"notes", grade.notes},
              {"points", rounded(grade.points)},
              {"sandbox", grade.isolation},
              {"student", grade.student},
              {"tasks", tasks}};
  if (seconds >= 0) out["seconds"] = seconds;
  return written(out);
}

std::string as_gradescope(const Grade& grade, double seconds) {
  Json tests = Json::array();
  const auto add = [&](const TaskGrade& task, const std::string& name, double score, double most,
                       const std::string& output, const char* visibility) {
    Json test = {{"number", task.id},
                 {"name", name},
                 {"score", rounded(score)},
                 {"max_score", rounded(most)},
                 {"status", score >= most - 1e-9 ? "passed" : "failed"},
                 {"output", output},
                 {"output_format", "text"},
                 {"visibility", visibility}};
    test["tags"] = task.mistake.empty() ? Json::array() : Json::array({task.mistake});
    tests.push_back(test);
  };
  for (const TaskGrade& task : grade.tasks) {
    // Hidden cases are a test of their own, so that what is published later holds nothing of them before.
    const double half = task.hiddens > 0 ? task.of / 2 : task.of;
    const double points = task.publics > 0 ? half * task.publics_passed / task.publics : 0;
    TaskGrade open = task;
    open.hidden_lines.clear();
    add(task, task.title, task.hiddens > 0 ? points : task.points, half, feedback(open), "visible");
    if (task.hiddens > 0) {
      TaskGrade closed;
      closed.hidden_lines = task.hidden_lines;
      closed.sentence = task.sentence;
      add(task, task.title + ", hidden cases", task.points - points, task.of - half, feedback(closed),
          "after_published");
    }
  }
  // No score of the whole: it would override the sum.
  Json out = {{"output", summary(grade)},
              {"output_format", "text"},
              {"visibility", "visible"},
              {"stdout_visibility", "hidden"},
              {"extra_data", {{"assignment", grade.number}, {"sandbox", grade.isolation}}},
              {"tests", tests}};
  if (seconds >= 0) out["execution_time"] = seconds;
  return written(out);
}

std::string as_prairielearn(const Grade& grade) {
  Json tests = Json::array();
  for (const TaskGrade& task : grade.tasks) {
    tests.push_back({{"name", task.id},
                     {"description", task.title},
                     {"points", rounded(task.points)},
                     {"max_points", rounded(task.of)},
                     {"message", task.sentence},
                     {"output", feedback(task).substr(0, 20000)}});
  }
  return written({{"gradable", grade.gradable},
                  {"score", grade.of > 0 ? rounded(grade.points) / grade.of : 0},
                  {"message", summary(grade)},
                  {"output", ""},
                  {"format_errors", grade.gradable ? Json::array() : Json::array({"nothing of it compiles"})},
                  {"tests", tests}});
}

std::string as_classroom(const Grade& grade) {
  Json tests = Json::array();
  for (const TaskGrade& task : grade.tasks) {
    tests.push_back({{"name", task.id + " " + task.title},
                     {"status", task.full()          ? "pass"
                                : task.error.empty() ? "fail"
                                                     : "error"},
                     {"score", rounded(task.points)},
                     {"message", feedback(task)},
                     {"test_code", ""},
                     {"filename", ""},
                     {"line_no", 0},
                     {"duration", 0}});
  }
  const Json out = {{"version", 1},
                    {"status", grade.full()     ? "pass"
                               : grade.gradable ? "fail"
                                                : "error"},
                    {"max_score", rounded(grade.of)},
                    {"tests", tests}};
  return base64(out.dump(-1, ' ', false, Json::error_handler_t::replace));
}

Format format_named(const std::string& name) {
  const char* const names[] = {"text", "json", "gradescope", "prairielearn", "classroom"};
  for (int i = 0; i < 5; ++i)
    if (name == names[i]) return static_cast<Format>(i);
  throw std::invalid_argument("--format: '" + name +
                              "' is none of text, json, gradescope, prairielearn and classroom");
}

std::string shown(const Grade& grade, Format format, double seconds) {
  switch (format) {
    case Format::json: return as_json(grade, seconds);
    case Format::gradescope: return as_gradescope(grade, seconds);
    case Format::prairielearn: return as_prairielearn(grade);
    case Format::classroom: return as_classroom(grade);
    default: return as_text(grade);
  }
}

std::string nothing_yet(Format format, const std::string& why) {
  Grade none;
  none.title = why;
  none.gradable = false;
  TaskGrade task;
  task.id = "grading";
  task.title = "grading";
  task.of = 100;
  task.error = why;
  none.tasks = {task};
  none.of = 100;
  return shown(none, format);
}

}  // namespace gadolin::course
