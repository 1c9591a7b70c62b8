// Mixup and cutmix: a batch whose pictures and targets are blends of pairs.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

// What a run mixes. Alphas of 0 switch a kind off; with both on, each batch draws one of them.
struct MixOptions {
  double mixup = 0;         // alpha of mixup (Zhang et al. 2018, section 2): share ~ Beta(alpha, alpha)
  double cutmix = 0;        // alpha of cutmix (Yun et al. 2019, section 3.1)
  double cut_chance = 0.5;  // of cutmix when both are on
  double chance = 1;        // that a batch is mixed at all
  std::uint64_t seed = 0;   // of all that is drawn
};

// The decisions for one batch, made on the host.
struct MixPlan {
  // What the batch gets.
  enum class Kind : std::uint8_t { none, mixup, cutmix } kind = Kind::none;
  double share = 1;                   // of a sample's own picture and target; its partner has the rest
  std::vector<std::int64_t> partner;  // [N], a permutation; some may be their own partner
  std::int64_t top = 0, left = 0, bottom = 0, right = 0;  // cutmix: rows and columns that the partner fills
};

// Plan of batch `step` of `epoch`, a pure function of its arguments: N pictures of height x width. The box of
// cutmix has its middle anywhere, sides of sqrt(1 - share) of the picture's, each half cut to whole pixels as
// torchvision does, and what lies outside is lost; `share` is then corrected to the area that is left, 1 -
// box / picture. Throws ValueError for N, height or width below 1, alphas that are negative or not finite,
// and chances outside [0, 1].
MixPlan mix_plan(const MixOptions& options, std::int64_t epoch, std::int64_t step, std::int64_t n,
                 std::int64_t height, std::int64_t width);
// The box for a middle and a share, as mix_plan makes it: sets box and corrected share.
void set_cutmix_box(MixPlan& plan, double share, std::int64_t middle_row, std::int64_t middle_column,
                    std::int64_t height, std::int64_t width);

// A plan as tensors, always of the same shapes. They are inputs of a step, like its pictures:
//
//   MixTensors m = mix_tensors(mix_plan(options, epoch, step, n, h, w), h, w, device);
//   captured({images, targets, m.partner, m.keep, m.share});
//
// and inside the step `mixed_images(images, m)` and `mixed_targets(targets, m)`. So a recorded step stays
// right: the host decides before it, nothing random or host-made is frozen inside, and one recording serves
// mixup, cutmix and batches that are left alone.
struct MixTensors {
  Tensor partner;  // [N] int64
  Tensor keep;     // [1, 1, H, W] fp32: a picture's own share of each pixel; mixup: the same everywhere
  Tensor share;    // [1, 1] fp32
};
// See above.
MixTensors mix_tensors(const MixPlan& plan, std::int64_t height, std::int64_t width, Device device = cpu);

// images [N, C, H, W] -> keep images + (1 - keep) images[partner], in their dtype and on their device. Pixels
// must be finite. A composition of ops, differentiable in the images. Throws ShapeError for other shapes.
Tensor mixed_images(const Tensor& images, const MixTensors& mix);
// targets [N, K] -> share targets + (1 - share) targets[partner]: probabilities of classes (one_hot of class
// numbers) for soft_cross_entropy, or 0 and 1 of labels for binary_cross_entropy_with_logits.
Tensor mixed_targets(const Tensor& targets, const MixTensors& mix);

}  // namespace gadolin
