// What a task reports about a run, for the HTML report and for anything else that shows it: plain text and
// numbers, so that a page can be made of whatever was measured.
#pragma once

#include <string>
#include <vector>

namespace gadolin::report {

// Points of one line, in order. Not-finite points interrupt the line. With `low` and `high` a band is drawn
// behind it. Lines with the same `hue` share colour and marker, those with the same `dash` the dash; -1: as
// its place in the chart says.
struct Series {
  std::string name;
  std::vector<double> x, y;
  std::vector<double> low = {}, high = {};
  int hue = -1, dash = -1;
};

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
  std::string note = {};                       // below it
};

struct Curve {
  std::string title, x_label, y_label;  // "loss", "epoch", "cross-entropy"
  std::vector<Series> series;           // train, validation
  bool log_y = false;
};

// One number of several groups, to be compared; NaN where it is not defined.
struct Bars {
  std::string title, x_label;
  std::vector<Value> bars;
};

// counts [K, K] row-major: row = truth, column = prediction. Empty classes: no matrix.
struct Confusion {
  std::vector<std::string> classes;
  std::vector<double> counts;
};

// One curve of a class (or of the whole). ROC: x = false positive rate, y = true positive rate, `area` the
// AUC. Precision and recall: x = recall, y = precision, `area` the average precision. Calibration: x = mean
// of the probabilities that were given, y = share that came true with its interval in `low` and `high`,
// `area` the expected calibration error.
struct RankCurve {
  std::string name;
  std::vector<double> x, y;
  Value area;
  double positives = 0;  // samples of the class
  std::vector<double> low = {}, high = {};
};

struct Example {
  std::string path, truth, predicted;
  double probability;    // given to `predicted`
  std::string png;       // bytes of a PNG file; empty when the picture could not be read
  std::string cam = {};  // the same with what spoke for `predicted` (Grad-CAM); empty: none was made
};

// A picture on which something is drawn, and what is to be seen there.
struct DrawnExample {
  std::string path, says;
  std::string png;  // bytes of a PNG file
};
struct Gallery {
  std::string title, note;
  std::vector<DrawnExample> pictures;
};

struct RunReport {
  std::string name;            // of the run, unique within a report
  std::string kind = "Run";    // "Classification": what was evaluated
  std::vector<Value> metrics;  // headline numbers, in order
  std::vector<Fact> model, data, configuration, environment;
  std::vector<Curve> curves;      // of training
  std::vector<Curve> evaluation;  // FROC ...
  std::vector<Bars> bars;
  Confusion confusion;
  std::vector<RankCurve> roc, precision_recall, calibration;  // a class has the same name in all of them
  // Of detectors, whose precision_recall is that at IoU 0.5: the mean over IoU 0.5 to 0.95.
  std::vector<RankCurve> precision_recall_mean;
  std::vector<Table> tables;  // by class, operating points, class balance ...
  std::vector<Example> worst, best;
  std::vector<Gallery> galleries;
  std::vector<std::string> notes;  // warnings a reader must see: skipped samples, few patients
};

}  // namespace gadolin::report
