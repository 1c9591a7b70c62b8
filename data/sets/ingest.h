// From bytes as decoders deliver them to the numbers a net takes, on either device.
#pragma once

#include "data/image/transforms.h"
#include "tensor/tensor.h"

namespace gadolin {

// (images[n, c, y, x] - offset[c]) * factor[c], rounded to `dtype`.
//   images [N, C, H, W] uint8 with channels innermost in memory, C 1 or 3 -> [N, K, H, W] likewise, fp32,
//   bf16 or fp16; K = C, or `channels` (C to 8) with zeros in channels C to K - 1, for first layers that
//   compute in pixels of 4.
// Both devices and normalize_into() give the same bits. Not differentiable. Throws ShapeError and DTypeError.
Tensor ingest(const Tensor& images, const NormalizeFactors& factors, DType dtype = DType::fp32,
              std::int64_t channels = 0);

}  // namespace gadolin
