// Reads cut.toml, takes parts out of production files and puts parts in.
#include "course/grader/cut.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <stdexcept>

#include "course/grader/source_text.h"
#include "course/grader/toml.h"

namespace gadolin::course {
namespace {

const std::string region_begin = "// yours: includes and helpers may stand here\n";
const std::string region_end = "// end of yours\n";

Span unique(const std::string& code, const std::string& wanted, Span within, const Part& part) {
  Span found;
  const int count = find_code(code, wanted, within, found);
  if (count == 1) return found;
  throw CutError(part.file + ": '" + wanted.substr(0, 70) + (wanted.size() > 70 ? "..." : "") + "' of part " +
                 part.task + " stands there " +
                 (count == 0   ? "nowhere"
                  : count == 2 ? "twice"
                               : std::to_string(count) + " times") +
                 "; it is needed once to find your part");
}

struct Place {
  Span body;
  std::string indent;
};

Place place_of(const Part& part, const std::string& text) {
  const std::string code = without_comments(text, false), blank = without_comments(text, true);
  const auto closed = [&](std::size_t open) {
    const std::size_t close = closing_brace(blank, open);
    if (close == std::string::npos)
      throw CutError(part.file + ": the brace that '" + part.open.substr(0, 70) + "' opens is never closed");
    return close;
  };
  Span within{0, text.size()};
  if (!part.in.empty()) {
    const Span scope = unique(code, part.in, within, part);
    within = {scope.end, closed(scope.end)};
  }
  const Span open = unique(code, part.open, within, part);
  Place place{{open.end, closed(open.end)}, indent_of(text, open.begin)};
  if (!part.after.empty()) {
    const Span kept = unique(code, part.after, place.body, part);
    place.body.begin = std::min(text.find('\n', kept.end), place.body.end - 1) + 1;
  }
  if (!part.until.empty()) {
    const Span kept = unique(code, part.until, place.body, part);
    place.body.end = text.rfind('\n', kept.begin) + 1;
  }
  return place;
}

// Where the student's includes and helpers stand: before the first namespace.
std::size_t region_place(const std::string& text) {
  const std::size_t at = text.find("\nnamespace ");
  return at == std::string::npos ? text.size() : at + 1;
}

struct Edit {
  Span span;
  std::string text;
};
std::string edited(const std::string& text, std::vector<Edit> edits) {
  std::sort(edits.begin(), edits.end(),
            [](const Edit& a, const Edit& b) { return a.span.begin < b.span.begin; });
  std::string out;
  std::size_t at = 0;
  for (const Edit& edit : edits) {
    if (edit.span.begin < at) throw CutError("two parts of cut.toml overlap");
    out += text.substr(at, edit.span.begin - at) + edit.text;
    at = edit.span.end;
  }
  return out + text.substr(at);
}

Edit include_of_todo(const std::string& text) {
  const std::size_t at = text.find("#include");
  return {{at, at}, "#include \"course/todo.h\"\n"};
}

std::string stub_words(const Part& part) {
  return !part.stub.empty() ? part.stub : "course::todo(\"" + part.task + "\", \"" + part.name + "\");";
}

std::string stub_of(const Part& part, const Place& place) {
  const std::string call = stub_words(part);
  if (!part.after.empty() || !part.until.empty()) {
    return (part.after.empty() ? "\n" : "") + place.indent + "  " + call + "\n" +
           (part.until.empty() ? place.indent : "");
  }
  return "\n" + place.indent + "  " + call + "\n" + place.indent;
}

// The student's helpers between the two lines; npos when the lines are not there.
Span region_of(const std::string& text) {
  const std::size_t begin = text.find(region_begin), end = text.find(region_end);
  if (begin == std::string::npos || end == std::string::npos || end < begin)
    return {std::string::npos, std::string::npos};
  return {begin + region_begin.size(), end};
}

// What is left of a file without its parts and helpers.
std::string frame_of(const Cut& cut, const std::string& file, const std::string& text) {
  std::vector<Edit> edits;
  for (const Part& part : cut.parts) {
    if (part.file == file) edits.push_back({place_of(part, text).body, ""});
  }
  const Span region = region_of(text);
  if (region.begin != std::string::npos) edits.push_back({region, ""});
  return edited(text, std::move(edits));
}

std::string first_change(const std::string& got, const std::string& wanted) {
  std::size_t i = 0, line = 0;
  for (; i < got.size() && i < wanted.size() && got[i] == wanted[i]; ++i)
    if (got[i] == '\n') line = i + 1;
  return got.substr(line, std::min(got.find('\n', line), got.size()) - line);
}

}  // namespace

std::vector<std::string> Cut::tasks() const {
  std::vector<std::string> out;
  for (const Part& part : parts)
    if (std::find(out.begin(), out.end(), part.task) == out.end()) out.push_back(part.task);
  return out;
}

std::vector<const Part*> Cut::of(const std::string& task) const {
  std::vector<const Part*> out;
  for (const Part& part : parts)
    if (task == "*" || part.task == task) out.push_back(&part);
  return out;
}

std::vector<std::string> Cut::files(const std::string& task) const {
  std::vector<std::string> out;
  for (const Part* part : of(task))
    if (std::find(out.begin(), out.end(), part->file) == out.end()) out.push_back(part->file);
  return out;
}

Cut read_cut(const std::filesystem::path& root, int number) {
  Cut cut;
  cut.root = root;
  cut.folder = root / "course" / std::to_string(number);
  for (const TomlTable& table : read_toml(cut.folder / "cut.toml")) {
    if (table.name.empty()) continue;
    if (table.name == "suite") {
      cut.suites.emplace_back(table.text("program"), table.text("filter"));
      continue;
    }
    const std::string task = table.text("task");
    if (table.name == "part") {
      cut.parts.push_back({task, table.text("name"), table.text("file"), table.text_or("in", ""),
                           table.text("open"), table.text_or("after", ""), table.text_or("until", ""),
                           table.text_or("stub", "")});
    } else if (table.name == "unit") {
      cut.units[task].push_back({table.text("file"), table.text_or("append", "")});
    } else if (table.name == "task") {
      cut.forbidden[task] = table.texts("forbid");
    } else {
      throw std::invalid_argument(table.file + ":" + std::to_string(table.line) + ": [[" + table.name +
                                  "]] is none of part, unit, task and suite");
    }
  }
  for (const std::string& task : cut.tasks()) {
    if (!cut.units[task].empty()) continue;
    for (const std::string& file : cut.files(task)) cut.units[task].push_back({file, ""});
  }
  return cut;
}

Sources production(const Cut& cut) {
  Sources sources;
  for (const std::string& file : cut.files()) sources[file] = read_text(cut.root / file);
  return sources;
}

Sources starters(const Cut& cut) {
  Sources sources = production(cut);
  for (auto& [file, text] : sources) {
    std::vector<Edit> edits{include_of_todo(text)};
    for (const Part& part : cut.parts) {
      if (part.file != file) continue;
      const Place place = place_of(part, text);
      edits.push_back({place.body, stub_of(part, place)});
    }
    const std::size_t first = region_place(text);
    edits.push_back({{first, first}, region_begin + region_end + "\n"});
    text = edited(text, std::move(edits));
  }
  return sources;
}

Bodies bodies_of(const Cut& cut, const Sources& student) {
  Bodies bodies;
  const Sources starter = starters(cut);
  for (const Part& part : cut.parts) {
    const auto at = student.find(part.file);
    if (at == student.end()) {
      bodies.missing[&part] = part.file + ": not handed in";
      continue;
    }
    try {
      const Span body = place_of(part, at->second).body;
      bodies.parts[&part] = at->second.substr(body.begin, body.end - body.begin);
      bodies.lines[&part] = line_of(at->second, body.begin);
    } catch (const CutError& error) {
      bodies.missing[&part] = error.what();
    }
  }
  for (const auto& [file, text] : student) {
    const auto original = starter.find(file);
    if (original == starter.end()) continue;
    const Span region = region_of(text);
    if (region.begin != std::string::npos)
      bodies.helpers[file] = text.substr(region.begin, region.end - region.begin);
    try {
      const std::string got = frame_of(cut, file, text), wanted = frame_of(cut, file, original->second);
      if (got != wanted) {
        bodies.notes.push_back(file + ": changed outside your parts, which is ignored; first at '" +
                               first_change(got, wanted) + "'");
      }
    } catch (const CutError&) {  // said where the part is missing
    }
  }
  return bodies;
}

Sources composed(const Cut& cut, const std::string& task, const Bodies& bodies) {
  Sources sources;
  for (const std::string& file : cut.files(task)) {
    const std::string text = read_text(cut.root / file);
    std::vector<Edit> edits{include_of_todo(text)};
    for (const Part& part : cut.parts) {
      if (part.file != file) continue;
      const Place place = place_of(part, text);
      if (task != "*" && part.task != task) continue;
      const auto body = bodies.parts.find(&part);
      if (body == bodies.parts.end()) throw CutError(bodies.missing.at(&part));
      const auto line = bodies.lines.find(&part);
      const std::string from = line == bodies.lines.end() ? "1" : std::to_string(line->second);
      edits.push_back({place.body, "\n#line " + from + " \"" + file + "\"\n" + body->second + "\n#line " +
                                       std::to_string(line_of(text, place.body.end)) + " \"gadolin/" + file +
                                       "\"\n"});
    }
    const auto helpers = bodies.helpers.find(file);
    if (helpers != bodies.helpers.end()) {
      const std::size_t first = region_place(text);
      edits.push_back({{first, first},
                       "#line 1 \"your helpers in " + file + "\"\n" + helpers->second + "\n#line " +
                           std::to_string(line_of(text, first)) + " \"gadolin/" + file + "\"\n"});
    }
    sources[file] = edited(text, std::move(edits));
  }
  return sources;
}

std::vector<const Part*> unwritten(const Cut& cut, const std::string& task, const Bodies& bodies) {
  const auto code = [](const std::string& text) {
    std::string out = without_comments(text, false);
    std::erase_if(out, [](unsigned char c) { return std::isspace(c) != 0; });
    return out;
  };
  std::vector<const Part*> out;
  for (const Part* part : cut.of(task))
    if (const auto body = bodies.parts.find(part);
        body != bodies.parts.end() && code(body->second) == code(stub_words(*part)))
      out.push_back(part);
  return out;
}

namespace {

bool word_at(const std::string& text, std::size_t at, std::size_t size) {
  const auto part = [&](std::size_t i) {
    return i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) != 0 || text[i] == '_');
  };
  return (at == 0 || !part(at - 1)) && !part(at + size);
}

