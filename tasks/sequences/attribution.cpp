#include "tasks/sequences/attribution.h"

#include <algorithm>
#include <cmath>

#include "io/text.h"
#include "tasks/contact_sheet.h"
#include "tasks/draw_text.h"
#include "tasks/evaluate.h"
#include "tensor/autograd.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {

std::vector<double> integrated_gradients(SequenceTask& task, const Batch& batch, int target, int points) {
  require<ValueError>(batch.size() == 1 && points > 0, "integrated_gradients: ", batch.size(), " series at ",
                      points, " points; one series and at least one point are needed");
  const EvaluationMode mode(task.net());
  const Tensor x = batch["x"].detach().to(DType::fp32);
  const std::int64_t t = x.size(1);
  std::vector<float> shares;
  for (int p = 0; p < points; ++p)
    shares.push_back((static_cast<float>(p) + 0.5f) / static_cast<float>(points));
  // All points are one batch.
  Tensor path;
  {
    const NoGrad guard;
    path = mul(x, from_vector(shares, {points, 1, 1}, x.device())).contiguous();
  }
  path.requires_grad_();
  Batch all;
  all.set("x", path).set("mask", batch["mask"].expand({points, t}).contiguous());
  const EnableGrad on;
  task.evidence(all, target).backward();
  const NoGrad guard;
  const Tensor gradient = mean(path.grad().to(DType::fp32), {0}, true);
  for (const Parameter& p : task.net().parameters()) p.tensor.zero_grad();
  std::vector<double> found = sum(mul(gradient, x), {2}).to_vector<double>();
  const std::vector<double> mask = batch["mask"].to_vector<double>();
  for (std::size_t i = 0; i < found.size(); ++i)
    if (!(mask[i] > 0)) found[i] = 0;
  return found;
}

Image slice_strip(const std::vector<StripSlice>& slices, const SlicePicture& picture, int most, int tile) {
  ContactSheet sheet("", tile);
  double all = 0, largest = 0, moment = 0;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    const double size = std::abs(slices[i].attribution);
    all += size;
    moment += size * static_cast<double>(i);
    largest = std::max(largest, size);
  }
  // Around the mean place of what carried the decision.
  const auto count = std::ssize(slices), shown = std::min<std::ptrdiff_t>(count, most);
  const auto middle = static_cast<std::ptrdiff_t>(all > 0 ? std::lround(moment / all) : count / 2);
  const std::ptrdiff_t first = std::clamp<std::ptrdiff_t>(middle - shown / 2, 0, count - shown);
  for (std::ptrdiff_t i = first; i < first + shown; ++i) {
    const StripSlice& slice = slices[static_cast<std::size_t>(i)];
    Image shown_picture = picture ? picture(slice.name) : Image();
    if (shown_picture.numel() == 0) shown_picture = Image(tile, tile, 1);
    shown_picture = to_rgb(to_8bit(shown_picture));
    const double share = largest > 0 ? std::abs(slice.attribution) / largest : 0;
    const int bar = std::max(2, shown_picture.height / 16);
    fill_box(shown_picture,
             {0, shown_picture.height - bar,
              static_cast<int>(std::lround(share * static_cast<double>(shown_picture.width))), bar},
             heat_colour(share));
    sheet.add(shown_picture, {},
              {cat("slice ", i + 1), "p " + fixed(slice.probability, 3),
               (slice.attribution < 0 ? "against " : "for ") +
                   fixed(all > 0 ? 100 * std::abs(slice.attribution) / all : 0, 0) + " %"});
  }
  return sheet.image(static_cast<int>(std::max<std::ptrdiff_t>(shown, 1)));
}

}  // namespace gadolin
