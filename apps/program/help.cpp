#include "apps/program/help.h"

#include <algorithm>
#include <sstream>
#include <vector>

namespace gadolin {
namespace {

// --help-all moves the texts of commands by two columns, and those of their commands by two more.
constexpr std::size_t help_width = 76, text_column = 30;

// A name and what is said of it, beside it where there is room.
std::string entry(const std::string& name, const std::string& text, std::size_t column) {
  std::string lines = "  " + name;
  if (text.empty()) return lines + "\n";
  if (lines.size() + 1 > column) {
    lines += "\n" + std::string(column, ' ');
  } else {
    lines.resize(column, ' ');
  }
  return lines + in_lines(text, column, column) + "\n";
}

}  // namespace

std::string in_lines(const std::string& text, std::size_t used, std::size_t indent) {
  std::string lines;
  std::istringstream words(text);
  std::size_t at = used;
  for (std::string word; words >> word;) {
    if (!lines.empty() && at + 1 + word.size() > help_width) {
      lines += "\n" + std::string(indent, ' ');
      at = indent;
    } else if (!lines.empty()) {
      lines += ' ';
      ++at;
    }
    lines += word;
    at += word.size();
  }
  return lines;
}

std::string example_lines(const std::string& command) {
  std::vector<std::string> pieces;  // an option stays beside its value
  std::istringstream words(command);
  for (std::string word; words >> word;) {
    if (pieces.empty() || word.starts_with("-"))
      pieces.push_back(word);
    else
      pieces.back() += " " + word;
  }
  std::string lines, line;
  for (const std::string& piece : pieces) {
    if (!line.empty() && line.size() + piece.size() + 3 > help_width) {
      lines += line + " \\\n";
      line = "   ";
    }
    line += (line.empty() ? "  " : " ") + piece;
  }
  return lines + line;
}

std::string option_lines(const CLI::App& app) {
  std::string lines;
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name(false, true);
    if (!name.starts_with("-h")) lines += entry(name, option->get_description(), 14);
  }
  return lines;
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool positional) const {
  std::string name = make_option_name(option, positional);
  for (std::size_t at = 0; (at = name.find(',', at)) != std::string::npos; ++at) name.insert(at + 1, " ");
  name = in_lines(name + make_option_opts(option), 2, 6);
  return entry(name, make_option_desc(option), text_column);
}
std::string HelpFormatter::make_subcommand(const CLI::App* sub) const {
  return entry(sub->get_name(), sub->get_description(), text_column);
}
std::string HelpFormatter::make_description(const CLI::App* app) const {
  return in_lines(app->get_description(), 0, 0) + "\n";
}

}  // namespace gadolin
