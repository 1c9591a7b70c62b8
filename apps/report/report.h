// The HTML report of one run, or of several side by side: one file, nothing fetched, no script, readable on
// paper. ReportData is plain text and numbers, so that a report can be made of anything that was measured.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "apps/chart/chart.h"

namespace gadolin::report {

// A number with its 95 % interval; NaN limits when there is none.
struct Value {
  std::string name;
  double value;
  double low, high;
};
struct Fact {
  std::string name, value;
};

struct Table {
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  // each as long as columns
};

struct Curve {
  std::string title, x_label, y_label;  // "loss", "epoch", "cross-entropy"
  std::vector<chart::Series> series;    // train, validation
  bool log_y = false;
};

// counts [K, K] row-major: row = truth, column = prediction. Empty classes: no matrix.
struct Confusion {
  std::vector<std::string> classes;
  std::vector<double> counts;
};

// One curve of a class (or of the whole): ROC is x = false positive rate, y = true positive rate; precision
// and recall is x = recall, y = precision. `area` is AUC or average precision.
struct RankCurve {
  std::string name;
  std::vector<double> x, y;
  Value area;
};

struct Example {
  std::string path, truth, predicted;
  double probability;  // given to `predicted`
  std::string png;     // bytes of a PNG file; empty when the picture could not be read
};

struct RunReport {
  std::string name;  // of the run, unique within a report
  std::string kind = "Classification";
  std::vector<Value> metrics;  // headline numbers, in order
  std::vector<Fact> model, data, configuration, environment;
  std::vector<Curve> curves;
  Confusion confusion;
  std::vector<RankCurve> roc, precision_recall;
  std::vector<Table> tables;  // per class, calibration ...
  std::vector<Example> worst, best;
  std::vector<std::string> notes;  // warnings a reader must see: skipped samples, few patients
};

struct ReportData {
  std::string title = "Gadolin report";
  std::string made;  // date and time, as it is to be shown
  std::vector<RunReport> runs;
};

// Throws ValueError for a table row, matrix or curve whose sizes disagree, and when there is no run.
std::string render_report(const ReportData& data);
// Writes it complete or not at all; the folder must exist. Throws FileError.
void write_report(const ReportData& data, const std::string& path);

std::string base64(std::string_view bytes);

}  // namespace gadolin::report
