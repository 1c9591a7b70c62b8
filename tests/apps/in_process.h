// The program called as a function: a mistake of the command line is shown in a few milliseconds.
#pragma once

#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "apps/commands.h"
#include "tests/apps/program.h"

namespace gadolin::test {

inline void add_all(Program& program) {
  for (const auto add : {add_doctor, add_models, add_launch, add_grade, add_train, add_cam, add_verify,
                         add_weights, add_report, add_bench, add_data, add_dicom, add_serve, add_bodypart,
                         add_mammography, add_chestxray, add_nodule, add_hemorrhage, add_pipeline})
    add(program);
}

// Takes what it prints by std::cout and std::cerr; progress lines go past them.
inline Outcome run_here(std::vector<std::string> args) {
  struct Redirect {
    std::ostream& stream;
    std::ostringstream text;
    std::streambuf* before;
    explicit Redirect(std::ostream& s) : stream(s), before(s.rdbuf(text.rdbuf())) {}
    ~Redirect() { stream.rdbuf(before); }
  } out(std::cout), err(std::cerr);
  Program program;
  add_all(program);
  args.insert(args.begin(), "gadolin");
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  const int code = program.main(static_cast<int>(argv.size()), argv.data());
  return {code, out.text.str(), err.text.str()};
}

// What a wrong command line says. `args` may be a part of one.
struct Mistake {
  std::vector<std::string> args;
  int code;
  std::string want;
};

// The last line on stderr without "gadolin: ", with `folder` written as DIR.
inline std::string last_line(const Outcome& run, const std::string& folder) {
  std::string text = run.err;
  const std::size_t at = text.rfind("gadolin: ");
  text = at == std::string::npos ? "no error: " + text : text.substr(at + 9);
  if (!text.empty() && text.back() == '\n') text.pop_back();
  for (std::size_t found; (found = text.find(folder)) != std::string::npos;)
    text.replace(found, folder.size(), "DIR");
  return text;
}

}  // namespace gadolin::test
