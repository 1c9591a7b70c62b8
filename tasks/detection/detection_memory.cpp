// How much memory a training step of a detector will take.
#include <algorithm>

#include "io/text.h"
#include "layers/init.h"
#include "tasks/detection/canvas.h"
#include "tasks/detection/detection.h"
#include "tensor/check.h"
#include "tensor/ops.h"
#include "train/memory.h"

namespace gadolin {

std::string DetectionTask::memory(const Dataset& train, std::int64_t batch, const OptimizerOptions& rule,
                                  DType compute) const {
  std::int64_t width = 0, height = 0;
  for (const auto& [w, h] : sizes_behind(train, pipeline_)) {
    const std::int64_t across = canvas_side(w, settings_.padding), down = canvas_side(h, settings_.padding);
    if (across * down > width * height) {
      width = across;
      height = down;
    }
  }
  if (width == 0) return "";
  const SkipInitialValues quick;
  DetectionTask probe(model_, options_, settings_, classes_, pipeline_);
  const Device device = net_->parameters().front().tensor.device();
  probe.net().to(device);
  probe.net().train();
  constexpr std::int64_t samples = 2, no_boxes = 8;
  const std::int64_t side = std::max<std::int64_t>(128, net_->least_size());
  const auto channels = options_.find("input_channels");
  const std::int64_t depth =
      channels == options_.end() ? 3 : static_cast<std::int64_t>(std::get<double>(channels->second));
  const auto loss = [&](const Tensor& images, const Tensor&) {
    const std::int64_t n = images.size(0);
    Batch empty;
    empty.set("image", images)
        .set("boxes", zeros({n, no_boxes, 4}, DType::fp32, device))
        .set("label", full({n, no_boxes}, -1, DType::int64, device))
        .set("count", zeros({n}, DType::int64, device))
        .set("size", full({n, 2}, static_cast<double>(side), DType::int64, device));
    return probe.loss(empty).total;
  };
  const TrainingMemory m = training_memory(probe.net(), loss, {samples, depth, side, side}, rule, compute);
  const std::int64_t fixed_part = m.weights + m.gradients + m.optimizer;
  const double grows = static_cast<double>(m.peak - fixed_part) *
                       static_cast<double>(batch * width * height) /
                       static_cast<double>(samples * side * side);
  return cat("memory of a step: about ", human_bytes(fixed_part + static_cast<std::int64_t>(grows)),
             " (weights ", human_bytes(m.weights), ", gradients ", human_bytes(m.gradients), ", optimiser ",
             human_bytes(m.optimizer), ", the rest for ", batch, batch == 1 ? " picture" : " pictures",
             " of ", width, " x ", height, ")");
}

}  // namespace gadolin
