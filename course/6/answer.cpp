// What a probe of assignment 6A does when it is asked: the parts of a detector on numbers that the request
// brings, and the detector of the demonstration.
#include <algorithm>
#include <cmath>

#include "course/grader/assignment.h"
#include "course/grader/tensors.h"
#include "layers/conv.h"
#include "layers/linear.h"
#include "layers/loss.h"
#include "layers/module.h"
#include "layers/norm.h"
#include "tasks/detection/anchor_loss.h"
#include "tasks/detection/anchors.h"
#include "tasks/detection/detect.h"
#include "tasks/detection/matching.h"
#include "tasks/detection/nms.h"
#include "tensor/autograd.h"
#include "tensor/cpu/parallel.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "train/optimizer.h"

namespace gadolin::course {
namespace {

Tensor floats(const Values& r, const char* name) { return tensor_of(array(r, name), DType::fp32); }
Tensor whole(const Values& r, const char* name) { return tensor_of(array(r, name), DType::int64); }

Values focal_answer(const Values& r) {
  const Tensor z = tensor_of(array(r, "logits"), dtype_named(text(r, "dtype"))).requires_grad_(),
               y = tensor_of(array(r, "target"), z.dtype());
  const Tensor loss = sigmoid_focal_loss(z, y, real(r, "alpha"), real(r, "gamma"), Reduction::sum);
  if (text(r, "of") == "loss") return {{"loss", array_of(loss)}};
  loss.backward();
  return {{"dlogits", array_of(z.grad())}};
}

Values anchors_answer(const Values& r) {
  AnchorOptions o;
  o.sizes = array(r, "sizes").numbers, o.strides = array(r, "strides").numbers;
  o.ratios = array(r, "ratios").numbers, o.scales = array(r, "scales").numbers;
  const std::vector<std::int64_t>&g = integers(r, "grids"), &picture = integers(r, "picture");
  std::vector<Pair> grids;
  for (std::size_t i = 0; i < g.size(); i += 2)
    grids.push_back({static_cast<int>(g[i]), static_cast<int>(g[i + 1])});
  Anchors anchors(o);
  return {{"anchors", array_of(anchors.of(
                          grids, {static_cast<int>(picture.at(0)), static_cast<int>(picture.at(1))}, cpu))}};
}

Values match_answer(const Values& r) {
  MatchOptions o;
  o.object = real(r, "object"), o.background = real(r, "background");
  const AnchorTargets t = match_anchors(floats(r, "anchors"), floats(r, "boxes"), whole(r, "label"),
                                        whole(r, "count"), whole(r, "size"), o);
  return {{"label", array_of(t.label)}, {"object", array_of(t.object)}, {"box", array_of(t.box)}};
}

Values coder_answer(const Values& r) {
  const Tensor anchors = floats(r, "anchors");
  return {{"numbers", array_of(encode_boxes(anchors, floats(r, "boxes")))},
          {"boxes", array_of(decode_boxes(anchors, floats(r, "numbers")))}};
}

Values nms_answer(const Values& r) {
  const Tensor kept = nms(floats(r, "boxes"), floats(r, "score"), whole(r, "kind"), real(r, "overlap"));
  return {{"kept", kept.to_vector<std::int64_t>()}};
}

// A small detector of one level learns lesions; what it finds in other pictures: [n, 7] of picture, class,
// score and box.
Values lesions_answer(const Values& r) {
  set_backend(Backend::best);  // the convolutions are not what this assignment is about
  manual_seed(6);
  const Tensor x = floats(r, "train"), held = floats(r, "test"), boxes = floats(r, "boxes"),
               label = whole(r, "label"), count = whole(r, "count");
  const std::int64_t side = x.size(2), places = side / 8, kinds = 2;
  Anchors maker({.sizes = {14}, .strides = {8}});
  const int each = maker.per_place();
  Sequential trunk(Conv2d(1, 12, 3, {.stride = 2, .padding = 1, .bias = false}), BatchNorm2d(12), ReLU(),
                   Conv2d(12, 24, 3, {.stride = 2, .padding = 1, .bias = false}), BatchNorm2d(24), ReLU(),
                   Conv2d(24, 32, 3, {.stride = 2, .padding = 1, .bias = false}), BatchNorm2d(32), ReLU());
  Conv2d classes(32, static_cast<int>(each * kinds), 3, {.padding = 1}),
      corners(32, each * 4, 3, {.padding = 1});
  {
    const NoGrad guard;
    Tensor prior = classes.bias();
    prior.fill_(-std::log((1 - 0.01) / 0.01));
  }
  std::vector<Parameter> all = trunk.parameters();
  for (Module* const head : {static_cast<Module*>(&classes), static_cast<Module*>(&corners)})
    for (const Parameter& p : head->parameters())
      all.push_back({head->kind() + std::to_string(all.size()), p.tensor});
  OptimizerOptions options = optimizer_options("adamw");
  options.lr = 4e-3, options.clip_norm = 10;
  Optimizer optimizer(all, options);
  const Pair grid(static_cast<int>(places), static_cast<int>(places)),
      picture(static_cast<int>(side), static_cast<int>(side));
  const Tensor anchors = maker.of({grid}, picture, cpu);
  const auto said = [&](const Tensor& images, std::int64_t values, Conv2d& head) {
    return head(trunk(images))
        .permute({0, 2, 3, 1})
        .reshape({images.size(0), places * places * each, values});
  };
  const std::int64_t size = 10;
  for (std::int64_t step = 0, at = 0; step < integer(r, "steps"); ++step, at = (at + size) % x.size(0)) {
    const auto part = [&](const Tensor& t) { return t.slice(0, at, at + size).contiguous(); };
    const AnchorTargets t = match_anchors(anchors, part(boxes), part(label), part(count),
                                          full({size, 2}, static_cast<double>(side), DType::int64), {});
    optimizer.zero_grad();
    const Tensor images = part(x), logits = said(images, kinds, classes).reshape({-1, kinds}),
                 deltas = said(images, 4, corners);
    const Tensor counts = nonzero(t.label.flatten() > -1.5).flatten(),
                 truth = index_select(t.label.flatten(), 0, counts),
                 wanted = eq(truth.reshape({-1, 1}), arange(kinds, DType::int64, cpu).reshape({1, kinds}))
                              .to(DType::fp32);
    const double positives = std::max(1.0, sum(t.positives).to(DType::fp32).item());
    const Tensor loss =
        sigmoid_focal_loss(index_select(logits, 0, counts), wanted, 0.25, 2, Reduction::sum) / positives +
        sum(anchor_box_loss(deltas, t.box, t.label)) / positives;
    loss.backward();
    optimizer.step();
  }
  const NoGrad guard;
  trunk.eval();
  const Detections d = detect(said(held, kinds, classes), said(held, 4, corners), anchors, {anchors.size(0)},
                              full({held.size(0), 2}, static_cast<double>(side), DType::int64), {.most = 20});
  Array found{{0, 7}, {}};
  const std::vector<double> box = d.boxes.to_vector<double>(), score = d.score.to_vector<double>(),
                            kind = d.label.to_vector<double>();
  for (std::size_t i = 0; i < score.size(); ++i) {
    if (kind[i] < 0) continue;
    found.numbers.insert(found.numbers.end(), {static_cast<double>(i / 20), kind[i], score[i]});
    found.numbers.insert(found.numbers.end(), box.begin() + static_cast<std::ptrdiff_t>(4 * i),
                         box.begin() + static_cast<std::ptrdiff_t>(4 * i + 4));
    ++found.shape[0];
  }
  return {{"found", found}};
}

}  // namespace

Values answer_6(const Values& request) {
  set_backend(Backend::reference);
  set_num_threads(1);
  manual_seed(1);
  const std::string& op = text(request, "op");
  if (op == "focal") return focal_answer(request);
  if (op == "anchors") return anchors_answer(request);
  if (op == "overlap")
    return {{"overlap", array_of(box_overlap(floats(request, "a"), floats(request, "b")))}};
  if (op == "match") return match_answer(request);
  if (op == "coder") return coder_answer(request);
  if (op == "nms") return nms_answer(request);
  if (op == "lesions") return lesions_answer(request);
  throw std::invalid_argument("no op " + op);
}

}  // namespace gadolin::course
