// Ten views of a picture, whose probabilities are averaged: the four corners and the middle, each also
// mirrored (Krizhevsky et al. 2012).
#pragma once

#include <memory>
#include <string>

#include "tasks/classification.h"
#include "tasks/predictor.h"
#include "tasks/several.h"

namespace gadolin {

// Of a net whose pipeline is "...,resize:S,center-crop:C,...", C below S: its crops are cut of the S x S
// pixels in the middle.
class TenCrops : public Several {
 public:
  // Throws CheckpointError for a checkpoint of another task, UsageError for a pipeline without such steps.
  TenCrops(const std::string& checkpoint, Device device, DType compute);
  const ClassificationTask& task() const override { return *task_; }
  // {"logits": [1, K]}, whose softmax (or logistic function) is the mean over the views.
  Outputs one(const Dataset& set, std::int64_t i, Device device) override;
  Predict over(const Dataset& set, const LoaderOptions& options, const std::string& label) override;

 private:
  Outputs views_of(const Batch& wide);
  std::unique_ptr<Predictor> predictor_;
  const ClassificationTask* task_;
  Pipeline wide_;
  int crop_ = 0;
};

}  // namespace gadolin
