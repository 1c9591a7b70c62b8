// Which words of a command line name the command.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace gadolin {

// With "-" for every "_": they are the same in names of options and commands.
std::string dashes(std::string name);

// In front of a command stand only common options, whose values are passed over, or `help`:
// `gadolin --threads 2 data check train`: app check, at {3, 4}.
struct CommandWords {
  const CLI::App* app;  // what is named: the program itself, a group, or a command
  std::vector<int> at;  // where its words stand in argv
  int unknown = 0;      // where a word stands that names nothing below `app`; 0: there is none
  // "data check"
  std::string path() const;
};
CommandWords command_words(const CLI::App& program, int argc, char** argv);

// The arguments with "-" for "_" where the two mean the same; `help data split` as `data split --help`.
std::vector<std::string> normalised(const CLI::App& program, int argc, char** argv);

// Where the words name no command, puts what is wrong into `message` and the way out into `hint`.
void name_command(const CLI::App& program, int argc, char** argv, std::string& message, std::string& hint);

}  // namespace gadolin
