// gadolin chestxray train, test, predict and cam, as a user calls them; and what they refuse.
#include <cmath>

#include "io/csv.h"
#include "tests/apps/chestxray/chest_films.h"
#include "tests/apps/program.h"

namespace gadolin::test {
namespace {

using nlohmann::json;

class ChestCommands : public ChestFilms {
 protected:
  static void SetUpTestSuite() {
    ChestFilms::SetUpTestSuite();
    const Outcome run = train("run", {"--lr", "0.01", "--epochs", "3", "--loss", "wbce"});
    ASSERT_EQ(run.code, 0) << run.err;
  }
  static Outcome test_run(const std::string& out, const std::vector<std::string>& more = {}) {
    std::vector<std::string> args{
        "chestxray",   "test", manifest(), "--ckpt", checkpoint("run"), "--out", path(out), "--workers", "0",
        "--resamples", "50",   "--device", "cpu",    "--report-cams",   "1"};
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  }
  static std::string film(int i) {
    return path(cat("films/images/0000000", i / 20, "_0", i % 20 / 10, i % 10, ".png"));
  }
};

TEST_F(ChestCommands, ACheckpointKnowsWhatPredictionNeeds) {
  const auto facts = load_checkpoint_facts(checkpoint("run"));
  EXPECT_EQ(json::parse(facts.at("classes")).size(), 15u);
  EXPECT_EQ(facts.at("apart"), R"(["No Finding"])");
  EXPECT_EQ(json::parse(facts.at("untrained")).size(), 12u);
  const json trained = json::parse(facts.at("trained_on"));
  EXPECT_EQ(trained["views"], (json{{"AP", 10}, {"PA", 10}}));
  EXPECT_EQ(trained["pictures"], 20);
  EXPECT_EQ(json::parse(facts.at("thresholds")).size(), 3u);
  EXPECT_GT(std::stod(facts.at("temperature")), 0);
  const CsvTable curves = read_csv(path("run/metrics.csv"));
  EXPECT_EQ(curves.rows.size(), 3u);
  EXPECT_GE(curves.find("val_roc_auc"), 0);
}

TEST_F(ChestCommands, TestMeasuresEveryFindingAndSaysWhatEntersTheMean) {
  const Outcome run = test_run("test");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("means of areas are over 2 of 3 findings; left out: No Finding (counts in no mean)"),
            std::string::npos)
      << run.out;
  const json metrics = json::parse(contents_of(path("test/metrics.json")));
  const json& m = metrics["metrics"];
  for (const char* name : {"roc_auc", "average_precision", "f1", "sensitivity_at_0.9"})
    for (const char* finding : {"", "/Effusion", "/Mass", "/No Finding"})
      EXPECT_TRUE(m.contains(std::string(name) + finding)) << name << finding;
  const double mean =
      (m["roc_auc/Effusion"]["value"].get<double>() + m["roc_auc/Mass"]["value"].get<double>()) / 2;
  EXPECT_NEAR(m["roc_auc"]["value"].get<double>(), mean, 1e-12);
  EXPECT_EQ(metrics["classes"], (json{"Effusion", "Mass", "No Finding"}));
  EXPECT_EQ(metrics["left_out_of_means"], (json{{{"name", "No Finding"}, {"reason", "counts in no mean"}}}));
  EXPECT_TRUE(metrics["delong"]["Mass"].contains("deviation"));
  EXPECT_EQ(metrics["calibration"].size(), 3u);
  EXPECT_EQ(metrics["calibration"][0]["bins"].size(), 15u);
  const CsvTable table = read_csv(path("test/predictions.csv"));
  EXPECT_EQ(table.header, (std::vector<std::string>{"Image Index", "Effusion", "Mass", "No Finding"}));
  EXPECT_EQ(table.rows.size(), 8u);
  EXPECT_EQ(table.rows[0][0], "00000001_008.png");
  EXPECT_TRUE(std::filesystem::exists(path("test/report/index.html")));
  EXPECT_EQ(read_csv(path("test/samples.csv")).header[0], "path");
  // The report is made again from what lies there.
  EXPECT_EQ(run_here({"report", path("test"), "--quiet"}).code, 0);
}

TEST_F(ChestCommands, ViewsAreAveraged) {
  for (const char* tta : {"hflip", "ten-crop"}) {
    const Outcome run = test_run(tta, {"--tta", tta, "--report-cams", "0"});
    ASSERT_EQ(run.code, 0) << run.err;
    // The same as one film after another.
    const Outcome one =
        run_here({"chestxray", "predict", film(28), "--ckpt", checkpoint("run"), "--tta", tta, "--json"});
    ASSERT_EQ(one.code, 0) << one.err;
    const double p = events(one, "prediction").at(0)["probabilities"]["Mass"];
    EXPECT_NEAR(std::stod(read_csv(path(std::string(tta) + "/predictions.csv")).rows.at(0).at(2)), p, 1e-5)
        << tta;
  }
  ASSERT_EQ(test_run("plain", {"--report-cams", "0"}).code, 0);
  EXPECT_NE(contents_of(path("plain/predictions.csv")), contents_of(path("ten-crop/predictions.csv")));
}

TEST_F(ChestCommands, TwoNetsAreCompared) {
  ASSERT_EQ(test_run("first").code, 0);
  const Outcome run =
      test_run("second", {"--tta", "hflip", "--against", path("first/predictions.csv"), "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const CsvTable table = read_csv(path("second/comparison.csv"));
  EXPECT_EQ(table.header, (std::vector<std::string>{"finding", "auc", "auc_against", "difference", "low",
                                                    "high", "z", "p"}));
  EXPECT_EQ(table.rows.size(), 3u);
  EXPECT_TRUE(last_event(run)["metrics"].contains("difference/Effusion"));
  const Outcome same = test_run("third", {"--against", path("first/predictions.csv"), "--json"});
  EXPECT_EQ(last_event(same)["metrics"]["difference/Mass"]["p"], 1);
  dir_->write("twice.csv", "Image Index,Mass\n00000001_008.png,0.5\n00000001_008.png,0.4\n");
  EXPECT_EQ(said(test_run("x", {"--against", path("twice.csv")})),
            "chestxray test: DIR/twice.csv:3: 00000001_008.png has a row already, DIR/twice.csv:2; remove "
            "one of them");
  dir_->write("short.csv", "Image Index,Mass\n00000001_008.png,0.5\n");
  EXPECT_EQ(said(test_run("x", {"--against", path("short.csv")})),
            "chestxray test: --against DIR/short.csv has no row of 00000001_009.png; compare nets on the "
            "same films");
  dir_->write("odd.csv", "Image Index,Mass\n00000001_008.png,1.5\n");
  EXPECT_EQ(said(test_run("x", {"--against", path("odd.csv")})),
            "chestxray test: DIR/odd.csv:2: Mass is '1.5', no probability");
  dir_->write("other.csv", "Image Index,Cats\n00000001_008.png,1\n");
  EXPECT_EQ(
      said(test_run("x", {"--against", path("other.csv")})),
      "chestxray test: --against DIR/other.csv has none of the findings; it is predictions.csv of another "
      "chestxray test");
  // Before the films are judged, so nothing is printed of them.
  const Outcome early = test_run("x", {"--against", path("other.csv")});
  EXPECT_EQ(early.out.find("samples of test"), std::string::npos) << early.out;
}

TEST_F(ChestCommands, PredictGivesEveryFindingAndWarns) {
  const Outcome run = run_here(
      {"chestxray", "predict", film(0), film(1), "--ckpt", path("run"), "--out", path("p.csv"), "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto all = events(run, "prediction");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["probabilities"].size(), 3u);
  EXPECT_EQ(all[0]["thresholds"].size(), 3u);
  EXPECT_TRUE(all[0].contains("positive"));
  EXPECT_FALSE(all[0].contains("warnings"));
  EXPECT_EQ(read_csv(path("p.csv")).rows.size(), 2u);
  Image dark(32, 32, 1);
  for (std::size_t i = 0; i < dark.pixels.size(); ++i) dark.pixels[i] = i % 2;
  dir_->write("dark.png", encode_png(dark));
  dir_->write("broken.png", std::string("\x89PNG\r\n\x1a\n"));
  const Outcome odd = run_here({"predict", path("dark.png"), "--checkpoint", checkpoint("run"), "--json"});
  EXPECT_EQ(events(odd, "prediction").at(0)["warnings"].size(), 1u);
  EXPECT_NE(odd.err.find("dark.png: its values are 0 to "), std::string::npos) << odd.err;
  const Outcome bad =
      run_here({"chestxray", "predict", path("broken.png"), film(0), "--ckpt", checkpoint("run"), "--json"});
  EXPECT_EQ(bad.code, 3);
  EXPECT_EQ(events(bad, "bad_sample").size(), 1u);
  EXPECT_EQ(events(bad, "prediction").size(), 1u);
  EXPECT_EQ(
      said(run_here({"chestxray", "predict", film(0), "--ckpt", checkpoint("run"), "--out", path("p.png")}))
          .find("chestxray predict: --out"),
      0u);
}

TEST_F(ChestCommands, CamLooksAtFindingsThatWereTrained) {
  const Outcome run =
      run_here({"chestxray", "cam", film(1), "--ckpt", checkpoint("run"), "--out", path("cams"), "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(events(run, "cam").at(0)["class"], "No Finding");
  const Outcome hernia = run_here({"chestxray", "cam", film(1), "--ckpt", checkpoint("run"), "--out",
                                   path("more"), "--finding", "Hernia"});
  EXPECT_EQ(said(hernia),
            "--finding Hernia is unknown; known are Effusion, Mass, No Finding and their numbers from 0");
}

TEST_F(ChestCommands, ARunGoesOnBitForBit) {
  const auto go = [](const std::string& run, const std::vector<std::string>& more) {
    std::vector<std::string> args{"--sampler", "balanced", "--schedule", "constant", "--warmup-epochs", "0"};
    args.insert(args.end(), more.begin(), more.end());
    const Outcome done = train(run, args);
    EXPECT_EQ(done.code, 0) << done.err;
  };
  go("whole", {});
  go("parts", {"--max-steps", "7"});
  go("parts", {"--resume"});
  const Checkpoint a = load_checkpoint(checkpoint("whole", "last")),
                   b = load_checkpoint(checkpoint("parts", "last"));
  EXPECT_EQ(a.tensor("model.fc.weight").to_vector<float>(), b.tensor("model.fc.weight").to_vector<float>());
  EXPECT_EQ(a.fact("thresholds"), b.fact("thresholds"));
  go("parts", {"--resume", "--ckpt", checkpoint("parts", "last")});
}

TEST_F(ChestCommands, SamplersAndLossesOfTheOriginal) {
  for (const std::vector<std::string>& more : {std::vector<std::string>{"--sampler", "cap", "--cap", "5"},
                                               {"--loss", "FocalLoss", "--gamma", "1", "--alpha", "0.3"},
                                               {"--freeze", "layer1,bn1", "--force", "--ema", "0.9"},
                                               {"--augment", "none", "--no-flip"}}) {
    std::vector<std::string> all = more;
    all.insert(all.end(), {"--epochs", "1", "--overwrite"});
    const Outcome run = train("small", all);
    EXPECT_EQ(run.code, 0) << run.err;
  }
}

TEST_F(ChestCommands, Mistakes) {
  const std::string best = checkpoint("run");
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong{
      {{"--loss", "mse"}, "chestxray train: --loss mse is unknown; use bce, wbce or focal"},
      {{"--sampler", "odd"}, "chestxray train: --sampler odd is unknown; use all, cap or balanced"},
      {{"--ckpt", "a.gdck"},
       "chestxray train: --ckpt a.gdck belongs to --resume; to begin with its weights give --init a.gdck"},
      {{"--resume", "--overwrite"},
       "chestxray train: --resume and --overwrite exclude each other; leave one out"},
      {{"--resume", "--ckpt", fixture("chestxray/norm.1.pth")},
       "chestxray train: --ckpt " + fixture("chestxray/norm.1.pth") +
           " holds weights alone, without optimiser, schedule, sampler and random numbers; give --init " +
           fixture("chestxray/norm.1.pth")},
      {{"--init", "imagenet"},
       "chestxray train: --init imagenet: no weights come with this program; give --init the file of "
       "torchvision, "
       "such as densenet121-a639ec97.pth"},
      {{"--gamma", "3"},
       "chestxray train: --gamma and --alpha belong to --loss focal; add it, or leave them out"},
      {{"--freeze", "layer1"},
       "chestxray train: --stage and --freeze with --init random would freeze parts that nobody has trained; "
       "give "
       "--init FILE, or add --force"},
      {{"--freeze", "layer9", "--force"},
       "--freeze layer9: nothing in the net that learns is called so; gadolin summary shows the names"},
  };
  for (const auto& [args, want] : wrong) {
    const Outcome run = train("wrong", args);
    EXPECT_EQ(run.code, 2) << want;
    EXPECT_EQ(said(run), want);
    EXPECT_FALSE(std::filesystem::exists(path("wrong")));
  }
  dir_->write("films/alone.csv", "path,patient,labels,split\nimages/00000000_000.png,1,Mass,train\n");
  EXPECT_EQ(said(run_here({"chestxray", "train", path("films/alone.csv"), "--out", path("wrong")})),
            "chestxray train: DIR/films/alone.csv has no films of val; make its splits with chestxray "
            "prepare, or data "
            "split");
  // One class a picture is for the plain commands.
  ASSERT_EQ(run_here({"train", manifest(), "--out", path("single"), "--label-column", "view", "--input-size",
                      "32", "--width", "4", "--epochs", "1", "--workers", "0", "--quiet"})
                .code,
            0);
  EXPECT_EQ(said(run_here({"chestxray", "predict", film(0), "--ckpt", checkpoint("single")})),
            "chestxray predict: DIR/single/checkpoints/best.gdck gives one class a picture; gadolin eval and "
            "predict "
            "take it");
  ASSERT_EQ(train("whole-field", {"--pipeline", "grey,resize:32x32,normalize:0.5:0.25", "--augment", "none",
                                  "--epochs", "1"})
                .code,
            0);
  EXPECT_EQ(said(run_here(
                {"chestxray", "predict", film(0), "--ckpt", checkpoint("whole-field"), "--tta", "ten-crop"})),
            "ten-crop: DIR/whole-field/checkpoints/best.gdck sees pictures by "
            "grey,resize:32x32,normalize:0.5:0.25, "
            "which cuts no middle out of a larger picture; use none or hflip");
  EXPECT_EQ(
      said(run_here({"predict", film(0), "--checkpoint", best, "--checkpoint", best, "--views", "ten-crop"})),
      "--views ten-crop is of one net, and there are 2; leave it out, or name one checkpoint");
}

// The settings of a run, taken back as they are.
TEST_F(ChestCommands, ConfigOfARunIsTakenBack) {
  const Outcome again = run_here(
      {"--config", path("run/config.toml"), "chestxray", "train", manifest(), "--out", path("again")});
  EXPECT_EQ(again.code, 0) << again.err;
  const Checkpoint a = load_checkpoint(checkpoint("run", "last")),
                   b = load_checkpoint(checkpoint("again", "last"));
  EXPECT_EQ(a.tensor("model.fc.weight").to_vector<float>(), b.tensor("model.fc.weight").to_vector<float>());
}

}  // namespace
}  // namespace gadolin::test
