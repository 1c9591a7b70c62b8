// 3x3 convolutions of stride 1 on the CPU with 4/9 or 1/4 of the multiplications: Winograd's minimal
// filtering (Winograd 1980, "Arithmetic complexity of computations"; Lavin and Gray 2016, "Fast algorithms
// for convolutional neural networks"). Images are cut into tiles of 2 x 2 or 4 x 4 results; tiles, filters
// and gradients are transformed, where a convolution is a product for each of 16 or 36 points, and the
// products of a few tiles stay in cache until they are transformed back. Each tile is computed alone: the
// same bits, whatever batch it is in and however many threads there are.
#pragma once

#include "layers/conv_function.h"
#include "layers/cudnn_plans.h"  // ConvPass

namespace gadolin::detail {

// How a convolution is computed: results a side of a tile, 0 for the direct way; bytes of a vector.
struct WinogradChoice {
  int tile = 0, lane_bytes = 0;
  explicit operator bool() const { return tile != 0; }
  bool operator==(const WinogradChoice&) const = default;
};
// By a picture's sizes, its type (fp16 is widened first) and vectors alone, never by the batch or a clock:
// bits must not depend on them. Direct for whatever Winograd's algorithm is not for.
// inference: by the costs of one picture; else of eight, between whose passes caches are lost.
WinogradChoice winograd_choice(ConvPass pass, const ConvSizes& z, DType dtype, bool inference = false);
// Bytes of the widest vectors that it has code for here: 64, 32, or 0.
int winograd_lanes();

// As their namesakes of layers/conv_function.h, for fp32, fp64 and, with arithmetic in fp32, bf16. A NaN or
// an infinity among the inputs makes NaNs of all results of its tile. Errors: docs/numerics.md. x, y and the
// addend may be slices of channels. The weight may be of any type; `scale` [K] of each filter, in the type of
// the arithmetic, or undefined.
void conv_forward_winograd(WinogradChoice how, const ConvSizes& z, const Tensor& x, const Tensor& weight,
                           const Tensor& scale, const Tensor& bias, const ConvTail& tail, Tensor& y);
Tensor conv_data_gradient_winograd(WinogradChoice how, const ConvSizes& z, const Tensor& dy,
                                   const Tensor& weight, const Tensor& x);
Tensor conv_filter_gradient_winograd(WinogradChoice how, const ConvSizes& z, const Tensor& dy,
                                     const Tensor& x, const Tensor& weight);

}  // namespace gadolin::detail
