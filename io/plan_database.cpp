// The plan database: text format, reading, joining.
#include "io/plan_database.h"

#include <cctype>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <system_error>

#include "io/atomic_file.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr std::string_view magic = "gadolin-plans 2 ";
constexpr std::size_t most_problems = 100000, most_knobs = 64;
constexpr std::int64_t most_bytes = std::int64_t{64} << 20;

// The text up to `end`, which is removed as well; all of it when there is none.
std::string_view take(std::string_view& rest, char end) {
  const std::size_t at = rest.find(end);
  const std::string_view piece = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return piece;
}

template <class T> T number(std::string_view text, std::size_t line) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require<FormatError, 7>(error == std::errc() && end == text.data() + text.size() && value >= 0,
                          "plans: line ", line, " has '", text.substr(0, 40),
                          "' where a number was expected");
  return value;
}

PlanChoice parse_choice(std::string_view rest, std::size_t line) {
  PlanChoice choice;
  choice.engine = number<std::int64_t>(take(rest, ' '), line);
  std::string_view knobs = take(rest, ' ');
  if (knobs == "-") knobs = {};
  while (!knobs.empty()) {
    std::string_view knob = take(knobs, ',');
    const std::int64_t type = number<std::int64_t>(take(knob, ':'), line);
    choice.knobs.emplace_back(type, number<std::int64_t>(knob, line));
    require<FormatError, 7>(choice.knobs.size() <= most_knobs, "plans: line ", line,
                            " has more than 64 knobs");
  }
  choice.workspace = number<std::int64_t>(take(rest, ' '), line);
  choice.microseconds = number<double>(rest, line);
  return choice;
}

}  // namespace

std::string format_plans(const std::string& identity, const PlanChoices& choices) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << magic << identity << '\n';
  for (const auto& [problem, choice] : choices) {
    out << problem << ' ' << choice.engine << ' ';
    for (std::size_t i = 0; i < choice.knobs.size(); ++i) {
      out << (i ? "," : "") << choice.knobs[i].first << ':' << choice.knobs[i].second;
    }
    out << (choice.knobs.empty() ? "- " : " ") << choice.workspace << ' ' << choice.microseconds << '\n';
  }
  return out.str();
}

PlanChoices parse_plans(const std::string& text, const std::string& identity) {
  std::string_view rest = text;
  const std::string_view first = take(rest, '\n');
  require<FormatError, 7>(first.substr(0, magic.size()) == magic,
                          "plans: the first line is not 'gadolin-plans 2 ...'");
  require<FormatError, 7>(first.substr(magic.size()) == identity, "plans: written for '",
                          first.substr(magic.size()).substr(0, 80), "', this is '", identity, "'");
  PlanChoices choices;
  for (std::size_t line = 2; !rest.empty(); ++line) {
    require<FormatError, 7>(rest.find('\n') != std::string_view::npos, "plans: line ", line, " is cut off");
    std::string_view row = take(rest, '\n');
    const std::string_view problem = take(row, ' ');
    require<FormatError, 7>(!problem.empty() && problem.size() <= 400, "plans: line ", line,
                            " names no problem");
    require<FormatError, 7>(choices.size() < most_problems, "plans: more than 100000 problems");
    choices[std::string(problem)] = parse_choice(row, line);
  }
  return choices;
}

PlanDatabase::PlanDatabase(std::string path, std::string identity)
    : path_(std::move(path)), identity_(std::move(identity)), choices_(read()) {}

PlanChoices PlanDatabase::read() const {
  try {
    if (!path_.empty()) return parse_plans(read_file(path_, most_bytes), identity_);
  } catch (const FileError&) {  // none yet
  } catch (const FormatError&) {
  }
  return {};
}

const PlanChoice* PlanDatabase::find(const std::string& problem) const {
  const auto at = choices_.find(problem);
  return at == choices_.end() ? nullptr : &at->second;
}

bool PlanDatabase::put(const std::string& problem, const PlanChoice& choice) {
  choices_[problem] = choice;
  if (path_.empty()) return false;
  for (auto& [other, found] : read()) choices_.emplace(other, found);
  try {
    std::error_code error;  // writing says what is wrong with the folder
    std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), error);
    write_file_atomically(path_, format_plans(identity_, choices_));
    return true;
  } catch (const FileError&) {
    return false;
  }
}

std::string plan_database_path(const std::string& identity) {
  const auto folder = [](const char* variable, const char* below) {
    const char* value = std::getenv(variable);
    return value && *value ? std::string(value) + below : std::string();
  };
  std::string path = folder("GADOLIN_CACHE_DIR", "");
  if (path.empty()) path = folder("XDG_CACHE_HOME", "/gadolin");
  if (path.empty()) path = folder("HOME", "/.cache/gadolin");
  if (path.empty()) return "";
  path += '/';
  for (const char c : identity) path += std::isalnum(static_cast<unsigned char>(c)) ? c : '-';
  return path + ".plans";
}

}  // namespace gadolin
