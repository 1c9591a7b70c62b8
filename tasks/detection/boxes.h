// Boxes as tensors: corners x1 y1 x2 y2 in pixels, continuous (a box of width 1 ends 1 behind its beginning),
// in fp32 [.., 4].
#pragma once

#include <array>

#include "tensor/tensor.h"

namespace gadolin {

// What a net's four numbers say of a box relative to an anchor of width w and height h.
struct BoxCoder {
  // corners: (x1 - ax1) / w, (y1 - ay1) / h, (x2 - ax2) / w, (y2 - ay2) / h
  // centre: the centre's distance / w and / h, log(width / w), log(height / h)
  // Which of the two.
  enum class Form : std::uint8_t { corners, centre } form = Form::corners;
  std::array<double, 4> deviation{0.2, 0.2, 0.2, 0.2};  // the numbers are divided by these
  bool plus_one = false;  // of centre, when encoding: widths and heights count the last pixel

  // torchvision's. Decoding limits the logarithms to log(1000 / 16), in every centre form.
  static BoxCoder torchvision() { return {Form::centre, {1, 1, 1, 1}, false}; }
  // Keras RetinaNet of 2017, which decoded otherwise than it encoded.
  static BoxCoder legacy() { return {Form::centre, {0.1, 0.1, 0.2, 0.2}, true}; }
};

// Intersection over union of each of a [A, 4] with each of b [B, 4] -> [A, B]. 0 where nothing is common, of
// empty boxes too; NaN in a box gives NaN. plus_one: a box ends behind its last pixel. Not differentiable.
Tensor box_overlap(const Tensor& a, const Tensor& b, bool plus_one = false);

// anchors and boxes [A, 4] -> [A, 4]. Not differentiable. A box without width gives -infinity in the centre
// form.
Tensor encode_boxes(const Tensor& anchors, const Tensor& boxes, const BoxCoder& coder = {});
// anchors [A, 4], numbers [.., A, 4] -> boxes of the numbers' shape, in fp32. Differentiable in the numbers.
Tensor decode_boxes(const Tensor& anchors, const Tensor& numbers, const BoxCoder& coder = {});

}  // namespace gadolin
