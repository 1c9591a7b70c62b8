// A step as a process of its own: it cannot take the pipeline down, and what it took is measured.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "io/json.h"

namespace gadolin::pipeline {

struct StepRun {
  int exit = 0;  // 128 + number for a signal
  double seconds = 0;
  std::int64_t peak_bytes = 0;  // of resident memory
  Json last;                    // its final event, null without one
};

// This program with `words`, until it ends. `silent`: what it prints for people goes nowhere. Each event goes
// to `each`. A signal that asks this process to stop is passed on; when this process is killed, so is the
// step. `locked`: a file that stays open, and with it locked, as long as the step lives. Throws FileError
// when it cannot be started.
StepRun run_step(const std::vector<std::string>& words, bool silent, int locked,
                 const std::function<void(const Json&)>& each);

// Throws unless the step ended well: its own error with `place` ("pipeline: step train") in front, Stopped,
// or ProcessError where it said nothing.
void check_end(const std::string& place, const StepRun& run);

}  // namespace gadolin::pipeline
