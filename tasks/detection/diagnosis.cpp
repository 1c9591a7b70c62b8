#include "tasks/detection/diagnosis.h"

#include <cmath>
#include <functional>
#include <map>

#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

using Cause = DetectionDiagnosis::Cause;
using MovedBox = std::function<ObjectBox(const ObjectBox&)>;

// From this share of the truths on, a suspicion explains something.
constexpr double telling_share = 0.25;

class Diagnoser {
 public:
  Diagnoser(std::span<const DetectedPicture> pictures, const std::vector<std::string>& classes,
            const DiagnosisOptions& options)
      : pictures_(pictures), classes_(classes), options_(options) {}

  DetectionDiagnosis diagnose() {
    count();
    if (out_.truths == 0) return say(Cause::no_truth, "there is no truth to be found");
    if (out_.detections == 0) return say(Cause::no_detections, "there are no detections, of any score");
    const Found plain = look(nullptr);
    out_.best_iou = plain.median_iou;
    out_.found = plain.counting;
    if (plain.counting >= telling_share)
      return say(Cause::none, cat(percent(plain.counting), " of the truths are found"));
    if (plain.same_class >= telling_share) return threshold(plain);
    if (plain.any_class >= telling_share) return wrong_class(plain);
    if (shares()) {
      return say(Cause::scaled, "the boxes are shares of the picture, 0 to 1, not pixels");
    }
    const Found exchanged = look([](const ObjectBox& b) {
      return ObjectBox{b.y1, b.x1, b.y2, b.x2, b.label};
    });
    if (exchanged.any_class >= telling_share) {
      return say(Cause::swapped, cat("x and y are exchanged: so read, ", percent(exchanged.any_class),
                                     " of the truths are found, as they are ", percent(plain.any_class)));
    }
    const auto [sx, sy] = scale();
    if (sx > 0) {
      const Found scaled = look([sx = sx, sy = sy](const ObjectBox& b) {
        return ObjectBox{b.x1 * sx, b.y1 * sy, b.x2 * sx, b.y2 * sy, b.label};
      });
      if (scaled.any_class >= telling_share) {
        return say(Cause::scaled, cat("the boxes have another scale than the truth: times ", fixed(sx, 3),
                                      " in x and ", fixed(sy, 3), " in y, ", percent(scaled.any_class),
                                      " of the truths are found, as they are ", percent(plain.any_class),
                                      "; are they pixels of the resized picture?"));
      }
    }
    if (plain.counting >= telling_share / 5)
      return say(Cause::none, cat(percent(plain.counting), " of the truths are found"));
    return say(Cause::elsewhere,
               cat("the boxes lie elsewhere: the best overlap (IoU) of a truth with any box, whatever its "
                   "class, is ",
                   fixed(plain.median_iou, 3),
                   " in the median; are these the weights of this task, trained, and these pictures?"));
  }

 private:
  // Shares of the truths that a box of enough overlap lies on.
  struct Found {
    double any_class = 0, same_class = 0, counting = 0, median_iou = 0;
    double best_score = 0;                              // of a box of the right class on a truth
    std::map<std::pair<int, int>, std::int64_t> pairs;  // class of a truth and of the best box on it
  };

  void count() {
    for (const DetectedPicture& p : pictures_) {
      for (const MarkedBox& b : p.truth) out_.truths += !b.crowd;
      out_.detections += std::ssize(p.found);
      for (const Detection& d : p.found) {
        out_.above_threshold += d.score > options_.score_threshold;
      }
    }
  }

  Found look(const MovedBox& move) const {
    Found found;
    std::vector<double> best;
    for (const DetectedPicture& p : pictures_) {
      std::vector<ObjectBox> boxes;
      for (const Detection& d : p.found) boxes.push_back(move ? move(d.box) : d.box);
      for (const MarkedBox& truth : p.truth) {
        if (truth.crowd) continue;
        double most = 0;
        std::size_t at = boxes.size();
        bool same = false, counts = false;
        for (std::size_t k = 0; k < boxes.size(); ++k) {
          const double iou = intersection_over_union(boxes[k], truth.box);
          if (iou > most) {
            most = iou;
            at = k;
          }
          if (iou < options_.iou || boxes[k].label != truth.box.label) continue;
          same = true;
          counts = counts || p.found[k].score > options_.score_threshold;
          found.best_score = std::max(found.best_score, p.found[k].score);
        }
        best.push_back(most);
        if (most >= options_.iou) {
          ++found.any_class;
          ++found.pairs[{truth.box.label, boxes[at].label}];
        }
        found.same_class += same;
        found.counting += counts;
      }
    }
    const double truths = static_cast<double>(best.size());
    found.any_class /= truths;
    found.same_class /= truths;
    found.counting /= truths;
    std::nth_element(best.begin(), best.begin() + std::ssize(best) / 2, best.end());
    found.median_iou = best[best.size() / 2];
    return found;
  }

