#include "tasks/classification_examples.h"

#include <algorithm>
#include <cmath>

#include "data/image/resize.h"

namespace gadolin {
namespace {

// With what it is ordered by.
struct Weighed {
  TellingSample sample;
  double weight;
};

std::vector<TellingSample> heaviest(std::vector<Weighed> all, std::size_t most) {
  std::stable_sort(all.begin(), all.end(),
                   [](const Weighed& a, const Weighed& b) { return a.weight > b.weight; });
  std::vector<TellingSample> first;
  for (std::size_t i = 0; i < all.size() && i < most; ++i) first.push_back(all[i].sample);
  return first;
}

}  // namespace

TellingSamples telling_samples(const Predictions& p, std::size_t most) {
  std::vector<Weighed> wrong, right;
  const std::size_t classes = p.classes.size();
  for (std::size_t i = 0; i < static_cast<std::size_t>(p.size()); ++i) {
    const double* row = p.probability.data() + i * classes;
    if (!p.multi_label()) {
      const auto top = static_cast<std::size_t>(std::max_element(row, row + classes) - row);
      const bool hit = p.target[i] == static_cast<std::int64_t>(top);
      (hit ? right : wrong).push_back({{i, top, row[top]}, row[top]});
      continue;
    }
    Weighed off{{i, 0, 0}, 0.5}, found{{i, 0, 0}, 0};
    for (std::size_t k = 0; k < classes; ++k) {
      const std::uint8_t label = p.labels[i * classes + k];
      if (label == unknown_label) continue;
      if (const double error = std::abs(row[k] - label); error > off.weight) off = {{i, k, row[k]}, error};
      if (label == 1 && row[k] > found.weight) found = {{i, k, row[k]}, row[k]};
    }
    if (off.weight > 0.5)
      wrong.push_back(off);
    else if (found.weight > 0)
      right.push_back(found);
  }
  return {heaviest(std::move(wrong), most), heaviest(std::move(right), most)};
}

std::string thumbnail(const Image& picture, int side) {
  const double scale = static_cast<double>(side) / std::max(picture.width, picture.height);
  const auto shrunk = [&](int length) { return std::max(1, static_cast<int>(length * scale)); };
  const std::vector<std::uint8_t> png =
      encode_png(scale < 1 ? resize(picture, shrunk(picture.width), shrunk(picture.height)) : picture);
  return {png.begin(), png.end()};
}

}  // namespace gadolin
