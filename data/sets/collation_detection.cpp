// Pictures of several sizes with the objects in them.
#include <algorithm>
#include <array>
#include <cmath>

#include "data/image/affine.h"
#include "data/sets/collation.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

// A picture behind the transforms, and the objects in it.
struct Scene {
  Image image;
  std::vector<ObjectBox> boxes;
  Affine map;
  std::int64_t dropped = 0;  // boxes that did not come along
};

// The one place where boxes follow their picture through the transforms.
Scene scene_of(const PictureBlock& pictures, const Sample& sample, const SampleUse& use) {
  Transformed seen = pictures.seen(sample.get<StoredImage>("image"), use);
  Scene scene{std::move(seen.image), {}, seen.map};
  if (!sample.has("boxes")) return scene;
  std::int64_t number = 0;
  for (const ObjectBox& box : sample.get<std::vector<ObjectBox>>("boxes")) {
    const bool right = std::isfinite(box.x1) && std::isfinite(box.y1) && std::isfinite(box.x2) &&
                       std::isfinite(box.y2) && box.x1 <= box.x2 && box.y1 <= box.y2 && box.label >= 0;
    require<DataError>(right, "loader: ", printable(use.name), ": box ", number++, " is ", box.x1, " ",
                       box.y1, " ", box.x2, " ", box.y2, " of class ", box.label,
                       "; corners are finite, x1 <= x2 and y1 <= y2, classes count from 0");
    const MovedBox there = moved({box.x1, box.y1, box.x2, box.y2}, seen.map, scene.image.width,
                                 scene.image.height, box.ellipse ? Outlined::ellipse : Outlined::corners);
    const Corners& c = there.box;
    const bool left = c.x1 < c.x2 && c.y1 < c.y2, tight = there.growth <= loosest_box;
    if (left) scene.boxes.push_back({c.x1, c.y1, c.x2, c.y2, tight ? box.label : -1, box.ellipse});
    scene.dropped += !(left && tight);
  }
  return scene;
}

class DetectionDraft : public BatchDraft {
 public:
  DetectionDraft(const PictureBlock& block, const DetectionOptions& options, std::pair<int, int> size,
                 std::int64_t n)
      : pictures_(block), options_(options), width_(size.first), height_(size.second),
        boxes_(static_cast<std::size_t>(n)), sizes_(static_cast<std::size_t>(n)),
        maps_(static_cast<std::size_t>(n)), dropped_(static_cast<std::size_t>(n)),
        images_(block, n, height_, width_) {}

  bool takes(std::int64_t place) const override {
    if (!options_.size_of) return true;
    const auto [width, height] = options_.size_of(place);
    return width <= width_ && height <= height_;
  }

  void put(std::int64_t part, const Sample& sample, const SampleUse& use) override {
    Scene scene = scene_of(pictures_, sample, use);
    const Image& image = scene.image;
    require<DataError>(
        image.width <= width_ && image.height <= height_ && image.channels == pictures_.channels(),
        "loader: ", printable(use.name), " is ", image.width, " x ", image.height, " with ", image.channels,
        image.channels == 1 ? " channel" : " channels", " after the transforms, its batch has room for ",
        width_, " x ", height_, " with ", pictures_.channels(),
        "; add grey or rgb to the transforms, or correct size_of");
    const auto at = static_cast<std::size_t>(part);
    sizes_[at] = {image.height, image.width};
    boxes_[at] = std::move(scene.boxes);
    maps_[at] = scene.map;
    dropped_[at] = scene.dropped;
    images_.put(part, on_canvas(image, width_, height_));
  }

