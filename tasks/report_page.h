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
  std::string name;                         // in the legend
  std::vector<double> x, y;                 // points
  std::vector<double> low = {}, high = {};  // the band, or empty
  int hue = -1, dash = -1;                  // see above
};

// A number with its 95 % interval; NaN limits when there is none.
struct Value {
  std::string name;  // "accuracy"
  double value;      // NaN: not known
  double low, high;  // of the interval
};
// A line of a table of facts.
struct Fact {
  std::string name, value;  // what, and how much
};

// A table as it is.
struct Table {
  std::string title;                           // above it
  std::vector<std::string> columns;            // head
  std::vector<std::vector<std::string>> rows;  // each as long as columns
  std::string note = {};                       // below it
};

// A chart of lines.
struct Curve {
  std::string title, x_label, y_label;  // "loss", "epoch", "cross-entropy"
  std::vector<Series> series;           // train, validation
  bool log_y = false;                   // logarithmic
};

// One number of several groups, to be compared; NaN where it is not defined.
struct Bars {
  std::string title, x_label;  // above the chart; below its axis
  std::vector<Value> bars;     // one bar each
};

// counts [K, K] row-major: row = truth, column = prediction. Empty classes: no matrix.
struct Confusion {
  std::vector<std::string> classes;  // names
  std::vector<double> counts;        // [classes, classes], a row a true class
};

// One curve of a class (or of the whole). ROC: x = false positive rate, y = true positive rate, `area` the
// AUC. Precision and recall: x = recall, y = precision, `area` the average precision. Calibration: x = mean
// of the probabilities that were given, y = share that came true with its interval in `low` and `high`,
// `area` the expected calibration error.
struct RankCurve {
  std::string name;                         // of the class
  std::vector<double> x, y;                 // see above
  Value area;                               // see above
  double positives = 0;                     // samples of the class
  std::vector<double> low = {}, high = {};  // the band, or empty
};

// A picture and what was said of it.
struct Example {
  std::string path, truth, predicted;  // file; classes
  double probability;                  // given to `predicted`
  std::string png;                     // bytes of a PNG file; empty when the picture could not be read
  std::string cam = {};  // the same with what spoke for `predicted` (Grad-CAM); empty: none was made
};

// A picture on which something is drawn, and what is to be seen there.
struct DrawnExample {
  std::string path, says;  // file; words below it
  std::string png;         // bytes of a PNG file
};
// Pictures under a title.
struct Gallery {
  std::string title, note;             // above the pictures
  std::vector<DrawnExample> pictures;  // in this order
};

// What a page of the report shows of one run.
struct RunReport {
  std::string name;                                           // of the run, unique within a report
  std::string kind = "Run";                                   // "Classification": what was evaluated
  std::vector<Value> metrics;                                 // headline numbers, in order
  std::vector<Fact> model, data, configuration, environment;  // tables of facts
  std::vector<Curve> curves;                                  // of training
  std::vector<Curve> evaluation;                              // FROC ...
  std::vector<Bars> bars;                                     // charts of bars
  Confusion confusion;                                        // of one class a sample
  std::vector<RankCurve> roc, precision_recall, calibration;  // a class has the same name in all of them
  // Of detectors, whose precision_recall is that at IoU 0.5: the mean over IoU 0.5 to 0.95.
  std::vector<RankCurve> precision_recall_mean;
  std::vector<Table> tables;         // by class, operating points, class balance ...
  std::vector<Example> worst, best;  // surest mistakes and surest right answers
  std::vector<Gallery> galleries;    // of drawn pictures
  std::vector<std::string> notes;    // warnings a reader must see: skipped samples, few patients
};

}  // namespace gadolin::report
