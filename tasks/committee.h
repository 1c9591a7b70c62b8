// Several classifiers, and several views of each picture, that answer as one: ensembles and test-time flips.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tasks/classification.h"
#include "tasks/ensemble.h"
#include "tasks/evaluate.h"
#include "tasks/predictor.h"
#include "tasks/several.h"

namespace gadolin {

// Every member prepares pictures by its own pipeline. Classes are matched by name, in the first member's
// order.
class Committee : public Several {
 public:
  // Throws CheckpointError for a checkpoint of another task, UsageError for members of which some give one
  // class a sample and others several labels.
  Committee(const std::vector<std::string>& checkpoints, std::vector<View> views, Device device,
            DType compute);

  const ClassificationTask& task() const override { return *tasks_.front(); }

  // The answer to one sample of a set: {"logits": [1, K]}, whose softmax (or logistic function) is the mean
  // of the members' probabilities over all views.
  Outputs one(const Dataset& set, std::int64_t i, Device device) override;
  // For evaluate(): lets all members but the first predict the whole set, and gives a function that joins
  // their answers to a batch with the first one's. `label`: of lines of progress on stderr.
  Predict over(const Dataset& set, const LoaderOptions& options, const std::string& label) override;

 private:
  std::vector<Member> views_of(std::size_t member, const Batch& batch);
  std::vector<std::string> names_;
  std::vector<std::unique_ptr<Predictor>> predictors_;
  std::vector<const ClassificationTask*> tasks_;
  std::vector<View> views_;
  // What the others said: their names and classes, and by place in the set the logits of each.
  std::vector<Member> others_;
  std::map<std::int64_t, std::vector<std::vector<double>>> said_;
};

// {"logits": [N, K]}, whose softmax (or logistic function) is the mean of the members' probabilities.
Outputs joined_logits(const std::vector<Member>& members, bool multi_label);

}  // namespace gadolin
