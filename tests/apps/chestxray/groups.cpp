// Groups and the rule of the division on their way from a manifest to metrics.json and the report.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "data/sets/extra_columns.h"
#include "io/csv.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"
#include "train/checkpoint.h"

namespace gadolin::test {
namespace {

// E2, E8: made-up films, a net of a second, and what its evaluation says of whom it was measured on.
TEST(ChestGroups, EvaluationSaysTheSplitAndTheGroups) {
  const Scratch dir;
  ASSERT_EQ(
      run_here({"data", "synth", "chest", dir / "nih", "--patients", "40", "--films", "2", "--size", "32"})
          .code,
      0);
  ASSERT_EQ(run_here({"chestxray", "prepare", dir / "nih", dir / "out", "--val-share", "0.2"}).code, 0);
  const Outcome trained =
      run_here({"train", dir / "out",     "--none-label", "No Finding", "--model",  "resnet18", "--width",
                "4",     "--small-input", "--input-size", "16",         "--epochs", "1",        "--augment",
                "none",  "--out",         dir / "run",    "--workers",  "0",        "--quiet"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const auto evaluate = [&](const std::string& split) {
    return run_here({"eval", dir / "out", "--none-label", "No Finding", "--checkpoint",
                     dir / "run/checkpoints/last.gdck", "--split", split, "--out", dir / "test",
                     "--resamples", "50", "--report-cams", "0", "--workers", "0"});
  };
  const Outcome run = evaluate("test");
  ASSERT_EQ(run.code, 0) << run.err;
  const auto metrics = nlohmann::json::parse(contents_of(dir / "test/metrics.json"));
  const auto facts = nlohmann::json::parse(contents_of(dir / "out/manifest.json"));
  EXPECT_EQ(metrics["division"], facts["division"]);
  const std::string text = facts["division"]["text"];
  EXPECT_NE(run.out.find(text), std::string::npos);
  std::map<std::string, std::int64_t> samples;
  for (const auto& group : metrics["subgroups"]) {
    samples[group["by"]] += group["samples"].get<std::int64_t>();
    EXPECT_TRUE(group["metrics"].contains("roc_auc/Effusion"));
    EXPECT_GT(group["patients"], 0);
  }
  for (const char* by : {"sex", "age", "view"}) EXPECT_EQ(samples[by], metrics["samples"]) << by;
  // The split, which is not the official one, is the first line of the report.
  const std::string page = contents_of(dir / "test/report/index.html");
  const std::size_t heading = page.find("<h2>"), line = page.find("<p class=\"warning\">split: own lists");
  ASSERT_NE(line, std::string::npos);
  EXPECT_EQ(page.find("</h2>\n", heading) + 6, line) << "nothing stands between the heading and it";
  EXPECT_NE(page.find("Subgroups"), std::string::npos);
  EXPECT_NE(page.find("ROC AUC by finding and group"), std::string::npos);
  const std::size_t chart = page.find("ROC AUC by group");
  ASSERT_NE(chart, std::string::npos);
  for (const auto& group : metrics["subgroups"])
    EXPECT_NE(page.find(cat(group["by"].get<std::string>(), " ", group["group"].get<std::string>(), ", ",
                            group["samples"].get<std::int64_t>(), " samples"),
                        chart),
              std::string::npos);

  // The table of the run carries both along.
  EXPECT_EQ(read_csv(dir / "run/split.csv").header,
            (std::vector<std::string>{"path", "patient", "labels", "split", "sex", "age", "view"}));
  const Outcome again = run_here({"eval", dir / "run/split.csv", "--none-label", "No Finding", "--checkpoint",
                                  dir / "run/checkpoints/last.gdck", "--resamples", "0", "--workers", "0"});
  EXPECT_NE(again.out.find(text), std::string::npos) << again.out << again.err;
  EXPECT_NE(again.out.find("in the mean"), std::string::npos) << again.out;

  // E9: which of NIH's tables a net learnt from stands in its checkpoint and beside every number.
  const std::string checkpoint = dir / "run/checkpoints/last.gdck";
  nlohmann::json learnt = nlohmann::json::parse(load_checkpoint_facts(checkpoint).at("table"));
  EXPECT_EQ(learnt["sha256"], facts["table"]["sha256"]);
  EXPECT_EQ(learnt["version"], facts["table"]["version"]);
  EXPECT_EQ(metrics["table"], facts["table"]);
  EXPECT_EQ(metrics["checkpoints"][0]["table"], learnt);
  const std::string version = learnt["version"];
  EXPECT_NE(run.out.find("table: " + version + ", sha256 "), std::string::npos) << run.out;
  EXPECT_EQ(run.err.find("learnt from"), std::string::npos) << run.err;
  Checkpoint other = load_checkpoint(checkpoint);
  other.facts["table"] = R"({"version": "another table", "sha256": "0123456789abcdef"})";
  save_checkpoint(checkpoint, other);
  const Outcome mixed = evaluate("test");
  EXPECT_NE(mixed.err.find("eval: last.gdck learnt from another table, sha256 0123456789ab; these samples "
                           "are of " +
                           version + ", sha256 "),
            std::string::npos)
      << mixed.err;

  // Divided anew, it is another split.
  ASSERT_EQ(run_here({"data", "split", dir / "out/manifest.csv", "--shares", "0.5/0.2/0.3"}).code, 0);
  ASSERT_EQ(evaluate("test").code, 0);
  EXPECT_EQ(nlohmann::json::parse(contents_of(dir / "test/metrics.json"))["division"]["kind"], "other");
}

TEST(ExtraColumns, OfManifestsAndOfNothingElse) {
  const Scratch dir;
  dir.write("a.png", "x");
  dir.write("b.png", "x");
  dir.write("manifest.csv", "path,labels,sex,split,note\nb.png,u, F ,test,1\na.png,v,M,test,\n");
  const auto set = open_dataset(dir.path());
  const auto columns = extra_columns(dir.path(), *set->subset({1}));
  ASSERT_EQ(columns.size(), 2u);
  EXPECT_EQ(columns[0].name, "sex");
  EXPECT_EQ(columns[0].values, (std::vector<std::string>{"M"}));
  EXPECT_EQ(extra_columns(dir / "manifest.csv", *set)[0].values, (std::vector<std::string>{"F", "M"}));
  EXPECT_TRUE(extra_columns(dir / "a.png", *set).empty());
  EXPECT_TRUE(extra_columns(dir / "none", *set).empty());
  dir.write("manifest.csv", "path,labels,sex\nb.png,u,F\n");
  EXPECT_TRUE(extra_columns(dir.path(), *set).empty()) << "shorter by now";
  dir.write("manifest.csv", "path,labels,sex\na.png,u,F\nb.png,u,F\n");
  EXPECT_TRUE(extra_columns(dir.path(), *set).empty()) << "another order by now";
}

}  // namespace
}  // namespace gadolin::test
