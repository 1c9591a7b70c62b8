// The answers of a net to single pictures, one after another, for commands that predict.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "apps/program/command.h"
#include "apps/run/judges.h"

namespace gadolin {

// What a command needs to know at its end.
struct Answers {
  std::int64_t files = 0, failed = 0;
  std::string first_error;
};

// Asks the judges about every sample alone; `each` may throw what a picture may throw, too. Several processes
// take samples in turns, and the first one gets all answers, in their order: `each` is called there alone. An
// event "prediction" a sample, with "warnings" where a picture is unlike those of training
// (tasks/input_warnings.h); these are in the log too. A sample that cannot be read is logged and told as an
// event "bad_sample". `checkpoint`: of the first judge; `most`: of Task::say.
Answers answer_each(Session& session, Judges& judges, const std::string& checkpoint, const Dataset& set,
                    int most, const std::function<void(std::int64_t i, const Outputs&, const Said&)>& each);
// Throws UsageError where several processes are to read a pipe, which gives its bytes once.
void refuse_pipes(const Session& session, const std::string& command, const std::vector<std::string>& files);
// Tells the counts. Throws DataError when a sample could not be read.
void finish_answers(Session& session, const std::string& command, const Answers& answers);

}  // namespace gadolin