  DetectionDiagnosis threshold(const Found& found) {
    return say(Cause::threshold,
               cat("the score threshold ", options_.score_threshold, " leaves ", out_.above_threshold, " of ",
                   out_.detections, " detections; without it ", percent(found.same_class),
                   " of the truths are found, by scores up to ", fixed(found.best_score, 4)));
  }

  DetectionDiagnosis wrong_class(const Found& found) {
    std::map<int, std::int64_t> shift;
    std::int64_t all = 0, most = 0, shifted = 0;
    int by = 0;
    std::pair<int, int> worst;
    for (const auto& [pair, count] : found.pairs) {
      all += count;
      const int difference = pair.second - pair.first;
      if (difference == 0) continue;
      if ((shift[difference] += count) > shifted) {
        shifted = shift[difference];
        by = difference;
      }
      if (count > most) {
        most = count;
        worst = pair;
      }
    }
    const std::string boxes =
        cat(percent(found.any_class), " of the truths are found by boxes of other classes: ");
    // One pair of classes alone may be confused as well as shifted.
    if (static_cast<double>(shifted) >= 0.8 * static_cast<double>(all) && shifted > most) {
      return say(Cause::shifted, cat(boxes, "every class is shifted by ", by,
                                     "; is a background counted, or are numbers used where names differ?"));
    }
    return say(Cause::confused,
               cat(boxes, printable(classes_[static_cast<std::size_t>(worst.first)]), " is called ",
                   printable(classes_[static_cast<std::size_t>(worst.second)]), " (", most, " of ", all,
                   "); do the classes stand in the same order?"));
  }

  bool shares() const {
    for (const DetectedPicture& p : pictures_) {
      for (const Detection& d : p.found)
        if (std::max(d.box.x2, d.box.y2) > 1.01 || std::min(d.box.x1, d.box.y1) < -0.01) return false;
    }
    return true;
  }

  // The factors that most pairs of a box and a truth agree on, by size and by place; 0 when none do.
  std::pair<double, double> scale() const {
    struct Votes {
      double count = 0, log_x = 0, log_y = 0;
    };
    std::map<std::pair<int, int>, Votes> votes;
    for (const DetectedPicture& p : pictures_) {
      const std::vector<std::size_t> order = by_score(p.found);
      for (std::size_t k = 0; k < std::min<std::size_t>(order.size(), 50); ++k) {
        const ObjectBox& d = p.found[order[k]].box;
        for (const MarkedBox& truth : p.truth) {
          const ObjectBox& b = truth.box;
          const double width = std::log((b.x2 - b.x1) / (d.x2 - d.x1)),
                       height = std::log((b.y2 - b.y1) / (d.y2 - d.y1)),
                       x = std::log((b.x1 + b.x2) / (d.x1 + d.x2)),
                       y = std::log((b.y1 + b.y2) / (d.y1 + d.y2));
          if (!(std::abs(width - x) < 0.2 && std::abs(height - y) < 0.2)) continue;
          Votes& v = votes[{static_cast<int>(std::lround(x * 8)), static_cast<int>(std::lround(y * 8))}];
          ++v.count;
          v.log_x += x;
          v.log_y += y;
        }
      }
    }
    const Votes* most = nullptr;
    for (const auto& [bin, v] : votes)
      if (!most || v.count > most->count) most = &v;
    if (!most) return {0, 0};
    return {std::exp(most->log_x / most->count), std::exp(most->log_y / most->count)};
  }

  static std::string percent(double share) { return fixed(100 * share, 1) + " %"; }

  DetectionDiagnosis say(Cause cause, std::string text) {
    out_.cause = cause;
    out_.text = std::move(text);
    return out_;
  }

  std::span<const DetectedPicture> pictures_;
  const std::vector<std::string>& classes_;
  const DiagnosisOptions& options_;
  DetectionDiagnosis out_;
};

}  // namespace

DetectionDiagnosis diagnose_detections(std::span<const DetectedPicture> pictures,
                                       const std::vector<std::string>& classes,
                                       const DiagnosisOptions& options) {
  check_detections(pictures, static_cast<int>(classes.size()));
  return Diagnoser(pictures, classes, options).diagnose();
}

}  // namespace gadolin
