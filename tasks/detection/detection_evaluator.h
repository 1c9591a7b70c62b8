// What a detector found in a set, measured; and the page of the report that is made of it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tasks/detection/coco_metrics.h"
#include "tasks/detection/froc.h"
#include "tasks/task.h"

namespace gadolin {

class DetectionEvaluator : public Evaluator {
 public:
  // `set` must outlive it. `score`: what the detector leaves out already.
  DetectionEvaluator(const DetectionSet& set, std::vector<std::string> classes, double score);

  // COCO's twelve numbers, mAP and weighted_mAP of Pascal VOC at IoU 0.5, the mean sensitivity of FROC and
  // sensitivity_at_RATE, picture_auc.
  std::vector<Metric> metrics() const override;
  std::string chosen() const override { return "AP50"; }
  double loss() const override;  // NaN: it lies in the anchors, of which predictions say nothing
  bool has_loss() const override { return false; }
  void add(const Batch& batch, const Outputs& outputs) override;
  void gather(Communicator& communicator) override;
  std::vector<double> values(Reals weight) const override;
  // Intervals of FROC's numbers; COCO's have none.
  std::vector<MetricValue> finish(const BootstrapOptions& options) const override;
  std::vector<std::string> patients() const override;
  // score_threshold, as operating_score.h chooses it; nothing where it cannot.
  std::map<std::string, std::string> facts() const override;
  // per_class, froc, normals, notes and, where AP is 0, why; detections.csv.
  Json details() const override;
  std::vector<std::pair<std::string, std::string>> files() const override;
  std::vector<TextRows> tables() const override;

  const std::vector<DetectedPicture>& pictures() const { return pictures_; }  // in the order of add

 private:
  std::vector<MetricValue> all(const std::vector<DetectedPicture>& pictures,
                               const BootstrapOptions& bootstrap) const;
  std::string diagnosis(const CocoMetrics& coco) const;
  void add_picture(std::int64_t index, std::vector<Detection> found);
  const DetectionSet& set_;
  std::vector<std::string> classes_;
  double score_;
  std::vector<DetectedPicture> pictures_;
  std::vector<std::int64_t> indices_;
};

// `metrics` (metrics.json) of `folder` into the page.
void report_detection(const std::string& folder, const Json& metrics, report::RunReport& page);

}  // namespace gadolin
