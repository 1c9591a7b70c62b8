// gadolin bench plot: what it reads, what it refuses, and that the repository's pages show what it prints.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <set>

#include "apps/bench/results.h"
#include "apps/commands.h"
#include "tests/apps/in_process.h"
#include "tests/apps/well_formed.h"
#include "tests/scratch.h"

using namespace gadolin;
using namespace gadolin::test;
using testing_support::count_elements;
using testing_support::fault_in_markup;
namespace fs = std::filesystem;

namespace {

std::string timing_row(const std::string& framework, const std::string& variant, int batch, double ms,
                       double least, double most) {
  return nlohmann::json{{"suite", "model"},   {"net", "resnet50"}, {"framework", framework},
                        {"variant", variant}, {"mode", "train"},   {"dtype", "bf16"},
                        {"batch", batch},     {"median_ms", ms},   {"min_ms", least},
                        {"max_ms", most}}
             .dump() +
         "\n";
}

const std::string measured =
    R"({"suite":"machine","time":"2026-01-01T00:00:00","gpu":"Some GPU","torch":"2.11"})"
    "\n" +
    timing_row("pytorch", "eager", 8, 40, 39, 41) + timing_row("pytorch", "compile", 8, 20, 19, 21) +
    timing_row("gadolin", "graph", 8, 10, 9, 11) + timing_row("gadolin", "eager", 8, 8, 7, 9) +
    timing_row("pytorch", "eager", 32, 60, 59, 61) + timing_row("gadolin", "graph", 32, 59.5, 58, 60) +
    R"({"event":"op","family":"pool","name":"max <a>","dtype":"bf16","share":0.8})"
    "\n"
    R"({"event":"op","name":"listed only"})"
    "\n"
    R"({"event":"op","family":"norm","name":"statistics","dtype":"bf16","share":0.9})"
    "\n"
    R"({"event":"startup","part":"plans","seconds":1})"
    "\n"
    R"({"suite":"startup","net":"resnet50","framework":"gadolin","part":"plans","ms":120})"
    "\n"
    R"({"suite":"startup","net":"resnet50","framework":"gadolin","part":"first step","ms":80})"
    "\n"
    R"({"event":"done","metrics":{}})"
    "\n";

TEST(BenchResults, SidesOfOneGroupAreComparedWithTheFastestOther) {
  const Scratch dir;
  const BenchResults results = read_bench_results({dir.write("a.json", measured)});
  const std::vector<BenchComparison> all = compare_sides(results.rows);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].ours.side, "Gadolin");  // not its eager steps, though they were faster
  EXPECT_EQ(all[0].best.side, "PyTorch compile");
  EXPECT_DOUBLE_EQ(all[0].ratio, 2);
  EXPECT_DOUBLE_EQ(all[0].to_eager, 4);
  EXPECT_DOUBLE_EQ(all[0].low, 19.0 / 11);
  EXPECT_DOUBLE_EQ(all[0].high, 21.0 / 9);
  EXPECT_FALSE(all[0].tie);
  EXPECT_TRUE(all[1].tie);  // 59..61 and 58..60 overlap
  EXPECT_EQ(results.sources.at(0).machine, "Some GPU");
}

TEST(BenchResults, ALaterFileReplacesAComparisonAsAWhole) {
  const Scratch dir;
  const std::string later = dir.write("a.json", R"({"suite":"machine","time":"2026-02-02"})"
                                                "\n" +
                                                    timing_row("gadolin", "graph", 8, 5, 5, 5));
  const std::string before = dir.write("b.json", R"({"suite":"machine","time":"2026-01-01"})"
                                                 "\n" +
                                                     timing_row("pytorch", "eager", 8, 4, 4, 4));
  const BenchResults results = read_bench_results({dir.path()});
  ASSERT_EQ(results.rows.size(), 1u);
  EXPECT_DOUBLE_EQ(results.rows[0].value, 5);
  EXPECT_TRUE(compare_sides(results.rows).empty());  // two sides of two sessions are no comparison
}

