// The file of --config: names of options with values, of which none is passed over in silence.
#pragma once

#include <CLI/CLI.hpp>

namespace gadolin {

// Lines are NAME = VALUE, [SECTION] or a # comment, as in TOML. Options of a command have its name in front
// or stand in its section, `_` is `-`, and common options may stand anywhere. A value is a text in quotes, in
// which nothing is special, a number or word, or an array of these. Throws UsageError with file and line for
// any other line, a name that the program does not have, and one that is given twice.
class ConfigFile : public CLI::ConfigTOML {
 public:
  // `app` must outlive it; its option --config names the file.
  explicit ConfigFile(const CLI::App& app) : app_(app) {}
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override;

 private:
  const CLI::App& app_;
};

}  // namespace gadolin
