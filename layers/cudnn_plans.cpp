// Plans of convolutions: the choice of an engine for a problem, and running it.
#ifdef GADOLIN_CUDA
#include "layers/cudnn_plans.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "io/plan_database.h"
#include "layers/cudnn_conv_graph.h"
#include "tensor/allocator.h"
#include "tensor/capture_state.h"
#include "tensor/check.h"
#include "tensor/cuda/library.h"
#include "tensor/cuda/memory.h"
#include "tensor/cuda/status.h"
#include "tensor/cuda/stream.h"

namespace gadolin {
namespace {

std::atomic<bool> tuning{false};
constexpr std::int64_t usual_workspace = std::int64_t{256} << 20;
std::atomic<std::int64_t> workspace_limit{usual_workspace};

std::optional<detail::CudnnPlan> built_plan(const CudnnDescriptor& config,
                                            const detail::CudnnTarget& target) {
  if (!config.defined()) return {};
  detail::CudnnPlan made{cudnn_plan(config, target.handle, target.properties)};
  if (!made.plan.defined()) return {};
  made.workspace = made.plan.get<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
  if (made.workspace > workspace_limit.load(std::memory_order_relaxed)) return {};
  return made;
}

}  // namespace

// --- finding a plan ----------------------------------------------------------------------------------------

std::string plan_database_key(const ConvProblem& p) {
  const std::int64_t limit = workspace_limit.load(std::memory_order_relaxed);
  return cat(p.str(), ",align16", limit == usual_workspace ? "" : cat(",workspace", limit));
}

namespace detail {

bool acceptable(const ConvProblem& p, const CudnnEngineConfig& config) {
  if (config.workspace > workspace_limit.load(std::memory_order_relaxed)) return false;
  if (p.deterministic && config.has(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)) return false;
  if (config.has(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)) return false;
  if (p.optional() && convolution_has_cores(p) && !config.has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE)) return false;
  // A tensor core that takes fp32 rounds it to tf32 or lower first.
  const bool rounds =
      config.has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE) || config.has(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS);
  return !(p.dtype == DType::fp32 && !p.tf32 && rounds);
}

std::vector<CudnnEngineConfig> engine_candidates(const ConvProblem& p, const CudnnDescriptor& graph,
                                                 const CudnnTarget& target) {
  std::vector<CudnnEngineConfig> found = cudnn_engine_configs(graph, CUDNN_HEUR_MODE_A, target.properties);
  if (p.x_stride != 0 || p.y_stride != 0) return found;
  for (CudnnEngineConfig& config : cudnn_engine_configs(graph, CUDNN_HEUR_MODE_FALLBACK, target.properties))
    found.push_back(std::move(config));
  return found;
}

std::optional<CudnnPlan> rebuilt_plan(const ConvProblem& p, const CudnnDescriptor& graph,
                                      const PlanChoice& choice, const CudnnTarget& target) {
  try {
    const std::optional<CudnnEngineConfig> config =
        cudnn_engine_config(graph, choice.engine, choice.knobs, target.properties);
    if (config && acceptable(p, *config)) return built_plan(config->config, target);
  } catch (const CudaError&) {
  }
  return {};
}

CudnnPlan find_plan(const ConvProblem& p, const CudnnTarget& target, const PlanDatabase& database,
                    const Runs& runs, const Tunes& tunes, ConvolutionPlans& count) {
  const CudnnDescriptor graph = convolution_graph(p, target.handle);
  if (const PlanChoice* known = database.find(plan_database_key(p))) {
    if (const auto plan = rebuilt_plan(p, graph, *known, target); plan && runs(*plan))
      return ++count.from_database, *plan;
  }
  const std::vector<CudnnEngineConfig> offered = engine_candidates(p, graph, target);
  if (const auto plan = tunes(offered); plan && runs(*plan)) return ++count.tuned, *plan;
  for (const CudnnEngineConfig& config : offered) {
    if (!acceptable(p, config)) continue;
    if (const auto plan = built_plan(config.config, target); plan && runs(*plan))
      return ++count.from_heuristics, *plan;
  }
  return {{}, 0, offered.size()};
}

}  // namespace detail

