// The kit: what the build left for compiling students' files in a hurry. Room libraries, the probe's own
// objects, and the compiler's words for both.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "course/grader/cut.h"

namespace gadolin::course {

struct Kit {
  std::filesystem::path folder;     // of the build: kit.toml, probe_N.compile, probe_N.link, cache/
  std::filesystem::path root;       // of the tree
  std::string cuda;                 // "off", "software" or "nvcc"
  std::vector<std::string> device;  // words for .cu files
  bool sanitized = false;
};
// Throws std::runtime_error "kit: ...; build it with course/setup.sh".
Kit open_kit(const std::filesystem::path& folder);

// What a compiler, or the linker, said of the student's text; or that a symbol may not be used.
struct CompileError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The probe of assignment `number` with these texts in place of production's. Kept by the hash of all that
// goes into it, so the same text is compiled once. Throws CompileError, for people to read. `program`:
// instead of the probe another program of the build, such as "test_tensor", over the student's objects.
std::filesystem::path build_probe(const Kit& kit, const Cut& cut, int number, const std::string& task,
                                  const Sources& sources, const std::string& program = "");

}  // namespace gadolin::course
