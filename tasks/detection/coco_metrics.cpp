#include "tasks/detection/coco_metrics.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_set>

#include "io/text.h"
#include "tasks/metrics.h"
#include "tensor/check.h"

namespace gadolin {

const std::array<const char*, 12> coco_metric_names{"AP",  "AP50", "AP75",  "APs", "APm", "APl",
                                                    "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"};

namespace {

constexpr int iou_thresholds = 10, area_ranges = 4, recall_points = 101;
constexpr double area_from[area_ranges] = {0, 0, 32 * 32, 96 * 96},
                 area_to[area_ranges] = {1e10, 32 * 32, 96 * 96, 1e10};

// np.linspace(0.5, 0.95, 10), to the last bit.
double iou_threshold(int t) {
  constexpr double all[iou_thresholds] = {0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999,
                                          0.95};
  return all[t];
}

// A detection of the class at work. Bit t of a mask belongs to IoU threshold t.
struct JudgedDetection {
  double score = 0;
  std::uint16_t hit[area_ranges] = {}, counts[area_ranges] = {};
  int rank = 0;  // by score among the picture's
};

struct OverlappingTruth {
  int truth;
  double iou;
};

// One picture and class: which detection takes which truth.
class CocoMatcher {
 public:
  void match(std::span<const MarkedBox* const> truth, std::span<const Detection* const> found,
             JudgedDetection* out) {
    candidates_.clear();
    begin_.assign(1, 0);
    for (const Detection* d : found) {
      for (std::size_t g = 0; g < truth.size(); ++g) {
        const double iou = intersection_over_union(d->box, truth[g]->box, truth[g]->crowd);
        if (iou >= iou_threshold(0)) candidates_.push_back({static_cast<int>(g), iou});
      }
      begin_.push_back(candidates_.size());
    }
    for (int a = 0; a < area_ranges; ++a) {
      ignored_.assign(truth.size(), 0);
      for (std::size_t g = 0; g < truth.size(); ++g)
        ignored_[g] = truth[g]->crowd || truth[g]->area < area_from[a] || truth[g]->area > area_to[a];
      for (int t = 0; t < iou_thresholds; ++t) at_threshold(truth, found, a, t, out);
    }
  }

 private:
  void at_threshold(std::span<const MarkedBox* const> truth, std::span<const Detection* const> found, int a,
                    int t, JudgedDetection* out) {
    taken_.assign(truth.size(), 0);
    const auto bit = static_cast<std::uint16_t>(1 << t);
    for (std::size_t d = 0; d < found.size(); ++d) {
      int match = best(truth, d, t, false);
      if (match < 0) match = best(truth, d, t, true);
      bool ignored = false;
      if (match >= 0) {
        taken_[static_cast<std::size_t>(match)] = 1;
        ignored = ignored_[static_cast<std::size_t>(match)] != 0;
      } else {
        const ObjectBox& b = found[d]->box;
        const double area = (b.x2 - b.x1) * (b.y2 - b.y1);
        ignored = area < area_from[a] || area > area_to[a];
      }
      if (match >= 0) out[d].hit[a] = static_cast<std::uint16_t>(out[d].hit[a] | bit);
      if (!ignored) out[d].counts[a] = static_cast<std::uint16_t>(out[d].counts[a] | bit);
    }
  }
  int best(std::span<const MarkedBox* const> truth, std::size_t d, int t, bool among_ignored) const {
    double least = std::min(iou_threshold(t), 1 - 1e-10);
    int match = -1;
    for (std::size_t c = begin_[d]; c < begin_[d + 1]; ++c) {
      const auto g = static_cast<std::size_t>(candidates_[c].truth);
      if ((ignored_[g] != 0) != among_ignored || (taken_[g] && !truth[g]->crowd)) continue;
      if (candidates_[c].iou < least) continue;
      least = candidates_[c].iou;
      match = candidates_[c].truth;
    }
    return match;
  }

