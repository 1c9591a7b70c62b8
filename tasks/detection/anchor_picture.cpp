#include "tasks/detection/anchor_picture.h"

#include <cmath>

#include "data/sets/collation.h"
#include "tasks/detection/canvas.h"
#include "tasks/draw_boxes.h"
#include "tasks/draw_text.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

Transformed seen_by(const DetectionSet& set, std::int64_t i, const Pipeline& pipeline, SampleKey key) {
  const StoredImage stored = set.read(i);
  return stored.file.empty() ? pipeline.transform(stored.image, key)
                             : pipeline.transform(stored.file, set.name(i), key);
}

}  // namespace

AnchorPicture anchor_picture(const DetectionSet& set, std::int64_t i, const Pipeline& pipeline, SampleKey key,
                             const DetectorSettings& settings, const AnchorPictureOptions& options) {
  const Transformed seen = seen_by(set, i, pipeline, key);
  AnchorPicture out;
  std::vector<ObjectBox> boxes;
  for (const MarkedBox& marked : set.picture(i).boxes) {
    if (marked.crowd) continue;
    const ObjectBox& b = marked.box;
    const MovedBox there = moved({b.x1, b.y1, b.x2, b.y2}, seen.map, seen.image.width, seen.image.height,
                                 b.ellipse ? Outlined::ellipse : Outlined::corners);
    const Corners& c = there.box;
    if (c.x1 < c.x2 && c.y1 < c.y2 && there.growth <= loosest_box)
      boxes.push_back({c.x1, c.y1, c.x2, c.y2, b.label, b.ellipse});
    else
      ++out.dropped;
  }
  const std::int64_t m = std::max<std::int64_t>(1, std::ssize(boxes));
  std::vector<float> corners(static_cast<std::size_t>(4 * m), 0.f);
  std::vector<std::int64_t> labels(static_cast<std::size_t>(m), -1);
  for (std::size_t k = 0; k < boxes.size(); ++k) {
    const double all[] = {boxes[k].x1, boxes[k].y1, boxes[k].x2, boxes[k].y2};
    for (std::size_t c = 0; c < 4; ++c) corners[4 * k + c] = static_cast<float>(all[c]);
    labels[k] = boxes[k].label;
  }
  const int width = canvas_side(seen.image.width, settings.padding),
            height = canvas_side(seen.image.height, settings.padding);
  std::vector<Pair> grids;
  for (const double stride : settings.anchors.strides)
    grids.push_back(
        {static_cast<int>(std::ceil(height / stride)), static_cast<int>(std::ceil(width / stride))});
  Anchors made(settings.anchors);
  const Tensor& anchors = made.of(grids, {height, width}, cpu);
  const AnchorTargets targets = match_anchors(
      anchors, from_vector(corners, {1, m, 4}), from_vector(labels, {1, m}),
      from_vector(std::vector<std::int64_t>{std::ssize(boxes)}, {1}),
      from_vector(std::vector<std::int64_t>{seen.image.height, seen.image.width}, {1, 2}), settings.match);
  const auto object = targets.object.to_vector<std::int64_t>();
  const auto place = anchors.to_vector<double>();
  std::vector<std::int64_t> of_box(boxes.size(), 0);
  std::vector<DrawnBox> thin, marked;
  for (std::size_t a = 0; a < object.size(); ++a) {
    if (object[a] < 0) continue;
    ++of_box[static_cast<std::size_t>(object[a])];
    ++out.anchors;
    thin.push_back({{place[4 * a], place[4 * a + 1], place[4 * a + 2], place[4 * a + 3]}, 1});
  }
  for (std::size_t k = 0; k < boxes.size(); ++k) {
    const bool learnt = of_box[k] > 0;
    const std::string name = set.classes()[static_cast<std::size_t>(boxes[k].label)];
    marked.push_back({{boxes[k].x1, boxes[k].y1, boxes[k].x2, boxes[k].y2},
                      boxes[k].label,
                      1,
                      learnt ? cat(name, ": ", of_box[k]) : name + ": no anchor",
                      !learnt,
                      learnt ? good_colour : bad_colour});
    out.without_anchor += !learnt;
  }
  out.boxes = std::ssize(boxes);
  out.image = to_rgb(to_8bit(seen.image));
  if (options.anchors) out.image = draw_boxes(out.image, thin, {}, 1);
  if (options.boxes) out.image = draw_boxes(out.image, marked);
  if (!options.title.empty()) {
    const int dot = std::max(1, (std::max(out.image.width, out.image.height) + 300) / 600), room = 2 * dot;
    const std::string text = shortened(options.title, out.image.width - 2 * room, dot);
    const int top = out.image.height - text_height(dot) - 2 * room;
    fill_box(out.image, {0, top, text_width(text, dot) + 2 * room, text_height(dot) + 2 * room}, {0, 0, 0});
    draw_text(out.image, room, top + room, text, {1, 1, 1}, dot);
  }
  return out;
}

}  // namespace gadolin
