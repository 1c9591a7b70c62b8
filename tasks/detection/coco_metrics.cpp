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

using detail::area_ranges, detail::iou_thresholds, detail::JudgedDetection;

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

// Where truths are found: weight of all found so far, and precision, which only falls between two.
struct FoundTruth {
  double found, precision;
};

// Of detections by falling score those that count, under the envelope. weight: of each detection's picture.
void precision_under_envelope(const std::vector<JudgedDetection>& order, const std::vector<double>& weight,
                              int area, int t, int most, std::vector<FoundTruth>& out) {
  const int bit = 1 << t;
  double hits = 0, misses = 0;
  out.clear();
  for (std::size_t i = 0; i < order.size(); ++i) {
    const JudgedDetection& d = order[i];
    if (d.rank >= most || !(d.counts[area] & bit) || weight[i] == 0) continue;
    if (d.hit[area] & bit) {
      hits += weight[i];
      out.push_back({hits, hits / (misses + hits + std::numeric_limits<double>::epsilon())});
    } else {
      misses += weight[i];
    }
  }
  for (std::size_t i = out.size(); i-- > 1;)
    out[i - 1].precision = std::max(out[i - 1].precision, out[i].precision);
}

// At recall 0, 0.01 ... 1; calls add(point, precision) as far as recall comes.
template <class Add> void at_recalls(const std::vector<FoundTruth>& curve, double truths, Add&& add) {
  std::size_t at = 0;
  for (int r = 0; r < recall_points; ++r) {
    const double recall = r == recall_points - 1 ? 1 : r * 0.01;
    while (at < curve.size() && curve[at].found / truths < recall) ++at;
    if (at == curve.size()) break;
    add(r, curve[at].precision);
  }
}

double final_recall(const std::vector<JudgedDetection>& order, const std::vector<double>& weight, int area,
                    int t, double truths, int most) {
  double hits = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const JudgedDetection& d = order[i];
    if (d.rank < most && (d.hit[area] & d.counts[area] & (1 << t)) != 0) hits += weight[i];
  }
  return hits / truths;
}

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

std::array<double, area_ranges> CocoMatches::OfClass::count(Reals w) const {
  std::array<double, area_ranges> sum{};
  for (const Truths& t : truths)
    for (std::size_t a = 0; a < area_ranges; ++a) sum[a] += (w.empty() ? 1 : w[t.picture]) * t.count[a];
  return sum;
}

CocoMatches::CocoMatches(std::span<const DetectedPicture> pictures, int classes, const CocoOptions& options)
    : options_(options), classes_(static_cast<std::size_t>(classes)) {
  check_detections(pictures, classes);
  const auto& caps = options.max_detections;
  require<ValueError>(0 < caps[0] && caps[0] <= caps[1] && caps[1] <= caps[2],
                      "coco_metrics: max_detections ", caps[0], ", ", caps[1], ", ", caps[2],
                      " do not rise from 1");
  CocoMetrics& out = metrics_;
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
  detail::CocoMatcher matcher;
  std::int64_t over_cap = 0, most = 0;
  for (std::size_t c = 0; c < truth.size(); ++c) {
    std::vector<JudgedDetection>& judged = classes_[c].judged;
    std::size_t t = 0, d = 0;
    while (t < truth[c].boxes.size() || d < found[c].boxes.size()) {
      const std::size_t none = pictures.size();
      const std::size_t picture = std::min(t < truth[c].boxes.size() ? truth[c].boxes[t].first : none,
                                           d < found[c].boxes.size() ? found[c].boxes[d].first : none);
      const auto here = boxes_in(truth[c], t, picture);
      auto there = boxes_in(found[c], d, picture);
      if (std::ssize(there) > caps[2]) there.resize(static_cast<std::size_t>(caps[2]));
      Truths of_picture{static_cast<std::uint32_t>(order[picture]), {}};
      std::int64_t counted = 0;
      for (const MarkedBox* b : here) {
        counted += !b->crowd;
        for (std::size_t a = 0; a < area_ranges; ++a)
          of_picture.count[a] +=
              !b->crowd && b->area >= detail::area_from[a] && b->area <= detail::area_to[a];
      }
      if (counted > 0) classes_[c].truths.push_back(of_picture);
      classes_[c].all_truths += counted;
      over_cap += counted > caps[2];
      if (counted > caps[2]) most = std::max(most, counted);
      const std::size_t begin = judged.size();
      judged.resize(begin + there.size());
      for (std::size_t k = 0; k < there.size(); ++k) {
        judged[begin + k].score = there[k]->score;
        judged[begin + k].rank = static_cast<int>(k);
        judged[begin + k].picture = of_picture.picture;
      }
      matcher.match(here, there, judged.data() + begin);
    }
    std::stable_sort(judged.begin(), judged.end(),
                     [](const JudgedDetection& a, const JudgedDetection& b) { return a.score > b.score; });
  }
  for (const OfClass& of : classes_) out.class_truths.push_back(of.all_truths);
  const std::vector<double> all = values();
  std::copy_n(all.begin(), 12, out.values.begin());
  out.class_ap.assign(all.begin() + 12, all.begin() + 12 + classes);
  out.class_ap50.assign(all.begin() + 12 + classes, all.end());
  add_coco_notes(pictures, caps[2], over_cap, most, out);
}

