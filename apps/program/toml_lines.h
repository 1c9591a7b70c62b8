// The TOML that the program reads: of --config and of pipelines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gadolin {

struct TomlLine {
  int number = 0;
  std::string section, name;  // as they are written, but with "-" for every "_"; section "" before the first
  std::vector<std::string> values;
};

// Lines are NAME = VALUE, [SECTION] or a # comment. A value is a text in quotes, in which nothing is special,
// a number or word, or an array of these, which may go on over several lines. Throws UsageError for any other
// line, beginning with `place` ("config: FILE") and its number.
std::vector<TomlLine> toml_lines(std::string_view text, const std::string& place);

}  // namespace gadolin
