// Tuned choices of GPU engines, kept on disk so that a machine measures a problem once and then always runs
// the same.
//
// There is a text file for each library version and device. Its first line is "gadolin-plans 2 <identity>";
// then comes one line for each problem, with "-" where there are no knobs:
//   <problem> <engine> <knob>:<value>,... <workspace> <microseconds>
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace gadolin {

struct PlanChoice {
  std::int64_t engine = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> knobs;  // type, value
  std::int64_t workspace = 0;                                // bytes
  double microseconds = 0;                                   // measured median
};
using PlanChoices = std::map<std::string, PlanChoice>;

// The file's text and back. parse throws FormatError naming the line for anything but what format wrote, and
// for another identity; it accepts at most 100,000 problems of 64 knobs.
std::string format_plans(const std::string& identity, const PlanChoices& choices);
PlanChoices parse_plans(const std::string& text, const std::string& identity);

class PlanDatabase {
 public:
  // identity: library, version and device, one line. The file is read when it is there; one that is damaged
  // or of another identity is treated as absent and replaced by the next put().
  PlanDatabase(std::string path, std::string identity);
  const PlanChoice* find(const std::string& problem) const;
  // Keeps the choice and writes the file: joined with what other processes added meanwhile, under another
  // name first, on the disk, then renamed. Returns false when it could not be written, for example on a full
  // disk: the choice then lasts as long as the process.
  bool put(const std::string& problem, const PlanChoice& choice);
  const PlanChoices& choices() const { return choices_; }

 private:
  PlanChoices read() const;
  std::string path_, identity_;
  PlanChoices choices_;
};

// "<folder>/<identity>.plans", where every character of the identity that is no letter or digit becomes "-".
// The folder is GADOLIN_CACHE_DIR, else XDG_CACHE_HOME/gadolin, else HOME/.cache/gadolin; "" when none of
// them is set.
std::string plan_database_path(const std::string& identity);

}  // namespace gadolin
