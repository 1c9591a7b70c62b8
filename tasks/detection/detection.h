// Detection: boxes with classes in a picture, by a RetinaNet.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nets/retinanet.h"
#include "tasks/detection/anchor_recall.h"
#include "tasks/detection/detected_pictures.h"
#include "tasks/detection/settings.h"
#include "tasks/task.h"

namespace gadolin {

// Boxes with classes: a RetinaNet and its settings.
class DetectionTask : public Task {
 public:
  static constexpr const char* name = "detection";  // of the kind
  // A net of nets/retinanet.h, which is made here with as many classes and anchors as there are. `settings`
  // also decide the number of anchors.
  DetectionTask(std::string model, NetOptions options, DetectorSettings settings,
                std::vector<std::string> classes, Pipeline pipeline);

  const char* kind() const override { return name; }
  RetinaNet& net() override { return *net_; }
  std::string model() const override { return model_; }
  const NetOptions& options() const { return options_; }          // of the net
  const DetectorSettings& settings() const { return settings_; }  // anchors, matching, loss, detection
  // What a checkpoint may hold besides: "score_threshold" (operating_score.h), "tiles" (tiles.h) and
  // "preparation", what was done to a film before it became a picture. Empty: nothing is known.
  const std::string& remembered(const std::string& fact) const;
  // Written into every checkpoint from now on.
  void remember(const std::string& fact, const std::string& text) { remembered_[fact] = text; }

  // What is known of the training set already, for remarks().
  void expect(AnchorRecall recall) { recall_ = std::move(recall); }

  std::unique_ptr<Dataset> open(const std::string& path, DatasetOptions options) const override;
  // Batches of pictures that are padded alike (tasks/detection/canvas.h): what the net says of a picture does
  // not depend on those beside it, unless the setting is Padding::batch. With drop_last, as in training, all
  // batches are full: a few samples come twice.
  std::unique_ptr<DataLoader> loader(const Dataset& set, const Pipeline& pipeline,
                                     const LoaderOptions& options,
                                     std::shared_ptr<const Sampler> sampler = {}) const override;
  Batch one(const Dataset& set, std::int64_t i, Device device) const override;
  TextRows remarks(const Dataset& train) const override;
  // Measured with small pictures, and taken to grow with the area of the largest ones.
  std::string memory(const Dataset& train, std::int64_t batch, const OptimizerOptions& rule,
                     DType compute) const override;

  // Parts: "class", the focal loss; "box", the boxes' loss without its weight; "unmatched", the share of the
  // batch's boxes that no anchor overlaps enough, whether or not one was given to them all the same;
  // "dropped", the share of the samples' boxes that the pipeline cut away or made too loose (0 for a batch
  // that does not say).
  LossParts loss(const Batch& batch) override { return loss_of(answer(batch), batch); }
  // The same of what the net has said already.
  LossParts loss_of(const DetectorOutput& out, const Batch& batch);
  // {"boxes": fp32 [N, M, 4], "score": fp32 [N, M], "label": int64 [N, M], "count": int64 [N]} of
  // detect.h, in pixels of the net's input, and "map" and "size" of the batch.
  Outputs predict(const Batch& batch) override;
  // Throws DataError for a set without boxes.
  std::unique_ptr<Evaluator> evaluator(const Dataset& set) const override;
  std::vector<std::string> columns() const override { return {"class", "score", "x1", "y1", "x2", "y2"}; }
  // `most` boxes and how many more there are; at least one row.
  Said say(const Outputs& outputs, std::int64_t n, int most) const override;
  // Throws Unsupported: boxes have probabilities, pictures none.
  std::vector<double> class_probabilities(const Outputs& outputs, std::int64_t n) const override;
  void describe(Checkpoint& checkpoint) const override;

 private:
  // Throws UsageError for pictures too small for the net.
  DetectorOutput answer(const Batch& batch);
  Tensor picture_of(const Batch& batch);  // [N, C, H, W], 0 beside the pictures
  const Tensor& anchors_of(const DetectorOutput& out, const Batch& batch);
  std::string model_;
  NetOptions options_;
  DetectorSettings settings_;
  std::map<std::string, std::string> remembered_;
  Anchors anchors_;
  std::optional<AnchorRecall> recall_;
  std::map<std::pair<int, std::int64_t>, Tensor> counted_;  // 0, 1, 2 ... by device and length
  std::unique_ptr<RetinaNet> net_;
};

// What predict() said of each picture of a batch, in pixels of the pictures' files, best scores first.
std::vector<std::vector<Detection>> detections_of(const Outputs& outputs);

// For the table of tasks/task.h.
TaskKind detection_kind();

}  // namespace gadolin
