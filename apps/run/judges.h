// Who answers in eval and predict: one task, or several nets and views or tiles of each picture.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/program/command.h"
#include "tasks/predictor.h"
#include "tasks/several.h"

namespace gadolin {

class Judges {
 public:
  // `more`: further checkpoints of an ensemble; `views`: "identity", a list (tasks/ensemble.h), or "ten-crop"
  // (tasks/ten_crop.h).
  Judges(const Session& session, const std::string& checkpoint, const std::vector<std::string>& more,
         const std::string& views);
  const Task& task() const { return one_ ? one_->task() : several_->task(); }
  // "resnet18", "resnet18, 3 nets, views identity,hflip"
  const std::string& name() const { return name_; }
  // The one net that answers; null of an ensemble.
  Predictor* alone() { return one_.get(); }
  // For evaluate() over a set.
  Predict predict(const Dataset& set, const LoaderOptions& load, const std::string& label);
  // The answer to one sample alone: it does not depend on what else is asked for.
  Outputs one(const Dataset& set, std::int64_t i, Device device);

 private:
  std::unique_ptr<Predictor> one_;
  std::unique_ptr<Several> several_;
  std::string name_;
};

}  // namespace gadolin
