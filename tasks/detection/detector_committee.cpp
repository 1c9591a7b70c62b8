#include "tasks/detection/detector_committee.h"

#include <algorithm>
#include <cmath>

#include "tasks/detection/canvas.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

// The picture turned where it lies, its padding left alone, and the map with it.
Batch turned_batch(const Batch& batch, View view) {
  const auto size = batch["size"].to_vector<std::int64_t>();  // of one picture
  const std::int64_t h = size[0], w = size[1];
  Tensor image = batch["image"].clone();
  Tensor picture = image.slice(2, 0, h).slice(3, 0, w);
  picture.copy_(seen(picture, view).contiguous());
  const bool across = view == View::hflip || view == View::both,
             down = view == View::vflip || view == View::both;
  const Affine turn{across ? -1.0 : 1.0,
                    0,
                    across ? static_cast<double>(w) : 0.0,
                    0,
                    down ? -1.0 : 1.0,
                    down ? static_cast<double>(h) : 0.0};
  const auto m = batch["map"].to_vector<double>();
  const Affine map = Affine{m[0], m[1], m[2], m[3], m[4], m[5]}.then(turn);
  Batch turned = batch;
  turned.set("image", image)
      .set("map", from_vector(std::vector<double>{map.xx, map.xy, map.x0, map.yx, map.yy, map.y0}, {1, 6},
                              batch["map"].device()));
  return turned;
}

Outputs outputs_of(const std::vector<std::vector<Detection>>& found,
                   const std::vector<std::pair<int, int>>& sizes) {
  std::size_t most = 1;
  for (const auto& list : found) most = std::max(most, list.size());
  std::vector<float> boxes, score;
  std::vector<double> map;
  std::vector<std::int64_t> label, count, size;
  for (std::size_t n = 0; n < found.size(); ++n) {
    for (std::size_t k = 0; k < most; ++k) {
      const bool there = k < found[n].size();
      const Detection d = there ? found[n][k] : Detection{{-1, -1, -1, -1, -1}, -1};
      for (const double corner : {d.box.x1, d.box.y1, d.box.x2, d.box.y2})
        boxes.push_back(static_cast<float>(corner));
      score.push_back(static_cast<float>(d.score));
      label.push_back(d.box.label);
    }
    count.push_back(std::ssize(found[n]));
    map.insert(map.end(), {1, 0, 0, 0, 1, 0});
    size.insert(size.end(), {sizes[n].second, sizes[n].first});
  }
  const auto n = std::ssize(found), m = static_cast<std::int64_t>(most);
  return Outputs({{"boxes", from_vector(boxes, {n, m, 4})},
                  {"score", from_vector(score, {n, m})},
                  {"label", from_vector(label, {n, m})},
                  {"count", from_vector(count, {n})},
                  {"map", from_vector(map, {n, 6})},
                  {"size", from_vector(size, {n, 2})}});
}

}  // namespace

const DetectionTask& as_detector(const Task& task, const std::string& path) {
  const auto* detector = dynamic_cast<const DetectionTask*>(&task);
  require<CheckpointError, 33>(detector != nullptr, "detect: ", path, " is of the task ", task.kind(),
                               ", and detection is needed; gadolin predict takes it, or train a detector");
  return *detector;
}

DetectorCommittee::DetectorCommittee(const std::vector<std::string>& checkpoints, std::vector<View> views,
                                     Device device, DType compute)
    : views_(std::move(views)) {
  require<UsageError>(!checkpoints.empty() && !views_.empty(),
                      "committee: at least one checkpoint and one view are needed");
  for (const std::string& path : checkpoints) {
    predictors_.push_back(
        std::make_unique<Predictor>(load_task(path, device), PredictorOptions{.compute = compute}));
    tasks_.push_back(&as_detector(predictors_.back()->task(), path));
    const auto &first = tasks_.front()->classes(), &own = tasks_.back()->classes();
    std::vector<int> labels;
    for (const std::string& name : own) {
      const auto at = std::ranges::find(first, name);
      require<UsageError>(at != first.end() && own.size() == first.size(), "ensemble: ", path,
                          " has a class '", printable(name), "' or a number of classes that ",
                          checkpoints.front(), " has not; all members must know the same classes");
      labels.push_back(static_cast<int>(at - first.begin()));
    }
    label_of_.push_back(std::move(labels));
  }
}

