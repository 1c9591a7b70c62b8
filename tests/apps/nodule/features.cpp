// nodule extract-features, train-model and test-model: torchvision's codes, restarts, both recipes, and one
// file for films.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/nodule/extractor.h"
#include "apps/nodule/plots.h"
#include "data/image/codec.h"
#include "io/csv.h"
#include "io/npy.h"
#include "tensor/ops.h"
#include "tests/apps/in_process.h"
#include "tests/apps/onnx_model.h"
#include "tests/apps/serve/serving.h"
#include "tests/data/scratch.h"
#include "tests/distance.h"
#include "train/checkpoint.h"

namespace gadolin::test {
namespace {

namespace fs = std::filesystem;

class NoduleFeatures : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = new Scratch;
    ASSERT_EQ(run_here({"data", "synth", "openi", *dir_ / "made", "--patients", "60", "--size", "64",
                        "--seed", "3"})
                  .code,
              0);
    ASSERT_EQ(run_here({"nodule", "import", *dir_ / "made/reports", "--images", *dir_ / "made/images",
                        "--views", *dir_ / "made/views.csv", "--out", *dir_ / "openi"})
                  .code,
              0);
    const Outcome run = run_here({"nodule", "prepare", *dir_ / "openi/manifest.csv", "--out",
                                  *dir_ / "labelled", "--shares", "0.6/0.2/0.2"});
    ASSERT_EQ(run.code, 0) << run.err;
    const Outcome codes = extract(*dir_ / "codes");
    ASSERT_EQ(codes.code, 0) << codes.err;
  }
  static void TearDownTestSuite() { delete dir_; }
  static Outcome extract(const std::string& out, const std::vector<std::string>& more = {}) {
    std::vector<std::string> args{"nodule",
                                  "extract-features",
                                  *dir_ / "labelled/manifest.csv",
                                  "--net",
                                  "resnet18",
                                  "--net-option",
                                  "width=8",
                                  "--random-weights",
                                  "--pipeline",
                                  "grey,resize:64,center-crop:64,normalize:0.5:0.25",
                                  "--out",
                                  out,
                                  "--quiet"};
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  }
  static Scratch* dir_;
};
Scratch* NoduleFeatures::dir_ = nullptr;

TEST_F(NoduleFeatures, AreTorchvisionsPool5) {
  const auto want = nlohmann::json::parse(contents_of(fixture("nodule/codes.json")));
  const Scratch dir;
  fs::create_directories(dir / "film/a");
  fs::copy_file(fixture("nodule/film.png"), dir / "film/a/film.png");
  const auto check = [&](const std::string& key, std::vector<std::string> more) {
    std::vector<std::string> args{"nodule",
                                  "extract-features",
                                  dir / "film",
                                  "--weights",
                                  fixture("nodule/vgg16.safetensors"),
                                  "--net-option",
                                  "width_divisor=32",
                                  "--pipeline",
                                  want["pipeline"],
                                  "--out",
                                  dir / key};
    args.insert(args.end(), more.begin(), more.end());
    const Outcome run = run_here(args);
    ASSERT_EQ(run.code, 0) << run.err;
    const std::vector<double> codes = load_npy(dir / key + "/features.npy").to_vector<double>(),
                              numbers = want[key];
    ASSERT_EQ(codes.size(), numbers.size());
    for (std::size_t i = 0; i < codes.size(); ++i)
      if (!(std::abs(codes[i] - numbers[i]) <= 1e-5))
        ADD_FAILURE() << key << " " << i << ": " << codes[i] << " " << numbers[i];
  };
  check("chw", {});
  check("hwc", {"--order", "hwc"});
  check("pooled", {"--pool"});
}

TEST_F(NoduleFeatures, AFolderASplitAndARestartKeepsWhatIsThere) {
  const CsvTable index = read_csv(*dir_ / "codes/train/index.csv");
  const Tensor codes = load_npy(*dir_ / "codes/train/features.npy");
  EXPECT_EQ(codes.dtype(), DType::fp32);
  EXPECT_EQ(codes.shape(), (Shape{std::ssize(index.rows), 64 * 2 * 2}));
  for (const auto& row : index.rows) EXPECT_EQ(row[4], "train");
  const auto time = fs::last_write_time(*dir_ / "codes/train/features.npy");
  fs::remove(*dir_ / "codes/val/index.csv");  // as after a kill
  const std::string before = contents_of(*dir_ / "codes/val/features.npy");
  ASSERT_EQ(extract(*dir_ / "codes").code, 0);
  EXPECT_EQ(fs::last_write_time(*dir_ / "codes/train/features.npy"), time);
  EXPECT_TRUE(fs::exists(*dir_ / "codes/val/index.csv"));
  EXPECT_EQ(contents_of(*dir_ / "codes/val/features.npy"), before);
  const Outcome other = extract(*dir_ / "codes", {"--pool"});
  EXPECT_EQ(other.code, 2);
  EXPECT_EQ(last_line(other, dir_->path()),
            "nodule extract-features: DIR/codes holds features of another net, layer, pipeline or seed; name "
            "another "
            "folder, or add --overwrite [GD-USAGE-001]");
  EXPECT_TRUE(fs::exists(*dir_ / "codes/train/index.csv"));
  fs::copy(*dir_ / "codes", *dir_ / "replaced", fs::copy_options::recursive);
  ASSERT_EQ(extract(*dir_ / "replaced", {"--pool", "--overwrite"}).code, 0);
  EXPECT_EQ(load_npy(*dir_ / "replaced/test/features.npy").size(1), 64);
}

