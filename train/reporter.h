// Where a job says what it does: to people, to a log, to programs. `gadolin` shows it; elsewhere it may stay
// silent.
#pragma once

#include <string>

#include "io/json.h"

namespace gadolin {

// Says nothing, wherever it is not overridden.
class Reporter {
 public:
  virtual ~Reporter() = default;
  // A line for people.
  virtual void say(const std::string& /*line*/) const {}
  // A line of the log: what happened on the way.
  virtual void log(const std::string& /*line*/) const {}
  // For programs that follow a job: {"event": "epoch", "epoch": 3, ...}.
  virtual void event(const Json& /*event*/) const {}
  // Entries of the job's last event: what it measured, and where what it wrote lies.
  virtual void metric(const std::string& /*name*/, Json /*value*/) {}
  // A file or folder by name.
  virtual void output(const std::string& /*name*/, const std::string& /*path*/) {}
  // Whether bars of progress may be drawn on stderr.
  virtual bool bars() const { return false; }
};

}  // namespace gadolin