  std::vector<OverlappingTruth> candidates_;
  std::vector<std::size_t> begin_;  // of each detection's candidates
  std::vector<char> ignored_, taken_;
};

// Sums over what is defined.
struct CocoMean {
  double sum = 0;
  std::int64_t count = 0;
  void add(double v) {
    sum += v;
    ++count;
  }
  double value() const { return count > 0 ? sum / static_cast<double>(count) : detail::no_value; }
};

// Precision at the points of recall, summed: detections in the order of scores, those that count.
double summed_precision(const std::vector<JudgedDetection>& order, int area, int t, std::int64_t truths,
                        int most, std::vector<double>& precision) {
  const int bit = 1 << t;
  double hits = 0, misses = 0;
  precision.clear();  // where a truth is found; between two it only falls
  for (const JudgedDetection& d : order) {
    if (d.rank >= most || !(d.counts[area] & bit)) continue;
    if (d.hit[area] & bit) {
      ++hits;
      precision.push_back(hits / (misses + hits + std::numeric_limits<double>::epsilon()));
    } else {
      ++misses;
    }
  }
  for (std::size_t i = precision.size(); i-- > 1;)
    precision[i - 1] = std::max(precision[i - 1], precision[i]);
  double sum = 0;
  std::size_t at = 0;
  for (int r = 0; r < recall_points; ++r) {
    const double recall = r == recall_points - 1 ? 1 : r * 0.01;
    while (at < precision.size() && static_cast<double>(at + 1) / static_cast<double>(truths) < recall) ++at;
    if (at == precision.size()) break;
    sum += precision[at];
  }
  return sum;
}

double final_recall(const std::vector<JudgedDetection>& order, int area, int t, std::int64_t truths,
                    int most) {
  std::int64_t hits = 0;
  for (const JudgedDetection& d : order)
    hits += d.rank < most && (d.hit[area] & d.counts[area] & (1 << t)) != 0;
  return static_cast<double>(hits) / static_cast<double>(truths);
}

class CocoSum {
 public:
  explicit CocoSum(const CocoOptions& options) : options_(options) {}

  void add_class(std::vector<JudgedDetection>& judged, const std::array<std::int64_t, area_ranges>& truths,
                 CocoMetrics& out) {
    std::stable_sort(judged.begin(), judged.end(),
                     [](const JudgedDetection& a, const JudgedDetection& b) { return a.score > b.score; });
    const int most = options_.max_detections[2];
    CocoMean of_class, of_class50;
    for (int a = 0; a < area_ranges; ++a) {
      const std::int64_t n = truths[static_cast<std::size_t>(a)];
      if (n == 0) continue;
      for (int t = 0; t < iou_thresholds; ++t) {
        const double ap = summed_precision(judged, a, t, n, most, precision_) / recall_points;
        const double ar = final_recall(judged, a, t, n, most);
        if (a == 0) {
          value_[0].add(ap);
          if (t == 0) value_[1].add(ap);
          if (t == 5) value_[2].add(ap);
          of_class.add(ap);
          if (t == 0) of_class50.add(ap);
          value_[6].add(final_recall(judged, 0, t, n, options_.max_detections[0]));
          value_[7].add(final_recall(judged, 0, t, n, options_.max_detections[1]));
          value_[8].add(ar);
        } else {
          value_[static_cast<std::size_t>(2 + a)].add(ap);
          value_[static_cast<std::size_t>(8 + a)].add(ar);
        }
      }
    }
    out.class_ap.push_back(of_class.value());
    out.class_ap50.push_back(of_class50.value());
  }
  std::array<double, 12> values() const {
    std::array<double, 12> all;
    for (std::size_t i = 0; i < 12; ++i) all[i] = value_[i].value();
    return all;
  }