// The first thing in `text` that may not stand there, with its line; "" when there is none.
std::string refused_in(const std::string& text, const std::string& own) {
  std::string joined = text;
  for (std::size_t at; (at = joined.find("\\\n")) != std::string::npos;) joined.erase(at, 2);
  const std::string code = without_comments(joined, false), blank = without_comments(joined, true);
  const auto say = [&](std::size_t at, const std::string& what) {
    return std::to_string(line_of(joined, at)) + ": " + what;
  };
  for (const char* word : {"asm", "__asm", "__asm__", "_Pragma", "__has_include"}) {
    for (std::size_t at = 0; (at = blank.find(word, at)) != std::string::npos; ++at)
      if (word_at(blank, at, std::string(word).size())) return say(at, std::string(word) + " is not allowed");
  }
  for (const char* mark : {"%:", "?\?="})
    if (const std::size_t at = blank.find(mark); at != std::string::npos) return say(at, "write # as #");
  for (std::size_t at = 0; (at = code.find('#', at)) != std::string::npos; ++at) {
    const std::size_t line = at == 0 ? 0 : code.rfind('\n', at - 1) + 1;
    if (code.find_first_not_of(" \t", line) != at) continue;
    const std::size_t from = code.find_first_not_of(" \t", at + 1);
    const std::string directive = code.substr(std::min(from, code.size()), code.find('\n', at) - from);
    const std::string name = directive.substr(0, directive.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"));
    const std::string rest =
        directive.substr(std::min(directive.find_first_not_of(" \t", name.size()), directive.size()));
    if (name == "define" || name == "undef" || name.starts_with("if") || name.starts_with("el") ||
        name == "endif")
      continue;
    if (name == "pragma" && (rest.starts_with("omp") || rest.starts_with("unroll"))) continue;
    if (name == "include") {
      const std::size_t end = rest.find('>');
      const bool standard = rest.starts_with("<") && end != std::string::npos &&
                            rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", 1) == end;
      if (standard || (!rest.empty() && own.find("#include " + rest.substr(0, rest.find_last_not_of(" \t\r") +
                                                                                  1)) != std::string::npos))
        continue;
      return say(
          at, "#include " + rest + " is not allowed; headers of the C++ library and the starter's own are");
    }
    return say(at, "#" + name + " is not allowed");
  }
  return "";
}

}  // namespace

std::string refused(const Cut& cut, const std::string& task, const Bodies& bodies) {
  const Sources own = production(cut);
  for (const Part* part : cut.of(task)) {
    const auto body = bodies.parts.find(part);
    if (body == bodies.parts.end()) return bodies.missing.at(part);
    const std::string text = refused_in(body->second, own.at(part->file));
    if (!text.empty())
      return part->file + ", line " + text + " (counted from the beginning of " + part->name + ")";
  }
  for (const std::string& file : cut.files(task)) {
    const auto helpers = bodies.helpers.find(file);
    if (helpers == bodies.helpers.end()) continue;
    const std::string text = refused_in(helpers->second, own.at(file));
    if (!text.empty()) return file + ", line " + text + " (counted from the beginning of your helpers)";
  }
  return "";
}

}  // namespace gadolin::course
