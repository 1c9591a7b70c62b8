// Blends of pairs: decisions on the host, arithmetic as a composition of ops.
#include "train/mix.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tensor/check.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "train/beta_random.h"

namespace gadolin {
namespace {

constexpr std::uint64_t purpose = 0x6d6978;  // "mix"

void check(const MixOptions& o) {
  require<ValueError>(o.mixup >= 0 && o.cutmix >= 0 && std::isfinite(o.mixup + o.cutmix), "mix: alphas ",
                      o.mixup, " of mixup and ", o.cutmix, " of cutmix are not 0 or more");
  require<ValueError>(o.chance >= 0 && o.chance <= 1 && o.cut_chance >= 0 && o.cut_chance <= 1,
                      "mix: chances ", o.chance, " of mixing and ", o.cut_chance,
                      " of cutmix are not in [0, 1]");
}

// x with its own share and its partner's rest. `own` broadcasts over x.
Tensor blended(const Tensor& x, const Tensor& partner, const Tensor& own) {
  const Tensor weight = own.to(x.dtype());
  return x * weight + index_select(x, 0, partner) * (1.0 - weight);
}

}  // namespace

void set_cutmix_box(MixPlan& plan, double share, std::int64_t middle_row, std::int64_t middle_column,
                    std::int64_t height, std::int64_t width) {
  const double half = 0.5 * std::sqrt(1 - share);
  const auto rows = static_cast<std::int64_t>(half * static_cast<double>(height)),
             columns = static_cast<std::int64_t>(half * static_cast<double>(width));
  plan.top = std::max<std::int64_t>(middle_row - rows, 0);
  plan.left = std::max<std::int64_t>(middle_column - columns, 0);
  plan.bottom = std::min(middle_row + rows, height);
  plan.right = std::min(middle_column + columns, width);
  plan.share = 1 - static_cast<double>((plan.bottom - plan.top) * (plan.right - plan.left)) /
                       static_cast<double>(height * width);
}

MixPlan mix_plan(const MixOptions& o, std::int64_t epoch, std::int64_t step, std::int64_t n,
                 std::int64_t height, std::int64_t width) {
  check(o);
  require<ValueError>(n >= 1 && height >= 1 && width >= 1, "mix: a batch of ", n, " pictures of ", height,
                      " x ", width, "; at least 1 of each is needed");
  MixPlan plan;
  plan.partner.resize(static_cast<std::size_t>(n));
  std::iota(plan.partner.begin(), plan.partner.end(), 0);
  RandomStream random(
      o.seed, stream_id(purpose, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(step)));
  const bool mixes = open_uniform(random) < o.chance, cuts = open_uniform(random) < o.cut_chance;
  if (!mixes || (o.mixup == 0 && o.cutmix == 0)) return plan;
  shuffle(plan.partner, random);
  plan.kind = o.mixup == 0 || (o.cutmix > 0 && cuts) ? MixPlan::Kind::cutmix : MixPlan::Kind::mixup;
  const double alpha = plan.kind == MixPlan::Kind::cutmix ? o.cutmix : o.mixup;
  plan.share = beta_random(random, alpha, alpha);
  if (plan.kind == MixPlan::Kind::cutmix) {
    const auto row = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(height)));
    const auto column = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(width)));
    set_cutmix_box(plan, plan.share, row, column, height, width);
  }
  return plan;
}

MixTensors mix_tensors(const MixPlan& plan, std::int64_t height, std::int64_t width, Device device) {
  require<ShapeError>(plan.top >= 0 && plan.top <= plan.bottom && plan.bottom <= height && plan.left >= 0 &&
                          plan.left <= plan.right && plan.right <= width,
                      "mix: box ", plan.top, "..", plan.bottom, " x ", plan.left, "..", plan.right,
                      " is not inside pictures of ", height, " x ", width);
  const bool cut = plan.kind == MixPlan::Kind::cutmix;
  const float share = static_cast<float>(plan.share);
  std::vector<float> keep(static_cast<std::size_t>(height * width), cut ? 1.0f : share);
  for (std::int64_t row = plan.top; cut && row < plan.bottom; ++row) {
    const auto line = keep.begin() + row * width;
    std::fill(line + plan.left, line + plan.right, 0.0f);
  }
  return {from_vector(plan.partner, {static_cast<std::int64_t>(plan.partner.size())}, device),
          from_vector(keep, {1, 1, height, width}, device), from_vector<float>({share}, {1, 1}, device)};
}

Tensor mixed_images(const Tensor& images, const MixTensors& mix) {
  const bool fits = images.dim() == 4 && mix.partner.shape() == Shape{images.size(0)} &&
                    mix.keep.shape() == Shape{1, 1, images.size(2), images.size(3)};
  require<ShapeError>(fits, "mix: images ", images.shape(), " with partners ", mix.partner.shape(),
                      " and a map ", mix.keep.shape(), "; [N, C, H, W], [N] and [1, 1, H, W] are needed");
  return blended(images, mix.partner, mix.keep);
}

Tensor mixed_targets(const Tensor& targets, const MixTensors& mix) {
  require<ShapeError>(targets.dim() == 2 && mix.partner.shape() == Shape{targets.size(0)}, "mix: targets ",
                      targets.shape(), " with partners ", mix.partner.shape(), "; [N, K] and [N] are needed");
  require<DTypeError>(is_floating(targets.dtype()), "mix: targets are ", targets.dtype(),
                      "; one_hot() makes probabilities of class numbers");
  return blended(targets, mix.partner, mix.share);
}

}  // namespace gadolin
