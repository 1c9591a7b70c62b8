#include "course/grader/grade.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <future>

#include "course/grader/diagnosis.h"
#include "course/grader/remote.h"
#include "course/grader/sandbox.h"
#include "course/grader/toml.h"

namespace gadolin::course {
namespace fs = std::filesystem;
namespace {

std::vector<Assignment> all_assignments() {
  return {
#ifdef GADOLIN_COURSE_1
      assignment_1(),
#endif
#ifdef GADOLIN_COURSE_2
      assignment_2(),
#endif
#ifdef GADOLIN_COURSE_3
      assignment_3(),
#endif
#ifdef GADOLIN_COURSE_4
      assignment_4(),
#endif
#ifdef GADOLIN_COURSE_5
      assignment_5(),
#endif
#ifdef GADOLIN_COURSE_6
      assignment_6(),
#endif
#ifdef GADOLIN_COURSE_7
      assignment_7(),
#endif
  };
}

void inspect_files(const Course& course, const Task& task, const Submission& submission, const Who& who,
                   TaskGrade& out) {
  Files files;
  for (const std::string& name : task.files)
    if (const auto at = submission.files.find(name); at != submission.files.end()) files.insert(*at);
  Draw draw(seed_of(public_key(who.term, who.student), course.assignment.number, task.id, who.student, 0),
            student_seed(who.term, who.student, course.assignment.number));
  double right = 0, all = 0;
  for (const Finding& finding : task.inspect(files, draw)) {
    ++out.publics;
    all += finding.share;
    if (finding.wrong.empty()) {
      ++out.publics_passed;
      right += finding.share;
    } else {
      out.lines.push_back(finding.what + ": " + finding.wrong);
    }
  }
  out.of = task.points;
  out.points = all > 0 ? task.points * right / all : 0;
}

}  // namespace

Case case_of(const Course& course, const Task& task, const Who& who, int number) {
  const bool hidden = number >= task.publics;
  const Seed key = hidden ? *who.secret : public_key(who.term, who.student);
  Draw draw(seed_of(key, course.assignment.number, task.id, who.student, number),
            student_seed(who.term, who.student, course.assignment.number));
  return task.draw(number, draw);
}

std::vector<int> known_assignments() {
  std::vector<int> numbers;
  for (const Assignment& one : all_assignments()) numbers.push_back(one.number);
  return numbers;
}

Course open_course(const Kit& kit, int number) {
  std::vector<Assignment> all = all_assignments();
  for (Assignment& one : all) {
    if (one.number != number) continue;
    Course course(kit, std::move(one), read_cut(kit.root, number));
    course.mistakes = read_mistakes(course.cut);
    return course;
  }
  throw std::invalid_argument("gadolin-grade: there is no assignment " + std::to_string(number));
}

Submission read_submission(const Course& course, const fs::path& folder) {
  constexpr std::uintmax_t largest = std::uintmax_t{16} << 20;
  Submission submission;
  const auto read = [&](const std::string& name) -> std::optional<std::string> {
    const fs::path file = folder / name;
    std::error_code none;
    if (!fs::is_regular_file(fs::symlink_status(file, none))) return std::nullopt;
    if (fs::file_size(file) > largest) throw std::runtime_error(file.string() + ": larger than 16 MiB");
    return read_text(file);
  };
  Sources sources;
  for (const std::string& file : course.cut.files())
    if (const auto text = read(file)) sources[file] = *text;
  submission.bodies = bodies_of(course.cut, sources);
  std::vector<std::string> names{"answers.toml"};
  for (const Task& task : course.assignment.tasks)
    names.insert(names.end(), task.files.begin(), task.files.end());
  for (const std::string& name : names)
    if (const auto text = read(name)) submission.files[name] = *text;
  return submission;
}

Submission reference(const Course& course) {
  Submission submission{bodies_of(course.cut, production(course.cut)), {}};
  submission.bodies.notes.clear();  // production has no region for helpers
  return submission;
}
Submission starter(const Course& course) { return {bodies_of(course.cut, starters(course.cut)), {}}; }

fs::path probe_of(const Course& course, const std::string& cut, const Bodies& bodies) {
  const std::string why = refused(course.cut, cut, bodies);
  if (!why.empty()) throw CompileError(why);
  return build_probe(course.kit, course.cut, course.assignment.number, cut,
                     composed(course.cut, cut, bodies));
}

namespace {
// A folder of its own for what a demonstration draws.
struct DemoFolder {
  fs::path path;
  DemoFolder() {
    std::string name = (fs::temp_directory_path() / "gadolin-demo-XXXXXX").string();
    if (::mkdtemp(name.data())) path = name;
    if (::geteuid() == 0 && ::chown(path.c_str(), 65534, 65534) != 0) path.clear();
  }
  ~DemoFolder() {
    std::error_code ignored;
    if (!path.empty()) fs::remove_all(path, ignored);
  }
};
}  // namespace

std::vector<Outcome> outcomes_of(const Course& course, const Task& task, const fs::path& probe,
                                 const std::vector<Case>& cases, std::string* log) {
  std::optional<DemoFolder> folder;
  if (task.cut == "*") folder.emplace();
  Remote remote(probe, task.limits, course.kit.sanitized, folder ? folder->path : fs::path());
  std::vector<Outcome> outcomes;
  int answered = 0;
  for (const Case& one : cases) {
    Outcome outcome{one, {}, {}, "", ""};
    if (const auto answer = remote.ask(one.request)) {
      outcome.got = *answer;
      ++answered;
    } else {
      outcome.ended = remote.ended();
      outcome.wrong = "your code ended after " + std::to_string(answered) + " of " +
                      std::to_string(cases.size()) + " requests (" + remote.ended() + ")";
    }
    outcomes.push_back(std::move(outcome));
  }
  if (log) *log = remote.log();
  return outcomes;
}

void judge(const Task& task, int number, std::vector<Outcome>& outcomes) {
  for (Outcome& outcome : outcomes) {
    try {
      outcome.want = task.want ? task.want(outcome.the_case.request)
                               : production_answer(number, outcome.the_case.request);
    } catch (const std::exception& error) {
      outcome.want = {{"error", std::string(error.what())}};
    }
    if (!outcome.ended.empty()) continue;
    try {
      outcome.wrong = task.compare ? task.compare(outcome.the_case, outcome.got, outcome.want)
                                   : difference(outcome.the_case, outcome.got, outcome.want);
    } catch (const std::exception& error) {  // a value that is missing or of another type
      outcome.wrong = error.what();
    }
  }
}

std::vector<Case> cases_of(const Course& course, const Task& task, const Who& who, bool hidden) {
  std::vector<Case> cases;
  for (int i = 0; i < task.publics + (hidden ? task.hiddens : 0); ++i)
    cases.push_back(case_of(course, task, who, i));
  return cases;
}

namespace {

// What was answered elsewhere to the same cases.
std::vector<Outcome> kept_outcomes(const KeptTask& kept, const std::vector<Case>& cases) {
  if (!kept.error.empty()) throw CompileError(kept.error);
  if (kept.got.size() != cases.size())
    throw std::invalid_argument("--judge: " + std::to_string(kept.got.size()) + " answers for " +
                                std::to_string(cases.size()) +
                                " cases; collect them again, with the inputs of this secret");
  std::vector<Outcome> outcomes;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    outcomes.push_back({cases[i], kept.got[i], {}, kept.ended[i], ""});
    if (!kept.ended[i].empty())
      outcomes.back().wrong = "your code ended without an answer (" + kept.ended[i] + ")";
  }
  return outcomes;
}

}  // namespace