 private:
  const CocoOptions& options_;
  std::array<CocoMean, 12> value_;
  std::vector<double> precision_;
};

// Boxes of a class, each with the place of its picture, rising.
template <class T> struct BoxesOfClass { std::vector<std::pair<std::size_t, const T*>> boxes; };

template <class T>
std::vector<const T*> boxes_in(const BoxesOfClass<T>& all, std::size_t& at, std::size_t picture) {
  std::vector<const T*> boxes;
  for (; at < all.boxes.size() && all.boxes[at].first == picture; ++at) boxes.push_back(all.boxes[at].second);
  return boxes;
}

void add_coco_notes(std::span<const DetectedPicture> pictures, int cap, std::int64_t over_cap,
                    std::int64_t most, CocoMetrics& out) {
  std::unordered_set<std::int64_t> ids;
  std::int64_t zero = 0, repeated = 0;
  for (const DetectedPicture& p : pictures) {
    for (const MarkedBox& b : p.truth) {
      zero += b.id == 0;
      repeated += !ids.insert(b.id).second;
    }
  }
  auto& notes = out.notes;
  if (out.detections == 0) notes.push_back("no detections");
  if (out.truths == 0) notes.push_back("AP and AR are not defined: no truth");
  if (over_cap > 0) {
    notes.push_back(cat(over_cap, over_cap == 1 ? " picture has" : " pictures have",
                        " more boxes of a class (", most, ") than the ", cap,
                        " detections that count, so that recall stays below 1; --max-dets raises them"));
  }
  if (zero > 0) {
    notes.push_back(cat(zero, zero == 1 ? " annotation has" : " annotations have",
                        " the id 0, which pycocotools never counts as found; here it counts as any other"));
  }
  if (repeated > 0) {
    notes.push_back(cat(repeated, repeated == 1 ? " annotation has" : " annotations have",
                        " the id of another; pycocotools takes the last of them for all, here each counts"));
  }
}

}  // namespace

CocoMetrics coco_metrics(std::span<const DetectedPicture> pictures, int classes, const CocoOptions& options) {
  check_detections(pictures, classes);
  const auto& caps = options.max_detections;
  require<ValueError>(0 < caps[0] && caps[0] <= caps[1] && caps[1] <= caps[2],
                      "coco_metrics: max_detections ", caps[0], ", ", caps[1], ", ", caps[2],
                      " do not rise from 1");
  CocoMetrics out;
  out.pictures = std::ssize(pictures);
  std::vector<BoxesOfClass<MarkedBox>> truth(static_cast<std::size_t>(classes));
  std::vector<BoxesOfClass<Detection>> found(static_cast<std::size_t>(classes));
  std::vector<std::size_t> order(pictures.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return pictures[a].id < pictures[b].id; });
  for (std::size_t i = 0; i < order.size(); ++i) {
    const DetectedPicture& p = pictures[order[i]];
    bool normal = true;
    for (const MarkedBox& b : p.truth) {
      require<DataError>(b.box.label >= 0 && b.box.label < classes, "coco_metrics: ", printable(p.name),
                         " has a box of class ", b.box.label, "; there are 0 to ", classes - 1);
      truth[static_cast<std::size_t>(b.box.label)].boxes.emplace_back(i, &b);
      out.truths += !b.crowd;
      normal = normal && b.crowd;
    }
    for (const std::size_t d : by_score(p.found))
      found[static_cast<std::size_t>(p.found[d].box.label)].boxes.emplace_back(i, &p.found[d]);
    out.detections += std::ssize(p.found);
    out.normals += normal;
    out.silent_normals += normal && p.found.empty();
    if (normal) out.normal_alarms += std::ssize(p.found);
  }
  CocoMatcher matcher;
  CocoSum sum(options);
  std::vector<JudgedDetection> judged;
  std::int64_t over_cap = 0, most = 0;
  for (std::size_t c = 0; c < truth.size(); ++c) {
    judged.clear();
    std::array<std::int64_t, area_ranges> count{};
    std::size_t t = 0, d = 0;
    while (t < truth[c].boxes.size() || d < found[c].boxes.size()) {
      const std::size_t none = pictures.size();
      const std::size_t picture = std::min(t < truth[c].boxes.size() ? truth[c].boxes[t].first : none,
                                           d < found[c].boxes.size() ? found[c].boxes[d].first : none);
      const auto here = boxes_in(truth[c], t, picture);
      auto there = boxes_in(found[c], d, picture);
      if (std::ssize(there) > caps[2]) there.resize(static_cast<std::size_t>(caps[2]));
      std::int64_t counted = 0;
      for (const MarkedBox* b : here) {
        counted += !b->crowd;
        for (std::size_t a = 0; a < area_ranges; ++a)
          count[a] += !b->crowd && b->area >= area_from[a] && b->area <= area_to[a];
      }
      over_cap += counted > caps[2];
      if (counted > caps[2]) most = std::max(most, counted);
      const std::size_t begin = judged.size();
      judged.resize(begin + there.size());
      for (std::size_t k = 0; k < there.size(); ++k) {
        judged[begin + k].score = there[k]->score;
        judged[begin + k].rank = static_cast<int>(k);
      }
      matcher.match(here, there, judged.data() + begin);
    }
    sum.add_class(judged, count, out);
  }
  out.values = sum.values();
  add_coco_notes(pictures, caps[2], over_cap, most, out);
  return out;
}

std::string detection_value_text(double value) {
  return std::isnan(value) ? "not defined: no truth" : fixed(value, 4);
}

}  // namespace gadolin