  std::vector<Tensor> tensors() override {
    const std::int64_t n = std::ssize(boxes_);
    std::size_t most = 0;
    for (const auto& boxes : boxes_) most = std::max(most, boxes.size());
    const std::int64_t m = padded_size(static_cast<std::int64_t>(most), {}, options_.least_boxes);
    const Tensor boxes = empty_pinned({n, m, 4}, DType::fp32), labels = empty_pinned({n, m}, DType::int64),
                 counts = empty_pinned({n}, DType::int64), sizes = empty_pinned({n, 2}, DType::int64),
                 dropped = empty_pinned({n}, DType::int64), maps = empty_pinned({n, 6}, DType::fp64);
    float* corners = boxes.data<float>();
    std::int64_t *label = labels.data<std::int64_t>(), *count = counts.data<std::int64_t>(),
                 *size = sizes.data<std::int64_t>();
    double* map = maps.data<double>();
    std::fill_n(corners, n * m * 4, 0.f);
    std::fill_n(label, n * m, std::int64_t{-1});
    for (std::size_t i = 0; i < boxes_.size(); ++i, corners += m * 4, label += m) {
      for (std::size_t k = 0; k < boxes_[i].size(); ++k) {
        const ObjectBox& box = boxes_[i][k];
        const double all[] = {box.x1, box.y1, box.x2, box.y2};
        for (std::size_t c = 0; c < 4; ++c) corners[4 * k + c] = static_cast<float>(all[c]);
        label[k] = box.label;
      }
      count[i] = std::ssize(boxes_[i]);
      size[2 * i] = sizes_[i].first;
      size[2 * i + 1] = sizes_[i].second;
      const Affine& a = maps_[i];
      map = std::ranges::copy(std::array{a.xx, a.xy, a.x0, a.yx, a.yy, a.y0}, map).out;
    }
    std::ranges::copy(dropped_, dropped.data<std::int64_t>());
    return {images_.tensor(), boxes, labels, counts, sizes, dropped, maps};
  }

 private:
  const PictureBlock& pictures_;
  const DetectionOptions& options_;
  int width_, height_;
  std::vector<std::vector<ObjectBox>> boxes_;
  std::vector<std::pair<int, int>> sizes_;  // height and width of each picture
  std::vector<Affine> maps_;
  std::vector<std::int64_t> dropped_;
  PictureRows images_;
};

}  // namespace

DetectionCollation::DetectionCollation(Pipeline pipeline, DetectionOptions options)
    : pictures_(std::move(pipeline)), options_(std::move(options)) {
  auto& sizes = options_.sizes;
  if (const auto size = pictures_.pipeline().output_size(); sizes.empty() && size) sizes.push_back(*size);
  require<UsageError>(sizes.size() == 1 || (!sizes.empty() && options_.size_of), "detection: ", sizes.size(),
                      " sizes of batches", sizes.empty() ? "" : ", but no size_of a sample",
                      "; let the transforms end in one size, or give sizes and size_of");
  std::sort(sizes.begin(), sizes.end(), [](const auto& a, const auto& b) {
    return std::pair(std::int64_t{a.first} * a.second, a.first) <
           std::pair(std::int64_t{b.first} * b.second, b.first);
  });
}

void DetectionCollation::learn(const Sample& first, const SampleUse& use, DType dtype, Device device) {
  pictures_.learn(pictures_.picture(first.get<StoredImage>("image"), use), dtype, device);
}

std::pair<int, int> DetectionCollation::size_for(const std::vector<std::int64_t>& places) const {
  if (!options_.size_of) return options_.sizes.front();
  int width = 0, height = 0;
  for (const std::int64_t place : places) {
    const auto [w, h] = options_.size_of(place);
    width = std::max(width, w);
    height = std::max(height, h);
  }
  for (const auto& size : options_.sizes)
    if (width <= size.first && height <= size.second) return size;
  fail<DataError>("detection: no size holds ", width, " x ", height, "; the largest is ",
                  options_.sizes.back().first, " x ", options_.sizes.back().second);
}

std::unique_ptr<BatchDraft> DetectionCollation::begin(const std::vector<std::int64_t>& places) const {
  return std::make_unique<DetectionDraft>(pictures_, options_, size_for(places), std::ssize(places));
}

std::vector<Tensor> DetectionCollation::finish(std::vector<Tensor> tensors) const {
  tensors[0] = pictures_.finish(tensors[0]);
  return tensors;
}

std::int64_t DetectionCollation::bucket(std::int64_t place) const {
  const auto& sizes = options_.sizes;
  return std::find(sizes.begin(), sizes.end(), size_for({place})) - sizes.begin();
}

}  // namespace gadolin