TEST_F(NoduleFeatures, TrainedTestedAndAsOneFileForFilms) {
  const std::string run = *dir_ / "run", best = run + "/checkpoints/best.gdck";
  const Outcome trained = run_here(
      {"nodule", "train-model", *dir_ / "codes", "--out", run, "--hidden", "32", "--epochs", "12", "--json"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(load_checkpoint_facts(best).at("classes"), R"(["normal","nodule"])");
  const CsvTable rows = read_csv(run + "/metrics.csv");
  EXPECT_GE(rows.find("val_roc_auc"), 0);
  const Outcome tested = run_here({"nodule", "test-model", *dir_ / "codes", "--checkpoint", best, "--out",
                                   run + "/test", "--resamples", "50", "--json"});
  ASSERT_EQ(tested.code, 0) << tested.err;
  const auto metrics = done(tested)["metrics"];
  EXPECT_TRUE(metrics["roc_auc"]["value"].is_number());
  EXPECT_TRUE(metrics["sensitivity_at_90_specificity"]["value"].is_number());
  EXPECT_LE(metrics["roc_auc"]["low"].get<double>(), metrics["roc_auc"]["value"].get<double>());
  for (const char* picture : {"cfm", "errors", "roc", "precision_recall"}) {
    const Image seen = read_image(run + "/test/" + picture + ".png");
    EXPECT_EQ(seen.channels, 3);
    EXPECT_GT(seen.width, 200);
  }
  for (const char* file : {"metrics.json", "predictions.csv", "confusion.csv", "report/index.html"})
    EXPECT_TRUE(fs::exists(run + "/test/" + file)) << file;
  // The film itself gives what its features gave.
  const Outcome films = run_here({"nodule", "test-model", *dir_ / "labelled/manifest.csv", "--checkpoint",
                                  run + "/film.gdck", "--resamples", "0", "--json"});
  ASSERT_EQ(films.code, 0) << films.err;
  EXPECT_NEAR(done(films)["metrics"]["loss"].get<double>(), metrics["loss"].get<double>(), 1e-4);
  const std::string film = *dir_ / "labelled/" + read_csv(*dir_ / "labelled/manifest.csv").rows[0][0];
  EXPECT_EQ(run_here({"predict", film, "--checkpoint", run + "/film.gdck"}).code, 0);
  EXPECT_EQ(run_here({"cam", film, "--checkpoint", run + "/film.gdck", "--out", *dir_ / "cams"}).code, 0);
  // As one graph for other runtimes it gives our logits.
  const Outcome exported = run_here({"export", run + "/film.gdck", *dir_ / "film.onnx"});
  ASSERT_EQ(exported.code, 0) << exported.err;
  const auto whole = load_task(run + "/film.gdck", cpu);
  auto& net = dynamic_cast<ClassificationTask&>(*whole).net();
  net.eval();
  const Tensor pictures = rand({3, 1, 64, 64}, 5, 5);
  const NoGrad no_tape;
  const auto ours = net(pictures).to_vector<double>(),
             theirs = run_onnx(*dir_ / "film.onnx", {{"input", pictures}}).at("logits").to_vector<double>();
  EXPECT_TRUE(distance(ours, theirs) <= 2e-5);
  const Outcome codes_alone = run_here({"predict", film, "--checkpoint", best});
  EXPECT_NE(codes_alone.code, 0);
  // It goes on, and knows what it was begun with.
  const Outcome resumed = run_here({"nodule", "train-model", *dir_ / "codes", "--out", run, "--hidden", "32",
                                    "--epochs", "13", "--resume", "auto", "--batch-size", "16"});
  EXPECT_EQ(resumed.code, 2);
  EXPECT_NE(resumed.err.find("was begun with --batch-size 32, now it is 16"), std::string::npos)
      << resumed.err;
}

TEST_F(NoduleFeatures, TheLegacyRecipe) {
  const std::string run = *dir_ / "legacy";
  const Outcome trained =
      run_here({"nodule", "train-model", *dir_ / "codes", "--out", run, "--legacy", "--hidden", "16"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const auto facts = load_checkpoint_facts(run + "/checkpoints/last.gdck");
  EXPECT_NE(facts.at("net_options").find(R"("batch_statistics":true)"), std::string::npos);
  EXPECT_FALSE(fs::exists(run + "/checkpoints/best.gdck"));
  const CsvTable rows = read_csv(run + "/metrics.csv");
  ASSERT_EQ(rows.rows.size(), 20u);
  // Every film is learnt from in every epoch: the last batch has what remains.
  const std::size_t films = read_csv(*dir_ / "codes/train/index.csv").rows.size();
  ASSERT_GT(films % 20, 1u);
  EXPECT_EQ(rows.rows.back()[static_cast<std::size_t>(rows.find("step"))],
            std::to_string(20 * ((films + 19) / 20)));
  const auto loss = [&](const char* batch) {
    const Outcome tested =
        run_here({"nodule", "test-model", *dir_ / "codes", "--split", "train", "--checkpoint",
                  run + "/checkpoints/last.gdck", "--batch-size", batch, "--resamples", "0", "--json"});
    EXPECT_EQ(tested.code, 0) << tested.err;
    return done(tested)["metrics"]["loss"].get<double>();
  };
  EXPECT_GT(std::abs(loss("25") - loss("10")), 1e-6);  // the answers depend on the batch
  const Outcome alone = run_here({"nodule", "test-model", *dir_ / "codes", "--checkpoint",
                                  run + "/checkpoints/last.gdck", "--batch-size", "1"});
  EXPECT_NE(alone.err.find("mlp: a net with batch statistics has no answer for a single sample"),
            std::string::npos);
}

TEST_F(NoduleFeatures, Mistakes) {
  const Scratch& dir = *dir_;
  const auto says = [&](std::vector<std::string> args, int code, const std::string& want) {
    args.insert(args.begin(), "nodule");
    const Outcome run = run_here(args);
    EXPECT_EQ(run.code, code);
    EXPECT_EQ(last_line(run, dir.path()), want);
  };
  const std::string table = dir / "labelled/manifest.csv", out = dir / "never";
  says({"extract-features", table, "--out", out}, 2,
       "nodule extract-features: there are no weights; name a file with --weights, or add --random-weights "
       "[GD-USAGE-001]");
  says({"extract-features", table, "--out", out, "--weights", "a.pth", "--random-weights"}, 2,
       "nodule extract-features: --weights and --random-weights exclude each other; leave one out "
       "[GD-USAGE-001]");
  const std::string codes = dir / "codes";
  says({"train-model", codes, "--out", out, "--legacy", "--epochs", "3"}, 2,
       "nodule train-model: --legacy has its own epochs; leave --epochs out [GD-USAGE-001]");
  says({"train-model", codes, "--out", out, "--positive", "mass"}, 2,
       "nodule train-model: --positive mass is no class; there are nodule, normal [GD-USAGE-001]");
  ASSERT_EQ(
      run_here({"nodule", "train-model", codes, "--out", dir / "mistaken", "--hidden", "8", "--epochs", "1"})
          .code,
      0);
  const std::string mlp = dir / "mistaken/checkpoints/best.gdck";
  says({"extract-features", table, "--out", out, "--weights", mlp}, 2,
       "nodule extract-features: DIR/mistaken/checkpoints/best.gdck is a classifier of features; name the "
       "weights of a net of pictures, such as those that made its features [GD-USAGE-001]");
  EXPECT_EQ(last_line(run_here({"export", mlp, dir / "never.onnx"}), dir.path()),
            "export: this checkpoint learnt on features and has no net that makes them of pictures; export "
            "film.gdck of its run [GD-USAGE-001]");
  ClassificationTask picture("resnet18", {{"width", 4.0}, {"num_classes", 2.0}}, {"normal", "nodule"}, false,
                             Pipeline("rgb,resize:32,normalize:0.5:0.25"));
  save_task_as(dir / "picture.gdck", picture);
  says({"test-model", codes, "--checkpoint", dir / "picture.gdck"}, 2,
       "eval: DIR/codes holds features, and the net of the checkpoint, resnet18, reads pictures; give it "
       "pictures, or a checkpoint of nodule train-model [GD-USAGE-001]");
  says({"extract-features", table, "--out", out, "--random-weights", "--order", "whc"}, 2,
       "--order whc is unknown; use chw or hwc [GD-USAGE-001]");
  says({"extract-features", table, "--out", out, "--random-weights", "--bad-samples", "drop"}, 2,
       "--bad-samples drop is unknown; use fail or skip [GD-USAGE-001]");
  says({"extract-features", dir / "codes", "--out", out, "--random-weights"}, 2,
       "nodule extract-features: DIR/codes holds features already; give it to nodule train-model "
       "[GD-USAGE-001]");
  says({"extract-features", table, table, "--out", out, "--random-weights", "--net", "resnet18",
        "--net-option", "width=2"},
       2,
       "nodule extract-features: two of the sets have images of train; call it once for each [GD-USAGE-001]");
  says({"extract-features", table, "--out", out, "--weights", dir / "codes/extractor.gdck"}, 2,
       "nodule extract-features: DIR/codes/extractor.gdck is a checkpoint of no net; name the weights of the "
       "net "
       "[GD-USAGE-001]");
  says({"train-model", dir / "none", "--out", out}, 3,
       "features: DIR/none holds no features.npy with index.csv, nor do train, val or test in it; make them "
       "with nodule "
       "extract-features [GD-DATA-001]");
  says({"test-model", dir / "codes", "--checkpoint", dir / "codes/extractor.gdck"}, 6,
       "checkpoint: DIR/codes/extractor.gdck does not say what it was trained for; was it written by gadolin "
       "train? "
       "[GD-CKPT-030]");
}

TEST(NoduleExtractor, CheckpointsThatDoNotFit) {
  const Scratch dir;
  Checkpoint other, extractor;
  other.facts = {{"model", "resnet18"}, {"net_options", "[[1]]"}};
  const auto film = [&] { nodule::film_checkpoint(other, extractor, "best.gdck"); };
  EXPECT_EQ(message_of<CheckpointError>(film),
            "checkpoint: best.gdck is no classifier of features; use one of nodule train-model");
  other.facts["model"] = "mlp";
  EXPECT_EQ(
      message_of<CheckpointError>(film),
      "checkpoint: extractor.gdck of best.gdck does not describe an extractor; extract the features again");
  extractor.facts = {{"extractor", "{}"}, {"pipeline", ""}};
  EXPECT_EQ(message_of<CheckpointError>(film),
            "checkpoint: best.gdck does not describe a net; was it written by gadolin train?");
  // Two extractors are one where all their bits are.
  extractor.tensors["model.w"] = zeros({2});
  Checkpoint same = extractor;
  EXPECT_TRUE(nodule::same_extractor(extractor, same));
  same.tensors["model.w"] = from_vector(std::vector<float>{0.f, -0.f}, {2});
  EXPECT_FALSE(nodule::same_extractor(extractor, same));
  same.tensors["model.w"] = zeros({1, 2});
  EXPECT_FALSE(nodule::same_extractor(extractor, same));
  same = extractor;
  same.facts["pipeline"] = "grey";
  EXPECT_FALSE(nodule::same_extractor(extractor, same));
}

// Of a run that diverged: ticks a step apart would be one number, and no end would come.
TEST(NodulePictures, LargeNumbersCloseTogether) {
  const Image picture =
      nodule::curve_picture({{"loss", {1, 2, 3}, {1e17, 1e17 + 16, 1e17}}}, {"a", "b", "c"});
  EXPECT_EQ(picture.channels, 3);
}

TEST(NodulePictures, MatrixAndCurves) {
  ConfusionMatrix matrix(2);
  matrix.add(0, 0, 38);
  matrix.add(0, 1, 12);
  matrix.add(1, 1, 15);
  const Image cells = nodule::confusion_picture(matrix, {"normal", "nodule"});
  EXPECT_EQ(cells.channels, 3);
  // The darker the larger the share: 100 % of nodule against 76 % of normal.
  const auto blue = [&](int column, int row) {
    return cells.row<std::uint8_t>(64 + row * 140 + 8)[3 * (180 + column * 140 + 8)];
  };
  EXPECT_LT(blue(1, 1), blue(0, 0));
  EXPECT_LT(blue(0, 0), blue(1, 0));
  EXPECT_GT(blue(0, 1), 250);
  for (const bool unit : {false, true}) {
    const Image curves =
        nodule::curve_picture({{"a", {0, 0.5, 1}, {0, NAN, 1}}, {"b", {}, {}}, {"c", {1}, {0.25}}},
                              {"title", "x", "y", unit, unit});
    EXPECT_GT(curves.width, 500);
  }
  EXPECT_GT(nodule::curve_picture({}, {"nothing", "x", "y", false, false}).height, 400);
}

}  // namespace
}  // namespace gadolin::test
