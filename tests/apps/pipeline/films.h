// A pipeline of quick steps: made-up films with reports, their table, labels and patients.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/apps/program.h"
#include "tests/data/scratch.h"

namespace gadolin::test {

struct FilmSteps {
  Scratch dir;
  std::string file;

  FilmSteps() {
    file = dir.write("films.toml", R"(# Reports to labels.
[values]
dir = "nowhere"
patients = 24

[prepare]  # not in their order
run = "nodule prepare {dir}/openi/manifest.csv --out {dir}/labelled"
inputs = ["{dir}/openi"]
outputs = ["{dir}/labelled"]

[archive]
run = [
  "data synth openi {dir}/archive",  # films of two views
  "--patients {patients} --size 32 --seed 1",
]
outputs = ["{dir}/archive"]

[import]
run = "gadolin nodule import {dir}/archive/reports --images {dir}/archive/images --out {dir}/openi"
inputs = ["{dir}/archive"]
outputs = ["{dir}/openi"]
)");
  }
  std::vector<std::string> call(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> args{"pipeline",          "run",       file,           "--set",
                                  "dir=" + dir.path(), "--records", dir / "records"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  Outcome run(const std::vector<std::string>& more = {}, const RunOptions& options = {}) const {
    return run_program(call(more), options);
  }
  // Of a run with --json: why each step ran, in the order of the steps' names.
  std::string whys(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> args = more;
    args.emplace_back("--json");
    const Outcome outcome = run(args);
    const nlohmann::json last = done(outcome);
    std::string text;
    for (const auto& [name, step] : last["metrics"]["steps"].items()) {
      std::string why = step["why"];
      for (std::size_t at; (at = why.find(dir.path())) != std::string::npos;)
        why.replace(at, dir.path().size(), "DIR");
      text += name + ": " + why + "\n";
    }
    return text;
  }
  // Every file that the steps made, with what it holds.
  std::string made() const {
    std::vector<std::string> files;
    for (const char* folder : {"archive", "openi", "labelled"})
      for (const auto& entry : std::filesystem::recursive_directory_iterator(dir / folder))
        if (entry.is_regular_file()) files.push_back(entry.path().string());
    std::sort(files.begin(), files.end());
    std::string all;
    for (const std::string& path : files) all += path + "\n" + contents_of(path);
    return all;
  }
  nlohmann::json record(const std::string& step) const {
    return nlohmann::json::parse(contents_of(dir / ("records/" + step + ".json")));
  }
};

}  // namespace gadolin::test
