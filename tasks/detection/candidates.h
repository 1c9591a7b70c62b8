// The most probable classes of anchors of each level: what suppression goes through. For detections.cu.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace gadolin::detail {

inline constexpr int most_levels = 16;

// Segments are levels of pictures. A candidate is a number: the higher, the better, and no two are equal; the
// upper half orders as the logit does, the lower one says where that stands in its picture. 0: none.
struct Selection {
  std::int64_t pictures, levels, all, classes;  // all: logits of a picture
  std::int64_t begin[most_levels + 1];          // of the levels, in the logits of a picture
  std::int64_t places[most_levels + 1];         // of their candidates, in those of a picture
  float least;                                  // a logit must be larger; NaN passes and comes first
  bool best_class;      // only the largest logit of an anchor counts, the first of equals
  std::uint64_t* key;   // [pictures, places[levels]]: falling; unwritten behind the last
  std::int64_t* valid;  // [pictures]: candidates that there are

  std::int64_t most() const { return places[levels]; }
};
// logits: contiguous [N, A, K] of a floating type, on the device where key and valid are.
void select(const Tensor& logits, const Selection& s);

}  // namespace gadolin::detail
