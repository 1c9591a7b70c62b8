#include "tasks/detection/anchors.h"

#include <cmath>

namespace gadolin {

std::vector<std::array<double, 4>> anchors_at_origin(const AnchorOptions& o, std::size_t level) {
  std::vector<std::array<double, 4>> cell;
  for (const double ratio : o.ratios) {
    for (const double scale : o.scales) {
      const double size = o.torchvision ? std::trunc(o.sizes[level] * scale) : o.sizes[level] * scale;
      double w = size / std::sqrt(ratio) / 2, h = size * std::sqrt(ratio) / 2;
      if (o.torchvision) {
        w = std::nearbyint(w);
        h = std::nearbyint(h);
      }
      cell.push_back({-w, -h, w, h});
    }
  }
  return cell;
}

Anchors::Anchors(AnchorOptions options) : options_(std::move(options)) {
  const AnchorOptions& o = options_;
  require<UsageError>(o.sizes.size() == o.strides.size(), "anchors: ", o.sizes.size(), " sizes and ",
                      o.strides.size(), " strides; give one of each for every level");
  for (const auto* list : {&o.sizes, &o.strides, &o.ratios, &o.scales}) {
    require<UsageError>(!list->empty(), "anchors: sizes, strides, ratios and scales must not be empty");
    for (const double number : *list)
      require<UsageError>(number > 0 && number < 1e6, "anchors: ", number,
                          " is not a size, stride, ratio or scale; give numbers above 0");
  }
}

int Anchors::per_place() const { return static_cast<int>(options_.ratios.size() * options_.scales.size()); }

std::vector<std::int64_t> Anchors::counts(const std::vector<Pair>& grids) const {
  std::vector<std::int64_t> all;
  for (const Pair& grid : grids) all.push_back(std::int64_t{grid.h} * grid.w * per_place());
  return all;
}

const Tensor& Anchors::of(const std::vector<Pair>& grids, Pair picture, Device device) {
  require<ShapeError>(grids.size() == options_.sizes.size(), "anchors: ", options_.sizes.size(),
                      " levels, but the net has ", grids.size(), " maps");
  std::vector<int> key{device.is_cuda() ? device.index : -1, picture.h, picture.w};
  for (const Pair& grid : grids) key.insert(key.end(), {grid.h, grid.w});
  Tensor& kept = made_[key];
  if (!kept.defined()) kept = make(grids, picture).to(device);
  return kept;
}

Tensor Anchors::make(const std::vector<Pair>& grids, Pair picture) const {
  std::vector<float> all;
  for (std::size_t level = 0; level < grids.size(); ++level) {
    const Pair grid = grids[level];
    const auto cell = anchors_at_origin(options_, level);
    const bool theirs = options_.torchvision;
    const double step_y = theirs ? picture.h / grid.h : options_.strides[level],
                 step_x = theirs ? picture.w / grid.w : options_.strides[level], middle = theirs ? 0 : 0.5;
    for (int row = 0; row < grid.h; ++row) {
      for (int column = 0; column < grid.w; ++column) {
        const double x = (column + middle) * step_x, y = (row + middle) * step_y;
        for (const auto& c : cell) {
          for (const double corner : {x + c[0], y + c[1], x + c[2], y + c[3]})
            all.push_back(static_cast<float>(corner));
        }
      }
    }
  }
  const auto count = static_cast<std::int64_t>(all.size() / 4);
  return from_vector(all, {count, 4});
}

}  // namespace gadolin
