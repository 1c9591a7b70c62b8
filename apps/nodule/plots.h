// The two pictures of the original's test: a confusion matrix, and curves over epochs or thresholds.
#pragma once

#include <string>
#include <vector>

#include "data/image/image.h"
#include "tasks/metrics.h"

namespace gadolin::nodule {

// Rows are the truth, columns the answers; a cell has its count and its share of the row, and is the darker
// the larger that share.
Image confusion_picture(const ConfusionMatrix& matrix, const std::vector<std::string>& classes);

struct Curve {
  std::string name;
  std::vector<double> x, y;  // values that are not finite break the line
};
struct Axes {
  std::string title, x, y;
  bool unit_square = false;  // both axes from 0 to 1
  bool diagonal = false;
};
Image curve_picture(const std::vector<Curve>& curves, const Axes& axes);

}  // namespace gadolin::nodule
