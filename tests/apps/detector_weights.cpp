// Detectors in and out: torchvision's names, our exports, ONNX with everything up to the boxes, the trunk of
// a classifier.
#include <gtest/gtest.h>

#include "apps/weights/onnx_export.h"
#include "io/torch_file.h"
#include "nets/retinanet.h"
#include "tasks/detection/torchvision.h"
#include "tensor/ops.h"
#include "tests/apps/in_process.h"
#include "tests/apps/onnx_model.h"
#include "tests/distance.h"
#include "tests/tasks/detection/bright_squares.h"

namespace gadolin {
namespace {

using test::BrightSquares;
using test::run_here;
using test::Scratch;

TensorMap state_of(Module& net) {
  TensorMap tensors;
  for (const Parameter& p : net.state()) tensors[p.name] = p.tensor.detach();
  return tensors;
}

void save_task(const std::string& path, DetectionTask& task) {
  Checkpoint checkpoint;
  for (const auto& [name, tensor] : state_of(task.net())) checkpoint.tensors["model." + name] = tensor;
  task.describe(checkpoint);
  save_checkpoint(path, checkpoint);
}

std::string refusal(const Scratch& dir, std::vector<std::string> args) {
  return test::last_line(run_here(std::move(args)), dir.path());
}

// --- import ------------------------------------------------------------------------------------------------

class DetectorImport : public ::testing::TestWithParam<const char*> {};
TEST_P(DetectorImport, RecognisesTheNetAndItsSettings) {
  const Scratch dir;
  const std::string model = GetParam(), out = dir / "net.gdck";
  const auto net = make_detector(model, {{"width", 4.0}, {"num_classes", 91.0}});
  std::vector<std::pair<std::string, Tensor>> state;
  for (const Parameter& p : net->state()) state.emplace_back(p.name, p.tensor.detach());
  save_torch(dir / "net.pth", state);
  const test::Outcome run = run_here({"import", dir / "net.pth", out});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto task = load_task(out, cpu);
  EXPECT_EQ(task->model(), model);
  EXPECT_EQ(task->classes(), torchvision_classes());
  EXPECT_EQ(task->classes()[1], "person");
  EXPECT_EQ(task->classes()[12], "N/A 12");
  EXPECT_EQ(task->pipeline().text(), "rgb,fit:800:1333,normalize:0.485/0.456/0.406:0.229/0.224/0.225");
  auto& detector = dynamic_cast<DetectionTask&>(*task);
  DetectorSettings want = detector_preset("torchvision");
  if (model.ends_with("_v2")) {
    want.box_loss.kind = BoxLossOptions::Kind::giou;
    want.match.encoded = false;
  }
  EXPECT_EQ(settings_to_json(detector.settings()), settings_to_json(want));
  EXPECT_EQ(detector.settings().match.encoded, want.match.encoded);
  EXPECT_EQ(detector.net().options().norm_eps, 1e-5);
  for (const auto& [name, tensor] : state_of(detector.net()))
    EXPECT_EQ(tensor.to_vector<float>(), state_of(*net).at(name).to_vector<float>()) << name;
  // Out again and in again: the same names, weights and settings, without being told anything.
  ASSERT_EQ(run_here({"export", out, dir / "again.safetensors"}).code, 0);
  ASSERT_EQ(run_here({"import", dir / "again.safetensors", dir / "again.gdck"}).code, 0);
  const Checkpoint first = load_checkpoint(out), second = load_checkpoint(dir / "again.gdck");
  for (const char* fact : {"model", "net_options", "classes", "pipeline", "detector"})
    EXPECT_EQ(first.fact(fact), second.fact(fact)) << fact;
  ASSERT_EQ(run_here({"export", out, dir / "out.pth"}).code, 0);
  const WeightFile written = read_weights(dir / "out.pth");
  EXPECT_EQ(written.tensors.size(), state.size());
}
INSTANTIATE_TEST_SUITE_P(Nets, DetectorImport,
                         ::testing::Values("retinanet_resnet18_fpn", "retinanet_resnet50_fpn",
                                           "retinanet_resnet50_fpn_v2"));

TEST(DetectorImport, OldNamesMeanAnEpsOfNothing) {
  const Scratch dir;
  const auto net =
      make_detector("retinanet_resnet18_fpn", {{"width", 2.0}, {"channels", 4.0}, {"num_classes", 3.0}});
  TensorMap old;
  for (const auto& [name, tensor] : state_of(*net)) {
    if (name.ends_with("num_batches_tracked")) continue;
    std::string theirs = name;
    for (int i = 3; i >= 0; --i) {
      const std::string ours = "_head.conv." + std::to_string(i) + ".0.";
      if (const std::size_t at = theirs.find(ours); at != std::string::npos)
        theirs.replace(at, ours.size(), "_head.conv." + std::to_string(2 * i) + ".");
    }
    for (const char* part : {"inner_blocks.", "layer_blocks."})
      if (const std::size_t at = theirs.find(part); at != std::string::npos)
        theirs.erase(at + std::string(part).size() + 1, 2);
    old[theirs] = tensor;
  }
  save_safetensors(dir / "old.safetensors", old);
  const test::Outcome run = run_here({"import", dir / "old.safetensors", dir / "net.gdck"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("names of torchvision's COCO_V1: norm_eps=0, as it was trained with"),
            std::string::npos)
      << run.out;
  const auto task = load_task(dir / "net.gdck", cpu);
  EXPECT_EQ(dynamic_cast<DetectionTask&>(*task).net().options().norm_eps, 0);
  EXPECT_EQ(task->classes(), (std::vector<std::string>{"0", "1", "2"}));
}

TEST(DetectorImport, Messages) {
  const Scratch dir;
  const auto net =
      make_detector("retinanet_resnet18_fpn", {{"width", 2.0}, {"channels", 4.0}, {"num_classes", 3.0}});
  TensorMap tensors = state_of(*net);
  const std::string in = dir / "a.safetensors", out = dir / "a.gdck";
  save_safetensors(in, tensors);
  EXPECT_EQ(refusal(dir, {"import", in, out, "--num-classes", "2"}),
            "import: head.classification_head.cls_logits of DIR/a.safetensors is for 3 classes, not 2; pass "
            "--exclude-scopes head.classification_head.cls_logits to keep the rest and start it anew "
            "[GD-USAGE-020]");
  EXPECT_EQ(run_here({"import", in, out, "--num-classes", "2", "--exclude-scopes",
                      "head.classification_head.cls_logits", "--class-names", "mass,calcification"})
                .code,
            0);
  EXPECT_EQ(load_task(out, cpu)->classes(), (std::vector<std::string>{"mass", "calcification"}));
  EXPECT_EQ(
      refusal(dir, {"import", in, out, "--net-option", "anchor_scales=1"}),
      "import: DIR/a.safetensors has 9 anchors a place, but anchor_ratios and anchor_scales make 3; say "
      "them with --net-option, such as anchor_scales=1 [GD-USAGE-001]");
  tensors["backbone.body.layer5.weight"] = ones({1});
  save_safetensors(in, tensors);
  EXPECT_EQ(refusal(dir, {"import", in, out}),
            "import: DIR/a.safetensors holds a detector, but not with the names of any that gadolin models "
            "lists; add --model to see what differs [GD-USAGE-001]");
  tensors.erase("head.classification_head.cls_logits.weight");
  save_safetensors(in, tensors);
  EXPECT_EQ(refusal(dir, {"import", in, out}),
            "import: DIR/a.safetensors does not say of which net its weights are; add --model, a name of "
            "gadolin models [GD-USAGE-001]");
  EXPECT_EQ(refusal(dir, {"import", in, out, "--model", "retinanet_resnet18_fpn"}),
            "import: DIR/a.safetensors has no head.classification_head.cls_logits.weight, so the number of "
            "classes is not known; add --num-classes [GD-USAGE-001]");
  save_safetensors(in, state_of(*net), {{"model", "retinanet_resnet18_fpn"}, {"detector", "{"}});
  EXPECT_EQ(
      refusal(dir, {"import", in, out}),
      "import: what DIR/a.safetensors says of its detector is no JSON; was it written by gadolin export? "
      "[GD-CKPT-030]");
}

// --- ONNX --------------------------------------------------------------------------------------------------

std::unique_ptr<DetectionTask> lively(const char* model, const std::string& preset, NetOptions options,
                                      int classes = 3) {
  options.merge(NetOptions{{"preset", preset},
                           {"prior", 0.3},
                           {"channels", 32.0},
                           {"input_channels", 1.0},
                           {"candidates", 60.0},
                           {"most", 20.0}});
  const DetectorSettings settings = take_settings(options);
  std::vector<std::string> names;
  for (int k = 0; k < classes; ++k) names.push_back(std::to_string(k));
  auto task = std::make_unique<DetectionTask>(model, options, settings, names, Pipeline("grey,fit:64:96"));
  std::uint64_t stream = 0;
  const NoGrad guard;
  for (Parameter& p : task->net().parameters()) {
    if (p.name.ends_with("cls_logits.weight"))
      p.tensor.copy_((rand(p.tensor.shape(), 5, ++stream) - 0.5) * 0.2);
    if (p.name.ends_with("bbox_reg.weight"))
      p.tensor.copy_((rand(p.tensor.shape(), 5, ++stream) - 0.5) * 0.06);
  }
  task->net().eval();
  return task;
}

// Runs the file with `pictures` pictures of different sizes on a canvas of 64 x 96, the last one blank.
void expect_same_boxes(DetectionTask& task, std::int64_t pictures, const Scratch& dir, bool finds = true) {
  const std::string path = dir / "net.onnx";
  save_onnx(path, onnx_of(task, {{1, 64, 96}, false}));
  const NoGrad guard;
  std::vector<std::int64_t> sizes;
  Tensor x = zeros({pictures, 1, 64, 96});
  for (std::int64_t n = 0; n < pictures; ++n) {
    const std::int64_t height = n % 3 == 1 ? 50 : 64, width = n % 3 == 2 ? 71 : 96;
    sizes.insert(sizes.end(), {height, width});
    if (n == 0 || n + 1 < pictures)
      x.select(0, n)
          .slice(1, 0, height)
          .slice(2, 0, width)
          .copy_(rand({1, height, width}, 6, static_cast<std::uint64_t>(n)) * 4 - 2);
  }
  const Tensor size = from_vector(sizes, {pictures, 2});
  Batch batch({"image", "size", "map"}, {x, size, zeros({pictures, 6}, DType::fp64)});
  const Outputs ours = task.predict(batch);
  const auto theirs = test::run_onnx(path, {{"input", x}, {"size", size}});
  const auto count = ours["count"].to_vector<std::int64_t>();
  EXPECT_EQ(theirs.at("count").to_vector<std::int64_t>(), count);
  if (finds) {
    EXPECT_GT(count[0], 3);
  }
  const std::int64_t most = theirs.at("scores").size(1);
  EXPECT_EQ(theirs.at("labels").to_vector<std::int64_t>(),
            ours["label"].slice(1, 0, most).contiguous().to_vector<std::int64_t>());
  const auto near = [&](const char* what, const Tensor& a, const Tensor& b) {
    const auto want = a.slice(1, 0, most).contiguous().to_vector<double>(), got = b.to_vector<double>();
    ASSERT_EQ(want.size(), got.size());
    // Other sums than ours: of boxes a few of fp32's roundings at their corners.
    for (std::size_t i = 0; i < want.size(); ++i)
      EXPECT_NEAR(want[i], got[i], 1e-4 * std::max(1.0, std::abs(want[i]) / 10)) << what << " " << i;
  };
  near("boxes", ours["boxes"], theirs.at("boxes"));
  near("scores", ours["score"], theirs.at("scores"));
}

TEST(DetectorOnnx, GivesOurBoxesForAnyBatchAndSizesOfPictures) {
  const Scratch dir;
  const auto task = lively("retinanet_resnet18_fpn", "modern", {{"width", 8.0}});
  for (const std::int64_t pictures : {1, 2, 5}) {
    SCOPED_TRACE(pictures);
    expect_same_boxes(*task, pictures, dir);
  }
  const test::OnnxFile file = test::describe_onnx(dir / "net.onnx");
  EXPECT_EQ(file.inputs, (std::vector<std::string>{"input", "size"}));
  EXPECT_EQ(file.outputs, (std::vector<std::string>{"boxes", "scores", "labels", "count"}));
  EXPECT_EQ(file.sizes.at("input"), (std::vector<std::int64_t>{-1, 1, 64, 96}));
  EXPECT_EQ(file.sizes.at("size"), (std::vector<std::int64_t>{-1, 2}));
  EXPECT_EQ(file.sizes.at("boxes"), (std::vector<std::int64_t>{-1, 20, 4}));
  EXPECT_EQ(file.sizes.at("count"), (std::vector<std::int64_t>{-1}));
}

TEST(DetectorOnnx, EverySettingIsInTheFile) {
  const Scratch dir;
  for (const char* preset : {"legacy", "torchvision"}) {
    SCOPED_TRACE(preset);
    expect_same_boxes(*lively("retinanet_resnet18_fpn", preset, {{"width", 8.0}}), 2, dir);
  }
  expect_same_boxes(*lively("retinanet_resnet18_fpn_v2", "torchvision", {{"width", 8.0}}), 2, dir);
  expect_same_boxes(*lively("retinanet_resnet18_fpn", "modern",
                            {{"width", 8.0}, {"suppression_by_class", false}, {"suppression_overlap", 0.2}}),
                    2, dir);
  expect_same_boxes(*lively("retinanet_resnet18_fpn", "modern", {{"width", 8.0}, {"score", 0.9999}}), 2, dir,
                    false);  // nothing is found at all
  auto one = lively("retinanet_resnet18_fpn", "modern", {{"width", 8.0}, {"most", 1000.0}});
  DetectorSettings settings = one->settings();
  settings.detect.best_class = true;
  DetectionTask best("retinanet_resnet18_fpn", one->options(), settings, one->classes(), one->pipeline());
  best.net().load_state(state_of(one->net()));
  best.net().eval();
  expect_same_boxes(best, 2, dir);
}

TEST(DetectorOnnx, ExportSaysWhatBelongsToTheBoxes) {
  const Scratch dir;
  const auto task = test::small_detector();
  save_task(dir / "net.gdck", *task);
  EXPECT_EQ(
      refusal(dir, {"export", dir / "net.gdck", dir / "net.onnx"}),
      "export: the pipeline grey,fit:64:96 does not fix the size of an image; pass --input 1x224x224 or "
      "what fits [GD-USAGE-001]");
  DetectionTask deep("retinanet_vgg16_fpn", {{"width_divisor", 16.0}, {"channels", 8.0}}, DetectorSettings{},
                     {"mass"}, Pipeline("rgb,fit:64:96"));
  save_task(dir / "deep.gdck", deep);
  EXPECT_EQ(refusal(dir, {"export", dir / "deep.gdck", dir / "net.onnx", "--input", "3x8x64"}),
            "export: pictures of 64 x 8 are too small for retinanet_vgg16_fpn, which needs 32 pixels a side; "
            "use a larger --input [GD-USAGE-001]");
  ASSERT_EQ(run_here({"export", dir / "net.gdck", dir / "net.onnx", "--input", "1x64x96", "--fold"}).code, 0);
  const test::OnnxFile file = test::describe_onnx(dir / "net.onnx");
  EXPECT_EQ(file.metadata.at("model"), "retinanet_resnet18_fpn");
  EXPECT_EQ(file.metadata.at("activation"), "none");
  EXPECT_EQ(file.metadata.at("classes"), "[\"bright\",\"dim\"]");
  EXPECT_EQ(file.metadata.at("detector"), settings_to_json(task->settings()).dump());
  EXPECT_EQ(std::count(file.ops.begin(), file.ops.end(), "BatchNormalization"), 0);
  EXPECT_EQ(std::count(file.ops.begin(), file.ops.end(), "NonMaxSuppression"), 1);
}

}  // namespace
}  // namespace gadolin