TEST(BenchPlot, ChartsAreWellFormedAndRepeatable) {
  const Scratch dir;
  const std::string file = dir.write("a.json", measured);
  const std::string page = dir.write(
      "README.md", "before\n<!-- begin benchmarks by hand -->\nold\n<!-- end benchmarks -->\nafter\n");
  const Outcome first = run_here({"bench", "plot", file, "--out", dir / "charts", "--page", page});
  ASSERT_EQ(first.code, 0) << first.err;
  const std::string text = contents_of(page);
  EXPECT_EQ(text.find("old\n"), std::string::npos);
  EXPECT_EQ(text.rfind("before\n<!-- begin benchmarks by hand -->\n", 0), 0u);
  EXPECT_NE(text.find(")\n<!-- end benchmarks -->\nafter\n"), std::string::npos) << text;
  EXPECT_NE(
      text.find(
          "| resnet50 | train bf16 | 8 | 800.0 img/s | 400.0 img/s | compile | 2.00 | 1.73 to 2.33 | 4.00 |"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("](charts/speed-train.svg)"), std::string::npos) << text;
  int charts = 0;
  for (const char* name : {"speed-train", "batches-resnet50-train-bf16", "roofline-bf16",
                           "roofline-bf16-norm", "roofline-bf16-pool", "startup-resnet50"}) {
    const std::string path = dir / ("charts/" + std::string(name) + ".svg");
    ASSERT_TRUE(fs::exists(path)) << path;
    EXPECT_EQ(fault_in_markup(contents_of(path)), "") << name;
    ++charts;
  }
  EXPECT_EQ(charts, std::distance(fs::directory_iterator(dir / "charts"), {}));
  EXPECT_EQ(count_elements(contents_of(dir / "charts/startup-resnet50.svg"), "rect"), 3);  // ground, two bars
  const std::string chart = contents_of(dir / "charts/batches-resnet50-train-bf16.svg");
  ASSERT_EQ(run_here({"bench", "plot", file, "--out", dir / "charts", "--page", page}).code, 0);
  EXPECT_EQ(contents_of(page), text);
  EXPECT_EQ(contents_of(dir / "charts/batches-resnet50-train-bf16.svg"), chart);
}

// A share above 100 % is explained under its bars, in the chart itself; others have no need.
TEST(BenchPlot, AShareAboveTheCeilingIsExplainedWhereItStands) {
  const Scratch dir;
  const auto op = [](const std::string& family, double share) {
    return nlohmann::json{
               {"event", "op"}, {"family", family}, {"name", "one"}, {"dtype", "fp32"}, {"share", share}}
               .dump() +
           "\n";
  };
  const std::string file = dir.write("a.json", op("copies", 2.02) + op("norm", 0.9));
  ASSERT_EQ(run_here({"bench", "plot", file, "--out", dir / "charts"}).code, 0);
  const auto explained = [&](const std::string& name) {
    const std::string svg = contents_of(dir / ("charts/" + name + ".svg"));
    EXPECT_EQ(fault_in_markup(svg), "");
    return svg.find(">Above 100 %: the ceiling is the rate") != std::string::npos;
  };
  EXPECT_TRUE(explained("roofline-fp32-copies"));
  EXPECT_TRUE(explained("roofline-fp32"));  // whose interval reaches it
  EXPECT_FALSE(explained("roofline-fp32-norm"));
}

TEST(BenchPlot, ChartsCanBeReadOnADarkPage) {
  const Scratch dir;
  ASSERT_EQ(run_here({"bench", "plot", dir.write("a.json", measured), "--out", dir / "charts"}).code, 0);
  for (const auto& entry : fs::directory_iterator(dir / "charts"))
    EXPECT_NE(
        contents_of(entry.path().string()).find("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>"),
        std::string::npos)
        << entry.path();
}

TEST(BenchPlot, WhatItCannotReadIsOneLine) {
  const Scratch dir;
  const auto refused = [&](const std::string& text, const std::string& want) {
    const Outcome run = run_here({"bench", "plot", dir.write("a.json", text)});
    EXPECT_EQ(run.code, 3) << text;
    EXPECT_EQ(last_line(run, dir.path()), want);
  };
  const std::string no_object =
      "bench plot: DIR/a.json, line 1 is no JSON object; files that bench/compare_pytorch.py --json, "
      "tools/gpu.sh and gadolin bench --json wrote are read [GD-FORMAT-001]";
  refused("", "bench plot: DIR/a.json is empty [GD-FORMAT-001]");
  refused("{\"suite\":", no_object);
  refused("[1]\n", no_object);
  refused(std::string(100000, '['), no_object);
  refused(R"({"suite":"op","name":"a","share":1e999})", no_object);
  refused("\n" + timing_row("gadolin", "", 1, -1, 1, 1),
          "bench plot: DIR/a.json, line 2 has median_ms = -1; a number above 0 was expected [GD-FORMAT-001]");
  refused(R"({"suite":"model","median_ms":"fast"})",
          "bench plot: DIR/a.json, line 1 has no number median_ms [GD-FORMAT-001]");
  refused(R"({"machine":{},"rows":7})", "bench plot: DIR/a.json has no array rows [GD-FORMAT-001]");
  refused(R"({"rows":[3]})", "bench plot: DIR/a.json, row 1 is no JSON object [GD-FORMAT-001]");
  refused(R"({"rows":[{"suite":"model","pytorch_ms":3}]})",
          "bench plot: DIR/a.json, row 1 has a pytorch_ms that is no object [GD-FORMAT-001]");
  refused(R"({"rows":[{"suite":"memory","pytorch_mb":3}]})",
          "bench plot: DIR/a.json, row 1 has no number gadolin_mb [GD-FORMAT-001]");
  refused(R"({"suite":"check"})",
          "bench plot: nothing to draw in DIR/a.json; a comparison needs both sides, a curve two batches "
          "[GD-FORMAT-001]");
  fs::create_directory(dir / "none");
  const Outcome empty = run_here({"bench", "plot", dir / "none"});
  EXPECT_EQ(empty.code, 6);
  EXPECT_EQ(last_line(empty, dir.path()), "bench plot: DIR/none holds no .json file [GD-FILE-001]");
  const std::string good = dir.write("good.json", measured),
                    page = dir.write("page.md", "<!-- begin benchmarks -->\nno end\n");
  const Outcome run = run_here({"bench", "plot", good, "--page", page});
  EXPECT_EQ(run.code, 3);
  EXPECT_EQ(last_line(run, dir.path()),
            "bench plot: DIR/page.md has no block benchmarks; it stands between the lines "
            "<!-- begin benchmarks ... --> and <!-- end benchmarks --> [GD-FORMAT-001]");
  EXPECT_EQ(contents_of(page), "<!-- begin benchmarks -->\nno end\n");
}

// Engines beside PyTorch: the fastest of all counts, by its name, and the heading does not say PyTorch's.
TEST(BenchPlot, AnotherEngineMayBeTheBestOther) {
  const Scratch dir;
  const std::string file = dir.write(
      "a.json",
      timing_row("pytorch", "folded", 8, 40, 39, 41) + timing_row("openvino", "", 8, 30, 29, 31) +
          timing_row("onnxruntime", "", 8, 35, 34, 36) + timing_row("gadolin", "eager", 8, 20, 19, 21) +
          timing_row("pytorch", "folded", 32, 60, 59, 61) + timing_row("gadolin", "eager", 32, 30, 29, 31));
  const Outcome run = run_here({"bench", "plot", file, "--out", dir / "charts"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("| Gadolin | best other | |"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("| 266.7 img/s | OpenVINO | 1.50 |"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("| 533.3 img/s | PyTorch folded | 2.00 |"), std::string::npos) << run.out;
  EXPECT_NE(contents_of(dir / "charts/speed-train.svg").find("times as fast as the best other"),
            std::string::npos);
}

TEST(BenchPlot, AnExtractHasTheRowsThatAreNamed) {
  const Scratch dir;
  const std::string file = dir.write("a.json", measured + timing_row("gadolin", "", 1, 4, 4, 4) +
                                                   timing_row("pytorch", "", 1, 6, 6, 6) +
                                                   R"({"suite":"loader","framework":"gadolin","median_ms":5})"
                                                   "\n"
                                                   R"({"suite":"loader","framework":"pillow","median_ms":10})"
                                                   "\n");
  const std::string page = dir.write(
      "page.md",
      "<!-- begin benchmarks -->\nall\n<!-- end benchmarks -->\n<!-- begin best -->\n<!-- end best -->\n");
  const Outcome run = run_here(
      {"bench", "plot", file, "--page", page, "--block", "best", "--rows", "loader,resnet50 train bf16"});
  ASSERT_EQ(run.code, 0) << run.err;
  const std::string text = contents_of(page);
  EXPECT_EQ(text.rfind("<!-- begin benchmarks -->\nall\n<!-- end benchmarks -->\n<!-- begin best -->\n"
                       "Some GPU; PyTorch 2.11\n\n| | | batch |",
                       0),
            0u)
      << text;
  const std::size_t loader = text.find("\n| loader |  |"), net = text.find("\n| resnet50 | train bf16 | 1 |");
  EXPECT_LT(loader, net) << text;
  EXPECT_NE(net, std::string::npos) << text;
  EXPECT_EQ(text.find("a.json"), std::string::npos) << text;

  const Outcome other = run_here({"bench", "plot", file, "--rows", "resnet50 train"});
  EXPECT_EQ(other.code, 2);
  EXPECT_EQ(last_line(other, dir.path()),
            "--rows: 'resnet50 train' is not compared; there are loader, resnet50 train bf16 [GD-USAGE-001]");
  const Outcome alone = run_here(
      {"bench", "plot",
       dir.write("b.json", timing_row("gadolin", "", 1, 4, 4, 4) + timing_row("gadolin", "", 8, 4, 4, 4)),
       "--rows", "loader"});
  EXPECT_EQ(last_line(alone, dir.path()), "--rows: 'loader' is not compared; there are none [GD-USAGE-001]");
}

// Words of a command line; those between ' may hold spaces.
std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '\'')
      quoted = !quoted;
    else if (c == ' ' && !quoted)
      words.emplace_back();
    else
      words.back() += c;
  }
  return words;
}

// Each block of a page names its own command; run on a copy, it changes nothing, and the charts that it shows
// are those in the repository.
TEST(BenchPlot, ThePagesShowWhatTheirCommandsPrint) {
  std::set<std::string> charts;
  for (const char* page : {"README.md", "docs/benchmarks.md"}) {
    const std::string text = contents_of(in_repository(page));
    const std::regex block("<!-- begin [a-z]+ \\(gadolin (bench plot [^)]+)\\) -->");
    ASSERT_TRUE(std::regex_search(text, block)) << page;
    for (std::sregex_iterator found(text.begin(), text.end(), block), end; found != end; ++found) {
      const Scratch dir;
      dir.write(page, text);
      std::vector<std::string> words = words_of((*found)[1]);
      words.at(2) = in_repository(words.at(2));
      std::string folder;
      for (std::size_t i = 3; i + 1 < words.size(); i += 2) {
        if (words[i] == "--out") folder = words[i + 1];
        if (words[i] == "--page") {
          EXPECT_EQ(words[i + 1], page);
        }
        if (words[i] == "--out" || words[i] == "--page") words[i + 1] = dir / words[i + 1];
      }
      const Outcome run = run_here(words);
      ASSERT_EQ(run.code, 0) << run.err;
      EXPECT_EQ(contents_of(dir / page), text) << "run the command that the block names: " << (*found)[1];
      if (folder.empty()) continue;
      for (const auto& entry : fs::directory_iterator(dir / folder)) {
        const std::string name = folder + "/" + entry.path().filename().string();
        ASSERT_TRUE(fs::exists(in_repository(name))) << name;
        EXPECT_EQ(contents_of(entry.path().string()), contents_of(in_repository(name))) << name;
        charts.insert(name);
      }
    }
  }
  EXPECT_GE(charts.size(), 2u);
}

}  // namespace