ScoredBoxes DetectorCommittee::in_picture(std::size_t k, const Dataset& set, std::int64_t i, View view,
                                          Device device) {
  Batch batch = tasks_[k]->one(set, i, device);
  if (view != View::identity) batch = turned_batch(batch, view);
  return detections_of(predictors_[k]->run(batch)).front();
}

ScoredBoxes DetectorCommittee::in_view(std::size_t k, const Dataset& set, std::int64_t i, View view,
                                       Device device) {
  const std::string& text = tasks_[k]->remembered("tiles");
  if (text.empty()) return in_picture(k, set, i, view, device);
  const auto alone = set.subset(std::vector<std::int64_t>{i});
  const auto [width, height] = sizes_behind(*alone, Pipeline()).front();
  const TiledSet tiles(set, i, width, height, tiles_from(text, "checkpoint: tiles"));
  std::vector<TileBox> all;
  for (std::int64_t t = 0; t < tiles.size(); ++t) {
    const Box& at = tiles.tile(t);
    for (Detection d : in_picture(k, tiles, t, view, device)) {
      ObjectBox& b = d.box;
      const bool cut = (b.x1 <= 0.5 && at.x > 0) || (b.y1 <= 0.5 && at.y > 0) ||
                       (b.x2 >= at.width - 0.5 && at.x + at.width < width) ||
                       (b.y2 >= at.height - 0.5 && at.y + at.height < height);
      b = {b.x1 + at.x, b.y1 + at.y, b.x2 + at.x, b.y2 + at.y, b.label};
      all.push_back({d, cut});
    }
  }
  const DetectOptions& how = tasks_[k]->settings().detect;
  return merge_tiles(std::move(all), how.overlap, static_cast<std::size_t>(how.most));
}

std::vector<Detection> DetectorCommittee::found_by(std::size_t k, const Dataset& set, std::int64_t i,
                                                   Device device) {
  std::vector<ScoredBoxes> views;
  for (const View view : views_) {
    ScoredBoxes boxes = in_view(k, set, i, view, device);
    for (Detection& d : boxes) d.box.label = label_of_[k][static_cast<std::size_t>(d.box.label)];
    views.push_back(std::move(boxes));
  }
  return views.size() == 1 ? std::move(views.front()) : fuse_boxes(views, {}, set.info(i).name);
}

std::vector<Detection> DetectorCommittee::found(const Dataset& set, std::int64_t i, Device device) {
  std::vector<ScoredBoxes> members;
  for (std::size_t k = 0; k < tasks_.size(); ++k) members.push_back(found_by(k, set, i, device));
  return members.size() == 1 ? std::move(members.front()) : fuse_boxes(members, {}, set.info(i).name);
}

Outputs DetectorCommittee::one(const Dataset& set, std::int64_t i, Device device) {
  const auto alone = set.subset(std::vector<std::int64_t>{i});
  return outputs_of({found(set, i, device)}, sizes_behind(*alone, Pipeline()));
}

Predict DetectorCommittee::over(const Dataset& set, const LoaderOptions& options, const std::string&) {
  auto sizes = std::make_shared<const std::vector<std::pair<int, int>>>(sizes_behind(set, Pipeline()));
  return [this, sizes, &set, device = options.device](const Batch& batch) {
    std::vector<std::vector<Detection>> all;
    std::vector<std::pair<int, int>> of_batch;
    for (const std::int64_t i : batch.indices) {
      all.push_back(found(set, i, device));
      of_batch.push_back((*sizes)[static_cast<std::size_t>(i)]);
    }
    return outputs_of(all, of_batch);
  };
}

std::vector<Detection> merge_tiles(std::vector<TileBox> boxes, double overlap, std::size_t most) {
  std::ranges::stable_sort(
      boxes, [](const TileBox& a, const TileBox& b) { return a.detection.score > b.detection.score; });
  std::vector<Detection> kept;
  std::vector<bool> kept_cut;
  for (const TileBox& one : boxes) {
    if (kept.size() == most) break;
    bool repeated = false;
    for (std::size_t k = 0; k < kept.size() && !repeated; ++k) {
      if (kept[k].box.label != one.detection.box.label) continue;
      const ObjectBox &a = one.detection.box, &b = kept[k].box;
      repeated = intersection_over_union(a, b) > overlap ||
                 (one.cut && intersection_over_union(a, b, true) > 0.8) ||
                 (kept_cut[k] && intersection_over_union(b, a, true) > 0.8);
    }
    if (repeated) continue;
    kept.push_back(one.detection);
    kept_cut.push_back(one.cut);
  }
  return kept;
}

}  // namespace gadolin
