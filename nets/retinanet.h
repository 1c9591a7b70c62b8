// RetinaNet (Lin et al. 2017, "Focal loss for dense object detection", section 4): a detector of one stage.
// Names and numbers are torchvision's.
#pragma once

#include <memory>

#include "layers/conv.h"
#include "nets/registry.h"

namespace gadolin {

// Feature pyramid network (Lin et al. 2017, section 3) with the two extra levels of RetinaNet.
struct FpnOptions {
  int channels = 256;       // of every level
  bool p6_from_c5 = false;  // P6 reads C5, as in the RetinaNet paper and torchvision's v2; otherwise P5
  // As Keras RetinaNet of 2017: P5 is C5's lateral alone, a level is added to the one below behind its 3x3,
  // and grows bilinearly.
  bool legacy = false;
};

// C3, C4, C5 at strides 8, 16, 32 -> P3 to P7 at strides 8 to 128, each [N, channels, h, w]. A level below
// has any size: what comes from above is resized to it. Names as in torchvision: inner_blocks, layer_blocks,
// extra_blocks.
class Fpn : public Module {
 public:
  // Channels of C3, C4 and C5.
  explicit Fpn(const std::vector<int>& in_channels, const FpnOptions& options = {});
  std::vector<Tensor> operator()(const std::vector<Tensor>& c);  // C3, C4, C5 -> P3, P4, P5, P6, P7
  const char* kind() const override { return "Fpn"; }

 private:
  FpnOptions options_;
  Conv2d *inner_[3], *layer_[3] = {}, *p6_, *p7_;
};

// What a RetinaNet is made of.
struct RetinaNetOptions {
  int num_classes = 91;     // without background; torchvision's 91 are COCO's ids as they are
  int anchors = 9;          // at each place of a level
  FpnOptions fpn = {};      // of its pyramid
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
  std::vector<Tensor> tensors() const { return {logits, deltas}; }  // both
};

// Four 3x3 convolutions with ReLUs and a last one: [N, C, h, w] -> [N, h w anchors, values].
class AnchorHead : public Module {
 public:
  // Channels in; anchors a place, `values` numbers each; name of the last convolution.
  AnchorHead(int channels, int anchors, int values, const std::string& last, bool group_norm);
  Tensor operator()(const Tensor& x);            // [N, C, H, W] -> [N, H W anchors, values]
  const Conv2d& last() const { return *last_; }  // which gives the numbers
  const char* kind() const override { return "AnchorHead"; }

 private:
  std::int64_t values_;
  std::vector<Conv2d*> convs_;
  std::vector<Layer*> norms_;
  Conv2d* last_;
};

// A backbone, a pyramid on it, and two heads on every level.
class RetinaNet : public Module {
 public:
  // A trunk that tells its stage_channels(). Throws ValueError for another, and for a prior outside (0, 1).
  explicit RetinaNet(std::unique_ptr<ImageNet> body, const RetinaNetOptions& options = {});
  DetectorOutput operator()(const Tensor& x);  // one level behind another, as anchors are
  const char* kind() const override { return "RetinaNet"; }
  const RetinaNetOptions& options() const { return options_; }  // as made
  // Pixels a side that a picture must have.
  std::int64_t least_size() const { return body_->least_size(training()); }

 private:
  RetinaNetOptions options_;
  ImageNet* body_;
  Fpn* fpn_;
  AnchorHead *classes_, *boxes_;
};

// --- detectors by name, as nets/registry.h knows classifiers

// retinanet_resnet18_fpn, 34, 50, 101, 152, vgg16, vgg19, densenet121, 169, 201; and each with _v2 behind it:
// torchvision's second version, whose heads have group norm and whose P6 reads C5.
const std::vector<NetInfo>& detectors();
// Throws UsageError with the nearest names when there is none of this name.
const NetInfo& detector_info(const std::string& name);

// "resnet50" of "retinanet_resnet50_fpn_v2".
std::string backbone_of(const std::string& detector);

// Takes RetinaNetOptions and FpnOptions by their names, and the options of the backbone. Throws UsageError
// naming an unknown option and the known ones.
std::unique_ptr<RetinaNet> make_detector(const std::string& name, const NetOptions& options = {});

}  // namespace gadolin