namespace {

using detail::acceptable;
using detail::CudnnPlan;

// --- running -----------------------------------------------------------------------------------------------

cudnnStatus_t try_execute(const char* op, cudnnHandle_t handle, Device device, const ConvProblem& p,
                          const CudnnPlan& plan, const ConvPointers& t) {
  std::array<std::int64_t, 5> ids{id_x, id_w, id_y};
  std::array<void*, 5> pointers{t.x, t.w, t.y};
  std::size_t n = 3;
  const auto add = [&](std::int64_t id, const void* pointer) {
    ids[n] = id;
    pointers[n++] = const_cast<void*>(pointer);
  };
  if (p.epilogue != ConvEpilogue::none) add(id_bias, t.bias);
  if (p.epilogue == ConvEpilogue::bias_add_relu) add(id_z, t.z);
  void* scratch = stream_workspace(device, current_stream(device), static_cast<std::size_t>(plan.workspace));
  return cudnn_execute(op, handle, plan.plan, std::span(ids).first(n),
                       std::span<void* const>(pointers).first(n), scratch);
}
void execute(const char* op, cudnnHandle_t handle, Device device, const ConvProblem& p, const CudnnPlan& plan,
             const ConvPointers& t) {
  check(try_execute(op, handle, device, p, plan, t), op);
}

// --- tuning ------------------------------------------------------------------------------------------------

constexpr std::size_t most_candidates = 12, repeats = 5, flushed_bytes = std::size_t{128} << 20;

// Device memory for the time of a measurement.
struct Scratch {
  Device device;
  void* data;
  Scratch(Device where, std::int64_t bytes) : device(where), data(allocator(where).allocate(bytes)) {}
  ~Scratch() { allocator(device).free(data); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

std::int64_t result_bytes(const ConvProblem& p) {
  const std::int64_t elements =
      p.pass == ConvPass::forward         ? p.n * (p.y_stride ? p.y_stride : p.k) * p.p() * p.q()
      : p.pass == ConvPass::data_gradient ? p.n * (p.x_stride ? p.x_stride : p.c) * p.h * p.w
                                          : p.k * (p.c / p.groups) * p.r * p.s;
  return elements * size_of(p.dtype);
}

// Median microseconds on the caller's inputs, with a cold L2 cache; negative when the plan fails to run.
double measure(const char* op, cudnnHandle_t handle, Device device, const ConvProblem& p,
               const CudnnPlan& plan, const ConvPointers& tensors, void* flushed) {
  const CudaStream stream = current_stream(device);
  Event begin(true), end(true);
  std::array<double, repeats> times{};
  try {
    execute(op, handle, device, p, plan, tensors);
    execute(op, handle, device, p, plan, tensors);
    for (double& time : times) {
      set_bytes(flushed, device, 0, flushed_bytes);
      begin.record(stream);
      execute(op, handle, device, p, plan, tensors);
      end.record(stream);
      time = 1000 * end.milliseconds_since(begin);
    }
  } catch (const CudaError&) {
    return -1;
  }
  std::sort(times.begin(), times.end());
  return times[repeats / 2];
}

PlanDatabase& database_of(Device device) {
  static auto& databases = *new std::map<int, PlanDatabase>;
  const auto at = databases.find(device.index);
  if (at != databases.end()) return at->second;
  cudaDeviceProp facts{};
  check(cudaGetDeviceProperties(&facts, device.index), "conv2d");
  const std::string identity =
      cat("cudnn ", cudnn().cudnnGetVersion(), ' ', facts.name, ' ', facts.multiProcessorCount, " SMs");
  return databases.emplace(device.index, PlanDatabase(plan_database_path(identity), identity)).first->second;
}

// The quickest of the likeliest candidates, kept in the database. Results go to scratch memory, so that
// accumulating problems do not add more than once. Nothing without the memory for it.
std::optional<CudnnPlan> tuned_plan(const char* op, cudnnHandle_t handle, Device device, const ConvProblem& p,
                                    const std::vector<CudnnEngineConfig>& offered, ConvPointers tensors,
                                    PlanDatabase& database) try {
  if (!tuning.load(std::memory_order_relaxed) || capturing()) return {};
  const Scratch result(device, result_bytes(p)), flushed(device, flushed_bytes);
  set_bytes(result.data, device, 0, static_cast<std::size_t>(result_bytes(p)));
  (p.pass == ConvPass::forward         ? tensors.y
   : p.pass == ConvPass::data_gradient ? tensors.x
                                       : tensors.w) = result.data;
  std::optional<CudnnPlan> best;
  PlanChoice choice;
  std::size_t tried = 0;
  std::vector<EngineTraits> traits;
  for (const CudnnEngineConfig& config : offered)
    traits.push_back(
        {config.has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE), config.has(CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION)});
  for (const std::size_t at : measuring_order(traits, convolution_has_cores(p))) {
    if (tried == most_candidates) break;
    const CudnnEngineConfig& config = offered[at];
    if (!acceptable(p, config)) continue;
    const auto plan = built_plan(config.config, {handle});
    if (!plan) continue;
    ++tried;
    const double time = measure(op, handle, device, p, *plan, tensors, flushed.data);
    if (time < 0 || (best && !(time < choice.microseconds))) continue;
    best = plan;
    choice = {config.engine, config.knobs, plan->workspace, time};
  }
  if (best) database.put(plan_database_key(p), choice);
  return best;
} catch (const OutOfMemory&) {
  return {};
}

// --- the first run -----------------------------------------------------------------------------------------

// One plan is looked for at a time: other threads then find it in the database.
std::mutex planning_mutex;
ConvolutionPlans plans_so_far;

// Finds the plan and runs it for the first time: one that refuses to run is none.
CudnnPlan first_run(const char* op, cudnnHandle_t handle, Device device, const ConvProblem& p,
                    const ConvPointers& tensors) {
  const std::lock_guard lock(planning_mutex);
  const auto begin = std::chrono::steady_clock::now();
  PlanDatabase& database = database_of(device);
  const detail::Runs runs = [&](const CudnnPlan& plan) {
    const cudnnStatus_t status = try_execute(op, handle, device, p, plan, tensors);
    const bool refused = CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED;
    if (!refused) check(status, op);
    return !refused;
  };
  const detail::Tunes tunes = [&](const std::vector<CudnnEngineConfig>& offered) {
    return tuned_plan(op, handle, device, p, offered, tensors, database);
  };
  const CudnnPlan plan = detail::find_plan(p, {handle}, database, runs, tunes, plans_so_far);
  plans_so_far.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return plan;
}

[[noreturn]] void no_engine(const char* op, const ConvProblem& p, std::size_t offered) {
  fail<Unsupported, 2>(
      op, ": cuDNN offers ", offered, " engines for ", p.str(), ", none within ",
      human_bytes(workspace_limit.load()), " of workspace", p.deterministic ? ", repeatable" : "",
      p.dtype == DType::fp32 && !p.tf32 ? " and in true fp32" : "", "; use another dtype, or allow tf32");
}

void check_pointers(const char* op, const ConvProblem& p, const ConvPointers& t) {
  const auto ready = [&](const void* pointer, const char* which, bool needed) {
    if (!needed) return;
    require<ValueError>(pointer != nullptr, op, ": ", which, " is missing");
    require<Unsupported, 3>(reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0, op, ": ", which,
                            " starts at an address that is not a multiple of 16; pass a clone()");
  };
  ready(t.x, "x", true);
  ready(t.w, "weight", true);
  ready(t.y, "y", true);
  ready(t.bias, "bias", p.epilogue != ConvEpilogue::none);
  ready(t.z, "z", p.epilogue == ConvEpilogue::bias_add_relu);
}

}  // namespace

bool run_convolution(const char* op, Device device, const ConvProblem& problem, const ConvPointers& tensors) {
  // Plans are used from one handle at a time, and handles belong to threads.
  thread_local std::map<std::pair<int, ConvProblem>, CudnnPlan> plans;
  check_pointers(op, problem, tensors);
  const DeviceGuard guard(device);
  const cudnnHandle_t handle = cudnn_handle(device);
  const std::pair key(device.index, problem);
  auto at = plans.find(key);
  const bool first = at == plans.end();
  if (first) at = plans.emplace(key, first_run(op, handle, device, problem, tensors)).first;
  if (!at->second.plan.defined()) {
    if (!problem.optional()) no_engine(op, problem, at->second.offered);
    return false;
  }
  if (!first) execute(op, handle, device, problem, at->second, tensors);
  return true;
}

std::vector<std::size_t> measuring_order(const std::vector<EngineTraits>& engines, bool has_cores) {
  std::deque<std::size_t> ready, compiled;
  for (const bool first : {true, false}) {
    for (std::size_t i = 0; i < engines.size(); ++i) {
      if ((engines[i].tensor_core || !has_cores) == first)
        (engines[i].runtime_compiled ? compiled : ready).push_back(i);
    }
  }
  std::vector<std::size_t> order;
  while (order.size() < engines.size()) {
    auto& from = ready.empty() || (order.size() % 3 == 2 && !compiled.empty()) ? compiled : ready;
    order.push_back(from.front());
    from.pop_front();
  }
  return order;
}

void set_convolution_tuning(bool on) { tuning.store(on, std::memory_order_relaxed); }
void set_convolution_workspace_limit(std::int64_t bytes) {
  workspace_limit.store(bytes, std::memory_order_relaxed);
}
ConvolutionPlans convolution_plans() {
  const std::lock_guard lock(planning_mutex);
  return plans_so_far;
}

}  // namespace gadolin
#endif
