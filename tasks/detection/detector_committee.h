// Several detectors, and several views of each picture, that answer as one: weighted boxes fusion.
#pragma once

#include "tasks/committee.h"
#include "tasks/detection/box_fusion.h"
#include "tasks/detection/detection.h"

namespace gadolin {

// The members' boxes are brought into pixels of the picture's file, each by its own map, and fused there
// (tasks/detection/box_fusion.h), all members and views alike: a box that only some of them give keeps that
// share of its score. Classes are matched by name, in the first member's order.
class DetectorCommittee : public Panel {
 public:
  // Throws CheckpointError for a checkpoint of another task, UsageError for members whose classes differ.
  DetectorCommittee(const std::vector<std::string>& checkpoints, std::vector<View> views, Device device,
                    DType compute);

  const DetectionTask& task() const override { return *tasks_.front(); }
  // As DetectionTask::predict, but in pixels of the file: "map" is the identity.
  Outputs one(const Dataset& set, std::int64_t i, Device device) override;
  Predict over(const Dataset& set, const LoaderOptions& options, const std::string& label) override;

 private:
  using Lists = std::vector<ScoredBoxes>;  // of a picture, by member and view
  struct Seen {
    std::vector<Lists> lists;                      // by picture
    std::vector<std::pair<double, double>> sizes;  // width and height of each file
  };
  Seen views_of(std::size_t member, const Batch& batch);
  Outputs joined(const Seen& seen, const std::vector<std::string>& sources) const;
  std::vector<std::string> names_;
  std::vector<std::unique_ptr<Predictor>> predictors_;
  std::vector<const DetectionTask*> tasks_;
  std::vector<std::vector<int>> number_;  // of each member's classes, in the first one's order
  std::vector<View> views_;
  std::map<std::int64_t, Lists> said_;  // by place in the set, what all but the first said
};

// A batch as a view shows it: every picture is turned within its own size, its padding stays where it is.
// "map" follows.
Batch turned(const Batch& batch, View view);

}  // namespace gadolin
