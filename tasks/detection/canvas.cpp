#include "tasks/detection/canvas.h"

#include "data/image/header.h"
#include "data/sets/boxes/detection_set.h"

namespace gadolin {

int canvas_side(int side, Padding padding) {
  int step = 32;
  while (padding == Padding::own && 16 * step < side) step *= 2;
  return (side + step - 1) / step * step;
}

std::vector<std::pair<int, int>> sizes_behind(const Dataset& set, const Pipeline& pipeline) {
  const auto* known = dynamic_cast<const DetectionSet*>(&set);
  std::vector<std::pair<int, int>> sizes;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    int width = 0, height = 0;
    if (known != nullptr) {
      width = known->picture(i).width;
      height = known->picture(i).height;
    } else {
      const StoredImage picture = set.read(i);
      if (picture.image.numel() > 0) {
        width = picture.image.width;
        height = picture.image.height;
      } else {
        const ImageHeader header = read_image_header(picture.file, set.info(i).name);
        width = header.width;
        height = header.height;
      }
    }
    sizes.push_back(pipeline.size_of(width, height));
  }
  return sizes;
}

}  // namespace gadolin
