// A training step with boxes, recorded on a device and replayed: the same losses as on the CPU, for batches
// with many boxes, few and none.
#include <gtest/gtest.h>

#include "nets/retinanet.h"
#include "tasks/detection/anchor_loss.h"
#include "tasks/detection/anchors.h"
#include "tasks/detection/matching.h"
#include "tensor/capture.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin {
namespace {

std::unique_ptr<RetinaNet> step_net() {
  manual_seed(5);
  return make_detector("retinanet_resnet18_fpn", {{"num_classes", 2.0}, {"width", 2.0}, {"channels", 8.0}});
}
// image, boxes, label, count, size
std::vector<Tensor> step_batch(std::uint64_t number) {
  const Tensor corner = rand({2, 3, 2}, 41, number) * 20.0, side = rand({2, 3, 2}, 42, number) * 12.0 + 6.0;
  const auto boxes = static_cast<double>(number % 4);
  return {rand({2, 3, 32, 40}, 43, number).contiguous(MemoryFormat::channels_last),
          concat({corner, corner + side}, 2), (rand({2, 3}, 44, number) * 2.0).to(DType::int64),
          tensor({boxes, 0}, {2}, DType::int64), tensor({32, 40, 30, 33}, {2, 2}, DType::int64)};
}
Tensor step_of(RetinaNet& net, Anchors& anchors, const std::vector<Tensor>& in) {
  const DetectorOutput y = net(in[0]);
  const Tensor places = anchors.of(y.grids, {32, 40}, in[0].device());
  const AnchorTargets t =
      match_anchors(places, in[1], in[2], in[3], in[4], {.rescue = MatchOptions::Rescue::best});
  const Tensor count = sum(t.positives),
               loss = per_positive(anchor_focal_loss(y.logits, t.label), count) +
                      per_positive(anchor_box_loss(y.deltas, t.box, t.label), count);
  loss.backward();
  const NoGrad guard;
  for (const Parameter& p : net.parameters()) {
    Tensor w = p.tensor;
    if (!w.requires_grad()) continue;
    w.add_(w.grad(), -0.02);
    w.zero_grad();
  }
  return loss.detach();
}

TEST(DetectionStep, IsRecorded) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  const auto here = step_net(), there = step_net();
  there->to(cuda);
  Anchors anchors({.sizes = {8, 16, 32, 64, 128}});
  CapturedStep step([&](const std::vector<Tensor>& in) { return step_of(*there, anchors, in); },
                    {.warm_up = 2});
  for (std::uint64_t number = 1; number <= 5; ++number) {
    std::vector<Tensor> in = step_batch(number), moved;
    for (const Tensor& t : in) moved.push_back(t.to(cuda));
    const double want = step_of(*here, anchors, in).item();
    EXPECT_NEAR(step(moved).to(cpu).item(), want, 1e-3 * want) << number;
  }
  EXPECT_TRUE(step.replayed());
}

// One batch again and again: the loss falls.
TEST(DetectionStep, Learns) {
  const auto net = step_net();
  Anchors anchors({.sizes = {8, 16, 32, 64, 128}});
  const std::vector<Tensor> in = step_batch(3);
  const double first = step_of(*net, anchors, in).item();
  double last = first;
  for (int i = 0; i < 8; ++i) last = step_of(*net, anchors, in).item();
  EXPECT_TRUE(last < 0.99 * first) << first << " to " << last;
}

}  // namespace
}  // namespace gadolin
