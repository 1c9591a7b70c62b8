#include "tasks/detection/detector_committee.h"

#include <algorithm>
#include <cmath>

#include "data/image/affine.h"
#include "tasks/evaluate.h"
#include "tensor/autograd.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

const DetectionTask& as_detector(const Task& task, const std::string& path) {
  const auto* detector = dynamic_cast<const DetectionTask*>(&task);
  require<CheckpointError, 33>(detector != nullptr, "checkpoint: ", path, " is of kind ", task.kind(),
                               ", but a detector is needed here; use the commands of its kind");
  return *detector;
}

std::string listed_classes(const std::vector<std::string>& classes) {
  std::string text;
  for (std::size_t k = 0; k < classes.size() && k < 10; ++k) text += (k ? ", " : "") + classes[k];
  return text + (classes.size() > 10 ? ", ..." : "");
}

// What turns a picture of this size.
Affine map_of(View view, double width, double height) {
  Affine map;
  if (view == View::hflip || view == View::both) map = map.then({-1, 0, width, 0, 1, 0});
  if (view == View::vflip || view == View::both) map = map.then({1, 0, 0, 0, -1, height});
  return map;
}

Affine affine_at(const double* m) { return {m[0], m[1], m[2], m[3], m[4], m[5]}; }

}  // namespace

Batch turned(const Batch& batch, View view) {
  if (view == View::identity) return batch;
  const NoGrad guard;
  const auto size = batch["size"].to_vector<std::int64_t>();
  std::vector<double> maps = batch["map"].to_vector<double>();
  const Tensor images = batch["image"].clone();
  for (std::int64_t n = 0; n < images.size(0); ++n) {
    const auto at = static_cast<std::size_t>(n);
    const std::int64_t height = size[2 * at], width = size[2 * at + 1];
    const auto picture = [&](const Tensor& all) {
      return all.select(0, n).slice(1, 0, height).slice(2, 0, width);
    };
    Tensor to = picture(images);
    to.copy_(seen(picture(batch["image"]), view));
    const Affine map = affine_at(maps.data() + 6 * at)
                           .then(map_of(view, static_cast<double>(width), static_cast<double>(height)));
    const double numbers[] = {map.xx, map.xy, map.x0, map.yx, map.yy, map.y0};
    std::copy(std::begin(numbers), std::end(numbers), maps.begin() + static_cast<std::ptrdiff_t>(6 * at));
  }
  Batch result = batch;
  result.set("image", images);
  result.set("map", from_vector(maps, batch["map"].shape()).to(batch["map"].device()));
  return result;
}

DetectorCommittee::DetectorCommittee(const std::vector<std::string>& checkpoints, std::vector<View> views,
                                     Device device, DType compute)
    : names_(checkpoints), views_(std::move(views)) {
  for (const std::string& path : checkpoints) {
    predictors_.push_back(
        std::make_unique<Predictor>(load_task(path, device), PredictorOptions{.compute = compute}));
    tasks_.push_back(&as_detector(predictors_.back()->task(), path));
    const std::vector<std::string>&first = tasks_[0]->classes(), &own = tasks_.back()->classes();
    std::vector<int> number;
    for (const std::string& name : own)
      number.push_back(static_cast<int>(std::find(first.begin(), first.end(), name) - first.begin()));
    const bool same = own.size() == first.size() && std::none_of(number.begin(), number.end(), [&](int k) {
                        return k == static_cast<int>(first.size());
                      });
    require<UsageError>(same, "ensemble: ", path, " finds ", listed_classes(own), ", ", checkpoints[0],
                        " finds ", listed_classes(first), "; choose detectors of the same classes");
    number_.push_back(std::move(number));
  }
}

