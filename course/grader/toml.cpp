#include "course/grader/toml.h"

#include <cctype>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace gadolin::course {
namespace {

using TomlScalar = std::variant<std::string, double>;

struct TomlParser {
  const std::string& s;
  const std::string& file;
  std::size_t at = 0;
  int line = 1;

  [[noreturn]] void fail(const std::string& what) const {
    throw std::invalid_argument(file + ":" + std::to_string(line) + ": " + what);
  }
  bool done() const { return at >= s.size(); }
  char next() {
    const char c = s[at++];
    if (c == '\n') ++line;
    return c;
  }
  void skip(bool lines) {
    while (!done()) {
      const char c = s[at];
      if (c == '#') {
        while (!done() && s[at] != '\n') ++at;
      } else if (c == ' ' || c == '\t' || c == '\r' || (lines && c == '\n')) {
        next();
      } else {
        return;
      }
    }
  }
  bool take(const char* text) {
    const std::string wanted = text;
    if (s.compare(at, wanted.size(), wanted) != 0) return false;
    at += wanted.size();
    return true;
  }
  std::string word() {
    std::string out;
    while (!done() && (std::isalnum(static_cast<unsigned char>(s[at])) || s[at] == '_' || s[at] == '-'))
      out += s[at++];
    if (out.empty()) fail("a name was expected");
    return out;
  }
  std::string literal() {  // after '''
    if (!done() && s[at] == '\n') next();
    std::string out;
    while (!take("'''")) {
      if (done()) fail("a literal string has no end");
      out += next();
    }
    return out;
  }
  std::string quoted(char end) {
    std::string out;
    for (;;) {
      if (done() || s[at] == '\n') fail("a string has no end on its line");
      char c = next();
      if (c == end) return out;
      if (c == '\\' && end == '"') {
        if (done()) fail("a string has no end on its line");
        const char escaped = next();
        if (escaped != 'n' && escaped != 't' && escaped != '"' && escaped != '\\')
          fail("unknown escape in a string");
        c = escaped == 'n' ? '\n' : escaped == 't' ? '\t' : escaped;
      }
      out += c;
    }
  }
  TomlScalar scalar() {
    if (take("'''")) return literal();
    if (take("'")) return quoted('\'');
    if (take("\"")) return quoted('"');
    std::string out;
    while (!done() && (std::isalnum(static_cast<unsigned char>(s[at])) ||
                       std::string("+-._").find(s[at]) != std::string::npos))
      out += s[at++];
    if (out == "true" || out == "false") return out == "true" ? 1.0 : 0.0;
    std::erase(out, '_');
    char* end = nullptr;
    const double number = std::strtod(out.c_str(), &end);
    if (out.empty() || *end != '\0') fail("a value was expected, not '" + out + "'");
    return number;
  }
  TomlItem value() {
    const int first = line;
    if (!take("[")) {
      const TomlScalar one = scalar();
      if (const auto* text = std::get_if<std::string>(&one)) return {*text, first};
      return {std::get<double>(one), first};
    }
    std::vector<std::string> texts;
    std::vector<double> numbers;
    for (skip(true); !take("]"); skip(true)) {
      if (done()) fail("an array has no end");
      const TomlScalar one = scalar();
      if (const auto* text = std::get_if<std::string>(&one)) {
        texts.push_back(*text);
      } else {
        numbers.push_back(std::get<double>(one));
      }
      skip(true);
      if (!take(",") && (done() || s[at] != ']')) fail("',' or ']' was expected in an array");
    }
    if (!texts.empty() && !numbers.empty()) fail("an array holds text and numbers");
    if (texts.empty()) return {std::move(numbers), first};
    return {std::move(texts), first};
  }
};

}  // namespace

std::vector<TomlTable> parse_toml(const std::string& text, const std::string& file) {
  TomlParser p{text, file};
  std::vector<TomlTable> tables{{"", file, 1, {}}};
  for (p.skip(true); !p.done(); p.skip(true)) {
    const int line = p.line;
    if (p.take("[[")) {
      tables.push_back({p.word(), file, line, {}});
      if (!p.take("]]")) p.fail("']]' was expected");
    } else {
      const std::string key = p.word();
      p.skip(false);
      if (!p.take("=")) p.fail("'=' was expected after '" + key + "'");
      p.skip(false);
      if (!tables.back().items.emplace(key, p.value()).second) p.fail("'" + key + "' stands twice");
    }
    p.skip(false);
    if (!p.done() && p.s[p.at] != '\n') p.fail("the line goes on after its value");
  }
  return tables;
}

std::string read_text(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error(file.string() + ": cannot be read");
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<TomlTable> read_toml(const std::filesystem::path& file) {
  return parse_toml(read_text(file), file.string());
}

std::string TomlTable::text(const std::string& key) const {
  const auto at = items.find(key);
  if (at == items.end())
    throw std::invalid_argument(file + ":" + std::to_string(line) + ": '" + key + "' is missing");
  const auto* text = std::get_if<std::string>(&at->second.value);
  if (!text)
    throw std::invalid_argument(file + ":" + std::to_string(at->second.line) + ": '" + key + "' is not text");
  return *text;
}

std::string TomlTable::text_or(const std::string& key, const std::string& otherwise) const {
  return has(key) ? text(key) : otherwise;
}

std::vector<std::string> TomlTable::texts(const std::string& key) const {
  const auto at = items.find(key);
  if (at == items.end()) return {};
  if (const auto* list = std::get_if<std::vector<std::string>>(&at->second.value)) return *list;
  if (const auto* list = std::get_if<std::vector<double>>(&at->second.value); list && list->empty())
    return {};
  return {text(key)};
}

std::vector<double> TomlTable::numbers(const std::string& key) const {
  const auto at = items.find(key);
  if (at == items.end()) return {};
  if (const auto* list = std::get_if<std::vector<double>>(&at->second.value)) return *list;
  if (const auto* one = std::get_if<double>(&at->second.value)) return {*one};
  throw std::invalid_argument(file + ":" + std::to_string(at->second.line) + ": '" + key + "' is no number");
}

}  // namespace gadolin::course
