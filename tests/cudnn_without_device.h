// Plans of convolutions for a device that is not there: cuDNN's heuristics are asked by its properties.
#pragma once

#ifdef GADOLIN_CUDA
#include <string>
#include <utility>
#include <vector>

#include "layers/cudnn_conv_graph.h"

namespace gadolin::test {

struct PlanConfig {
  std::int64_t engine = 0, workspace = 0;  // workspace in bytes
  bool tensor_core = false;                // includes tf32 for fp32 problems
  bool runtime_compiled = false;
  bool nondeterministic = false;
  bool accepted = false;                                     // by the problem's rules
  std::vector<std::pair<std::int64_t, std::int64_t>> knobs;  // type, value
};
struct PlanReport {
  std::vector<PlanConfig> configs;  // in cuDNN's order of preference, fallback engines last
  bool planned = false;             // an accepted config, rebuilt from engine and knobs, made a whole plan
  int accepted() const {
    int count = 0;
    for (const PlanConfig& config : configs) count += config.accepted;
    return count;
  }
  // The first accepted one, nullptr when there is none.
  const PlanConfig* chosen() const {
    for (const PlanConfig& config : configs)
      if (config.accepted) return &config;
    return nullptr;
  }
};

// Device properties as JSON, as read from a device once; stands in for a handle.
inline detail::CudnnTarget target_of(const std::string& json) {
  CudnnDescriptor made(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, "cuDNN device properties");
  made.set_all<char>(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, std::span(json.c_str(), json.size() + 1));
  return {nullptr, made.finalize()};
}

// What a device with these properties could run. Throws DeviceError when cuDNN cannot be opened.
inline PlanReport plan_without_device(const ConvProblem& problem, const std::string& device_json) {
  const detail::CudnnTarget target = target_of(device_json);
  const CudnnDescriptor graph = convolution_graph(problem, nullptr);
  PlanReport report;
  for (const CudnnEngineConfig& config : detail::engine_candidates(problem, graph, target)) {
    report.configs.push_back({config.engine, config.workspace, config.has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE),
                              config.has(CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION),
                              config.has(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC),
                              detail::acceptable(problem, config), config.knobs});
    if (report.planned || !report.configs.back().accepted) continue;
    // The way of a choice that comes from the database: from numbers to a plan.
    report.planned = detail::rebuilt_plan(problem, graph, {config.engine, config.knobs}, target).has_value();
  }
  return report;
}

// Where a plan would come from, as if the first `refusals` plans refused to run; all 0: from nowhere.
inline ConvolutionPlans plan_without_device(const ConvProblem& problem, const std::string& device_json,
                                            const PlanDatabase& known, int refusals = 0) {
  ConvolutionPlans count;
  const detail::Runs runs = [&](const detail::CudnnPlan&) { return refusals-- <= 0; };
  const detail::Tunes tunes = [](const auto&) { return std::nullopt; };
  detail::find_plan(problem, target_of(device_json), known, runs, tunes, count);
  return count;
}

}  // namespace gadolin::test
#endif
