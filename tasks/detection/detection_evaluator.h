// What a detector found in a set, measured.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tasks/detection/coco_metrics.h"
#include "tasks/detection/froc.h"
#include "tasks/detection/voc_metrics.h"
#include "tasks/task.h"

namespace gadolin {

class DetectionEvaluator : public Evaluator {
 public:
  // `set` must outlive it. `score`: what the detector leaves out already.
  DetectionEvaluator(const DetectionSet& set, std::vector<std::string> classes, double score);
  // How many detections of a class count in a picture (100), best scores first. Throws UsageError below 1.
  void set_max_detections(int most);

  // COCO's twelve numbers, mAP and weighted_mAP of Pascal VOC at IoU 0.5, the mean sensitivity of FROC and
  // sensitivity_at_RATE, picture_auc; breast_auc where the set names the side of a picture.
  std::vector<Metric> metrics() const override;
  std::string chosen() const override { return "AP50"; }
  double loss() const override;  // NaN: it lies in the anchors, of which predictions say nothing
  bool has_loss() const override { return false; }
  void add(const Batch& batch, const Outputs& outputs) override;
  void gather(Communicator& communicator) override;
  std::vector<double> values(Reals weight) const override;
  std::vector<MetricValue> finish(const BootstrapOptions& options) const override;
  std::string undefined(const std::string& metric) const override;
  // A picture without a patient is one of its own.
  std::vector<std::string> patients() const override;
  // score_threshold, as operating_score.h chooses it; nothing where it cannot.
  std::map<std::string, std::string> facts() const override;
  // per_class, froc, froc_band, false_alarms, normals, notes and, where AP is 0, why; detections.csv. With
  // the intervals of the last finish().
  Json details() const override;
  std::vector<std::pair<std::string, std::string>> files() const override;
  std::vector<TextRows> tables() const override;

  const std::vector<DetectedPicture>& pictures() const { return pictures_; }  // in the order of add
  const std::vector<std::int64_t>& indices() const { return indices_; }       // their places in the set
  // The score from which pictures are drawn and judged: where the detector gives one false alarm a picture,
  // or 0.5 where it never does.
  double drawn_from() const;

 private:
  // Everything that is measured, once for all who ask.
  struct Measured {
    CocoMatches coco;
    FrocMetrics froc;
    VocMetrics voc;
    std::vector<Interval> intervals;  // as CocoMatches::values; NaN without resamples
  };
  const Measured& measured() const;
  std::shared_ptr<const Measured> measure(const BootstrapOptions& options) const;
  Json class_json(std::size_t label) const;
  std::vector<std::string> notes() const;
  void add_picture(std::int64_t index, std::vector<Detection> found);
  const DetectionSet& set_;
  std::vector<std::string> classes_;
  double score_;
  int most_ = 100;
  bool breasts_ = false;  // some pictures of the set have one
  std::vector<DetectedPicture> pictures_;
  std::vector<std::int64_t> indices_;
  mutable std::shared_ptr<const Measured> measured_;
};

}  // namespace gadolin
