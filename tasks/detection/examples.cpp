#include "tasks/detection/examples.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "tensor/check.h"

namespace gadolin {

PictureVerdict judge_picture(const DetectedPicture& picture, std::size_t number, double threshold,
                             double overlap) {
  PictureVerdict v{number};
  std::vector<char> taken(picture.truth.size(), 0);
  const auto counts = [](const MarkedBox& b) { return !b.crowd && !b.difficult; };
  for (const MarkedBox& b : picture.truth) v.truths += counts(b);
  for (const std::size_t k : by_score(picture.found)) {
    const Detection& d = picture.found[k];
    if (!(d.score >= threshold)) break;
    std::size_t best = picture.truth.size();
    double most = 0;
    bool on_something = false;
    for (std::size_t g = 0; g < picture.truth.size(); ++g) {
      const MarkedBox& b = picture.truth[g];
      const double iou = intersection_over_union(d.box, b.box, b.crowd);
      if (b.box.label != d.box.label || !(iou >= overlap)) continue;
      on_something = true;
      if (!counts(b) || taken[g] || !(iou > most)) continue;
      most = iou;
      best = g;
    }
    if (best < picture.truth.size()) {
      taken[best] = 1;
      ++v.found;
      v.mean_overlap += most;
    } else if (!on_something) {
      ++v.false_alarms;
      v.surest_alarm = std::max(v.surest_alarm, d.score);
    }
  }
  if (v.found > 0) v.mean_overlap /= v.found;
  return v;
}

std::string verdict_text(const PictureVerdict& v) {
  const std::string what =
      v.truths > 0 ? cat(v.found, " of ", v.truths, " found, ") : std::string("no object, ");
  if (v.false_alarms == 0) return what + "no false alarm";
  return cat(what, v.false_alarms, v.false_alarms == 1 ? " false alarm" : " false alarms");
}

TellingPictures telling_pictures(const std::vector<DetectedPicture>& pictures, double threshold,
                                 std::size_t each) {
  std::vector<PictureVerdict> all;
  for (std::size_t i = 0; i < pictures.size(); ++i) all.push_back(judge_picture(pictures[i], i, threshold));
  std::set<std::size_t> taken;
  // The first `each` of those that `fits`, by rising key.
  const auto take = [&](auto fits, auto key) {
    std::vector<PictureVerdict> chosen;
    for (const PictureVerdict& v : all)
      if (fits(v) && !taken.contains(v.picture)) chosen.push_back(v);
    std::stable_sort(chosen.begin(), chosen.end(),
                     [&](const PictureVerdict& a, const PictureVerdict& b) { return key(a) < key(b); });
    if (chosen.size() > each) chosen.resize(each);
    for (const PictureVerdict& v : chosen) taken.insert(v.picture);
    return chosen;
  };
  const auto missed_share = [](const PictureVerdict& v) {
    return static_cast<double>(v.truths - v.found) / v.truths;
  };
  TellingPictures telling;
  telling.missed =
      take([](const PictureVerdict& v) { return v.found < v.truths; },
           [&](const PictureVerdict& v) { return std::tuple(v.found - v.truths, -missed_share(v)); });
  telling.worst = take([](const PictureVerdict& v) { return v.false_alarms > 0; },
                       [](const PictureVerdict& v) { return -v.surest_alarm; });
  telling.best = take([](const PictureVerdict& v) { return v.found > 0; },
                      [&](const PictureVerdict& v) {
                        return std::tuple(missed_share(v), v.false_alarms, -v.found, -v.mean_overlap);
                      });
  return telling;
}

}  // namespace gadolin
