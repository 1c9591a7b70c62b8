// Changing the size of a picture with the filter widened by the reduction, so that fine detail does not
// alias.
#pragma once

#include "data/image/image.h"

namespace gadolin {

// How new samples are made of old ones; both widen when they shrink, as Pillow's do.
enum class Filter { bilinear, bicubic };

// A rectangle between pixels: (0, 0) is the outer corner of the first pixel.
struct BoxF {
  double x = 0, y = 0, width = 0, height = 0;  // upper left corner and size
};

// Resamples the part `source` of the image (all of it, if it has no width) to width x height.
// Triangle filter, or Keys' cubic with a = -0.5; both as wide as the reduction asks (Pillow's resize with
// `box`, torchvision's antialias=True). Edges: taps outside the picture are left out and the rest scaled to
// sum 1. Within 1 unit of Pillow, which rounds between its two passes where this keeps floats.
Image resize(const Image& image, int width, int height, Filter filter = Filter::bilinear, BoxF source = {});

// One output sample per entry: taps weight[first, first + count) over input samples begin, begin + 1, ...
struct Taps {
  // The taps of one output sample.
  struct Span {
    int begin = 0, count = 0, first = 0;  // input samples from `begin`, `count` of them; weights from `first`
  };
  std::vector<Span> spans;     // one an output sample
  std::vector<float> weights;  // of all spans, one behind the other
};
// Taps that take `out` samples from [start, start + extent) of a row of `in` samples.
Taps resize_taps(int in, double start, double extent, int out, Filter filter);

}  // namespace gadolin
