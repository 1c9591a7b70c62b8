// The process that `bench startup` starts and measures.
#pragma once

#include <string>
#include <vector>

#include "apps/program/command.h"

namespace gadolin {

struct ProgramRun {
  std::string printed;
  int exit = 0;
};
// This program with other arguments, until it ends: what it printed on stdout and its exit code, 128 + number
// for a signal. 127 when it cannot be started.
ProgramRun run_this_program(const std::vector<std::string>& args);

// The events that a run with --json printed. Its error, if that is the last one, is thrown as if it had
// happened here; ValueError when there is no final event.
std::vector<Json> events_of(const ProgramRun& run);

// Names of CUDA's libraries among the files mapped into this process, from the text of /proc/self/maps.
std::vector<std::string> gpu_libraries(const std::string& maps);

}  // namespace gadolin
