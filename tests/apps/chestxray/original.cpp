// Checkpoints of the original program: read, evaluated, learnt from, written as state_dicts.
#include <fstream>

#include "apps/chestxray/seed_checkpoint.h"
#include "apps/chestxray/stages.h"
#include "io/csv.h"
#include "io/weights.h"
#include "nets/registry.h"
#include "tests/apps/chestxray/chest_films.h"

namespace gadolin::test {
namespace {

using chestxray::original_name;

nlohmann::json seed_numbers() {
  std::ifstream file(fixture("chestxray/seed.json"));
  return nlohmann::json::parse(file);
}
std::string seed(const std::string& name) { return fixture("chestxray/" + name); }

TEST(OriginalCheckpoint, NamesAreThoseOfPython) {
  EXPECT_EQ(original_name(1, 1e-5, 50), "stage1_1e-05_50.pth");
  EXPECT_EQ(original_name(2, 3e-4, 1), "stage2_0003_01.pth");
  EXPECT_EQ(original_name(3, 1e-3, 3), "stage3_001_03.pth");
  EXPECT_EQ(original_name(4, 2.5e-5, 100), "stage4_5e-05_100.pth");
  EXPECT_EQ(original_name(1, 0.1, 2), "stage1_1_02.pth");
  EXPECT_EQ(original_name(1, 1, 2), "stage1_0_02.pth");
}

TEST(OriginalCheckpoint, StagesNamePartsOfEveryNet) {
  using chestxray::frozen_in_stage;
  for (const std::string model :
       {"resnet18", "resnet34", "resnet50", "resnet101", "densenet121", "densenet169"}) {
    const auto net = make_net(model, {{"num_classes", 15.0}});
    for (int stage = 1; stage <= 4; ++stage) {
      const auto frozen = frozen_in_stage(model, stage);
      std::size_t left = 0;
      for (const Parameter& p : net->parameters()) {
        const bool under = std::any_of(frozen.begin(), frozen.end(), [&](const std::string& part) {
          return p.name.starts_with(part + ".");
        });
        left += !under;
        if (p.name.starts_with(chestxray::head_of(model) + ".")) {
          EXPECT_FALSE(under) << p.name;
        }
      }
      if (stage == 4) {
        EXPECT_EQ(left, 2u) << model;  // weight and bias of the head
      }
    }
  }
  EXPECT_EQ(message_of<UsageError>([] { chestxray::frozen_in_stage("resnet18", 5); }),
            "chestxray: --stage 5 is unknown; use 1, 2, 3 or 4");
  EXPECT_EQ(message_of<UsageError>([] { chestxray::head_of("vgg16"); }),
            "chestxray: --model vgg16 is neither a ResNet nor a DenseNet; gadolin train takes every net");
}

TEST(OriginalCheckpoint, AWholePickledNetAnswersAsInTorch) {
  const nlohmann::json numbers = seed_numbers();
  const Scratch dir;
  for (const char* name : {"stage1_1e-05_02.pth", "stage2_0003_01.pth"}) {
    const Outcome run = run_here({"chestxray", "predict", seed("film.png"), "--ckpt", seed(name), "--out",
                                  dir / "p.csv", "--device", "cpu"});
    ASSERT_EQ(run.code, 0) << run.err;
    const std::string names = std::to_string(numbers[name]["names"].get<int>());
    EXPECT_NE(run.out.find(cat(", 15 outputs, loaded ", names, " of ", names)), std::string::npos) << run.out;
    const CsvTable table = read_csv(dir / "p.csv");
    ASSERT_EQ(table.header.size(), 16u);
    EXPECT_EQ(table.header[0], "Image Index");
    EXPECT_EQ(table.header[11], "No Finding");
    EXPECT_EQ(table.rows.at(0)[0], "film.png");
    for (std::size_t k = 0; k < 15; ++k)
      EXPECT_NEAR(std::stod(table.rows[0][k + 1]), numbers[name]["probability"][k].get<double>(), 2e-5)
          << name << k;
  }
}

class OriginalRuns : public ChestFilms {};

TEST_F(OriginalRuns, IsTestedLookedAtAndLearntFrom) {
  const std::string pth = seed("stage2_0003_01.pth");
  const Outcome tested = run_here({"chestxray", "test", manifest(), "--ckpt", pth, "--out", path("test"),
                                   "--workers", "0", "--resamples", "20", "--report-cams", "0", "--quiet"});
  ASSERT_EQ(tested.code, 0) << tested.err;
  const auto metrics = nlohmann::json::parse(contents_of(path("test/metrics.json")));
  EXPECT_EQ(metrics["checkpoints"][0]["file"], "stage2_0003_01.gdck");
  EXPECT_TRUE(metrics["metrics"]["roc_auc/Hernia"]["value"].is_null());
  const Outcome seen = run_here({"chestxray", "cam", seed("film.png"), "--ckpt", pth, "--finding", "Mass",
                                 "--out", path("cams"), "--quiet"});
  EXPECT_EQ(seen.code, 0) << seen.err;
  EXPECT_TRUE(std::filesystem::exists(path("cams/film.cam.png")));
  const Outcome learnt = run_here({"chestxray", "train",        manifest(), "--init",       pth, "--model",
                                   "resnet18",  "--net-option", "width=4",  "--stage",      "4", "--epochs",
                                   "1",         "--input-size", "32",       "--batch-size", "4", "--workers",
                                   "0",         "--out",        path("run")});
  ASSERT_EQ(learnt.code, 0) << learnt.err;
  EXPECT_NE(learnt.err.find(": loaded 122 of 122, 0 left as they start"), std::string::npos) << learnt.err;
  // And out again, as a state_dict under the original's name.
  const std::string out = path("models/stage4_0001_01.pth");
  std::filesystem::create_directories(path("models"));
  ASSERT_EQ(run_here({"export", path("run/checkpoints/best.gdck"), out, "--quiet"}).code, 0);
  EXPECT_EQ(read_weights(out).tensors.size(), 122u);
  EXPECT_EQ(run_here({"chestxray", "predict", seed("film.png"), "--ckpt", out, "--quiet"}).code, 0);
}

// E3: weights with module. and norm.1 in their names; the usual advice (not strict) loaded nothing,
// unnoticed.
TEST_F(OriginalRuns, E3NamesAreMendedAndCounted) {
  const std::vector<std::string> net{"--model",      "densenet121",
                                     "--net-option", "growth_rate=2",
                                     "--net-option", "num_init_features=4",
                                     "--net-option", "bn_size=2",
                                     "--epochs",     "1",
                                     "--input-size", "32",
                                     "--batch-size", "4",
                                     "--workers",    "0",
                                     "--max-steps",  "1"};
  std::vector<std::string> args{"chestxray",        "train", manifest(), "--init",
                                seed("norm.1.pth"), "--out", path("e3")};
  args.insert(args.end(), net.begin(), net.end());
  const Outcome run = run_here(args);
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("loaded 727 of 727, 0 left as they start"), std::string::npos) << run.err;
  // The same weights whatever their names.
  const auto mended = read_weights(seed("norm.1.pth")), whole = read_weights(seed("stage1_1e-05_02.pth"));
  ASSERT_EQ(mended.tensors.size(), 727u);
  for (const auto& [name, value] : whole.tensors)
    EXPECT_EQ(value.to_vector<double>(), mended.tensors.at(name).to_vector<double>()) << name;
  // What fits in part is refused, and taken only when that is asked for.
  const Outcome imported =
      run_here({"import", seed("norm.1.pth"), path("part.gdck"), "--model", "densenet169"});
  EXPECT_NE(imported.code, 0);
  args[4] = seed("stage2_0003_01.pth");
  args[6] = path("e3b");
  const Outcome other = run_here(args);
  EXPECT_EQ(other.code, 2);
  EXPECT_EQ(said(other), "chestxray train: " + seed("stage2_0003_01.pth") +
                             " has no classifier.weight, so it is of no densenet121; choose its --model");
}

TEST_F(OriginalRuns, WhatIsNoneIsNamed) {
  std::string truncated = contents_of(seed("stage2_0003_01.pth"));
  const std::string cut = dir_->write("cut.pth", truncated.substr(0, truncated.size() / 2));
  EXPECT_EQ(run_here({"chestxray", "predict", seed("film.png"), "--ckpt", cut}).code, 3);
  const std::string ten = fixture("road/resnet18_narrow.pth");
  EXPECT_EQ(said(run_here({"chestxray", "predict", seed("film.png"), "--ckpt", ten})),
            "chestxray: " + ten +
                " has 10 outputs, and NIH's labels are 15; gadolin import takes it, with --class-names");
  ASSERT_EQ(::setenv("TMPDIR", (path("missing")).c_str(), 1), 0);
  const Outcome nowhere =
      run_here({"chestxray", "predict", seed("film.png"), "--ckpt", seed("stage2_0003_01.pth")});
  ::unsetenv("TMPDIR");
  EXPECT_EQ(said(nowhere), "chestxray: no temporary folder can be made; set TMPDIR to a folder with room");
  State other;
  other["conv.weight"] = zeros({2, 2});
  EXPECT_EQ(message_of<CheckpointError>([&] { chestxray::net_of_weights(other, "x.pth"); }),
            "chestxray: x.pth holds the weights of none of resnet18, resnet34, resnet50, resnet101, "
            "densenet121 and "
            "densenet169; gadolin import takes other nets");
}

}  // namespace
}  // namespace gadolin::test
