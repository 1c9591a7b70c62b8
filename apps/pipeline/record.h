// What is kept of a step: NAME.json in the folder of records. It says what the step read, with which options
// and seeds, what came out, and how long and how much memory earlier runs took.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "apps/pipeline/fingerprint.h"
#include "apps/pipeline/steps.h"

namespace gadolin::pipeline {

// One finished run, for forecasts.
struct Took {
  std::string options;
  std::map<std::string, std::int64_t> bytes;  // of each input
  double seconds = 0;
  std::int64_t memory = 0;  // largest resident memory of its process, bytes
};

struct Record {
  // clearing: outputs of an earlier run are being removed; running also stands in the record of a step that
  // was killed.
  enum class State { none, clearing, running, done };
  State state = State::none;
  std::string program;               // version and commit
  std::vector<std::string> command;  // words
  std::string options;
  std::map<std::string, Fingerprint> inputs, outputs;
  Json metrics = Json::object();  // of the step's last event
  std::vector<Took> history;      // the last 20

  // That of a step that has none is empty. Throws FormatError where the file holds something else.
  static Record read(const std::string& path);
  void write(const std::string& path) const;
};

// What a run is known by, before it runs.
std::string this_program();
std::map<std::string, Fingerprint> fingerprints(const std::vector<std::string>& paths);

// What this run will take, from earlier ones: those with the same options if there are any. Nothing is known
// without one.
struct Forecast {
  bool known = false, same_options = true;
  double seconds = 0;
  std::int64_t memory = 0;
};
// `bytes`: of each input now, as far as they are known or foretold. Time and memory are lines over the bytes
// that were read, through the runs by least squares; of runs of one size only, time is in proportion and
// memory not below what it was.
Forecast forecast(const std::vector<Took>& history, const std::string& options,
                  const std::map<std::string, std::int64_t>& bytes);

}  // namespace gadolin::pipeline
