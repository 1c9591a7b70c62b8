#include "tasks/detection/box_fusion.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "tensor/check.h"

namespace gadolin {
namespace {

void check_scored(const char* what, const Detection& b, const std::string& source) {
  const bool right = std::isfinite(b.box.x1) && std::isfinite(b.box.y1) && std::isfinite(b.box.x2) &&
                     std::isfinite(b.box.y2) && b.box.x1 <= b.box.x2 && b.box.y1 <= b.box.y2;
  require<DataError>(right && b.score >= 0 && b.score <= 1, what, ": ",
                     source.empty() ? std::string("a picture") : source, " has the box ", b.box.x1, " ",
                     b.box.y1, " ", b.box.x2, " ", b.box.y2, " with score ", b.score,
                     "; x1 <= x2, y1 <= y2 and a score from 0 to 1 are needed");
}
void sort_by_score(ScoredBoxes& boxes) {
  std::stable_sort(boxes.begin(), boxes.end(),
                   [](const Detection& a, const Detection& b) { return a.score > b.score; });
}

struct Cluster {
  Detection fused;
  double sums[4] = {}, shares = 0;  // weight * score * corner, weight * score
  double scores = 0, weights = 0;   // weight * score, weight

  void take(const Detection& b, double weight) {
    const double share = weight * b.score, corners[] = {b.box.x1, b.box.y1, b.box.x2, b.box.y2};
    shares += share;
    for (int c = 0; c < 4; ++c) sums[c] += share * corners[c];
    scores += weight * b.score;
    weights += weight;
    fused.box = b.box;
    if (shares > 0)
      fused.box = {sums[0] / shares, sums[1] / shares, sums[2] / shares, sums[3] / shares, b.box.label};
  }
};

}  // namespace

ScoredBoxes soft_nms(ScoredBoxes boxes, const SoftNmsOptions& o, const std::string& source) {
  require<ValueError>(o.overlap >= 0 && o.overlap <= 1 && o.sigma > 0 && o.score >= 0, "soft_nms: overlap ",
                      o.overlap, " is not from 0 to 1, sigma ", o.sigma, " not above 0, or score ", o.score,
                      " negative");
  for (const Detection& b : boxes) check_scored("soft_nms", b, source);
  ScoredBoxes kept;
  while (!boxes.empty()) {
    const auto best = std::max_element(
        boxes.begin(), boxes.end(), [](const Detection& a, const Detection& b) { return a.score < b.score; });
    const Detection top = *best;
    boxes.erase(best);
    if (!(top.score > o.score)) break;
    kept.push_back(top);
    for (Detection& b : boxes) {
      if (b.box.label != top.box.label) continue;
      const double overlap = intersection_over_union(top.box, b.box);
      if (o.decay == SoftNmsOptions::Decay::gaussian)
        b.score *= std::exp(-overlap * overlap / o.sigma);
      else if (overlap > o.overlap)
        b.score *= 1 - overlap;
    }
  }
  return kept;
}

ScoredBoxes fuse_boxes(const std::vector<ScoredBoxes>& detectors, const FusionOptions& o,
                       const std::string& source) {
  const std::vector<double> weights =
      o.weights.empty() ? std::vector<double>(detectors.size(), 1) : o.weights;
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  require<ValueError>(weights.size() == detectors.size(), "fuse_boxes: ", weights.size(), " weights for ",
                      detectors.size(), " detectors; give one each");
  for (const double w : weights)
    require<ValueError>(w >= 0 && std::isfinite(all) && all > 0, "fuse_boxes: weight ", w, " of a sum of ",
                        all, "; weights must be 0 or more, and one of them more");
  require<ValueError>(o.overlap > 0 && o.overlap < 1, "fuse_boxes: overlap ", o.overlap,
                      " is outside (0, 1)");
  struct Weighed {
    Detection box;
    double weight;
  };
  std::map<int, std::vector<Weighed>> classes;
  for (std::size_t d = 0; d < detectors.size(); ++d) {
    for (const Detection& b : detectors[d]) {
      check_scored("fuse_boxes", b, source);
      if (weights[d] > 0 && b.score > o.score) classes[b.box.label].push_back({b, weights[d]});
    }
  }
  ScoredBoxes result;
  for (auto& entry : classes) {
    std::vector<Weighed>& boxes = entry.second;
    std::stable_sort(boxes.begin(), boxes.end(), [](const Weighed& a, const Weighed& b) {
      return a.box.score * a.weight > b.box.score * b.weight;
    });
    std::vector<Cluster> clusters;
    for (const Weighed& b : boxes) {
      Cluster* nearest = nullptr;
      double most = o.overlap;
      for (Cluster& cluster : clusters) {
        const double overlap = intersection_over_union(cluster.fused.box, b.box.box);
        if (overlap > most) {
          most = overlap;
          nearest = &cluster;
        }
      }
      if (!nearest) nearest = &clusters.emplace_back();
      nearest->take(b.box, b.weight);
    }
    for (Cluster& c : clusters) {
      c.fused.score = std::min(1.0, c.scores / c.weights) * std::min(1.0, c.weights / all);
      result.push_back(c.fused);
    }
  }
  sort_by_score(result);
  return result;
}

}  // namespace gadolin
