#include "course/grader/source_text.h"

#include <algorithm>
#include <cctype>

namespace gadolin::course {
namespace {
bool space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }
bool identifier(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// End of wanted's occurrence that begins at `at`, or npos.
std::size_t matches(const std::string& text, std::size_t at, std::size_t end, const std::string& wanted) {
  for (std::size_t i = 0; i < wanted.size();) {
    if (space(wanted[i])) {
      while (i < wanted.size() && space(wanted[i])) ++i;
      if (i == wanted.size()) return at;
      if (at >= end || !space(text[at])) return std::string::npos;
      while (at < end && space(text[at])) ++at;
    } else {
      if (at >= end || text[at] != wanted[i]) return std::string::npos;
      ++at;
      ++i;
    }
  }
  return at;
}
}  // namespace

std::string without_comments(const std::string& text, bool strings) {
  std::string out = text;
  const auto blank = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < std::min(to, out.size()); ++i)
      if (out[i] != '\n') out[i] = ' ';
  };
  const auto until = [&](std::size_t from, const std::string& end) {
    const std::size_t at = text.find(end, from);
    return at == std::string::npos ? text.size() : at + end.size();
  };
  for (std::size_t i = 0; i < text.size();) {
    std::size_t next = i + 1;
    const bool after_word = i > 0 && identifier(text[i - 1]);
    if (text.compare(i, 2, "//") == 0) {
      next = until(i, "\n");
      blank(i, next);
    } else if (text.compare(i, 2, "/*") == 0) {
      next = until(i + 2, "*/");
      blank(i, next);
    } else if (text.compare(i, 2, "R\"") == 0 && !after_word) {
      const std::size_t open = text.find('(', i);
      if (open == std::string::npos) break;
      next = until(open, ")" + text.substr(i + 2, open - i - 2) + "\"");
      if (strings) blank(i + 2, next - 1);
    } else if (text[i] == '"' || (text[i] == '\'' && !after_word)) {
      while (next < text.size() && text[next] != text[i] && text[next] != '\n')
        next += text[next] == '\\' ? 2 : 1;
      if (strings) blank(i + 1, next);
      ++next;
    }
    i = next;
  }
  return out;
}

int find_code(const std::string& text, const std::string& wanted, Span within, Span& found) {
  int count = 0;
  for (std::size_t at = within.begin; at < within.end; ++at) {
    if (at > 0 && identifier(text[at - 1]) && identifier(wanted[0])) continue;
    const std::size_t end = matches(text, at, within.end, wanted);
    if (end == std::string::npos) continue;
    if (count++ == 0) found = {at, end};
  }
  return count;
}

std::size_t closing_brace(const std::string& blank, std::size_t open) {
  int depth = 1;
  for (std::size_t i = open; i < blank.size(); ++i) {
    if (blank[i] == '{') ++depth;
    if (blank[i] == '}' && --depth == 0) return i;
  }
  return std::string::npos;
}

int line_of(const std::string& text, std::size_t at) {
  return 1 + static_cast<int>(std::count(
                 text.begin(), text.begin() + static_cast<std::ptrdiff_t>(std::min(at, text.size())), '\n'));
}

std::string indent_of(const std::string& text, std::size_t at) {
  const std::size_t line = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;  // npos + 1 is 0
  std::size_t end = line;
  while (end < text.size() && text[end] == ' ') ++end;
  return text.substr(line, end - line);
}

}  // namespace gadolin::course