std::vector<double> CocoMatches::values(Reals weight) const {
  const auto& caps = options_.max_detections;
  std::array<CocoMean, 12> value;
  std::vector<double> class_ap, class_ap50, weights;
  std::vector<FoundTruth> curve;
  for (const OfClass& of : classes_) {
    weights.assign(of.judged.size(), 1);
    if (!weight.empty())
      for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = weight[of.judged[i].picture];
    const auto truths = of.count(weight);
    CocoMean of_class, of_class50;
    for (int a = 0; a < area_ranges; ++a) {
      const double n = truths[static_cast<std::size_t>(a)];
      if (!(n > 0)) continue;
      for (int t = 0; t < iou_thresholds; ++t) {
        precision_under_envelope(of.judged, weights, a, t, caps[2], curve);
        double ap = 0;
        at_recalls(curve, n, [&](int, double precision) { ap += precision; });
        ap /= recall_points;
        const double ar = final_recall(of.judged, weights, a, t, n, caps[2]);
        if (a > 0) {
          value[static_cast<std::size_t>(2 + a)].add(ap);
          value[static_cast<std::size_t>(8 + a)].add(ar);
          continue;
        }
        value[0].add(ap);
        if (t == 0) value[1].add(ap);
        if (t == 5) value[2].add(ap);
        of_class.add(ap);
        if (t == 0) of_class50.add(ap);
        value[6].add(final_recall(of.judged, weights, 0, t, n, caps[0]));
        value[7].add(final_recall(of.judged, weights, 0, t, n, caps[1]));
        value[8].add(ar);
      }
    }
    class_ap.push_back(of_class.value());
    class_ap50.push_back(of_class50.value());
  }
  std::vector<double> all;
  for (const CocoMean& v : value) all.push_back(v.value());
  all.insert(all.end(), class_ap.begin(), class_ap.end());
  all.insert(all.end(), class_ap50.begin(), class_ap50.end());
  return all;
}

PrecisionCurve CocoMatches::precision_of(int label) const {
  const OfClass& of = classes_[static_cast<std::size_t>(label)];
  const double truths = of.count({})[0];
  PrecisionCurve curve;
  if (!(truths > 0)) return curve;
  curve.at50.assign(recall_points, 0);
  curve.mean.assign(recall_points, 0);
  const std::vector<double> ones(of.judged.size(), 1);
  std::vector<FoundTruth> found;
  for (int t = 0; t < iou_thresholds; ++t) {
    precision_under_envelope(of.judged, ones, 0, t, options_.max_detections[2], found);
    at_recalls(found, truths, [&](int r, double precision) {
      const auto at = static_cast<std::size_t>(r);
      curve.mean[at] += precision / iou_thresholds;
      if (t == 0) curve.at50[at] = precision;
    });
  }
  return curve;
}

CocoMetrics coco_metrics(std::span<const DetectedPicture> pictures, int classes, const CocoOptions& options) {
  return CocoMatches(pictures, classes, options).metrics();
}

std::string detection_value_text(double value, const char* missing) {
  return std::isnan(value) ? std::string("not defined: ") + missing : fixed(value, 4);
}

std::string detection_share_text(const Share& s, const char* missing) {
  std::string text = detection_value_text(s.value, missing);
  if (std::isfinite(s.interval.low) && std::isfinite(s.interval.high))
    text += cat(" (", fixed(s.interval.low, 4), " to ", fixed(s.interval.high, 4), ")");
  return text;
}

}  // namespace gadolin
