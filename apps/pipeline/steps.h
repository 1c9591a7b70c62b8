// The file of a pipeline: steps with their commands, what they read and what they make.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "apps/program/command.h"

namespace gadolin::pipeline {

struct Step {
  std::string name;
  std::vector<std::string> words;            // of the command line, without "gadolin"
  std::vector<std::string> arguments;        // those of them that do not name the command
  std::vector<std::string> inputs, outputs;  // files and folders, as written, from the current folder
  bool resume = false;                       // goes on with what it left when it was stopped
  std::string options;                       // every option of the command, with defaults: TOML, by lines
  std::vector<std::size_t> after;            // steps that make what it reads
};

using Values = std::map<std::string, std::string>;

// Steps in the order in which they can be run: that of the file wherever it is possible. `set`: NAME=VALUE of
// the command line; `common`: words for every step, in front of its own. Throws UsageError for a line, key,
// name, command or option that does not exist, for steps that wait for one another, for a file that two steps
// make or one both reads and makes, and for a file of another step that a command names and does not list.
std::vector<Step> read_steps(const std::string& file, const std::vector<std::string>& set,
                             const std::vector<std::string>& common, Program& program);

// Whether `path` is `folder` or lies in it.
bool lies_in(const std::string& path, const std::string& folder);
// The step of this name. Throws UsageError, naming `option`.
std::size_t step_named(const std::vector<Step>& steps, const std::string& name, const std::string& option);

}  // namespace gadolin::pipeline
