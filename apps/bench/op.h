// The table of `gadolin bench op`: every kernel of our own and the convolutions of ResNet-50, by family.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

// What the table is made for.
struct OpSizes {
  Device device;
  DType dtype = DType::fp32;
  std::int64_t batch = 8;  // pictures; what is not of pictures grows with it
};

// One operation at a size where its time is its own.
struct OpCase {
  std::string family, name;
  double bytes = 0;  // that must move: each tensor once for every pass over it that cannot be avoided
  double flops = 0;  // of the sums of products; 0 for what only streams
  // Makes the tensors, of random numbers, and gives what does the operation on them once. It is called
  // several times for small tensors, which would otherwise stay in the cache.
  std::function<std::function<void()>()> make;
  // Of one way among several to compute what an earlier case computes: the time that the choice among them
  // expects, as a share of the direct way's, and whether it is the chosen one. 0: no such case.
  double predicted = 0;
  bool chosen = false;
};
using OpCases = std::vector<OpCase>;

void add_elementwise_cases(const OpSizes& sizes, OpCases& into);
void add_norm_cases(const OpSizes& sizes, OpCases& into);
void add_loss_cases(const OpSizes& sizes, OpCases& into);
void add_box_cases(const OpSizes& sizes, OpCases& into);     // a detector's
void add_pixel_cases(const OpSizes& sizes, OpCases& into);   // pooling, resizing, ingest
void add_update_cases(const OpSizes& sizes, OpCases& into);  // optimisers and weight averages
void add_conv_cases(const OpSizes& sizes, OpCases& into);
void add_recurrent_cases(const OpSizes& sizes, OpCases& into);

// --- what the families build with --------------------------------------------------------------------------

// Bytes of a tensor of this shape.
double bytes_of(const Shape& shape, DType dtype);
// Random numbers in [-1, 1); images are channels-last.
Tensor random_tensor(const OpSizes& sizes, const Shape& shape, DType dtype);
inline Tensor random_tensor(const OpSizes& sizes, const Shape& shape) {
  return random_tensor(sizes, shape, sizes.dtype);
}
// fp32, and fp64 of fp64: parameters and statistics.
DType parameter_type(DType dtype);
// Runs only the backward pass of what `forward` recorded; the leaves are those that want gradients.
std::function<void()> backward_of(const Tensor& result, const std::vector<Tensor>& leaves);
// forward and backward together.
std::function<void()> both_ways(std::function<Tensor()> forward, const std::vector<Tensor>& leaves);

}  // namespace gadolin
