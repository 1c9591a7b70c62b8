// One step between a picture and the net: what every step says of itself. Those that come with Gadolin stand
// in data/image/steps.h; a program's own is a class like them, and has no text form that Pipeline reads back.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "data/image/affine.h"
#include "data/image/image.h"
#include "data/image/physical.h"
#include "tensor/random.h"

namespace gadolin {

// A changed picture, and where its pixels come from: `map` takes places of the picture before to places of
// `image`. What a step makes up (padding, corners of a rotated picture) lies where the map's inverse leaves
// the picture before.
struct Transformed {
  Image image;  // the new picture
  Affine map;   // from the picture before to the new one
};

// A step holds no state but its settings and may be used by several threads at once.
class Transform {
 public:
  virtual ~Transform() = default;
  virtual Transformed apply(Image image, RandomStream& random) const = 0;  // one draw from `random`
  virtual std::string text() const = 0;  // NAME:PARAMETER:..., what Pipeline() accepts back
  virtual bool random() const = 0;       // results differ from draw to draw
  // Width and height afterwards, when they are the same for every picture.
  virtual std::optional<std::pair<int, int>> output_size() const { return {}; }
  // Without an output_size: whether a picture keeps its size.
  virtual bool keeps_size() const { return true; }
  // Width and height afterwards of a picture of this size; the largest ones of a step that draws them.
  virtual std::pair<int, int> size_of(int width, int height) const {
    return output_size().value_or(std::pair{width, height});
  }

  // A first step that needs only a part of the file, or a smaller picture, says so before decoding and then
  // gets that part: apply_decoded draws the same numbers as plan did. Its map begins at the whole picture.
  virtual bool plans() const { return false; }
  virtual Region plan(int width, int height, RandomStream& random) const;          // see plans()
  virtual Transformed apply_decoded(Decoded decoded, RandomStream& random) const;  // see plans()
};

// From pixels of the whole picture to pixels of the part.
Affine map_of(const Decoded& decoded);

// What makes a picture of measured values, in front of all other steps. Larger is brighter in its result:
// values that the file means inverted (MONOCHROME1) are turned round after the mapping, and padding is black
// in any case. Results have 16 bits, whatever the file holds, so that nothing is lost before normalize.
class PhysicalStep {
 public:
  virtual ~PhysicalStep() = default;
  virtual Image apply(const PhysicalImage& values) const = 0;  // 8 or 16 bits a sample
  virtual std::string text() const = 0;                        // as of a Transform
  virtual int channels() const { return 1; }                   // of its result
  // False: samples of any grey picture will do.
  virtual bool needs_units() const { return true; }
};

}  // namespace gadolin
