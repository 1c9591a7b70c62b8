#include "course/grader/teachers.h"

#include <algorithm>
#include <fstream>
#include <ostream>

#include "course/grader/diagnosis.h"
#include "course/grader/remote.h"
#include "course/grader/source_text.h"
#include "course/grader/toml.h"

namespace gadolin::course {
namespace fs = std::filesystem;
namespace {

std::vector<fs::path> submissions_of(const fs::path& dir) {
  if (!fs::is_directory(dir))
    throw std::invalid_argument(dir.string() + ": no folder; a folder of submissions is needed, one each");
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(dir))
    if (entry.is_directory()) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  if (folders.empty()) throw std::invalid_argument(dir.string() + ": holds no submissions");
  return folders;
}

void write_parts(const fs::path& folder, const std::map<const Part*, std::string>& parts) {
  std::map<std::string, std::string> files;
  for (const auto& [part, body] : parts) files[part->file] += "// " + part->name + "\n" + body + "\n";
  for (const auto& [file, text] : files) {
    fs::create_directories((folder / file).parent_path());
    std::ofstream out(folder / file, std::ios::binary);
    out << text;
    if (!out.flush()) throw std::runtime_error((folder / file).string() + ": cannot be written");
  }
}

// One way to fail a task, and who does.
struct Cluster {
  TaskGrade first;
  Submission submission;
  std::string names;
  int size = 0;
};

}  // namespace

void write_bodies(const Course& course, const fs::path& dir, const fs::path& out, std::ostream& say) {
  const std::vector<fs::path> folders = submissions_of(dir);
  write_parts(out / "production", reference(course).bodies.parts);
  const std::map<const Part*, std::string> untouched = starter(course).bodies.parts;
  for (const fs::path& folder : folders) {
    auto parts = read_submission(course, folder).bodies.parts;
    std::erase_if(parts, [&](const auto& part) { return untouched.at(part.first) == part.second; });
    write_parts(out / folder.filename(), parts);
    say << folder.filename().string() << ": " << parts.size() << " of " << untouched.size() << " bodies\n";
  }
}

void cluster(const Course& course, const fs::path& dir, std::ostream& say) {
  const Who everybody{"", "cluster", std::nullopt};
  std::map<std::string, std::vector<Cluster>> found;
  for (const fs::path& folder : submissions_of(dir)) {
    const Submission submission = read_submission(course, folder);
    for (const Task& task : course.assignment.tasks) {
      if (task.inspect || task.cut == "*") continue;
      TaskGrade result = grade_task(course, task, submission, everybody, false);
      if (result.full()) continue;
      std::vector<Cluster>& known = found[task.id];
      auto same = std::find_if(known.begin(), known.end(), [&](const Cluster& c) {
        return c.first.error == result.error &&
               (!result.error.empty() || explains(result.outcomes, c.first.outcomes));
      });
      if (same == known.end()) same = known.insert(known.end(), {std::move(result), submission, "", 0});
      same->names += (same->size++ ? ", " : "") + folder.filename().string();
    }
  }
  for (const Task& task : course.assignment.tasks) {
    std::vector<Cluster>& known = found[task.id];
    std::stable_sort(known.begin(), known.end(),
                     [](const auto& a, const auto& b) { return a.size > b.size; });
    for (const Cluster& c : known) {
      say << task.id << ", " << c.size << (c.size == 1 ? " submission: " : " submissions: ") << c.names
          << "\n";
      if (!c.first.error.empty()) {
        say << "  " << c.first.error << "\n";
        continue;
      }
      const Diagnosis said = diagnosis(course, task, c.first.outcomes);
      say << "  " << (said.mistake.empty() ? "no known mistake" : "known: " + said.mistake);
      if (!said.sentence.empty()) say << ": " << said.sentence;
      say << "\n  " << c.first.publics_passed << " of " << c.first.publics << " public cases pass\n";
      if (!c.first.lines.empty()) say << "  " << c.first.lines[0] << "\n";
    }
  }
}

namespace {

struct Change {
  const Part* part;
  std::size_t at;
  const char *from, *to;
};

// Single tokens that may be changed, comments and strings apart.
std::vector<Change> changes_of(const Bodies& bodies) {
  static constexpr const char* pairs[][2] = {
      {" + ", " - "},     {" - ", " + "},   {" * ", " + "},   {" / ", " * "},   {" < ", " <= "},
      {" <= ", " < "},    {" > ", " >= "},  {" == ", " != "}, {" && ", " || "}, {" = 0;", " = 1;"},
      {" = 1;", " = 2;"}, {" += ", " -= "}, {"[0]", "[1]"},   {" % ", " / "},   {" ? ", " ? !"}};
  std::vector<Change> all;
  for (const auto& [part, body] : bodies.parts) {
    const std::string blank = without_comments(body, true);
    for (const auto& [from, to] : pairs)
      for (std::size_t at = blank.find(from); at != std::string::npos; at = blank.find(from, at + 1))
        all.push_back({part, at, from, to});
  }
  return all;
}

std::string line_at(const std::string& text, std::size_t at) {
  const std::size_t begin = text.rfind('\n', at) + 1;
  std::string line = text.substr(begin, text.find('\n', at) - begin);
  return line.substr(std::min(line.size(), line.find_first_not_of(' ')));
}

}  // namespace

void viva(const Course& course, const Submission& submission, const Who& who, std::ostream& say) {
  Draw draw(seed_of(public_key(who.term, who.student), course.assignment.number, "viva", who.student, 0));
  const std::vector<Change> all = changes_of(submission.bodies);
  std::map<std::string, bool> passes;  // by task: a change shows only where all was right
  int asked = 0, tried = 0;
  for (const std::int64_t which : draw.order(static_cast<std::int64_t>(all.size()))) {
    const Change& change = all[static_cast<std::size_t>(which)];
    const auto& tasks = course.assignment.tasks;
    const auto of =
        std::find_if(tasks.begin(), tasks.end(), [&](const Task& t) { return t.cut == change.part->task; });
    if (of == tasks.end() || ++tried > 24 || asked == 3) continue;
    Task task = *of;
    task.limits.cpu_seconds = 4, task.limits.wall_seconds = 6;  // some changes never end
    if (!passes.contains(task.id))
      passes[task.id] =
          grade_task(course, task, submission, {who.student, who.term, std::nullopt}, false).full();
    if (!passes[task.id]) continue;
    Submission changed = submission;
    std::string& body = changed.bodies.parts[change.part];
    const std::string before = line_at(body, change.at);
    body.replace(change.at, std::string(change.from).size(), change.to);
    const TaskGrade result = grade_task(course, task, changed, {who.student, who.term, std::nullopt}, false);
    if (!result.error.empty() || result.publics_passed == result.publics) continue;
    say << ++asked << ". " << change.part->file << ", " << change.part->name << ":\n     " << before
        << "\n   becomes\n     " << line_at(body, change.at)
        << "\n   Which cases fail now, and why?\n   Answer: " << result.publics - result.publics_passed
        << " of " << result.publics << " public cases of " << task.id << "; " << result.lines[0] << "\n";
    if (result.publics_passed == 0) continue;
    say << "   What still passes:";
    std::string told;
    for (const Outcome& outcome : result.outcomes)
      if (outcome.passed() && told.find(outcome.the_case.what) == std::string::npos)
        told += " " + outcome.the_case.what + ";";
    say << told << "\n";
  }
  if (asked == 0) say << "no single change of what is handed in makes a passing case fail\n";
}

}  // namespace gadolin::course
