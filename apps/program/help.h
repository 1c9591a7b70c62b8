// How `--help` looks: nothing wider than 80 columns.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace gadolin {

class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool positional) const override;
  std::string make_subcommand(const CLI::App* sub) const override;
  std::string make_description(const CLI::App* app) const override;
};

// Words of `text` in lines; all but the first begin with `indent` blanks, and the first has `used` columns in
// front of it.
std::string in_lines(const std::string& text, std::size_t used, std::size_t indent);
// A command line that a shell takes: lines end with a backslash.
std::string example_lines(const std::string& command);
// The options of a command with their texts.
std::string option_lines(const CLI::App& app);

}  // namespace gadolin
