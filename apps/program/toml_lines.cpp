#include "apps/program/toml_lines.h"

#include <algorithm>
#include <optional>
#include <sstream>

#include "apps/program/command_words.h"
#include "io/bytes.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

// One value at the head of `text`, taken from it; nothing where there is none.
std::optional<std::string> take_value(std::string_view& text) {
  text = trimmed(text);
  if (text.empty()) return {};
  const char quote = text[0];
  std::size_t end = 0;
  std::string value;
  if (quote == '"' || quote == '\'') {
    end = text.find(quote, 1);
    if (end == std::string_view::npos) return {};
    value = text.substr(1, end - 1);
    ++end;
  } else {
    end = std::min(text.find_first_of(" \t#\"'[]"), text.size());
    value = text.substr(0, end);
    if (end == 0) return {};
  }
  text = trimmed(text.substr(end));
  return value;
}

// What stands behind the "=": values, and nothing more than a comment after them.
std::optional<std::vector<std::string>> values_of(std::string_view text) {
  std::vector<std::string> values;
  text = trimmed(text);
  const bool array = text.starts_with('[');
  if (!array) {
    if (const auto value = take_value(text)) values.push_back(*value);
    if (values.empty()) return {};
  } else {
    text = trimmed(text.substr(1));
    while (!text.starts_with(']')) {
      // A word in an array ends at the comma.
      const bool quoted = text.starts_with('"') || text.starts_with('\'');
      const std::size_t comma = quoted ? text.size() : std::min(text.find_first_of(",]"), text.size());
      std::string_view head = text.substr(0, comma);
      const auto value = take_value(head);
      if (!value || (!quoted && !head.empty())) return {};
      values.push_back(*value);
      text = quoted ? head : trimmed(text.substr(comma));
      if (text.starts_with(','))
        text = trimmed(text.substr(1));
      else if (!text.starts_with(']'))
        return {};
    }
    text = trimmed(text.substr(1));
  }
  if (!text.empty() && text[0] != '#') return {};
  return values;
}

// Where `wanted` stands outside quotes; the end of the text without it, npos where a quote does not end.
std::size_t find_unquoted(std::string_view text, char wanted) {
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quote != 0)
      quote = text[i] == quote ? 0 : quote;
    else if (text[i] == '"' || text[i] == '\'')
      quote = text[i];
    else if (text[i] == wanted)
      return i;
  }
  return quote == 0 ? text.size() : text.npos;
}

// Whether an array begins in `text` that does not end there.
bool goes_on(std::string_view text) {
  return trimmed(text).starts_with('[') && find_unquoted(text, ']') == text.size();
}

std::string_view without_comment(std::string_view text) { return text.substr(0, find_unquoted(text, '#')); }

}  // namespace

std::vector<TomlLine> toml_lines(std::string_view all, const std::string& place) {
  std::vector<TomlLine> found;
  std::istringstream input{std::string(all)};
  std::string line, section;
  for (int number = 1; std::getline(input, line); ++number) {
    const int first = number;
    const std::string where = cat(place, ":", first, ": ");
    std::string_view text = trimmed(line);
    if (number == 1 && text.starts_with("\xef\xbb\xbf")) text = trimmed(text.substr(3));
    if (text.empty() || text[0] == '#') continue;
    if (text[0] == '[') {
      const std::size_t end = text.find(']');
      const std::string_view rest = end == text.npos ? "?" : trimmed(text.substr(end + 1));
      require<UsageError>(rest.empty() || rest[0] == '#', where, printable(std::string(text)),
                          " is no section; write it as [train]");
      section = dashes(std::string(trimmed(text.substr(1, end - 1))));
      continue;
    }
    const std::string said(text);
    std::string whole = said;
    const std::size_t equals = whole.find('=');
    if (equals != whole.npos && goes_on(without_comment(whole).substr(equals + 1))) {
      whole = without_comment(whole);
      while (goes_on(std::string_view(whole).substr(equals + 1)) && std::getline(input, line)) {
        ++number;
        whole += " " + std::string(trimmed(without_comment(line)));
      }
    }
    const auto values =
        equals == whole.npos ? std::nullopt : values_of(std::string_view(whole).substr(equals + 1));
    const std::string name = dashes(std::string(trimmed(whole.substr(0, equals))));
    require<UsageError>(values && !name.empty(), where, printable(said),
                        " is not NAME = VALUE; texts with blanks stand in quotes");
    found.push_back({first, section, name, *values});
  }
  return found;
}

}  // namespace gadolin
