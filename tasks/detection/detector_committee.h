// Several detectors, mirrored views and tiles of a picture that answer as one.
#pragma once

#include <memory>
#include <vector>

#include "data/sets/boxes/tiles.h"
#include "tasks/detection/box_fusion.h"
#include "tasks/detection/detection.h"
#include "tasks/ensemble.h"
#include "tasks/predictor.h"
#include "tasks/several.h"

namespace gadolin {

class DetectorCommittee : public Several {
 public:
  // Every member prepares pictures by its own pipeline, in tiles when its checkpoint says so ("tiles" of
  // DetectionTask::remembered). Classes are matched by name, in the first member's order. Throws
  // CheckpointError for a checkpoint of another task, UsageError for classes that differ.
  DetectorCommittee(const std::vector<std::string>& checkpoints, std::vector<View> views, Device device,
                    DType compute);

  const DetectionTask& task() const override { return *tasks_.front(); }
  std::size_t size() const { return tasks_.size(); }
  const DetectionTask& member(std::size_t k) const { return *tasks_[k]; }

  // What member `k` finds in picture `i` of a set, over all views, in pixels of the file, best first.
  std::vector<Detection> found_by(std::size_t k, const Dataset& set, std::int64_t i, Device device);
  // What all find together: members and views by weighted boxes fusion (fuse_boxes).
  std::vector<Detection> found(const Dataset& set, std::int64_t i, Device device);

  Outputs one(const Dataset& set, std::int64_t i, Device device) override;
  Predict over(const Dataset& set, const LoaderOptions& options, const std::string& label) override;

 private:
  ScoredBoxes in_view(std::size_t k, const Dataset& set, std::int64_t i, View view, Device device);
  ScoredBoxes in_picture(std::size_t k, const Dataset& set, std::int64_t i, View view, Device device);
  std::vector<std::unique_ptr<Predictor>> predictors_;
  std::vector<const DetectionTask*> tasks_;
  std::vector<std::vector<int>> label_of_;  // of each member: the first one's number of its classes
  std::vector<View> views_;
};

// The task as a detector; throws CheckpointError naming both kinds for another one.
const DetectionTask& as_detector(const Task& task, const std::string& path);

// What tiles found, in pixels of the picture, as one list: of boxes of a class that overlap by more than
// `overlap`, or of which one lies mostly (80 %) within the other and was cut at its tile's edge, the one with
// the larger score is kept. `cut`: whether a box touches an edge of its tile that is none of the picture.
struct TileBox {
  Detection detection;
  bool cut = false;
};
std::vector<Detection> merge_tiles(std::vector<TileBox> boxes, double overlap, std::size_t most);

}  // namespace gadolin
