// The operation graph of a convolution problem and the search for its plan. Internal to layers/cudnn_*.cpp
// and to tests that plan without a device: it shows cuDNN's types.
#pragma once

#ifdef GADOLIN_CUDA
#include <functional>

#include "layers/cudnn_graph.h"
#include "layers/cudnn_plans.h"

namespace gadolin {

// Names of the tensors in a variant pack.
enum TensorId : std::int64_t { id_x = 1, id_w, id_y, id_bias, id_z, id_first_virtual };
// handle: nullptr when planning without a device.
CudnnDescriptor convolution_graph(const ConvProblem& problem, cudnnHandle_t handle);

namespace detail {

// What plans are made for: a device's handle, or without a device its properties.
struct CudnnTarget {
  cudnnHandle_t handle = nullptr;
  CudnnDescriptor properties = {};
};
struct CudnnPlan {
  CudnnDescriptor plan;  // undefined when no engine will do
  std::int64_t workspace = 0;
  std::size_t offered = 0;  // engines, when none will do
};
// Whether an engine keeps the problem's rules on precision, repeatability and workspace.
bool acceptable(const ConvProblem& p, const CudnnEngineConfig& config);
// In cuDNN's order of preference, fallback engines last.
std::vector<CudnnEngineConfig> engine_candidates(const ConvProblem& p, const CudnnDescriptor& graph,
                                                 const CudnnTarget& target);
// An engine kept as numbers; nothing when this cuDNN or driver refuses it, or the numbers are none that were
// written.
std::optional<CudnnPlan> rebuilt_plan(const ConvProblem& p, const CudnnDescriptor& graph,
                                      const PlanChoice& choice, const CudnnTarget& target);
// The known choice; without one, or when it refuses, the tuned one; else the first that the heuristics offer
// and that runs.
using Runs = std::function<bool(const CudnnPlan&)>;
using Tunes = std::function<std::optional<CudnnPlan>(const std::vector<CudnnEngineConfig>&)>;
CudnnPlan find_plan(const ConvProblem& p, const CudnnTarget& target, const PlanDatabase& database,
                    const Runs& runs, const Tunes& tunes, ConvolutionPlans& count);

}  // namespace detail
}  // namespace gadolin
#endif
