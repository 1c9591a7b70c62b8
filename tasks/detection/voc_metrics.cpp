#include "tasks/detection/voc_metrics.h"

#include <algorithm>

#include "tasks/metrics.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

// The best precision at this recall or above: `hits` is the number of truths found so far.
double envelope_at(const std::vector<double>& precision, const std::vector<std::int64_t>& hits,
                   std::int64_t truths, double recall) {
  double best = 0;
  for (std::size_t i = precision.size(); i-- > 0;) {
    if (static_cast<double>(hits[i]) / static_cast<double>(truths) < recall) break;
    best = std::max(best, precision[i]);
  }
  return best;
}

// A detection in the list of its class.
struct ListedDetection {
  double score;
  std::size_t picture;
  const ObjectBox* box;
};

}  // namespace

double detection_average_precision(std::span<const std::uint8_t> hit, std::int64_t truths, ApForm form) {
  if (truths == 0) return detail::no_value;
  std::vector<double> precision;
  std::vector<std::int64_t> hits;
  std::int64_t found = 0;
  for (std::size_t i = 0; i < hit.size(); ++i) {
    found += hit[i] != 0;
    hits.push_back(found);
    precision.push_back(static_cast<double>(found) / static_cast<double>(i + 1));
  }
  require<ValueError>(found <= truths, "average precision: ", found, " hits on ", truths, " truths");
  if (form != ApForm::all_points) {
    const int steps = form == ApForm::eleven_points ? 10 : 100;
    double sum = 0;
    for (int r = 0; r <= steps; ++r)
      sum += envelope_at(precision, hits, truths, static_cast<double>(r) / steps);
    return sum / (steps + 1);
  }
  double area = 0, best = 0;
  for (std::size_t i = hit.size(); i-- > 0;) {
    best = std::max(best, precision[i]);
    if (hit[i]) area += best / static_cast<double>(truths);
  }
  return area;
}

VocMetrics voc_metrics(std::span<const DetectedPicture> pictures, int classes, const VocOptions& options) {
  check_detections(pictures, classes);
  VocMetrics out;
  out.classes.resize(static_cast<std::size_t>(classes));
  std::vector<std::vector<ListedDetection>> lists(static_cast<std::size_t>(classes));
  for (std::size_t p = 0; p < pictures.size(); ++p) {
    int taken = 0;
    out.before_threshold += std::ssize(pictures[p].found);
    for (const std::size_t d : by_score(pictures[p].found)) {
      const Detection& found = pictures[p].found[d];
      if (!(found.score > options.score_threshold) || taken++ >= options.max_detections) break;
      lists[static_cast<std::size_t>(found.box.label)].push_back({found.score, p, &found.box});
    }
    for (const MarkedBox& b : pictures[p].truth) {
      require<DataError>(b.box.label >= 0 && b.box.label < classes,
                         "voc_metrics: ", printable(pictures[p].name), " has a box of class ", b.box.label,
                         "; there are 0 to ", classes - 1);
      out.classes[static_cast<std::size_t>(b.box.label)].instances += !b.crowd && !b.difficult;
    }
  }
  std::vector<std::vector<char>> taken;
  for (const DetectedPicture& p : pictures) taken.emplace_back(p.truth.size(), 0);
  double sum = 0, weighted = 0;
  std::int64_t with_truth = 0, instances = 0;
  for (std::size_t c = 0; c < lists.size(); ++c) {
    std::stable_sort(lists[c].begin(), lists[c].end(),
                     [](const ListedDetection& a, const ListedDetection& b) { return a.score > b.score; });
    std::vector<std::uint8_t> hit;
    for (const ListedDetection& d : lists[c]) {
      const std::vector<MarkedBox>& truth = pictures[d.picture].truth;
      double most = 0;
      std::size_t best = truth.size();
      for (std::size_t g = 0; g < truth.size(); ++g) {
        if (truth[g].box.label != static_cast<int>(c)) continue;
        const double iou = intersection_over_union(*d.box, truth[g].box, truth[g].crowd);
        if (iou > most) {
          most = iou;
          best = g;
        }
      }
      const bool enough = best < truth.size() && most >= options.iou;
      if (enough && (truth[best].crowd || truth[best].difficult)) continue;
      hit.push_back(enough && !taken[d.picture][best]);
      if (enough) taken[d.picture][best] = 1;
    }
    VocMetrics::Class& k = out.classes[c];
    k.detections = std::ssize(lists[c]);
    k.hits = std::count(hit.begin(), hit.end(), std::uint8_t{1});
    k.ap = detection_average_precision(hit, k.instances, options.form);
    out.detections += k.detections;
    if (k.instances == 0) continue;
    ++with_truth;
    instances += k.instances;
    sum += k.ap;
    weighted += k.ap * static_cast<double>(k.instances);
  }
  out.map = with_truth > 0 ? sum / static_cast<double>(with_truth) : detail::no_value;
  out.weighted_map = instances > 0 ? weighted / static_cast<double>(instances) : detail::no_value;
  return out;
}

}  // namespace gadolin
