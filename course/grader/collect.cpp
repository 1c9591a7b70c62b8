// Grading in two places: requests go out, raw answers come back. A file of either is a row of frames, each
// the number of its bytes and named values.
#include <cstring>
#include <stdexcept>

#include "course/grader/diagnosis.h"
#include "course/grader/frames.h"
#include "course/grader/remote.h"
#include "course/grader/teachers.h"

namespace gadolin::course {
namespace {

const char* const kept_task = "task";

void put_frame(std::string& out, const Values& values) {
  const std::string bytes = to_bytes(values);
  const std::uint64_t length = bytes.size();
  out.append(reinterpret_cast<const char*>(&length), sizeof length);
  out += bytes;
}

// Each frame's task, and its values under the names they had.
template <class F> void each_frame(const std::string& file, const char* option, F f) {
  for (std::size_t at = 0; at < file.size();) {
    std::uint64_t length = 0;
    if (file.size() - at >= sizeof length) std::memcpy(&length, file.data() + at, sizeof length);
    at += sizeof length;
    if (length == 0 || at > file.size() || length > file.size() - at || length > largest_frame)
      throw std::invalid_argument(std::string(option) +
                                  ": not a file that gadolin-grade wrote, or cut short");
    Values frame = from_bytes(std::string_view(file).substr(at, length)), values;
    const std::string task = text(frame, kept_task);
    for (auto& [name, value] : frame)
      if (name[0] == ' ') values.emplace(name.substr(1), std::move(value));
    f(task, frame, std::move(values));
    at += length;
  }
}

Values framed(const std::string& task, const Values& values) {
  Values frame{{kept_task, task}};
  for (const auto& [name, value] : values) frame.emplace(" " + name, value);
  return frame;
}

}  // namespace

std::string inputs(const Course& course, const Who& who) {
  std::string out;
  for (const Task& task : course.assignment.tasks) {
    if (task.inspect) continue;
    for (const Case& one : cases_of(course, task, who, who.secret.has_value()))
      put_frame(out, framed(task.id, one.request));
  }
  return out;
}

std::string collect(const Course& course, const Submission& submission, const std::string& inputs) {
  std::map<std::string, std::vector<Case>> cases;
  each_frame(inputs, "--collect", [&](const std::string& task, const Values&, Values request) {
    cases[task].push_back({"", std::move(request), {}, {}});
  });
  std::string out;
  for (const Task& task : course.assignment.tasks) {
    if (task.inspect) continue;
    try {
      for (const Outcome& outcome :
           outcomes_of(course, task, probe_of(course, task.cut, submission.bodies), cases[task.id])) {
        Values frame = framed(task.id, outcome.got);
        frame["ended"] = outcome.ended;
        put_frame(out, frame);
      }
    } catch (const CompileError& error) {
      put_frame(out, {{kept_task, task.id}, {"why", std::string(error.what())}});
    } catch (const CutError& error) {
      put_frame(out, {{kept_task, task.id}, {"why", std::string(error.what())}});
    }
  }
  return out;
}

Grade judge_kept(const Course& course, const Submission& submission, const Who& who,
                 const std::string& answers) {
  Kept kept;
  each_frame(answers, "--judge", [&](const std::string& task, const Values& frame, Values got) {
    KeptTask& one = kept[task];
    if (frame.contains("why")) {
      one.error = text(frame, "why");
      return;
    }
    one.got.push_back(std::move(got));
    one.ended.push_back(text(frame, "ended"));
  });
  return grade(course, submission, who, &kept);
}

}  // namespace gadolin::course
