// Runs the gadolin program as a user does: a process of its own, its output, its exit code.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace gadolin::test {

struct Outcome {
  int code = -1;  // exit code; 128 + number for a signal
  std::string out, err;
};

struct RunOptions {
  int signal = 0;  // sent once `after` seconds have passed (and `once` exists, when given)
  double after = 0;
  std::string once = {};        // a file to wait for
  std::int64_t file_limit = 0;  // RLIMIT_FSIZE in bytes: a disk that is full
  bool closed_output = false;   // standard output is closed, as by >&- of a shell
  // Of the environment, by name; {}: not set.
  std::map<std::string, std::optional<std::string>> environment = {};
};

// Throws std::runtime_error when the program cannot be started.
Outcome run_program(const std::vector<std::string>& args, const RunOptions& options = {});

// JSON that a run printed with --json: each line, the lines that are one kind of event, and the last line,
// null when it is none. `done` is the final event of a run that must end well, which other lines may precede.
std::vector<nlohmann::json> events(const Outcome& run);
std::vector<nlohmann::json> events(const Outcome& run, const std::string& kind);
nlohmann::json last_event(const Outcome& run);
nlohmann::json done(const Outcome& run);

std::string contents_of(const std::string& path);
// Lines of a text, and their cells.
std::vector<std::vector<std::string>> table_of(const std::string& text, char delimiter);
// Paths of what comes with the repository, and of examples/data in it.
std::string in_repository(const std::string& name);
std::string examples(const std::string& name);
// Files of unfinished writes below a folder.
std::vector<std::string> leftovers(const std::string& folder);
// Weights of a checkpoint, through `gadolin export`: SHA-256 of the file.
std::string weights_digest(const std::string& checkpoint, const std::string& scratch);

}  // namespace gadolin::test
