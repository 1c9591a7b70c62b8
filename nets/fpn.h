// Feature pyramid network (Lin et al. 2017, section 3) with the two extra levels of RetinaNet.
#pragma once

#include "layers/conv.h"

namespace gadolin {

struct FpnOptions {
  int channels = 256;
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
  std::vector<Tensor> operator()(const std::vector<Tensor>& c);
  const char* kind() const override { return "Fpn"; }

 private:
  FpnOptions options_;
  Conv2d *inner_[3], *layer_[3] = {}, *p6_, *p7_;
};

}  // namespace gadolin