namespace {

// "Not written yet: 1.1 strides_for, is_contiguous; 1.4 view_strides."
std::string not_written(const std::vector<const Part*>& parts) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i)
    out += i > 0 && parts[i]->task == parts[i - 1]->task
               ? ", " + parts[i]->name
               : (i > 0 ? "; " : "Not written yet: ") + parts[i]->task + " " + parts[i]->name;
  return out.empty() ? out : out + ".";
}

}  // namespace

TaskGrade grade_task(const Course& course, const Task& task, const Submission& submission, const Who& who,
                     bool diagnose, const KeptTask* kept) {
  TaskGrade out;
  out.id = task.id;
  out.title = task.title;
  if (task.inspect) {
    inspect_files(course, task, submission, who, out);
    return out;
  }
  const bool hidden = who.secret && task.hiddens > 0 && (kept || isolation().hides());
  const double share = task.hiddens == 0 ? 1 : 0.5;
  out.of = hidden ? task.points : share * task.points;
  out.hidden_points = task.points - out.of;
  out.publics = task.publics;
  out.hiddens = hidden ? task.hiddens : 0;
  try {
    const std::vector<Case> cases = cases_of(course, task, who, hidden);
    std::string log;
    out.outcomes =
        kept ? kept_outcomes(*kept, cases)
             : outcomes_of(course, task, probe_of(course, task.cut, submission.bodies), cases, &log);
    judge(task, course.assignment.number, out.outcomes);
    for (std::size_t i = 0; i < out.outcomes.size(); ++i) {
      const Outcome& outcome = out.outcomes[i];
      const bool is_public = i < static_cast<std::size_t>(task.publics);
      if (outcome.passed()) {
        ++(is_public ? out.publics_passed : out.hiddens_passed);
      } else if (is_public) {
        out.lines.push_back(outcome.the_case.what + ": " + outcome.wrong);
      } else {
        out.hidden_lines.push_back(outcome.the_case.what);
      }
    }
    if (!log.empty() && out.publics_passed < out.publics && out.hiddens == 0) out.log = log.substr(0, 500);
    out.points = share * task.points * out.publics_passed / std::max(1, out.publics);
    if (hidden) out.points += (task.points - share * task.points) * out.hiddens_passed / task.hiddens;
  } catch (const CompileError& error) {
    out.error = error.what();
  } catch (const CutError& error) {
    out.error = error.what();
  }
  if (!out.error.empty() || out.full()) return out;
  out.sentence = not_written(unwritten(course.cut, task.cut, submission.bodies));
  if (diagnose && out.sentence.empty()) {
    const Diagnosis found = diagnosis(course, task, out.outcomes);
    out.sentence = found.sentence;
    out.mistake = found.mistake;
  }
  return out;
}

