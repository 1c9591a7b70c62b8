// bench op: what a detector does with its anchors, of pictures of 512 x 512 and 20 classes.
#include "apps/bench/op.h"
#include "tasks/detection/anchor_loss.h"
#include "tasks/detection/anchors.h"
#include "tasks/detection/detect.h"
#include "tasks/detection/matching.h"
#include "tasks/detection/nms.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

constexpr std::int64_t box_classes = 20, boxes_a_picture = 16;
const std::vector<Pair> box_grids{{64, 64}, {32, 32}, {16, 16}, {8, 8}, {4, 4}};

Tensor bench_anchors(Device device) { return Anchors().of(box_grids, {512, 512}, device); }
// x1 y1 x2 y2 within 512 x 512.
Tensor bench_boxes(const OpSizes& sizes, Shape shape) {
  shape[shape.dim() - 1] = 2;
  const Tensor corner = (random_tensor(sizes, shape, DType::fp32) + 1.0) * 200.0,
               side = (random_tensor(sizes, shape, DType::fp32) + 1.0) * 50.0 + 8.0;
  return concat({corner, corner + side}, shape.dim() - 1);
}
struct BenchTruth {
  Tensor boxes, label, count, size;
};
BenchTruth bench_truth(const OpSizes& s) {
  return {bench_boxes(s, {s.batch, boxes_a_picture, 4}),
          zeros({s.batch, boxes_a_picture}, DType::int64, s.device),
          full({s.batch}, static_cast<double>(boxes_a_picture), DType::int64, s.device),
          full({s.batch, 2}, 512, DType::int64, s.device)};
}
AnchorTargets bench_targets(const OpSizes& s, const Tensor& anchors) {
  const BenchTruth t = bench_truth(s);
  return match_anchors(anchors, t.boxes, t.label, t.count, t.size);
}

}  // namespace

void add_box_cases(const OpSizes& sizes, OpCases& into) {
  const Anchors plan;
  std::int64_t anchors = 0;
  for (const std::int64_t level : plan.counts(box_grids)) anchors += level;
  const Shape classes{sizes.batch, anchors, box_classes}, four{sizes.batch, anchors, 4};
  const double logits_size = bytes_of(classes, sizes.dtype), four_size = bytes_of(four, sizes.dtype),
               target_size = bytes_of(four, DType::fp32),
               label_size = 8.0 * static_cast<double>(sizes.batch * anchors);
  // At least: logits and labels read once each way, the gradient written once.
  into.push_back({"boxes", "focal loss of anchors both ways", 3 * logits_size + 2 * label_size, 0, [=] {
                    const NoGrad guard;
                    const Tensor x = random_tensor(sizes, classes).requires_grad_(),
                                 label = bench_targets(sizes, bench_anchors(sizes.device)).label;
                    return both_ways([=] { return sum(anchor_focal_loss(x, label)); }, {x});
                  }});
  into.push_back({"boxes", "smooth L1 of anchors both ways", four_size + 2 * label_size, 0, [=] {
                    const NoGrad guard;
                    const Tensor x = random_tensor(sizes, four).requires_grad_();
                    const AnchorTargets t = bench_targets(sizes, bench_anchors(sizes.device));
                    const Tensor target = t.box.to(parameter_type(sizes.dtype)), label = t.label;
                    return both_ways([=] { return sum(anchor_box_loss(x, target, label)); }, {x});
                  }});
  into.push_back({"boxes", "matching of anchors, 16 boxes a picture", target_size + 2 * label_size, 0, [=] {
                    const Tensor all = bench_anchors(sizes.device);
                    const BenchTruth t = bench_truth(sizes);
                    return [=] { match_anchors(all, t.boxes, t.label, t.count, t.size); };
                  }});
  into.push_back({"boxes", "detections of anchors", logits_size, 0, [=] {
                    const NoGrad guard;
                    // About one logit in a thousand passes.
                    const Tensor x = random_tensor(sizes, classes) * 3.0 - 5.93,
                                 y = random_tensor(sizes, four), all = bench_anchors(sizes.device),
                                 size = full({sizes.batch, 2}, 512, DType::int64, sizes.device);
                    const std::vector<std::int64_t> levels = Anchors().counts(box_grids);
                    return [=] { detect(x, y, all, levels, size); };
                  }});
  into.push_back({"boxes", "suppression of 4096 boxes, 20 classes", 4096.0 * 24, 0, [=] {
                    const Tensor boxes = bench_boxes(sizes, {4096, 4}),
                                 noise = random_tensor(sizes, {4096}, DType::fp32),
                                 kind = ((noise + 1.0) * 9.99).to(DType::int64),
                                 valid = full({1}, 4096, DType::int64, sizes.device),
                                 keep = empty({300}, DType::int64, sizes.device),
                                 kept = empty({1}, DType::int64, sizes.device);
                    return [=] {
                      detail::suppress(sizes.device, {1, 4096, 300, 0.5, true, boxes.data<float>(),
                                                      kind.data<std::int64_t>(), valid.data<std::int64_t>(),
                                                      keep.data<std::int64_t>(), kept.data<std::int64_t>()});
                    };
                  }});
}

}  // namespace gadolin
