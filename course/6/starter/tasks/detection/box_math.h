// Formulas of boxes for both devices: overlap, and what a net says of a box relative to an anchor. For .cu
// files.
#pragma once

#include "course/todo.h"
#include <cmath>

#include "tasks/detection/boxes.h"
#include "tensor/half.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin::detail {

// Corners in pixels.
struct Box {
  float x1, y1, x2, y2;
};
GADOLIN_HD Box box_at(const float* p) { return {p[0], p[1], p[2], p[3]}; }

// NaN stays where it stands second.
GADOLIN_HD float larger_of(float a, float b) { return a > b ? a : b; }
GADOLIN_HD float smaller_of(float a, float b) { return a < b ? a : b; }

// Rounded before anything is added, on every device and by every compiler: overlaps are compared with one
// another and with limits, and the same boxes must be found everywhere.
GADOLIN_HD float product(float a, float b) {
#ifdef __CUDA_ARCH__
  return __fmul_rn(a, b);
#else
  return static_cast<float>(static_cast<double>(a) * static_cast<double>(b));
#endif
}

// Intersection over union; 0 where nothing is common. NaN in either box gives NaN. `plus`: 1 where the last
// pixel belongs to a box (legacy).
GADOLIN_HD float overlap_of(const Box& a, const Box& b, float plus = 0) {
  course::todo("6A.3a", "overlap_of");
}

// BoxCoder's numbers as kernels take them.
struct CoderMath {
  bool corners;
  float plus, largest;
  float deviation[4];

  explicit CoderMath(const BoxCoder& coder)
      : corners(coder.form == BoxCoder::Form::corners), plus(coder.plus_one ? 1.0F : 0.0F),
        largest(static_cast<float>(std::log(1000.0 / 16))) {
    for (int i = 0; i < 4; ++i)
      deviation[i] = static_cast<float>(coder.deviation[static_cast<std::size_t>(i)]);
  }
  GADOLIN_HD void encode(const Box& anchor, const Box& box, float* t) const {
    using std::log;
    const float w = anchor.x2 - anchor.x1, h = anchor.y2 - anchor.y1;
    if (corners) {
    course::todo("6A.4", "encode");
      return;
    }
    const float aw = w + plus, ah = h + plus, bw = box.x2 - box.x1 + plus, bh = box.y2 - box.y1 + plus;
    t[0] = (box.x1 + 0.5F * bw - anchor.x1 - 0.5F * aw) / aw / deviation[0];
    t[1] = (box.y1 + 0.5F * bh - anchor.y1 - 0.5F * ah) / ah / deviation[1];
    t[2] = log(bw / aw) / deviation[2];
    t[3] = log(bh / ah) / deviation[3];
  }
  GADOLIN_HD Box decode(const Box& anchor, const float* t) const {
    using std::exp;
    const float w = anchor.x2 - anchor.x1, h = anchor.y2 - anchor.y1;
    if (corners) {
    course::todo("6A.4", "decode");
    }
    const float x = anchor.x1 + 0.5F * w + t[0] * deviation[0] * w,
                y = anchor.y1 + 0.5F * h + t[1] * deviation[1] * h,
                bw = exp(limited(t[2] * deviation[2])) * w, bh = exp(limited(t[3] * deviation[3])) * h;
    return {x - 0.5F * bw, y - 0.5F * bh, x + 0.5F * bw, y + 0.5F * bh};
  }
  // The gradient of the numbers from that of the corners.
  GADOLIN_HD void gradient(const Box& anchor, const float* t, const float* d, float* g) const {
    using std::exp;
    const float size[2] = {anchor.x2 - anchor.x1, anchor.y2 - anchor.y1};
    for (int c = 0; c < 2; ++c) {
      if (corners) {
        g[c] = d[c] * deviation[c] * size[c];
        g[c + 2] = d[c + 2] * deviation[c + 2] * size[c];
      } else {
        const float grown = t[c + 2] * deviation[c + 2];
        g[c] = (d[c] + d[c + 2]) * deviation[c] * size[c];
        g[c + 2] = grown > largest ? 0
                                   : 0.5F * (d[c + 2] - d[c]) * static_cast<float>(exp(grown)) * size[c] *
                                         deviation[c + 2];
      }
    }
  }
  GADOLIN_HD float limited(float x) const { return x > largest ? largest : x; }
};

}  // namespace gadolin::detail
