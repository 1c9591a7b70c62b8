// Several detectors and views as one answer: boxes in pixels of the file, fused; flips within each picture.
#include "tasks/detection/detector_committee.h"

#include "nets/detectors.h"
#include "tasks/classification.h"
#include "tasks/detection/trunk.h"
#include "tasks/evaluate.h"
#include "tensor/ops.h"
#include "tests/tasks/detection/bright_squares.h"

namespace gadolin {
namespace {

using test::BrightSquares;
using test::message_of;

// A detector of its own random weights that finds a few boxes everywhere.
std::string saved_detector(const test::Scratch& dir, const std::string& name, std::uint64_t seed,
                           const std::vector<std::string>& classes = {"bright", "dim"}) {
  manual_seed(seed);
  DetectorSettings settings = test::small_settings(0.2);
  settings.detect.most = 20;
  DetectionTask task("retinanet_resnet18_fpn",
                     {{"width", 8.0}, {"channels", 32.0}, {"input_channels", 1.0}, {"prior", 0.2}}, settings,
                     classes, Pipeline("grey,fit:64:96"));
  const NoGrad guard;
  for (Parameter& p : task.net().parameters())
    if (p.name.ends_with("cls_logits.weight") || p.name.ends_with("bbox_reg.weight"))
      p.tensor.copy_((rand(p.tensor.shape(), seed, 7) - 0.5) * 0.2);
  Checkpoint checkpoint;
  for (const Parameter& p : task.net().state()) checkpoint.tensors["model." + p.name] = p.tensor.detach();
  task.describe(checkpoint);
  save_checkpoint(dir / name, checkpoint);
  return dir / name;
}

ScoredBoxes alone(const std::string& checkpoint, const Dataset& set, std::int64_t i,
                  View view = View::identity) {
  const auto task = load_task(checkpoint, cpu);
  return detections_of(task->predict(turned(task->one(set, i, cpu), view)))[0];
}

void expect_same(const ScoredBoxes& got, const ScoredBoxes& want, std::size_t most) {
  ASSERT_EQ(got.size(), std::min(want.size(), most));
  for (std::size_t k = 0; k < got.size(); ++k) {
    EXPECT_EQ(got[k].box.label, want[k].box.label) << k;
    EXPECT_NEAR(got[k].score, want[k].score, 1e-6) << k;
    EXPECT_NEAR(got[k].box.x1, want[k].box.x1, 1e-4) << k;
    EXPECT_NEAR(got[k].box.y2, want[k].box.y2, 1e-4) << k;
  }
}

TEST(DetectorCommittee, FusesWhatTheMembersSayInPixelsOfTheFile) {
  const BrightSquares films(8, 90, 50);  // the pipeline makes them larger, and the canvas larger still
  const auto set = films.set();
  // The second one knows the classes in another order.
  const std::string first = saved_detector(films, "a.gdck", 1),
                    second = saved_detector(films, "b.gdck", 2, {"dim", "bright"});
  DetectorCommittee committee({first, second}, {View::identity}, cpu, DType::fp32);
  const auto fused = [&](std::int64_t i) {
    ScoredBoxes other = alone(second, *set, i);
    for (Detection& d : other) d.box.label = 1 - d.box.label;
    return fuse_boxes({alone(first, *set, i), other});
  };
  ASSERT_GT(fused(0).size(), 3u);
  expect_same(detections_of(committee.one(*set, 0, cpu))[0], fused(0), 20);
  // Over a set: batches of several pictures, the same boxes.
  const LoaderOptions options{.batch_size = 4, .workers = 0};
  const Predict predict = committee.over(*set, options, "");
  const auto loader = committee.task().loader(*set, committee.task().pipeline(), options);
  int seen = 0;
  for (const Batch& batch : *loader) {
    const auto found = detections_of(predict(batch));
    for (std::size_t n = 0; n < found.size(); ++n, ++seen) expect_same(found[n], fused(batch.indices[n]), 20);
  }
  EXPECT_EQ(seen, 8);
  const auto panel = panel_of({first, second}, {View::identity}, cpu, DType::fp32);
  EXPECT_STREQ(panel->task().kind(), "detection");
}

TEST(DetectorCommittee, AViewTurnsEachPictureWithinItsOwnSize) {
  const BrightSquares films(8, 90, 50);
  const auto set = films.set();
  const std::string one = saved_detector(films, "a.gdck", 1);
  const auto task = load_task(one, cpu);
  // The mirrored film, as a file.
  const Image film = set->image(1);
  Image mirrored = film;
  for (int y = 0; y < film.height; ++y)
    std::reverse(mirrored.row<std::uint8_t>(y), mirrored.row<std::uint8_t>(y) + film.width);
  films.write("mirrored.png", encode_png(mirrored));
  films.write("mirrored.csv",
              "path,x1,y1,x2,y2,class\nmirrored.png,1,1,30,30,bright\nfilm0.png,1,1,30,30,dim\n");
  const auto other = open_box_table(films / "mirrored.csv");
  const Batch batch = task->one(*set, 1, cpu), flipped = turned(batch, View::hflip),
              mirror = task->one(*other, 0, cpu);
  EXPECT_EQ(batch["size"].to_vector<std::int64_t>(), mirror["size"].to_vector<std::int64_t>());
  const auto ours = flipped["image"].contiguous().to_vector<float>(),
             theirs = mirror["image"].contiguous().to_vector<float>();
  ASSERT_EQ(ours.size(), theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i)
    ASSERT_NEAR(ours[i], theirs[i], 0.01) << i;  // a byte's rounding
  EXPECT_EQ(turned(flipped, View::hflip)["image"].contiguous().to_vector<float>(),
            batch["image"].contiguous().to_vector<float>());
  // Boxes of the mirrored file, mirrored back, are those of the view.
  const ScoredBoxes of_view = alone(one, *set, 1, View::hflip), of_file = alone(one, *other, 0);
  ASSERT_EQ(of_view.size(), of_file.size());
  ASSERT_GT(of_view.size(), 3u);
  for (std::size_t k = 0; k < of_view.size(); ++k) {
    EXPECT_NEAR(of_view[k].box.x1, 90 - of_file[k].box.x2, 0.5) << k;
    EXPECT_NEAR(of_view[k].box.y1, of_file[k].box.y1, 0.5) << k;
  }
  DetectorCommittee committee({one}, {View::identity, View::hflip, View::vflip, View::both}, cpu,
                              DType::fp32);
  std::vector<ScoredBoxes> views;
  for (const View view : {View::identity, View::hflip, View::vflip, View::both})
    views.push_back(alone(one, *set, 1, view));
  expect_same(detections_of(committee.one(*set, 1, cpu))[0], fuse_boxes(views), 20);
}

TEST(DetectorCommittee, Messages) {
  const test::Scratch dir;
  const std::string one = saved_detector(dir, "a.gdck", 1),
                    other = saved_detector(dir, "b.gdck", 1, {"a", "dim"});
  EXPECT_EQ(message_of<UsageError>([&] {
              DetectorCommittee({one, other}, {View::identity}, cpu, DType::fp32);
            }),
            "ensemble: " + other + " finds a, dim, " + one +
                " finds bright, dim; choose detectors of the same classes");
  const ClassificationTask classifier("resnet18", {{"num_classes", 2.0}, {"width", 4.0}}, {"bright", "dim"},
                                      false, Pipeline("rgb,resize:32x32"));
  Checkpoint checkpoint;
  for (const Parameter& p : classifier.net().state())
    checkpoint.tensors["model." + p.name] = p.tensor.detach();
  classifier.describe(checkpoint);
  save_checkpoint(dir / "c.gdck", checkpoint);
  EXPECT_EQ(message_of<CheckpointError>([&] {
              panel_of({one, dir / "c.gdck"}, {View::identity}, cpu, DType::fp32);
            }),
            "checkpoint: " + dir / "c.gdck" +
                " is of kind classification, but a detector is needed here; use the commands of its kind");
}

TEST(DetectorTrunk, TakesAClassifierOfItsOwnKindAlone) {
  for (const char* name : {"resnet18", "vgg16", "densenet121"}) {
    SCOPED_TRACE(name);
    const std::string kind = name;
    NetOptions options;
    if (kind == "resnet18") options["width"] = 4.0;
    if (kind == "vgg16") options["width_divisor"] = 16.0;
    if (kind == "densenet121") options = {{"growth_rate", 4.0}, {"num_init_features", 8.0}};
    NetOptions of_detector = options, of_classifier = options;
    of_detector["channels"] = 8.0;
    of_classifier["num_classes"] = 7.0;
    const auto detector = make_detector("retinanet_" + kind + "_fpn", of_detector);
    const auto classifier = make_net(kind, of_classifier);
    State weights;
    for (const Parameter& p : classifier->state()) weights[p.name] = p.tensor.detach();
    EXPECT_TRUE(has_no_detector(weights));
    const TrunkWeights trunk = trunk_of_classifier(*detector, weights, "w.pth");
    EXPECT_EQ(trunk.left.size(), kind == "vgg16" ? 6u : 2u);
    EXPECT_EQ(trunk.state.size() + trunk.left.size(), weights.size());
    const LoadReport report = detector->load_state(trunk.state, {.strict = false});
    EXPECT_EQ(report.loaded.size(), trunk.state.size());
    for (const std::string& missing : report.missing)
      EXPECT_FALSE(missing.starts_with("backbone.body.")) << missing;
    State own;
    for (const Parameter& p : detector->state()) own[p.name] = p.tensor.detach();
    EXPECT_FALSE(has_no_detector(own));
  }
  const auto detector = make_detector("retinanet_resnet18_fpn", {{"width", 4.0}, {"channels", 8.0}});
  State deeper;
  for (const Parameter& p : make_net("resnet34", {{"width", 4.0}})->state())
    deeper[p.name] = p.tensor.detach();
  EXPECT_EQ(
      message_of<CheckpointError>([&] { trunk_of_classifier(*detector, deeper, "r34.pth"); }),
      "--init-from r34.pth is no detector, and not the classifier that the trunk is of; 96 names are left "
      "over, such as layer1.2.bn1.bias; give weights of the net that the detector is named after");
  EXPECT_EQ(
      message_of<CheckpointError>([&] {
        trunk_of_classifier(*detector, {{"features.0.weight", ones({1})}}, "vgg.pth");
      }),
      "--init-from vgg.pth is no detector, and not the classifier that the trunk is of; 100 names of the "
      "trunk are missing, such as conv1.weight; give weights of the net that the detector is named after");
}

}  // namespace
}  // namespace gadolin