DetectorCommittee::Seen DetectorCommittee::views_of(std::size_t member, const Batch& batch) {
  Seen all;
  all.lists.resize(static_cast<std::size_t>(batch.size()));
  for (const View view : views_) {
    const Outputs said = predictors_[member]->run(turned(batch, view));
    auto found = detections_of(said);
    for (std::size_t n = 0; n < found.size(); ++n) {
      for (Detection& d : found[n]) d.box.label = number_[member][static_cast<std::size_t>(d.box.label)];
      all.lists[n].push_back(std::move(found[n]));
    }
  }
  const auto size = batch["size"].to_vector<std::int64_t>();
  const auto maps = batch["map"].to_vector<double>();
  for (std::size_t n = 0; n < all.lists.size(); ++n) {
    const Corners whole =
        moved({0, 0, static_cast<double>(size[2 * n + 1]), static_cast<double>(size[2 * n])},
              affine_at(maps.data() + 6 * n).inverse(), INFINITY, INFINITY)
            .box;
    all.sizes.emplace_back(std::round(whole.x2), std::round(whole.y2));
  }
  return all;
}

Outputs DetectorCommittee::joined(const Seen& seen, const std::vector<std::string>& sources) const {
  const auto pictures = static_cast<std::int64_t>(seen.lists.size());
  const std::int64_t most = task().settings().detect.most;
  const auto places = static_cast<std::size_t>(pictures * most);
  std::vector<float> boxes(4 * places, -1), score(places, -1);
  std::vector<std::int64_t> label(places, -1), count, size;
  std::vector<double> maps;
  for (std::size_t n = 0; n < seen.lists.size(); ++n) {
    const ScoredBoxes fused = fuse_boxes(seen.lists[n], {}, sources[n]);
    const std::size_t kept = std::min(fused.size(), static_cast<std::size_t>(most)),
                      first = n * static_cast<std::size_t>(most);
    for (std::size_t k = 0; k < kept; ++k) {
      const ObjectBox& b = fused[k].box;
      const double corners[] = {b.x1, b.y1, b.x2, b.y2};
      for (std::size_t c = 0; c < 4; ++c) boxes[4 * (first + k) + c] = static_cast<float>(corners[c]);
      score[first + k] = static_cast<float>(fused[k].score);
      label[first + k] = b.label;
    }
    count.push_back(static_cast<std::int64_t>(kept));
    size.insert(size.end(), {static_cast<std::int64_t>(seen.sizes[n].second),
                             static_cast<std::int64_t>(seen.sizes[n].first)});
    maps.insert(maps.end(), {1, 0, 0, 0, 1, 0});
  }
  return Outputs({{"boxes", from_vector(boxes, {pictures, most, 4})},
                  {"score", from_vector(score, {pictures, most})},
                  {"label", from_vector(label, {pictures, most})},
                  {"count", from_vector(count, {pictures})},
                  {"map", from_vector(maps, {pictures, 6})},
                  {"size", from_vector(size, {pictures, 2})}});
}

Outputs DetectorCommittee::one(const Dataset& set, std::int64_t i, Device device) {
  Seen all = views_of(0, tasks_[0]->one(set, i, device));
  for (std::size_t k = 1; k < tasks_.size(); ++k) {
    Seen more = views_of(k, tasks_[k]->one(set, i, device));
    std::ranges::move(more.lists[0], std::back_inserter(all.lists[0]));
  }
  return joined(all, {set.info(i).name});
}

Predict DetectorCommittee::over(const Dataset& set, const LoaderOptions& options, const std::string& label) {
  said_.clear();
  for (std::size_t k = 1; k < tasks_.size(); ++k) {
    const auto loader = tasks_[k]->loader(set, tasks_[k]->pipeline(), options);
    for_each_batch(*loader, label.empty() ? "" : cat(label, " ", k + 1), [&](const Batch& batch) {
      Seen seen = views_of(k, batch);
      for (std::size_t n = 0; n < seen.lists.size(); ++n)
        std::ranges::move(seen.lists[n], std::back_inserter(said_[batch.indices[n]]));
    });
  }
  return [this, &set](const Batch& batch) {
    Seen seen = views_of(0, batch);
    std::vector<std::string> sources;
    for (std::size_t n = 0; n < seen.lists.size(); ++n) {
      const auto others = said_.find(batch.indices[n]);
      if (others != said_.end())
        seen.lists[n].insert(seen.lists[n].end(), others->second.begin(), others->second.end());
      sources.push_back(set.info(batch.indices[n]).name);
    }
    return joined(seen, sources);
  };
}

}  // namespace gadolin