TaskGrade grade_questions(const Course& course, const Submission& submission, const Who& who) {
  TaskGrade out;
  out.id = "questions";
  out.title = "questions";
  if (!course.assignment.questions) return out;
  Draw draw(
      seed_of(public_key(who.term, who.student), course.assignment.number, "questions", who.student, 0));
  const std::vector<Question> questions = course.assignment.questions(draw, who.student.empty());
  TomlTable answers;
  if (const auto file = submission.files.find("answers.toml"); file != submission.files.end()) {
    try {
      answers = parse_toml(file->second, "answers.toml")[0];
    } catch (const std::exception& error) {
      out.error = error.what();
    }
  }
  for (const Question& question : questions) {
    out.of += question.points;
    ++out.publics;
    const auto right = [&](const std::vector<double>& got, const std::vector<double>& want) {
      if (got.size() != want.size()) return false;
      for (std::size_t i = 0; i < got.size(); ++i) {
        const double limit = question.whole ? 0 : 1e-5 * std::abs(want[i]) + (want[i] == 0 ? 1e-9 : 0);
        if (!(std::abs(got[i] - want[i]) <= limit)) return false;
      }
      return true;
    };
    std::vector<double> got;
    try {
      got = answers.numbers(question.id);
    } catch (const std::exception& error) {
      out.lines.push_back(question.id + ": " + error.what());
      continue;
    }
    if (got.empty()) {
      out.lines.push_back(question.id + ": not answered in answers.toml");
    } else if (right(got, question.answer)) {
      ++out.publics_passed;
      out.points += question.points;
    } else {
      std::string line = question.id + ": not right";
      for (const auto& [numbers, sentence] : question.known)
        if (right(got, numbers)) line = question.id + ": " + sentence;
      out.lines.push_back(line);
    }
  }
  return out;
}

Grade grade(const Course& course, const Submission& submission, const Who& who, const Kept* kept) {
  Grade out;
  out.number = course.assignment.number;
  out.title = course.assignment.title;
  out.student = who.student;
  out.isolation = isolation().text();
  out.notes = submission.bodies.notes;
  out.hidden_run = who.secret && (kept || isolation().hides());
  if (who.secret && !out.hidden_run)
    out.notes.push_back("hidden cases want a sandbox that hides files; this machine offers " + out.isolation);
  const auto& tasks = course.assignment.tasks;
  out.tasks.resize(tasks.size());
  static const KeptTask nothing{"no answers were collected", {}, {}};
  const auto kept_of = [&](const Task& task) {
    if (!kept) return static_cast<const KeptTask*>(nullptr);
    const auto at = kept->find(task.id);
    return at == kept->end() ? &nothing : &at->second;
  };
  // Two at a time: tasks are independent, and their points do not depend on time.
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i; (i = next++) < tasks.size();)
      out.tasks[i] = grade_task(course, tasks[i], submission, who, true, kept_of(tasks[i]));
  };
  std::future<void> other = std::async(std::launch::async, work);
  work();
  other.get();
  if (course.assignment.questions) out.tasks.push_back(grade_questions(course, submission, who));
  std::size_t errors = 0;
  for (const TaskGrade& task : out.tasks) {
    out.points += task.points;
    out.of += task.of;
    out.hidden_points += task.hidden_points;
    errors += task.error.empty() ? 0 : 1;
  }
  out.gradable = errors < tasks.size();
  return out;
}

}  // namespace gadolin::course
