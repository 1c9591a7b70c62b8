// How large the padded pictures of a detector's batches are.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "data/image/transforms.h"
#include "data/sets/dataset.h"

namespace gadolin {

// How far pictures of different sizes are padded to become one tensor.
enum class Padding : std::uint8_t {
  own,   // to one of few sizes, by the picture alone
  mean,  // to the next multiple of 32: as torchvision pads a picture alone
  batch  // to the largest of the batch: as torchvision pads batches
};

// The side that pictures of `side` pixels are padded to: the next multiple of 32, of 64 above 512, of 128
// above 1024 and so on, so that a set has few sizes and recorded steps are replayed. A function of the
// picture alone: what a detector finds does not depend on the rest of its batch.
int canvas_side(int side, Padding padding = Padding::own);

// Width and height of each picture of a set behind the pipeline, the largest that random steps allow. Reads
// the headers of pictures whose size the set does not know.
std::vector<std::pair<int, int>> sizes_behind(const Dataset& set, const Pipeline& pipeline);

}  // namespace gadolin
