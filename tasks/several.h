// Several nets, or views or parts of a picture, that answer as one: what eval and predict ask instead of one
// net.
#pragma once

#include <string>

#include "tasks/evaluate.h"

namespace gadolin {

class Several {
 public:
  virtual ~Several() = default;
  // The first member: its kind, its classes and its way to show an answer are those of all.
  virtual const Task& task() const = 0;
  // The answer to one sample of a set, as task().predict() gives it for a batch of one.
  virtual Outputs one(const Dataset& set, std::int64_t i, Device device) = 0;
  // For evaluate(): the answers to batches of this set. `label`: of lines of progress on stderr.
  virtual Predict over(const Dataset& set, const LoaderOptions& options, const std::string& label) = 0;
};

}  // namespace gadolin
