// How far a net's results in fp32 are from exact ones, for each way that its convolutions may go.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "tensor/shape.h"

namespace gadolin {

// Of the largest tiles that are allowed (layers/winograd.h).
inline constexpr std::array<int, 3> compared_tiles{0, 2, 4};

struct MathErrors {
  Shape input;                                       // [C, H, W]
  std::array<double, compared_tiles.size()> errors;  // largest difference from fp64, over the largest result
};
// A classifier or a detector as it begins to learn, on a picture of random numbers: logits, and of a detector
// box deltas too, the worse of the two. Random weights with batch norms that know their statistics would say
// little: such a net multiplies any disturbance (Yang et al. 2019, "A mean field theory of batch
// normalization"), and sums of products are as far from fp64 then.
// input: "" for the net's own. Throws UsageError for a name that there is not, ShapeError
// for an input too small.
MathErrors math_errors(const std::string& net, const std::string& input, std::uint64_t seed);

}  // namespace gadolin
