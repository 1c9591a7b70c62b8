// What a reader sees of the report: words are whole, of many curves those that matter are drawn, runs side by
// side can be told apart, dark pages and paper are thought of.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <regex>
#include <set>

#include "apps/report/html.h"
#include "apps/report/run_report.h"
#include "tests/apps/in_process.h"
#include "tests/apps/well_formed.h"
#include "tests/scratch.h"

namespace gadolin::report {
namespace {

using testing_support::count_elements;
using testing_support::fault_in_markup;

const double not_there = std::numeric_limits<double>::quiet_NaN();
using Names = std::vector<std::string>;

// Curves of n findings; the AUC of finding i is 0.5 + i / 100, its samples are 100 - i.
RunReport many_findings(const std::string& name, std::size_t n) {
  RunReport run;
  run.name = name;
  for (std::size_t i = 0; i < n; ++i) {
    const RankCurve curve{"Finding_" + std::to_string(i),
                          {0, 0.5, 1},
                          {0, 0.8, 1},
                          {"roc_auc", 0.5 + static_cast<double>(i) / 100, not_there, not_there},
                          100.0 - static_cast<double>(i)};
    run.roc.push_back(curve);
    run.precision_recall.push_back(curve);
    run.calibration.push_back(curve);
  }
  return run;
}

std::size_t times(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(ReportPage, WordsAreWholeAndLongNamesBreakBehindSeparators) {
  EXPECT_EQ(breakable("balanced accuracy"), "balanced accuracy");
  EXPECT_EQ(breakable("Pleural_Thickening"), "Pleural_<wbr />Thickening");
  EXPECT_EQ(breakable("No Pleural_Thickening <"), "No Pleural_<wbr />Thickening &lt;");
  EXPECT_EQ(breakable("Donaudampfschifffahrt"), "Donaudampfschifffahrt");  // the table scrolls instead
  EXPECT_EQ(breakable(""), "");
  const std::string style = style_sheet;
  for (const char* breaks : {"overflow-wrap", "word-wrap", "word-break", "hyphens", "text-overflow"})
    EXPECT_EQ(style.find(breaks), std::string::npos) << breaks;
  RunReport run;
  run.name = "a";
  run.configuration = {{"data", "examples/data/cxr-nih14-small/findings.csv"}};
  run.tables = {{"t", {"a"}, {{"0.912 (0.871 to 0.953)"}}, "a note"}};
  const std::string html = render_report({"t", "now", {run}});
  EXPECT_EQ(fault_in_markup(html), "");
  EXPECT_EQ(times(html, "<div class=\"scroll\"><table>"), times(html, "<table>"));
  EXPECT_NE(html.find("<td>0.912 <small>(0.871 to 0.953)</small></td>"), std::string::npos);
  EXPECT_NE(html.find("<p class=\"note\">a note</p>"), std::string::npos);
}

TEST(ReportPage, OfManyFindingsTheBestTheWorstAndTheMostFrequentAreDrawn) {
  const RunReport run = many_findings("run", 12);
  const Chosen chosen = choose_curves(run.roc, {});
  EXPECT_EQ(chosen.names, (Names{"Finding_11", "Finding_10", "Finding_0", "Finding_1", "Finding_2"}));
  EXPECT_EQ(chosen.caption,
            "Best: Finding_11, Finding_10. Worst: Finding_0, Finding_1. Most frequent: Finding_0, Finding_1, "
            "Finding_2. "
            "All 12 stand in the table; gadolin report --findings chooses others.");
  const std::string html = render_report({"t", "now", {run}});
  EXPECT_EQ(fault_in_markup(html), "");
  EXPECT_NE(html.find("Best: Finding_11, Finding_10."), std::string::npos);
  EXPECT_NE(html.find("<summary>Curves of the other 7</summary>"), std::string::npos);
  EXPECT_EQ(count_elements(html, "svg"), 6);
  for (int i = 0; i < 12; ++i) {
    const std::string legend = ">Finding_" + std::to_string(i) + ": AUC 0." + std::to_string(50 + i) + "00<";
    EXPECT_EQ(times(html, legend), 1u) << legend;
  }
  EXPECT_EQ(choose_curves(many_findings("run", 7).roc, {}).names.size(), 7u);
  EXPECT_EQ(choose_curves(many_findings("run", 7).roc, {}).caption, "");
}

TEST(ReportPage, FindingsCanBeChosen) {
  const RunReport run = many_findings("run", 12);
  EXPECT_EQ(choose_curves(run.roc, {"Finding_7", "Finding_3"}).names, (Names{"Finding_7", "Finding_3"}));
  const std::string html = render_report({"t", "now", {run}, {"Finding_7", "Finding_3"}});
  EXPECT_NE(html.find("Chosen with --findings: Finding_7, Finding_3."), std::string::npos);
  EXPECT_NE(html.find("<summary>Curves of the other 10</summary>"), std::string::npos);
}

TEST(ReportPage, SideBySideEveryLineHasALookOfItsOwn) {
  std::vector<RunReport> runs;
  for (int r = 0; r < 8; ++r) {
    RunReport run = many_findings("run" + std::to_string(r), 1);
    const std::vector<double> x{1, 2, 3}, y{1, 2, 3};
    run.curves = {{"Loss", "epoch", "loss", {{"training", x, y}, {"validation", x, y}}},
                  {"Validation", "epoch", "", {{"accuracy", x, y}, {"macro_f1", x, y}, {"roc_auc", x, y}}}};
    runs.push_back(run);
  }
  const std::string html = render_report({"t", "now", runs});
  EXPECT_EQ(fault_in_markup(html), "");
  for (const auto& [title, lines] :
       std::vector<std::pair<std::string, std::size_t>>{{"Loss", 16},
                                                        {"Validation: accuracy", 8},
                                                        {"Validation: roc_auc", 8},
                                                        {"ROC curve: Finding_0", 8}}) {
    const std::size_t at = html.find("<title>" + title + "</title>");
    ASSERT_NE(at, std::string::npos) << title;
    const std::string svg = html.substr(at, html.find("</svg>", at) - at);
    // In the legend each line is drawn with its marker behind it.
    static const std::regex entry("h24\" (stroke=\"[^/]*)/>\\s*<path d=\"M[-0-9. ]+([^\"]*)\"");
    std::set<std::string> looks;
    std::size_t entries = 0;
    for (std::sregex_iterator found(svg.begin(), svg.end(), entry), end; found != end; ++found, ++entries)
      looks.insert((*found)[1].str() + (*found)[2].str());
    EXPECT_EQ(entries, lines) << title;
    EXPECT_EQ(looks.size(), lines) << title;
  }
}

TEST(ReportPage, SideBySideFindingsAreATable) {
  RunReport a = many_findings("a", 2), b = many_findings("b", 3);
  const std::string html = render_report({"t", "now", {a, b}});
  EXPECT_NE(html.find("<caption>ROC AUC by class</caption>"), std::string::npos);
  EXPECT_NE(html.find("<td>Finding_1</td><td>0.5100</td><td>0.5100</td>"), std::string::npos);
  EXPECT_NE(html.find("<td>Finding_2</td><td></td><td>0.5200</td>"), std::string::npos);
}

TEST(ReportPage, DarkPagesNarrowOnesAndPaper) {
  const std::string style = style_sheet;
  EXPECT_NE(style.find("@media screen and (prefers-color-scheme:dark)"),
            std::string::npos);  // paper stays white
  EXPECT_NE(style.find("@media print"), std::string::npos);
  EXPECT_NE(style.find("@media(max-width:480px)"), std::string::npos);
  EXPECT_NE(style.find("color-scheme:light dark"), std::string::npos);
  RunReport run = many_findings("run", 1);
  const std::string html = render_report({"t", "now", {run}});
  EXPECT_NE(html.find(" color=\"currentColor\">"), std::string::npos);  // charts take the ink of the page
  // A confusion matrix of many classes is scrolled at its size.
  run.confusion = {{}, std::vector<double>(20 * 20, 1)};
  for (int k = 0; k < 20; ++k) run.confusion.classes.push_back("class" + std::to_string(k));
  EXPECT_NE(render_report({"t", "now", {run}}).find("<figure class=\"wide\"><svg"), std::string::npos);
}

TEST(ReportPage, AnOverlayStandsBesideItsPicture) {
  RunReport run;
  run.name = "a";
  run.worst = {{"film.png", "AP", "PA", 0.9, "picture", "overlay"}};
  const std::string html = render_report({"t", "now", {run}});
  const std::string pair =
      "<figure class=\"pair\"><img alt=\"film.png: PA (0.900), truth AP\" src=\"data:image/png;"
      "base64,cGljdHVyZQ==\" /><img alt=\"Grad-CAM: what speaks for PA in film.png\" "
      "src=\"data:image/png;base64,b3ZlcmxheQ==\" />";
  EXPECT_NE(html.find(pair), std::string::npos);
}

TEST(ReportPage, RunsOfOneNameAreCalledByTheirFoldersToo) {
  const test::Scratch dir;
  for (const char* run : {"a/view", "b/view", "b/wide"})
    dir.write(std::string(run) + "/metrics.csv", "step,epoch,lr,train_loss,val_loss\n1,1,0.1,1,1\n");
  write_run_reports({dir / "a/view", dir / "b/view/", dir / "b/wide"}, dir / "out.html");
  const std::string html = test::contents_of(dir / "out.html");
  EXPECT_NE(html.find("<h2>a/view</h2>"), std::string::npos);
  EXPECT_NE(html.find("<h2>b/view</h2>"), std::string::npos);
  EXPECT_NE(html.find("<h2>wide</h2>"), std::string::npos);
}

}  // namespace
}  // namespace gadolin::report
