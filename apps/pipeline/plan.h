// Which steps have to run, and why.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "apps/pipeline/record.h"

namespace gadolin::pipeline {

struct PlanOptions {
  std::string file, from, until;        // names of steps; empty: the first and the last one
  std::vector<std::string> set, force;  // NAME=VALUE; names of steps
  std::string records;                  // folder; empty: FILE.records without its ending
  std::string earlier;                  // a folder of records of another place, for forecasts
  bool any_version = false, dry_run = false;
};

// The steps between --from and --until, with what is known of each.
class Plan {
 public:
  // Throws what read_steps does, and UsageError where a step reads a file that is not there and that no step
  // makes, or whose step is left out.
  Plan(Program& program, const PlanOptions& options);

  const std::vector<Step>& steps() const { return steps_; }
  std::size_t begin() const { return begin_; }
  std::size_t end() const { return end_; }
  const std::string& folder() const { return folder_; }  // of the records
  std::string record_file(std::size_t i) const { return folder_ + "/" + steps_[i].name + ".json"; }

  // Looks at the step's files and record as they are now.
  struct Look {
    Record record;                              // of the last run
    std::map<std::string, Fingerprint> inputs;  // now
    std::string why;                            // it has to run; empty: it has not
    bool same_work = false;                     // a run with these inputs and options was begun
  };
  Look look(std::size_t i) const;
  // Of all steps in their order, as if those that have to run had run: the first element of a pair is why.
  struct Foretold {
    std::string why;
    Forecast forecast;
  };
  std::vector<Foretold> foretell() const;

 private:
  void check_sources() const;
  std::string why(std::size_t i, const Look& look) const;
  std::vector<Step> steps_;
  std::size_t begin_ = 0, end_ = 0;
  std::set<std::size_t> forced_;
  std::string folder_, earlier_;
  bool any_version_ = false;
};

}  // namespace gadolin::pipeline
