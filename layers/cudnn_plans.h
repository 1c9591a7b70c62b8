// Convolutions through cuDNN: a problem is planned once, the plan is kept and run. Needs no CUDA header; exists when CUDA
// is compiled in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/device.h"
#include "tensor/dtype.h"

namespace gadolin {

enum class ConvPass : std::uint8_t { forward, data_gradient, filter_gradient };
// What follows the forward product before it is stored; the bias [K] has the problem's dtype.
enum class ConvEpilogue : std::uint8_t { none, bias, bias_relu, bias_add_relu };

// One convolution: x [N, C, H, W], w [K, C / groups, R, S], y [N, K, P, Q] or their gradients, all of one dtype and one
// memory format, dense, 16-byte aligned. Sums run in fp32 (fp64 for fp64).
struct ConvProblem {
  ConvPass pass = ConvPass::forward;
  ConvEpilogue epilogue = ConvEpilogue::none;
  DType dtype = DType::fp32;
  bool channels_last = true;     // of images and filters
  bool tf32 = false;             // fp32 may be rounded to tf32 inside; fp32 stays fp32 otherwise
  bool accumulate = false;       // add to what y, dx or dw holds
  bool deterministic = true;     // engines that do not repeat their bits are left out
  std::int64_t n = 1, c = 1, h = 1, w = 1, k = 1, r = 1, s = 1, groups = 1;
  std::int64_t stride[2] = {1, 1}, padding[2] = {0, 0}, dilation[2] = {1, 1};  // along H, along W
  std::int64_t extra[2] = {0, 0};  // padding that is only below and to the right

  std::int64_t p() const { return (h + 2 * padding[0] + extra[0] - dilation[0] * (r - 1) - 1) / stride[0] + 1; }
  std::int64_t q() const { return (w + 2 * padding[1] + extra[1] - dilation[1] * (s - 1) - 1) / stride[1] + 1; }
  std::string str() const;       // unique, one line, no spaces: the key of the plan database
  bool operator==(const ConvProblem&) const = default;
};

// Whether this dtype has the epilogues: every floating type but fp64.
inline bool convolution_fuses(DType dtype) { return dtype != DType::fp64; }

// The tensors of a problem. forward reads x, w and writes y; data_gradient reads w and y (dy) and writes x (dx);
// filter_gradient reads x and y (dy) and writes w (dw). z [N, K, P, Q] is what bias_add_relu adds.
struct ConvPointers {
  void* x = nullptr;
  void* w = nullptr;
  void* y = nullptr;
  const void* bias = nullptr;
  const void* z = nullptr;
};
// Queues the convolution on the device's current stream. Throws Unsupported when cuDNN has no engine within the
// workspace limit, naming the problem; CudaError naming `op`.
void run_convolution(const char* op, Device device, const ConvProblem& problem, const ConvPointers& tensors);

// Plans are chosen by cuDNN's heuristics, which always give the same answer, or, when tuning is on, by timing the first
// candidates once on the tensors of the first call. Timings differ from run to run, so tuned choices are written to the
// plan database (layers/plan_database.h) and read from there: a machine decides once. Off by default.
// While a step is recorded nothing is timed.
void set_convolution_tuning(bool on);
bool convolution_tuning();
// Largest scratch memory a plan may ask for; 256 MiB by default. Affects plans made afterwards.
void set_convolution_workspace_limit(std::int64_t bytes);

// --- planning without a device ----------------------------------------------------------------------------------------

struct PlanConfig {
  std::int64_t engine = 0, workspace = 0, shared_memory = 0;  // bytes
  bool tensor_core = false;          // includes tf32 for fp32 problems
  bool runtime_compiled = false;
  bool nondeterministic = false;
  bool accepted = false;             // by the problem's rules on precision, repeatability and workspace
};
struct PlanReport {
  std::vector<PlanConfig> configs;   // in cuDNN's order of preference, fallback engines last
  bool planned = false;              // an accepted config, rebuilt from engine and knobs, made a whole plan
  int accepted() const;
  const PlanConfig* chosen() const;  // the first accepted one, nullptr when there is none
};
// Asks cuDNN's heuristics what a device with these properties could run. `device_json` is what cuDNN says about a real
// one (convolution_device_json). Throws DeviceError when cuDNN cannot be opened.
PlanReport plan_without_device(const ConvProblem& problem, const std::string& device_json);
std::string convolution_device_json(Device device);

}  // namespace gadolin
