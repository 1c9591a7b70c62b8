// Convolutions through cuDNN: a problem is planned once, the plan is kept and run. Needs no CUDA header;
// exists when CUDA is compiled in.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "io/plan_database.h"
#include "tensor/device.h"
#include "tensor/dtype.h"

namespace gadolin {

enum class ConvPass : std::uint8_t { forward, data_gradient, filter_gradient };
// What follows the forward product before it is stored; the bias [K] has the problem's dtype.
enum class ConvEpilogue : std::uint8_t { none, bias, bias_relu, bias_add_relu };

// One convolution: x [N, C, H, W], w [K, C / groups, R, S], y [N, K, P, Q] or their gradients, all of one
// dtype and one memory format, 16-byte aligned and dense, except that channels-last x and y may be slices of
// more channels. Sums run in fp32 (fp64 for fp64).
struct ConvProblem {
  ConvPass pass = ConvPass::forward;
  ConvEpilogue epilogue = ConvEpilogue::none;
  DType dtype = DType::fp32;
  bool channels_last = true;  // of images and filters
  bool tf32 = false;          // fp32 may be rounded to tf32 inside; fp32 stays fp32 otherwise
  bool accumulate = false;    // add to what y, dx or dw holds
  bool deterministic = true;  // engines that do not repeat their bits are left out
  std::int64_t n = 1, c = 1, h = 1, w = 1, k = 1, r = 1, s = 1, groups = 1;
  std::int64_t stride[2] = {1, 1}, padding[2] = {0, 0}, dilation[2] = {1, 1};  // along H, along W
  std::int64_t extra[2] = {0, 0};           // padding that is only below and to the right
  std::int64_t x_stride = 0, y_stride = 0;  // elements from pixel to pixel in a slice of channels; 0: dense

  std::int64_t p() const {
    return (h + 2 * padding[0] + extra[0] - dilation[0] * (r - 1) - 1) / stride[0] + 1;
  }
  std::int64_t q() const {
    return (w + 2 * padding[1] + extra[1] - dilation[1] * (s - 1) - 1) / stride[1] + 1;
  }
  std::string str() const;  // unique, one line, no spaces
  auto operator<=>(const ConvProblem&) const = default;
  // Whether there is another way, by a copy or an addition: only a good engine is wanted then.
  bool optional() const { return x_stride != 0 || y_stride != 0 || accumulate; }
};

// Whether this dtype has the epilogues: every floating type but fp64.
inline bool convolution_fuses(DType dtype) { return dtype != DType::fp64; }
// Whether there are tensor-core engines for it.
inline bool convolution_has_cores(const ConvProblem& p) {
  return size_of(p.dtype) == 2 || (p.dtype == DType::fp32 && p.tf32);
}
// How many channels x and w should have, filled up with zeros: tensor-core engines need 16 bytes a pixel, and
// copy x for every pass otherwise. p.c where more would not help.
inline std::int64_t padded_channels(const ConvProblem& p) {
  const std::int64_t least = 16 / size_of(p.dtype);
  return convolution_has_cores(p) && p.groups == 1 && p.c < least ? least : p.c;
}

// The tensors of a problem. forward reads x, w and writes y; data_gradient reads w and y (dy) and writes x
// (dx); filter_gradient reads x and y (dy) and writes w (dw). z [N, K, P, Q] is what bias_add_relu adds.
struct ConvPointers {
  void* x = nullptr;
  void* w = nullptr;
  void* y = nullptr;
  const void* bias = nullptr;
  const void* z = nullptr;
};
// Queues the convolution on the device's current stream. When cuDNN has no engine within the workspace limit,
// it throws Unsupported naming the problem; for an optional problem it does nothing and returns false. For
// those, engines without tensor cores are refused where there are others, and fallback engines for slices.
// Throws CudaError naming `op`.
bool run_convolution(const char* op, Device device, const ConvProblem& problem, const ConvPointers& tensors);

// A problem's plan is the one in the plan database (io/plan_database.h); the heuristics, whose first
// answer takes up to a second, are not asked then. A problem that is not there, or whose plan is refused:
// when tuning is on, the first candidates are timed once on the tensors of the first call, and the quickest
// is written to the database; otherwise the first one that cuDNN's heuristics prefer and that runs. Timings
// differ from run to run, the database does not: a machine decides once, and a process once if the database
// cannot be written. Off by default in the library, on in the program. While a step is recorded nothing is
// timed.
void set_convolution_tuning(bool on);
struct ConvolutionPlans {
  std::int64_t from_database = 0, from_heuristics = 0, tuned = 0;
  double seconds = 0;  // to find them, first runs and measurements included
};
ConvolutionPlans convolution_plans();  // of this process so far
// Largest scratch memory a plan may ask for; 256 MiB by default. Affects plans made afterwards.
void set_convolution_workspace_limit(std::int64_t bytes);

// In which order engines are measured, of those in cuDNN's order of preference: where there are tensor cores
// for the problem those first, and every third one compiled at run time, which cuDNN names last.
struct EngineTraits {
  bool tensor_core = false, runtime_compiled = false;
};
std::vector<std::size_t> measuring_order(const std::vector<EngineTraits>& engines, bool has_cores);

// The problem, what is promised of addresses, and a workspace limit that is not the usual one.
std::string plan_database_key(const ConvProblem& problem);

}  // namespace gadolin
