// The grader's end of a probe: asks, waits within limits, and believes nothing.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "course/grader/assignment.h"
#include "course/grader/sandbox.h"

namespace gadolin::course {

class Remote {
 public:
  // `writes`: a folder in which the probe may write; may be empty.
  Remote(std::filesystem::path probe, const Limits& limits, bool sanitized,
         std::filesystem::path writes = {});

  // The answer, or nothing; then ended() says why. A probe that ended is started again for the next request,
  // until the task's time is up.
  std::optional<Values> ask(const Values& request);
  const std::string& ended() const { return ended_; }
  bool out_of_time() const { return out_of_time_; }
  const std::string& log() const { return log_; }  // what the probe printed, at most 64 KiB

 private:
  std::optional<Values> answer_to(const Values& request);
  void start();
  std::optional<Values> end(const std::string& why);
  double left() const;  // seconds of the task
  bool waits_longer();  // more of them for a program that was not given a processor
  std::filesystem::path probe_, writes_;
  Limits limits_;
  bool sanitized_;
  std::unique_ptr<Sandboxed> program_;
  std::uint64_t asked_ = 0;
  std::string ended_, log_;
  bool out_of_time_ = false;
  // Seconds in which an answer was waited for; those that the grader itself takes do not count.
  double allowed_, used_ = 0;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace gadolin::course
