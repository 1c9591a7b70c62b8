// Reads mistakes.toml: known wrong bodies of a task and their sentences.
#include <stdexcept>

#include "course/grader/grade.h"
#include "course/grader/source_text.h"
#include "course/grader/toml.h"

namespace gadolin::course {
namespace {

std::string replaced(const std::string& text, Span span, const std::string& with) {
  return text.substr(0, span.begin) + with + text.substr(span.end);
}

[[noreturn]] void wrong(const TomlTable& table, const std::string& what) {
  throw std::invalid_argument(table.file + ":" + std::to_string(table.line) + ": mistake '" +
                              table.text("name") + "': " + what);
}

void replace_in(std::map<const Part*, std::string>& parts, const TomlTable& table, const std::string& right,
                const std::string& with) {
  const std::string file = table.text_or("file", ""), name = table.text_or("part", "");
  const Part* where = nullptr;
  Span place;
  int count = 0;
  for (const auto& [part, body] : parts) {
    if ((!file.empty() && part->file != file) || (!name.empty() && part->name != name)) continue;
    Span found;
    const int here = find_code(body, right, {0, body.size()}, found);
    if (here == 0) continue;
    count += here;
    where = part;
    place = found;
  }
  if (count != 1)
    wrong(table, "'" + right.substr(0, 60) + "' stands " + std::to_string(count) +
                     " times in the task's parts, not once");
  parts[where] = replaced(parts[where], place, with);
}

}  // namespace

std::vector<Mistake> read_mistakes(const Cut& cut) {
  std::vector<Mistake> mistakes;
  const Bodies right = bodies_of(cut, production(cut));
  for (const TomlTable& table : read_toml(cut.folder / "mistakes.toml")) {
    if (table.name.empty()) continue;
    if (table.name != "mistake") wrong(table, "the list holds [[mistake]] alone");
    Mistake mistake{table.text("name"), table.text("task"), table.text("says"), {}};
    for (const Part* part : cut.of(mistake.task)) mistake.parts[part] = right.parts.at(part);
    if (mistake.parts.empty()) wrong(table, "no part has the task " + mistake.task);
    const std::vector<std::string> pairs = table.texts("replace");
    if (pairs.size() % 2 != 0) wrong(table, "replace takes pairs: right, wrong");
    for (std::size_t i = 0; i < pairs.size(); i += 2)
      replace_in(mistake.parts, table, pairs[i], pairs[i + 1]);
    if (table.has("body")) {
      const Part* part = nullptr;
      for (const auto& [candidate, body] : mistake.parts)
        if (candidate->name == table.text("part")) part = candidate;
      if (!part) wrong(table, "no part of the task is called '" + table.text("part") + "'");
      mistake.parts[part] = table.text("body");
    } else if (pairs.empty()) {
      wrong(table, "neither replace nor body");
    }
    mistakes.push_back(std::move(mistake));
  }
  return mistakes;
}

}  // namespace gadolin::course
