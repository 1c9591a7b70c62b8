// The cut: which parts of production files the student writes. Starters are production with the parts taken
// out; what is compiled is production with one task's parts put in. See README.md for cut.toml.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace gadolin::course {

struct Part {
  std::string task, name, file;        // "1.3", "Tensor::slice", "tensor/ops/views.cpp"
  std::string in, open, after, until;  // where it is; `in`, `after` and `until` may be empty
  std::string stub;                    // instead of todo(...)
};
struct Unit {
  std::string file;    // compiled, with cut headers before production's
  std::string append;  // a file whose text the probe's build adds at the end; may be empty
};
struct Cut {
  std::filesystem::path root, folder;  // of the tree; of the assignment, course/N
  std::vector<Part> parts;
  std::map<std::string, std::vector<Unit>> units;             // by task
  std::vector<std::pair<std::string, std::string>> suites;    // test programs of the framework, with filters
  std::map<std::string, std::vector<std::string>> forbidden;  // by task: symbols its object may not need

  std::vector<std::string> tasks() const;                               // in order of appearance
  std::vector<std::string> files(const std::string& task = "*") const;  // that its parts lie in
  std::vector<const Part*> of(const std::string& task) const;           // "*": all
};
Cut read_cut(const std::filesystem::path& root, int number);

// Texts of files by their path in the tree.
using Sources = std::map<std::string, std::string>;
Sources production(const Cut& cut);
// Production with every part taken out and a region for helpers before the first one.
Sources starters(const Cut& cut);

// A part is not where cut.toml or the starter has it: "tensor/shape.cpp: 'Shape broadcast(...' stands there
// twice; ...".
struct CutError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A student's bodies and helpers, as texts. Throws CutError when a kept line around a part was changed.
struct Bodies {
  std::map<const Part*, std::string> parts;
  std::map<std::string, std::string> helpers;  // by file
  std::vector<std::string> notes;              // what was changed elsewhere and is ignored, a line each
  std::map<const Part*, int> lines;            // where in the student's file a body begins
  std::map<const Part*, std::string> missing;  // parts that were not found, with the reason
};
Bodies bodies_of(const Cut& cut, const Sources& student);
// Production with these parts of `task` ("*": all) in place of its own, and the helpers of their files.
// Compilers see the lines of the student's file.
Sources composed(const Cut& cut, const std::string& task, const Bodies& bodies);

// Parts of `task` that are as the starter has them, comments and spaces apart.
std::vector<const Part*> unwritten(const Cut& cut, const std::string& task, const Bodies& bodies);

// What a student may not write, with its line: "tensor/shape.cpp:12: #include <unistd.h> is not allowed ...".
// "" when all is well.
std::string refused(const Cut& cut, const std::string& task, const Bodies& bodies);

}  // namespace gadolin::course
