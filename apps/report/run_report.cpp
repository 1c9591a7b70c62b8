#include "apps/report/run_report.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "apps/commands.h"
#include "apps/program/output.h"
#include "apps/report/run_facts.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "tasks/task.h"

namespace gadolin {
namespace {

using report::RunReport;

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}
Json read_json(const std::string& path) {
  const Json json = Json::parse(read_text(path), nullptr, false);
  require<FormatError>(!json.is_discarded(), "report: ", path, " is not valid JSON; run gadolin eval again");
  return json;
}
void add_curves(RunReport& run, const std::string& path) {
  const CsvTable table = read_csv(path);
  const int epoch = table.column("epoch");
  const auto series = [&](const std::string& column, const std::string& name) {
    chart::Series s{name, {}, {}};
    const int at = table.find(column);
    for (const auto& row : table.rows) {
      if (at < 0) break;
      s.x.push_back(std::strtod(row[static_cast<std::size_t>(epoch)].c_str(), nullptr));
      s.y.push_back(std::strtod(row[static_cast<std::size_t>(at)].c_str(), nullptr));
    }
    return s;
  };
  report::Curve loss{"Loss", "epoch", "loss", {series("train_loss", "training")}, false};
  if (table.find("val_loss") >= 0) loss.series.push_back(series("val_loss", "validation"));
  run.curves.push_back(loss);
  report::Curve parts{"Parts of the loss", "epoch", "loss", {}, false},
      metrics{"Validation", "epoch", "", {}, false}, others = metrics;
  for (const std::string name : {"accuracy", "balanced_accuracy", "macro_f1", "roc_auc"}) {
    if (table.find("val_" + name) >= 0) metrics.series.push_back(series("val_" + name, name));
  }
  // What other tasks measure has names of its own; numbers of single classes would be too many lines.
  for (const std::string& column : table.header) {
    if (column.starts_with("train_") && column != "train_loss")
      parts.series.push_back(series(column, column.substr(6)));
    const bool metric = column.starts_with("val_") && column.find("loss") == std::string::npos &&
                        column.find('/') == std::string::npos;
    if (metric) others.series.push_back(series(column, column.substr(4)));
  }
  if (!parts.series.empty()) run.curves.push_back(parts);
  if (metrics.series.empty()) metrics = others;
  if (!metrics.series.empty()) run.curves.push_back(metrics);
  run.curves.push_back({"Learning rate", "epoch", "rate", {series("lr", "rate")}, false});
}

std::string clock_text() {
  char text[40];
  const std::time_t now = std::time(nullptr);
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", std::gmtime(&now));
  return text;
}

// As many folders of its path as tell a run from the others: "view", or "a/view" beside "b/view".
void name_apart(std::vector<RunReport>& runs, const std::vector<std::string>& folders) {
  namespace fs = std::filesystem;
  const auto whole = [&](std::size_t i) {
    const fs::path path = fs::absolute(folders[i]).lexically_normal();
    return path.has_filename() ? path : path.parent_path();
  };
  for (bool same = true; same;) {
    same = false;
    std::vector<std::string> names;
    for (const RunReport& run : runs) names.push_back(run.name);
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (std::count(names.begin(), names.end(), names[i]) < 2) continue;
      fs::path above = whole(i);
      for (std::string rest = names[i]; !rest.empty(); above = above.parent_path())
        rest = rest.find('/') == std::string::npos ? "" : rest.substr(0, rest.rfind('/'));
      if (above.filename().empty()) continue;  // one folder, given twice
      runs[i].name = above.filename().string() + "/" + names[i];
      same = true;
    }
  }
}

void check_findings(const std::vector<RunReport>& runs, const std::vector<std::string>& findings) {
  for (const std::string& finding : findings) {
    std::set<std::string> known;
    for (const RunReport& run : runs)
      for (const auto* curves : {&run.roc, &run.precision_recall})
        for (const report::RankCurve& curve : *curves) known.insert(curve.name);
    std::string list;
    for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
    require<UsageError>(known.contains(finding), "--findings: '", printable(finding),
                        "' has no curve; there are ", list.empty() ? "none" : list);
  }
}

}  // namespace

RunReport read_run(const std::string& folder) {
  namespace fs = std::filesystem;
  RunReport run;
  run.name = fs::path(folder).filename().string();
  if (run.name.empty()) run.name = fs::path(folder).parent_path().filename().string();
  const bool trained = fs::exists(folder + "/metrics.csv"), evaluated = fs::exists(folder + "/metrics.json");
  require<DataError>(trained || evaluated, "report: ", folder,
                     " holds neither metrics.csv nor metrics.json; is it the folder of a run?");
  add_run_facts(run, folder);
  if (trained) add_curves(run, folder + "/metrics.csv");
  if (evaluated) {
    const Json metrics = read_json(folder + "/metrics.json");
    task_kind(metrics.value("task", std::string("classification"))).report(folder, metrics, run);
  }
  return run;
}

void write_run_reports(const std::vector<std::string>& folders, const std::string& path,
                       const std::vector<std::string>& findings) {
  report::ReportData data;
  for (const std::string& folder : folders) data.runs.push_back(read_run(folder));
  name_apart(data.runs, folders);
  check_findings(data.runs, findings);
  data.title = folders.size() == 1 ? "Gadolin: " + data.runs[0].name : "Gadolin: runs side by side";
  data.made = clock_text();
  data.findings = findings;
  const auto parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) make_folders("report", parent.string());
  report::write_report(data, path);
}

void add_report(Program& program) {
  struct Options {
    std::vector<std::string> runs, findings;
    std::string out;
  };
  const auto o = std::make_shared<Options>();
  CLI::App* app = program.add(
      "report", "The HTML report of a run, or of several side by side",
      [o](Session& session) {
        const std::string out = o->out.empty() ? o->runs[0] + "/report/index.html" : o->out;
        check_output_file("report: --out", out, ".html");
        write_run_reports(o->runs, out, o->findings);
        session.say("report: " + out);
        session.output("report", out);
      },
      "gadolin report runs/view");
  app->add_option("runs", o->runs, "Folders of runs")->required();
  app->add_option(
         "--findings", o->findings,
         "Classes whose curves are drawn, such as Effusion,Mass; default: the best, worst and most frequent")
      ->delimiter(',');
  app->add_option("--out", o->out, "File to write; default: report/index.html of the first run");
}

}  // namespace gadolin
