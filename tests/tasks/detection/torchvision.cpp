// RetinaNet against torchvision's: logits, boxes, losses and gradients of a batch of two sizes. The numbers
// are those of tools/fixtures/retinanet.py, which also says what weights and pictures are made of.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "io/safetensors.h"
#include "io/weights.h"
#include "nets/retinanet.h"
#include "tasks/detection/anchor_loss.h"
#include "tasks/detection/anchors.h"
#include "tasks/detection/detect.h"
#include "tasks/detection/matching.h"
#include "tasks/detection/torchvision.h"
#include "tensor/ops.h"
#include "tests/distance.h"

namespace gadolin {
namespace {

using test::distance;

// The weights of the fixture, by formula.
void set_weights(Module& net) {
  const NoGrad guard;
  std::vector<Parameter> state = net.state();
  std::erase_if(state, [](const Parameter& p) { return p.name.ends_with("num_batches_tracked"); });
  std::sort(state.begin(), state.end(),
            [](const Parameter& a, const Parameter& b) { return a.name < b.name; });
  std::uint64_t stream = 0;
  for (Parameter& p : state) {
    const auto has = [&](const char* part) { return p.name.find(part) != std::string::npos; };
    const Tensor u = rand(p.tensor.shape(), 12, ++stream).to(DType::fp64);
    const Shape& s = p.tensor.shape();
    if (s.dim() == 4) {
      const double last = has("cls_logits") ? 0.7 : has("bbox_reg") ? 0.1 : 1;
      p.tensor.copy_((u * 2.0 - 1.0) * (last * std::sqrt(3.0 / static_cast<double>(s[1] * s[2] * s[3]))));
    } else if (p.name.ends_with("weight") || p.name.ends_with("running_var")) {
      p.tensor.copy_(u + 0.5);
    } else {
      p.tensor.copy_((u * 2.0 - 1.0) * 0.2 - (has("cls_logits.bias") ? 1.5 : 0.0));
    }
  }
}

// Pictures of these sizes, normalised, in the corner of a batch whose sides are multiples of 32.
Tensor batch_of(const std::vector<std::pair<std::int64_t, std::int64_t>>& sizes) {
  std::int64_t height = 0, width = 0;
  for (const auto& size : sizes) {
    height = std::max(height, (size.first + 31) / 32 * 32);
    width = std::max(width, (size.second + 31) / 32 * 32);
  }
  Tensor batch = zeros({static_cast<std::int64_t>(sizes.size()), 3, height, width});
  const Tensor mean = tensor({0.485, 0.456, 0.406}, {3, 1, 1}),
               deviation = tensor({0.229, 0.224, 0.225}, {3, 1, 1});
  for (std::size_t n = 0; n < sizes.size(); ++n) {
    const auto [h, w] = sizes[n];
    batch.select(0, static_cast<std::int64_t>(n))
        .slice(1, 0, h)
        .slice(2, 0, w)
        .copy_((rand({3, h, w}, 13, n + 1) - mean) / deviation);
  }
  return batch.contiguous(MemoryFormat::channels_last);
}
std::vector<std::pair<std::int64_t, std::int64_t>> sizes_of(const TensorMap& file) {
  const auto size = file.at("size").to_vector<std::int64_t>();
  std::vector<std::pair<std::int64_t, std::int64_t>> all;
  for (std::size_t n = 0; n + 1 < size.size(); n += 2) all.emplace_back(size[n], size[n + 1]);
  return all;
}

// Each box of torchvision's is among ours, and there are as many; near scores may change places.
void expect_same_boxes(const Detections& got, const TensorMap& file, double most_apart) {
  for (std::int64_t n = 0; n < got.count.size(0); ++n) {
    const std::string number = std::to_string(n);
    const auto boxes = file.at("boxes." + number).to_vector<double>(),
               scores = file.at("scores." + number).to_vector<double>();
    const auto labels = file.at("labels." + number).to_vector<std::int64_t>();
    const std::int64_t count = got.count.select(0, n).item<std::int64_t>();
    ASSERT_EQ(count, static_cast<std::int64_t>(labels.size())) << n;
    ASSERT_GT(count, 5);
    const auto ours = got.boxes.select(0, n).contiguous().to_vector<double>(),
               score = got.score.select(0, n).contiguous().to_vector<double>();
    const auto label = got.label.select(0, n).contiguous().to_vector<std::int64_t>();
    std::vector<bool> used(label.size());
    for (std::size_t i = 0; i < labels.size(); ++i) {
      bool found = false;
      for (std::size_t j = 0; j < static_cast<std::size_t>(count) && !found; ++j) {
        found = !used[j] && label[j] == labels[i] && std::abs(score[j] - scores[i]) <= 1e-4;
        for (std::size_t c = 0; c < 4; ++c)
          found = found && std::abs(ours[4 * j + c] - boxes[4 * i + c]) <= most_apart;
        used[j] = used[j] || found;
      }
      EXPECT_TRUE(found) << "picture " << n << ", box " << i;
    }
  }
}

class Torchvision : public testing::TestWithParam<bool> {};
TEST_P(Torchvision, FindsTheSameBoxesAndLearnsTheSame) {
  const bool second = GetParam();
  const TensorMap file = load_safetensors(std::string(GADOLIN_TEST_DATA) + "/detection/retinanet" +
                                          (second ? "_v2" : "") + ".safetensors");
  const auto net =
      make_detector(second ? "retinanet_resnet18_fpn_v2" : "retinanet_resnet18_fpn", {{"num_classes", 3.0}});
  set_weights(*net);
  net->eval();
  const Tensor x = batch_of(sizes_of(file));
  const DetectorOutput y = (*net)(x);
  EXPECT_LE(distance(y.logits.detach(), file.at("logits")), 1e-5);
  EXPECT_LE(distance(y.deltas.detach(), file.at("deltas")), 1e-5);
  Anchors anchors({.torchvision = true});
  const Tensor places = anchors.of(y.grids, {static_cast<int>(x.size(2)), static_cast<int>(x.size(3))}, cpu);
  EXPECT_EQ(places.to_vector<float>(), file.at("anchors").to_vector<float>());
  {
    const NoGrad folded;
    const DetectorOutput z = (*net)(x);
    expect_same_boxes(detect(z.logits, z.deltas, places, anchors.counts(z.grids), file.at("size"),
                             {.candidates = 150, .most = 60, .coder = BoxCoder::torchvision()}),
                      file, 1e-3);
  }
  // Losses: a picture's sum over its own positive anchors, then the mean; low-quality matches.
  const MatchOptions match{.background_open = true,
                           .rescue = MatchOptions::Rescue::ties,
                           .ignore_padding = false,
                           .coder = BoxCoder::torchvision(),
                           .encoded = !second};
  const Tensor boxes = tensor(
                   {10, 12, 60, 50, 70, 20, 120, 90, 30, 40, 52, 61.5, 5, 5, 90, 110, 0, 0, 0, 0, 0, 0, 0, 0},
                   {2, 3, 4}),
               label = tensor({0, 2, 1, 1, -1, -1}, {2, 3}, DType::int64),
               count = tensor({3, 1}, {2}, DType::int64);
  const AnchorTargets targets = match_anchors(places, boxes, label, count, file.at("size"), match);
  const Tensor of_class = per_positive(anchor_focal_loss(y.logits, targets.label), targets.positives);
  const Tensor says = second ? decode_boxes(places, y.deltas, BoxCoder::torchvision()) : y.deltas;
  BoxLossOptions how{.beta = 0};
  if (second) how.kind = BoxLossOptions::Kind::giou;
  const Tensor of_box =
      per_positive(anchor_box_loss(says, targets.box, targets.label, how), targets.positives);
  EXPECT_NEAR(of_class.item() / file.at("loss.class").item(), 1, 1e-5);
  EXPECT_NEAR(of_box.item() / file.at("loss.box").item(), 1, 1e-5);
  (of_class + of_box).backward();
  int compared = 0;
  for (const Parameter& p : net->parameters()) {
    const auto want = file.find("grad." + p.name);
    if (want == file.end()) continue;
    EXPECT_LE(distance(p.tensor.grad(), want->second), 5e-4) << p.name;
    ++compared;
  }
  EXPECT_EQ(compared, 5);
}
INSTANTIATE_TEST_SUITE_P(Versions, Torchvision, testing::Values(false, true),
                         [](const auto& test) { return test.param ? "v2" : "v1"; });

// Names of torchvision's published file, which is older than its layers' present names.
TEST(TorchvisionNames, OldOnesAreRead) {
  const auto net =
      make_detector("retinanet_resnet18_fpn", {{"width", 2.0}, {"channels", 4.0}, {"num_classes", 2.0}});
  TensorMap old;
  for (const Parameter& p : net->state()) {
    std::string name = p.name;
    for (int i = 0; i < 4; ++i) {
      const std::string ours = "conv." + std::to_string(i) + ".0.",
                        theirs = "conv." + std::to_string(2 * i) + ".";
      if (const std::size_t at = name.find(ours); at != std::string::npos && name.starts_with("head."))
        name = name.substr(0, at) + theirs + name.substr(at + ours.size());
    }
    for (const char* part : {"inner_blocks.", "layer_blocks."}) {
      if (const std::size_t at = name.find(part); at != std::string::npos)
        name.erase(at + std::string(part).size() + 1, 2);
    }
    if (!name.ends_with("num_batches_tracked")) old[name] = p.tensor.detach();
  }
  ASSERT_EQ(old.count("head.classification_head.conv.6.weight"), 1u);
  ASSERT_EQ(old.count("backbone.fpn.inner_blocks.2.bias"), 1u);
  rename_old_torchvision(old);
  net->load_state(old);
  const std::size_t before = old.size();
  rename_old_torchvision(old);
  EXPECT_EQ(old.size(), before);
  net->load_state(old);
}

// The architecture as published, torchvision's own random weights: tools/fixtures/retinanet.py --full PREFIX.
TEST(Torchvision, FullWidth) {
  const char* prefix = std::getenv("GADOLIN_RETINANET_FULL");
  if (!prefix) GTEST_SKIP() << "GADOLIN_RETINANET_FULL is not set";
  const TensorMap file = load_safetensors(std::string(prefix) + ".safetensors");
  WeightFile weights = read_weights(std::string(prefix) + ".pth");
  const bool second = weights.tensors.count("head.classification_head.conv.0.1.weight") > 0;
  const auto net = make_detector(second ? "retinanet_resnet50_fpn_v2" : "retinanet_resnet50_fpn");
  net->load_state(weights.tensors);
  net->eval();
  const NoGrad guard;
  const Tensor x = batch_of(sizes_of(file));
  const DetectorOutput y = (*net)(x);
  EXPECT_LE(distance(y.logits, file.at("logits")), 1e-4);
  EXPECT_LE(distance(y.deltas, file.at("deltas")), 1e-4);
  Anchors anchors({.torchvision = true});
  const Tensor places = anchors.of(y.grids, {static_cast<int>(x.size(2)), static_cast<int>(x.size(3))}, cpu);
  EXPECT_EQ(places.to_vector<float>(), file.at("anchors").to_vector<float>());
  expect_same_boxes(detect(y.logits, y.deltas, places, anchors.counts(y.grids), file.at("size"),
                           {.coder = BoxCoder::torchvision()}),
                    file, 1e-2);
}

}  // namespace
}  // namespace gadolin
