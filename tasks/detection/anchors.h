// Anchors: the boxes that a detector judges, a fixed number at each place of each level.
#pragma once

#include <array>
#include <map>
#include <vector>

#include "layers/conv.h"

namespace gadolin {

// Sizes, shapes and places of anchors.
struct AnchorOptions {
  std::vector<double> sizes{32, 64, 128, 256, 512};  // of each level: the root of an anchor's area, in pixels
  std::vector<double> strides{8, 16, 32, 64, 128};   // of each level
  std::vector<double> ratios{0.5, 1, 2};             // height / width
  std::vector<double> scales{1, 1.2599210498948732, 1.5874010519681994};  // factors on sizes
  // As torchvision: sizes times scales cut to whole numbers, corners rounded to whole pixels, anchors around
  // the upper left corner of a place instead of its middle, and strides that are the picture's size divided
  // by the map's, rounded down.
  bool torchvision = false;
  bool operator==(const AnchorOptions&) const = default;
};

// Corners x1 y1 x2 y2 of the anchors around the origin of a level, ratios outside and scales inside (Lin et
// al. 2017, "Focal loss", section 4). Width sqrt(size^2 / ratio), height width * ratio.
std::vector<std::array<double, 4>> anchors_at_origin(const AnchorOptions& options, std::size_t level);

// Anchors of pictures, in the order of DetectorOutput (nets/retinanet.h). What was made is kept: maps come in
// few sizes.
class Anchors {
 public:
  // Throws UsageError for lists that are empty, of different lengths, or hold what is not above 0.
  explicit Anchors(AnchorOptions options = {});
  int per_place() const;                                     // ratios times scales
  const AnchorOptions& options() const { return options_; }  // as made
  // fp32 [A, 4] for maps of these rows and columns. `picture`: height and width of the net's input, padding
  // included. Throws ShapeError unless there is a map a level.
  const Tensor& of(const std::vector<Pair>& grids, Pair picture, Device device);
  // Anchors of each level.
  std::vector<std::int64_t> counts(const std::vector<Pair>& grids) const;

 private:
  Tensor make(const std::vector<Pair>& grids, Pair picture) const;
  AnchorOptions options_;
  std::map<std::vector<int>, Tensor> made_;  // by sizes and device
};

}  // namespace gadolin
