// The HTML report: well-formed, self-contained, every text escaped, several runs side by side.
#include "apps/report/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "apps/report/run_report.h"
#include "tensor/check.h"
#include "tests/apps/well_formed.h"
#include "tests/data/messages.h"

namespace gadolin::report {
namespace {

using testing_support::count_elements;
using testing_support::fault_in_markup;

const double undefined = std::numeric_limits<double>::quiet_NaN();
const std::string nasty = "</td><script>alert('\"&\xFF\x01')</script>";

RunReport full_run(const std::string& text) {
  RunReport run;
  run.name = text;
  run.kind = text;
  run.metrics = {{"accuracy", 0.9512, 0.91, 0.98}, {text, undefined, undefined, undefined}};
  run.model = run.data = run.configuration = run.environment = {{text, text}, {"lr", "0.1"}};
  run.curves = {{"loss " + text, "epoch", text, {{text, {1, 2, 3}, {0.9, 0.5, 0.2}}}, true}};
  run.confusion = {{"AP", text}, {40, 2, 3, 55}};
  run.roc = {{text, {0, 0.1, 1}, {0, 0.9, 1}, {"AUC", 0.96, 0.93, 0.99}}};
  run.precision_recall = {{text, {0, 1}, {1, 0.6}, {"AP", 0.95, undefined, undefined}}};
  run.calibration = {
      {text, {0.2, 0.9}, {0.3, 0.8}, {"error", 0.1, undefined, undefined}, 3, {0, 0.5}, {0.5, 1}}};
  run.tables = {{text, {"class", text}, {{text, "1"}, {"b", text}}, text}};
  run.worst = {{"images/" + text, "AP", text, 0.999, "\x89PNG", "\x89PNG"},
               {"no picture", text, "PA", 0.5, ""}};
  run.best = run.worst;
  run.notes = {text};
  return run;
}

TEST(Report, HostileTextStaysText) {
  const std::string html = render_report({nasty, nasty, {full_run(nasty)}});
  EXPECT_EQ(fault_in_markup(html), "");
  EXPECT_EQ(count_elements(html, "script"), 0);
  EXPECT_EQ(html.find("alert('"), std::string::npos);
}

TEST(Report, ShowsWhatWasMeasured) {
  const std::string html = render_report({"Demo", "2026-01-01", {full_run("view")}});
  EXPECT_NE(html.find("<small>accuracy</small><b>0.9512</b><small>95 %: 0.9100 to 0.9800</small>"),
            std::string::npos);
  EXPECT_NE(html.find("AUC 0.9600 (0.9300 to 0.9900)"), std::string::npos);
  EXPECT_NE(html.find("95.2%"), std::string::npos);  // 40 of 42 true AP
  EXPECT_NE(html.find("data:image/png;base64,iVBORw=="), std::string::npos);
  EXPECT_NE(html.find("For research and teaching only."), std::string::npos);
  EXPECT_EQ(count_elements(html, "svg"), 6);  // loss, two matrices, ROC, PR, calibration
  EXPECT_EQ(count_elements(html, "img"), 4);  // of each example the picture and its overlay
}

TEST(Report, FetchesNothing) {
  const std::string html = render_report({"Demo", "now", {full_run("view")}});
  for (const char* forbidden : {"src=\"http", "href=", "url(", "@import", "<script", "<link", "<iframe"}) {
    EXPECT_EQ(html.find(forbidden), std::string::npos) << forbidden;
  }
}

TEST(Report, SeveralRunsStandSideBySide) {
  RunReport a = full_run("first"), b = full_run("second");
  a.metrics = {{"accuracy", 0.90, undefined, undefined}};
  b.metrics = {{"accuracy", 0.95, undefined, undefined}, {"roc_auc", 0.99, undefined, undefined}};
  a.curves[0].title = b.curves[0].title = "loss";
  b.configuration[1].value = "0.2";
  const std::string html = render_report({"Two", "now", {a, b}});
  EXPECT_EQ(fault_in_markup(html), "");
  EXPECT_NE(html.find("<td>accuracy</td><td>0.9000</td><td>0.9500</td>"), std::string::npos);
  EXPECT_NE(html.find("<td>roc_auc</td><td></td><td>0.9900</td>"), std::string::npos);
  EXPECT_NE(html.find("<td>lr</td><td>0.1</td><td>0.2</td>"), std::string::npos);
  EXPECT_EQ(count_elements(html, "svg"), 11);  // the loss once, five of each run
}

TEST(Report, OfAnEmptyRun) {
  RunReport run;
  run.name = "bare";
  EXPECT_EQ(fault_in_markup(render_report({"t", "now", {run}})), "");
}

TEST(Report, RefusesWhatDoesNotFit) {
  const auto message = [](const ReportData& data) -> std::string {
    try {
      render_report(data);
    } catch (const ValueError& e) {
      return e.what();
    }
    return "nothing thrown";
  };
  EXPECT_EQ(message({}), "report: no run given");
  RunReport run;
  run.confusion = {{"a", "b"}, {1, 2, 3}};
  EXPECT_EQ(message({"t", "now", {run}}), "report: confusion matrix has 3 counts for 2 classes");
  run.confusion = {};
  run.tables = {{"per class", {"a", "b"}, {{"1"}}}};
  EXPECT_EQ(message({"t", "now", {run}}), "report: a row of table 'per class' has 1 cells for 2 columns");
}

TEST(Report, Base64) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xFF\xFE"), "//4=");
}

TEST(Report, TheHeadOfARunIsReadable) {
  const test::Scratch dir;
  dir.write("run/config.toml",
            "seed=0\nquiet=true\ntrain.data=\"films/view.csv\"\ntrain.out=\"x\"\ntrain.model=\"resnet18\"\n"
            "train.input-size=112\ntrain.optimizer=\"adamw\"\ntrain.lr=0.001\ntrain.schedule=\"cosine\"\n"
            "train.batch-size=32\ntrain.weight-decay=-1\ntrain.small-input=false\ntrain.freeze=[\"conv1\", "
            "\"bn1\"]\n");
  dir.write("run/env.json",
            R"({"device":"cpu","dtype":"fp32","memory_bytes":2147483648,"started":"2026-11-21T08:34:17Z",)"
            R"("version":"0.9.0","commit":"abc123"})");
  dir.write("run/split.csv", "path,patient,labels,split\na,p,x,train\nb,p,x|y,train\nc,q,y,val\nd,r,,val\n");
  dir.write("run/metrics.csv",
            "step,epoch,lr,train_loss,val_loss,val_balanced_accuracy\n4,1,0.1,1,1,0.5\n8,2,0.1,1,1,0.75\n12,"
            "3,0.1,1,1,0.7\n");
  const RunReport run = read_run(dir / "run");
  const auto text = [](const std::vector<Fact>& facts) {
    std::string all;
    for (const Fact& f : facts) all += f.name + ": " + f.value + "\n";
    return all;
  };
  EXPECT_EQ(text(run.model),
            "net: resnet18\ninput: 112 x 112 pixels\noptimiser: adamw, rate 0.001, schedule cosine\nbatch "
            "size: 32\n"
            "best epoch: 2 of 3 (val_balanced_accuracy 0.7500)\ntrained: 2026-11-21 08:34 UTC\n"
            "trained by: gadolin 0.9.0, commit abc123\ndevice: cpu, fp32\n");
  EXPECT_EQ(text(run.data),
            "set: films/view.csv\nsamples: 2 train, 2 val, 0 test\npatients: 1 train, 2 val, 0 test\n");
  ASSERT_EQ(run.tables.size(), 1u);
  EXPECT_EQ(run.tables[0].title, "Class balance: samples of each split");
  EXPECT_EQ(run.tables[0].rows,
            (std::vector<std::vector<std::string>>{{"no label", "0 (0.0 %)", "1 (50.0 %)", "0"},
                                                   {"x", "2 (100.0 %)", "0 (0.0 %)", "0"},
                                                   {"y", "1 (50.0 %)", "1 (50.0 %)", "0"}}));
  EXPECT_EQ(text(run.configuration),
            "seed: 0\ndata: films/view.csv\nmodel: resnet18\ninput-size: 112\noptimizer: adamw\nlr: 0.001\n"
            "schedule: cosine\nbatch-size: 32\nweight-decay: the optimiser's own\nsmall-input: no\n"
            "freeze: conv1, bn1\n");
  EXPECT_EQ(text(run.environment),
            "device: cpu\ndtype: fp32\nmemory: 2.0 GiB\nstarted: 2026-11-21 08:34 UTC\nversion: 0.9.0\n"
            "commit: abc123\n");
  dir.write("run/env.json", "[1");
  EXPECT_EQ(test::said<FormatError>(dir, [&] { read_run(dir / "run"); }),
            "report: DIR/run/env.json is not a JSON object; remove it");
}

TEST(Report, WritesTheWholeFileOrNone) {
  const test::Scratch folder;
  const std::string path = folder / "report.html";
  const ReportData data{"t", "now", {full_run("view")}};
  write_report(data, path);
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), render_report(data));
  EXPECT_THROW(write_report(data, "/no/such/folder/report.html"), FileError);
}

}  // namespace
}  // namespace gadolin::report
