// Puts the pieces of html.h together: a comparison when there are several runs, then each run.
#include "apps/report/report.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/chart/svg.h"
#include "apps/report/html.h"
#include "io/atomic_file.h"
#include "tensor/check.h"

namespace gadolin::report {
namespace {

using chart::escape;

const Value* metric_of(const RunReport& run, const std::string& name) {
  for (const Value& value : run.metrics) {
    if (value.name == name) return &value;
  }
  return nullptr;
}

std::string cards(const RunReport& run) {
  std::string out = "<div class=\"cards\">\n";
  for (const Value& value : run.metrics) {
    std::string name = value.name;
    std::replace(name.begin(), name.end(), '_', ' ');
    out += "<div class=\"card\"><small>" + escape(name) + "</small><b>" +
           (std::isnan(value.value) ? "not defined" : chart::fixed(value.value, 4)) + "</b><small>";
    const bool interval = std::isfinite(value.low) && std::isfinite(value.high);
    out += interval ? "95 %: " + chart::fixed(value.low, 4) + " to " + chart::fixed(value.high, 4)
                    : "no interval";
    out += "</small></div>\n";
  }
  return out + "</div>\n";
}

// Runs as columns, everything that any of them measured or was told as rows.
std::string comparison(const std::vector<RunReport>& runs) {
  Table t{"", {""}, {}};
  for (const RunReport& run : runs) t.columns.push_back(run.name);
  for (const RunReport& source : runs) {
    for (const Value& value : source.metrics) {
      bool known = false;
      for (const auto& row : t.rows) known = known || row[0] == value.name;
      if (known) continue;
      t.rows.push_back({value.name});
      for (const RunReport& run : runs) {
        const Value* found = metric_of(run, value.name);
        t.rows.back().push_back(found != nullptr ? with_interval(*found) : "");
      }
    }
  }
  std::string out = "<h2>Side by side</h2>\n" + table(t);
  Table changes{"Settings that differ", t.columns, {}};
  for (const RunReport& source : runs) {
    for (const Fact& fact : source.configuration) {
      std::vector<std::string> row = {fact.name};
      bool differs = false;
      for (const RunReport& run : runs) {
        row.emplace_back();
        for (const Fact& other : run.configuration) {
          if (other.name == fact.name) row.back() = other.value;
        }
        differs = differs || row.back() != row[1];
      }
      bool known = false;
      for (const auto& listed : changes.rows) known = known || listed[0] == fact.name;
      if (differs && !known) changes.rows.push_back(row);
    }
  }
  return changes.rows.empty() ? out : out + table(changes);
}

// The areas under the ROC curves of many classes, a row a class.
Table areas(const std::vector<RunReport>& runs) {
  Table t{"ROC AUC by class", {""}, {}};
  for (const RunReport& run : runs) t.columns.push_back(run.name);
  for (const RunReport& source : runs) {
    for (const RankCurve& curve : source.roc) {
      const bool known =
          std::any_of(t.rows.begin(), t.rows.end(), [&](const auto& row) { return row[0] == curve.name; });
      if (known || source.roc.size() < 2) continue;
      t.rows.push_back({curve.name});
      for (const RunReport& run : runs) {
        std::string area;
        for (const RankCurve& other : run.roc)
          if (other.name == curve.name) area = with_interval(other.area);
        t.rows.back().push_back(area);
      }
    }
  }
  return t;
}

// Curves of the same title from all runs in one chart: a colour and a marker a run, and a dash a line of it.
// Of more than two lines each gets a chart of its own, and then runs differ in the dash too.
std::string overlaid_curves(const std::vector<RunReport>& runs) {
  std::vector<Curve> all;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    std::vector<Curve> curves = runs[r].curves;
    curves.insert(curves.end(), runs[r].evaluation.begin(), runs[r].evaluation.end());
    for (const Curve& curve : curves) {
      const bool many = curve.series.size() > 2;
      for (std::size_t i = 0; i < curve.series.size(); ++i) {
        chart::Series s = curve.series[i];
        const std::string title = many ? curve.title + ": " + s.name : curve.title;
        auto same = std::find_if(all.begin(), all.end(), [&](const Curve& c) { return c.title == title; });
        if (same == all.end()) {
          all.push_back({title, curve.x_label, curve.y_label, {}, curve.log_y});
          same = all.end() - 1;
        }
        s.hue = static_cast<int>(r);
        s.dash = static_cast<int>(many || curve.series.size() == 1 ? r : i);
        s.name = runs[r].name + (many ? "" : " " + s.name);
        s.low.clear();  // bands would hide each other
        s.high.clear();
        same->series.push_back(std::move(s));
      }
    }
  }
  std::string out;
  for (const Curve& curve : all) out += curve_figure(curve);
  return out;
}

std::string run_section(const RunReport& run, bool alone, const std::vector<std::string>& findings) {
  std::string out = "<section>\n<h2>" + escape(alone ? run.kind : run.name) + "</h2>\n";
  for (const std::string& note : run.notes) out += "<p class=\"warning\">" + escape(note) + "</p>\n";
  out += cards(run);
  out += "<div class=\"facts\">\n" + facts_table("Model", run.model) + facts_table("Data", run.data) +
         "</div>\n";
  if (alone && !run.curves.empty()) {
    out += "<h3>Training</h3>\n<div class=\"figures\">\n";
    for (const Curve& curve : run.curves) out += curve_figure(curve);
    out += "</div>\n";
  }
  std::string figures = confusion_figures(run.confusion) + rank_figures(run, findings);
  for (const Bars& bars : run.bars) figures += bar_figure(bars);
  if (alone)
    for (const Curve& curve : run.evaluation) figures += curve_figure(curve);
  if (!figures.empty()) out += "<h3>Evaluation</h3>\n<div class=\"figures\">\n" + figures + "</div>\n";
  for (const Table& t : run.tables) out += table(t);
  out += gallery("Most confident mistakes", run.worst) + gallery("Most confident right answers", run.best);
  for (const Gallery& drawn : run.galleries) out += gallery(drawn);
  out += "<div class=\"facts\">\n" + facts_table("Configuration", run.configuration) +
         facts_table("Environment", run.environment) + "</div>\n</section>\n";
  return out;
}

}  // namespace

std::string render_report(const ReportData& data) {
  require<ValueError>(!data.runs.empty(), "report: no run given");
  const bool alone = data.runs.size() == 1;
  std::string out = document_head(data.title);
  out += "<h1>" + escape(data.title) + "</h1>\n<p class=\"note\">" +
         escape(alone ? data.runs[0].name + ", " + data.made : data.made) + "</p>\n";
  if (!alone) {
    out += comparison(data.runs);
    if (const Table by_class = areas(data.runs); !by_class.rows.empty()) out += table(by_class);
    out += "<div class=\"figures\">\n" + overlaid_curves(data.runs) +
           compared_ranks(data.runs, data.findings) + "</div>\n<div class=\"runs\">\n";
  }
  for (const RunReport& run : data.runs) out += run_section(run, alone, data.findings);
  if (!alone) out += "</div>\n";
  return out + document_foot();
}

void write_report(const ReportData& data, const std::string& path) {
  write_file_atomically(path, render_report(data));
}

}  // namespace gadolin::report
