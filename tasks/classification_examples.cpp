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

// The first of one, the first of the other, the second of one ...
std::vector<TellingSample> taking_turns(const std::vector<TellingSample>& one,
                                        const std::vector<TellingSample>& other, std::size_t most) {
  std::vector<TellingSample> all;
  for (std::size_t i = 0; i < std::max(one.size(), other.size()); ++i) {
    if (i < one.size()) all.push_back(one[i]);
    if (i < other.size()) all.push_back(other[i]);
  }
  if (all.size() > most) all.resize(most);
  return all;
}

}  // namespace

TellingSamples telling_samples(const Predictions& p, std::size_t most) {
  std::vector<Weighed> wrong, overlooked, right;
  const std::size_t classes = p.classes.size();
  for (std::size_t i = 0; i < static_cast<std::size_t>(p.size()); ++i) {
    const double* row = p.probability.data() + i * classes;
    if (!p.multi_label()) {
      const auto top = static_cast<std::size_t>(std::max_element(row, row + classes) - row);
      const bool hit = p.target[i] == static_cast<std::int64_t>(top);
      (hit ? right : wrong).push_back({{i, top, row[top]}, row[top]});
      continue;
    }
    Weighed called{{i, 0, 0}, 0.5}, missed = called, found = called;
    for (std::size_t k = 0; k < classes; ++k) {
      const bool there = p.labels[i * classes + k] == 1, absent = p.labels[i * classes + k] == 0;
      const auto keep = [&](Weighed& best, bool wanted, double weight) {
        if (wanted && weight > best.weight) best = {{i, k, row[k]}, weight};
      };
      keep(called, absent, row[k]);
      keep(missed, there, 1 - row[k]);
      keep(found, there, row[k]);
    }
    const auto add = [](std::vector<Weighed>& to, const Weighed& one) {
      if (one.weight > 0.5) to.push_back(one);
    };
    add(wrong, called);
    add(overlooked, missed);
    add(right, found);
  }
  return {taking_turns(heaviest(std::move(wrong), most), heaviest(std::move(overlooked), most), most),
          heaviest(std::move(right), most)};
}

std::string thumbnail(const Image& picture, int side) {
  const double scale = static_cast<double>(side) / std::max(picture.width, picture.height);
  const auto shrunk = [&](int length) { return std::max(1, static_cast<int>(length * scale)); };
  const std::vector<std::uint8_t> png =
      encode_png(scale < 1 ? resize(picture, shrunk(picture.width), shrunk(picture.height)) : picture);
  return {png.begin(), png.end()};
}

}  // namespace gadolin
