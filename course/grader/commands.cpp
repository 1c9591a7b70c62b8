#include "course/grader/commands.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "course/grader/diagnosis.h"
#include "course/grader/report.h"
#include "course/grader/selftest.h"
#include "course/grader/teachers.h"
#include "course/grader/toml.h"
#include "io/atomic_file.h"

namespace gadolin::course {
namespace fs = std::filesystem;
namespace {

Who who_of(const Options& options) {
  Who who{options.student, options.term, std::nullopt};
  const char* variable = std::getenv("GADOLIN_COURSE_SECRET");
  if (!options.secret_file.empty()) {
    who.secret = read_secret(options.secret_file);
  } else if (variable && *variable) {
    who.secret = parse_secret(variable);
  }
  ::unsetenv("GADOLIN_COURSE_SECRET");
  return who;
}

void write_whole(const fs::path& file, const std::string& text) {
  AtomicFile out(file.string());
  out.write(text);
  out.commit();
}

fs::path work_of(const Options& options, const Course& course) {
  return options.folder.empty() ? course.cut.folder / "work" : options.folder;
}

int grade_command(const Options& options, const Course& course) {
  const Format format = format_named(options.format);
  if (!options.collect.empty() && options.out.empty())
    throw std::invalid_argument("--collect: --out says where the answers go");
  if (!options.collect.empty() && !options.judge.empty())
    throw std::invalid_argument("--collect runs, --judge gives points; one of them at a time");
  if (!options.out.empty() && options.collect.empty())
    write_whole(options.out, nothing_yet(format, "the grading did not end; tell your teacher"));
  const auto begin = std::chrono::steady_clock::now();
  Submission submission = options.reference ? reference(course)
                          : options.starter ? starter(course)
                                            : read_submission(course, work_of(options, course));
  const Who who = who_of(options);
  if (!options.mistake.empty()) submission = with_mistake(course, options.mistake);
  if (options.reference || !options.mistake.empty()) add_right_files(course, who, submission);
  if (!options.collect.empty()) {
    write_whole(options.out, collect(course, submission, read_text(options.collect)));
    return 0;
  }
  const Grade result = options.judge.empty() ? grade(course, submission, who)
                                             : judge_kept(course, submission, who, read_text(options.judge));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const std::string text = shown(result, format, options.times ? seconds : -1);
  if (options.out.empty()) {
    std::cout << text;
  } else {
    write_whole(options.out, text);
    std::cout << as_text(result);
  }
  if (options.times) std::cerr << "seconds: " << seconds << "\n";
  return result.full() ? 0 : 1;
}

int cut_command(const Course& course) {
  for (const auto& [file, text] : starters(course.cut)) {
    const fs::path path = course.cut.folder / "starter" / file;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    std::cout << path.string() << "\n";
  }
  return 0;
}

int questions_command(const Options& options, const Course& course) {
  if (course.assignment.sheet)
    std::cout << course.assignment.sheet(
                     Draw(student_seed(options.term, options.student, course.assignment.number)))
              << "\n";
  for (const Question& question : questions_of(course, who_of(options)))
    std::cout << question.id << ": " << question.text << "\n";
  return 0;
}

int data_command(const Options& options, const Course& course) {
  if (!course.assignment.data)
    throw std::invalid_argument("data: assignment " + std::to_string(course.assignment.number) +
                                " has none; only that of 5 is drawn for a student");
  fs::create_directories(options.folder);
  course.assignment.data(Draw(student_seed(options.term, options.student, course.assignment.number)),
                         options.folder.string());
  std::cout << options.folder.string() << "\n";
  return 0;
}

// One task alone, for students on their way.
void keep_task(Course& course, const std::string& id) {
  std::string known;
  for (const Task& task : course.assignment.tasks) known += (known.empty() ? "" : ", ") + task.id;
  if (std::erase_if(course.assignment.tasks, [&](const Task& task) { return task.id != id; });
      course.assignment.tasks.empty())
    throw std::invalid_argument("--task: assignment " + std::to_string(course.assignment.number) +
                                " has no '" + id + "'; it has " + known);
  course.assignment.questions = nullptr;
}

// The whole submission in one probe, for demonstrations; prints where it is.
int build_command(const Options& options, const Course& course) {
  const Submission submission =
      options.reference ? reference(course) : read_submission(course, work_of(options, course));
  const fs::path probe = build_probe(course.kit, course.cut, course.assignment.number, "*",
                                     composed(course.cut, "*", submission.bodies), options.program);
  for (const std::string& note : submission.bodies.notes) std::cerr << "note: " << note << "\n";
  std::cout << probe.string() << "\n";
  return 0;
}

}  // namespace

void declare(CLI::App& app, Options& options) {
  app.require_subcommand(0, 1);
  app.add_option("N", options.number, "the assignment, 1 to 7 (7 is the other choice of 6)");
  app.add_option("FOLDER", options.folder, "the submission (default: course/N/work)");
  app.add_option("--kit", options.kit, "the build's folder that holds kit.toml");
  app.add_flag("--reference", options.reference, "grade the framework's own code");
  app.add_flag("--starter", options.starter, "grade the untouched starter");
  app.add_option("--mistake", options.mistake, "grade a known mistake");
  app.add_option("--task", options.task, "this task alone, e.g. 1.3; the others are not compiled");
  app.add_option("--format", options.format, "text, json, gradescope, prairielearn or classroom");
  app.add_option("--out", options.out, "write the result here, from the first moment on");
  app.add_option("--student", options.student, "whose numbers are drawn");
  app.add_option("--term", options.term, "e.g. 2027-spring");
  app.add_option("--secret", options.secret_file,
                 "file with the teacher's secret; hidden cases are run (or GADOLIN_COURSE_SECRET)");
  app.add_option("--extra", options.extra, "folder with cases of your own");
  app.add_option("--collect", options.collect,
                 "run the submission on these inputs and write its raw answers to --out; no points");
  app.add_option("--judge", options.judge, "give points to answers that --collect wrote; nothing is run");
  app.add_flag("--times", options.times, "say how long it took");
  const auto verb = [&](const char* name, const char* help) {
    CLI::App* sub = app.add_subcommand(name, help)->fallthrough();  // --student and so on may follow
    if (std::string(name) != "secret") sub->add_option("N", options.number, "the assignment")->required();
    sub->callback([&options, name] { options.verb = name; });
    return sub;
  };
  verb("cut", "write the starter of an assignment from production");
  CLI::App* build = verb("build", "compile a submission; prints the program, which takes --demo FOLDER");
  build->add_option("FOLDER", options.folder, "the submission (default: course/N/work)");
  build->add_option("--program", options.program,
                    "one of the framework's own test programs instead, e.g. test_tensor");
  build->add_flag("--reference", options.reference, "the framework's own code");
  verb("questions", "print the question sheet of a student");
  verb("data", "write a student's data set: the films of assignment 5")
      ->add_option("FOLDER", options.folder, "where to")
      ->required();
  verb("inputs", "write the requests of all cases to --out, for --collect on another machine");
  verb("viva", "three questions for an oral check, from the student's own code")
      ->add_option("FOLDER", options.folder, "the submission (default: course/N/work)");
  verb("cluster", "group submissions by how they fail")
      ->add_option("DIR", options.folder, "a folder of submissions")
      ->required();
  CLI::App* bodies = verb("bodies", "write the students' bodies alone, production's beside them");
  bodies->add_option("DIR", options.folder, "a folder of submissions")->required();
  bodies->add_option("OUT", options.to, "where to")->required();
  verb("suites", "print the framework's own tests of an assignment: program and filter");
  verb("secret", "print a new secret; keep it in a file that you alone may read");
  verb("selftest", "cut, compare, grade reference, starter and every mistake")
      ->add_flag("--quick", options.quick, "the first mistake of each task alone");
}

int run(const CLI::App& app, const Options& options) {
  if (options.verb == "secret") {
    std::cout << secret_text(new_secret()) << "\n";
    return 0;
  }
  if (options.number == 0) {
    std::cout << app.help();
    return 2;
  }
  Course course = open_course(open_kit(options.kit), options.number);
  if (!options.extra.empty()) add_extra_cases(course, options.extra);
  if (!options.task.empty()) keep_task(course, options.task);
  if (options.verb == "cut") return cut_command(course);
  if (options.verb == "suites") {
    for (const auto& [program, filter] : course.cut.suites) std::cout << program << " " << filter << "\n";
    return 0;
  }
  if (options.verb == "build") return build_command(options, course);
  if (options.verb == "questions") return questions_command(options, course);
  if (options.verb == "data") return data_command(options, course);
  if (options.verb == "inputs") {
    if (options.out.empty()) throw std::invalid_argument("inputs: --out says where they go");
    write_whole(options.out, inputs(course, who_of(options)));
    return 0;
  }
  if (options.verb == "cluster") return cluster(course, options.folder, std::cout), 0;
  if (options.verb == "bodies") return write_bodies(course, options.folder, options.to, std::cout), 0;
  if (options.verb == "viva") {
    viva(course, read_submission(course, work_of(options, course)), who_of(options), std::cout);
    return 0;
  }
  if (options.verb == "selftest") return selftest(course, options.quick, std::cout) ? 0 : 1;
  return grade_command(options, course);
}

}  // namespace gadolin::course
