// From a training to its report: what eval leaves for it, overlays among it, and what gadolin report makes of
// that.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/program/version.h"
#include "io/csv.h"
#include "tests/apps/in_process.h"
#include "tests/apps/well_formed.h"
#include "tests/data/scratch.h"
#include "train/checkpoint.h"

namespace gadolin::test {
namespace {

namespace fs = std::filesystem;
using testing_support::count_elements;
using testing_support::fault_in_markup;

// Pictures with several labels: what is on them, and for every third one "dark" too.
void make_findings(const Scratch& dir) {
  ASSERT_EQ(run_here({"data", "synth", dir / "set", "--samples", "48", "--patients", "16", "--classes", "3",
                      "--size", "32"})
                .code,
            0);
  CsvTable table = read_csv(dir / "set/manifest.csv");
  const auto labels = static_cast<std::size_t>(table.column("labels"));
  for (std::size_t i = 0; i < table.rows.size(); i += 3) table.rows[i][labels] += "|dark";
  dir.write("set/findings.csv", to_csv(table));
}

std::vector<std::string> training(const Scratch& dir, const std::string& set, const std::string& out) {
  return {"train",     dir / set, "--out",        dir / out, "--input-size", "32",
          "--width",   "4",       "--batch-size", "8",       "--epochs",     "1",
          "--workers", "0",       "--device",     "cpu",     "--quiet"};
}

TEST(ReportRun, OfFindingsHoldsWhatAReaderAsksFor) {
  const Scratch dir;
  make_findings(dir);
  ASSERT_EQ(run_here(training(dir, "set/findings.csv", "run")).err, "");
  const auto eval = [&](const std::vector<std::string>& more) {
    std::vector<std::string> args{"eval",         dir / "run/split.csv",
                                  "--checkpoint", dir / "run/checkpoints/last.gdck",
                                  "--out",        dir / "run",
                                  "--resamples",  "20",
                                  "--device",     "cpu"};
    args.insert(args.end(), more.begin(), more.end());
    const Outcome run = run_here(args);
    EXPECT_EQ(run.code, 0) << run.err;
    return nlohmann::json::parse(contents_of(dir / "run/metrics.json"));
  };
  const auto metrics = eval({"--split", "all", "--report-cams", "2"});
  EXPECT_EQ(metrics.at("patients"), 16);
  EXPECT_EQ(metrics.at("checkpoints").at(0).at("file"), "last.gdck");
  EXPECT_EQ(metrics.at("checkpoints").at(0).at("step"),
            load_checkpoint_facts(dir / "run/checkpoints/last.gdck").at("step"));
  EXPECT_EQ(metrics.at("program"), "gadolin " + program_version() + ", commit " + program_commit());
  ASSERT_GE(metrics.at("cams").size(), 2u);
  ASSERT_LE(metrics.at("cams").size(), 4u);
  for (const auto& cam : metrics.at("cams"))
    EXPECT_EQ(read_image(dir / ("run/report/cams/" + cam.at("picture").get<std::string>())).channels, 3);

  const std::string html = contents_of(dir / "run/report/index.html");
  EXPECT_EQ(fault_in_markup(html), "");
  for (const char* part :
       {"<caption>By finding</caption>", "<caption>Operating points</caption>",
        "<caption>Class balance: samples of each split</caption>", "48 samples of 16 patients",
        "<title>Calibration</title>", "last.gdck, step ", "gadolin 0", "Grad-CAM: what speaks for "})
    EXPECT_NE(html.find(part), std::string::npos) << part;
  EXPECT_EQ(html.find("<small>roc auc/"), std::string::npos);  // no card of a single finding
  EXPECT_EQ(static_cast<std::size_t>(count_elements(html, "figure class=\"pair\"")),
            metrics.at("cams").size());

  ASSERT_EQ(run_here({"report", dir / "run", "--findings", "dark,disc", "--out", dir / "two.html"}).code, 0);
  EXPECT_NE(contents_of(dir / "two.html").find("Chosen with --findings: dark, disc."), std::string::npos);
  const Outcome other = run_here({"report", dir / "run", "--findings", "lung", "--out", dir / "no.html"});
  EXPECT_EQ(other.code, 2);
  EXPECT_EQ(last_line(other, dir.path()),
            "--findings: 'lung' has no curve; there are cross, dark, disc, square "
            "[GD-USAGE-001]");
  EXPECT_FALSE(fs::exists(dir / "no.html"));

  EXPECT_FALSE(eval({"--split", "all", "--report-cams", "0"}).contains("cams"));
  EXPECT_EQ(contents_of(dir / "run/report/index.html").find("Grad-CAM: what"), std::string::npos);
}

TEST(ReportRun, AnEnsembleHasNoOverlays) {
  const Scratch dir;
  make_findings(dir);
  ASSERT_EQ(run_here(training(dir, "set/manifest.csv", "run")).err, "");
  const std::string best = dir / "run/checkpoints/best.gdck", last = dir / "run/checkpoints/last.gdck";
  const Outcome run = run_here({"eval", dir / "run/split.csv", "--checkpoint", best, "--checkpoint", last,
                                "--out", dir / "both", "--resamples", "20", "--device", "cpu"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto metrics = nlohmann::json::parse(contents_of(dir / "both/metrics.json"));
  EXPECT_EQ(metrics.at("checkpoints").size(), 2u);
  EXPECT_FALSE(metrics.contains("cams"));
}

}  // namespace
}  // namespace gadolin::test
