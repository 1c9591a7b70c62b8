// The command line of gadolin-grade.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

namespace gadolin::course {

struct Options {
  std::filesystem::path kit, folder, to, out, secret_file, extra, collect, judge;
  std::string format = "text", student, term, mistake, task, verb, program;
  int number = 0;
  bool reference = false, starter = false, times = false, quick = false;
};
void declare(CLI::App& app, Options& options);
// Exit code: 0 for full marks (or a command that did its work), 1 otherwise.
int run(const CLI::App& app, const Options& options);

}  // namespace gadolin::course
