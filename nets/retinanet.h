// RetinaNet (Lin et al. 2017, "Focal loss for dense object detection", section 4): a detector of one stage.
// Names and numbers are torchvision's.
#pragma once

#include <memory>

#include "nets/fpn.h"
#include "nets/image_net.h"

namespace gadolin {

struct RetinaNetOptions {
  int num_classes = 91;  // without background; torchvision's 91 are COCO's ids as they are
  int anchors = 9;       // at each place of a level
  FpnOptions fpn = {};
  bool group_norm = false;  // behind the heads' convolutions, in 32 groups, as torchvision's v2
  // Batch norms of the backbone compute with their running statistics and do not learn.
  bool frozen_norm = true;
  double norm_eps = 1e-5;  // of those batch norms; 0 for torchvision's COCO_V1 weights
  double prior = 0.01;     // probability of each class that training starts from (section 4.1)
};

// What a detector says of every anchor. Anchors are in the order of the levels, P3 first, then row by row,
// then by their number at a place.
struct DetectorOutput {
  Tensor logits;            // [N, A, num_classes]
  Tensor deltas;            // [N, A, 4]; tasks/detection/boxes.h says what they mean
  std::vector<Pair> grids;  // rows and columns of each level
  std::vector<Tensor> tensors() const { return {logits, deltas}; }
};

// Four 3x3 convolutions with ReLUs and a last one: [N, C, h, w] -> [N, h w anchors, values].
class AnchorHead : public Module {
 public:
  AnchorHead(int channels, int anchors, int values, const std::string& last, bool group_norm);
  Tensor operator()(const Tensor& x);
  const Conv2d& last() const { return *last_; }
  const char* kind() const override { return "AnchorHead"; }

 private:
  std::int64_t values_;
  std::vector<Conv2d*> convs_;
  std::vector<Layer*> norms_;
  Conv2d* last_;
};

class RetinaNet : public Module {
 public:
  // A trunk that tells its stage_channels(). Throws ValueError for another, and for a prior outside (0, 1).
  explicit RetinaNet(std::unique_ptr<ImageNet> body, const RetinaNetOptions& options = {});
  DetectorOutput operator()(const Tensor& x);
  const char* kind() const override { return "RetinaNet"; }
  const RetinaNetOptions& options() const { return options_; }
  // Pixels a side that a picture must have.
  std::int64_t least_size() const { return body_->least_size(training()); }

 private:
  RetinaNetOptions options_;
  ImageNet* body_;
  Fpn* fpn_;
  AnchorHead *classes_, *boxes_;
};

}  // namespace gadolin
