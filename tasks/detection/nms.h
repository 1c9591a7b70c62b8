// Non-maximum suppression: of boxes that show the same object, the best one stays.
#pragma once

#include "tensor/tensor.h"

namespace gadolin {

// Goes through the boxes by falling score, equal scores by their number, and keeps a box unless its overlap
// with one that was kept, of the same class, is above `overlap` (Felzenszwalb et al. 2010, section 5).
//   boxes fp32 [n, 4], score floating [n], kind int64 [n] or undefined: all of one class
//   -> int64 [kept], the numbers of the boxes by falling score; at most `most`
// The same list on every device: geometry is in fp32 with fixed rounding, class numbers are compared and no
// box is moved; the overlap in fp32 is compared with the limit in double. A box with NaN suppresses nothing
// and stays; NaN scores come first. Waits for the device at its end. Throws ShapeError, DTypeError,
// DeviceError; ValueError unless 0 <= overlap <= 1, and on CUDA for more than 32,768 boxes, whose pairs do
// not fit. Agrees with torchvision.ops.batched_nms.
Tensor nms(const Tensor& boxes, const Tensor& score, const Tensor& kind, double overlap,
           std::int64_t most = -1);

namespace detail {

inline constexpr std::int64_t most_nms_boxes = 32768;  // of a picture, on CUDA

// Boxes of several pictures in the order of their scores, on one device.
struct Suppression {
  std::int64_t pictures, boxes, most;  // places for boxes, boxes to keep
  double overlap;
  bool by_class;
  const float* box;           // [pictures, boxes, 4]
  const std::int64_t* kind;   // [pictures, boxes]
  const std::int64_t* valid;  // [pictures]: boxes that there are; they stand first
  std::int64_t* keep;         // [pictures, most]: places of those that stay, -1 behind the last
  std::int64_t* kept;         // [pictures]
};
// Without a word to the host.
void suppress(Device device, const Suppression& s);

}  // namespace detail
}  // namespace gadolin
