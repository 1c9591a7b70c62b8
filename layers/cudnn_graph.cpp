// cuDNN's graph API: descriptors, builders, heuristics, plans, execution.
#ifdef GADOLIN_CUDA
#include "layers/cudnn_graph.h"

#include <array>
#include <mutex>
#include <utility>

#include "tensor/check.h"
#include "tensor/cuda/library.h"
#include "tensor/cuda/status.h"
#include "tensor/cuda/stream.h"

namespace gadolin {

// --- descriptors -------------------------------------------------------------------------------------------

CudnnDescriptor::State::~State() {
  if (raw) cudnn().cudnnBackendDestroyDescriptor(raw);
}

CudnnDescriptor::CudnnDescriptor(cudnnBackendDescriptorType_t type, const char* name)
    : state_(std::make_shared<State>()) {
  state_->name = name;
  check(cudnn().cudnnBackendCreateDescriptor(type, &state_->raw), name);
}

CudnnDescriptor& CudnnDescriptor::set_raw(cudnnBackendAttributeName_t attribute,
                                          cudnnBackendAttributeType_t type, std::int64_t n,
                                          const void* values) {
  check(cudnn().cudnnBackendSetAttribute(state_->raw, attribute, type, n, values), state_->name);
  return *this;
}

CudnnDescriptor& CudnnDescriptor::set(cudnnBackendAttributeName_t attribute, const CudnnDescriptor& child) {
  return set_all(attribute, std::span(&child, 1));
}

CudnnDescriptor& CudnnDescriptor::set_all(cudnnBackendAttributeName_t attribute,
                                          std::span<const CudnnDescriptor> children) {
  std::vector<cudnnBackendDescriptor_t> raws;
  for (const CudnnDescriptor& child : children) {
    raws.push_back(child.raw());
    state_->children.push_back(child.state_);
  }
  return set_raw(attribute, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<std::int64_t>(raws.size()),
                 raws.data());
}

CudnnDescriptor& CudnnDescriptor::finalize() {
  check(try_finalize(), state_->name);
  return *this;
}
cudnnStatus_t CudnnDescriptor::try_finalize() { return cudnn().cudnnBackendFinalize(state_->raw); }

std::int64_t CudnnDescriptor::get_raw(cudnnBackendAttributeName_t attribute, cudnnBackendAttributeType_t type,
                                      std::int64_t n, void* values, bool must_know) const {
  std::int64_t found = 0;
  const cudnnStatus_t status =
      cudnn().cudnnBackendGetAttribute(state_->raw, attribute, type, n, &found, values);
  if (!must_know && status != CUDNN_STATUS_SUCCESS) return -1;
  check(status, state_->name);
  return found;
}

std::int64_t CudnnDescriptor::count(cudnnBackendAttributeName_t attribute) const {
  return get_raw(attribute, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
}

std::vector<CudnnDescriptor> CudnnDescriptor::children(cudnnBackendAttributeName_t attribute,
                                                       std::int64_t limit, cudnnBackendDescriptorType_t type,
                                                       const char* name) const {
  std::vector<CudnnDescriptor> made;
  std::vector<cudnnBackendDescriptor_t> raws;
  for (std::int64_t i = 0; i < limit; ++i) raws.push_back(made.emplace_back(type, name).raw());
  const std::int64_t found =
      limit == 0 ? 0 : get_raw(attribute, CUDNN_TYPE_BACKEND_DESCRIPTOR, limit, raws.data());
  made.resize(static_cast<std::size_t>(std::min(found, limit)));
  return made;
}

// --- builders ----------------------------------------------------------------------------------------------

cudnnDataType_t cudnn_data_type(DType dtype) {
  switch (dtype) {
    case DType::fp32: return CUDNN_DATA_FLOAT;
    case DType::fp64: return CUDNN_DATA_DOUBLE;
    case DType::bf16: return CUDNN_DATA_BFLOAT16;
    case DType::fp16: return CUDNN_DATA_HALF;
    default:
      fail<DTypeError, 2>("conv2d: ", dtype, " is not supported on cuda; convert with .to(DType::fp32)");
  }
}

CudnnDescriptor cudnn_tensor(const CudnnTensor& tensor) {
  CudnnDescriptor made(CUDNN_BACKEND_TENSOR_DESCRIPTOR, "cuDNN tensor");
  made.set(CUDNN_ATTR_TENSOR_DATA_TYPE, cudnn_data_type(tensor.dtype))
      .set_all<std::int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS, tensor.dims)
      .set_all<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES, tensor.strides)
      .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, tensor.id)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, tensor.alignment)
      .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, tensor.is_virtual);
  return made.finalize();
}

namespace {

CudnnDescriptor convolution(const ConvProblem& p) {
  const std::int64_t after[] = {p.padding[0] + p.extra[0], p.padding[1] + p.extra[1]};
  CudnnDescriptor made(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "cuDNN convolution");
  made.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE,
           cudnn_data_type(p.dtype == DType::fp64 ? DType::fp64 : DType::fp32))
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION)
      .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2})
      .set_all<std::int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, p.padding)
      .set_all<std::int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, after)
      .set_all<std::int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, p.stride)
      .set_all<std::int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS, p.dilation);
  return made.finalize();
}

// What cuDNN calls a convolution and its two gradients.
struct PassNames {
  cudnnBackendDescriptorType_t type;
  const char* what;
  cudnnBackendAttributeName_t convolution, x, w, y, alpha, beta;
};
#define GADOLIN_PASS(type, what, pass, x, w, y)                                                             \
  {                                                                                                         \
    CUDNN_BACKEND_OPERATION_CONVOLUTION_##type##_DESCRIPTOR, "cuDNN convolution " what,                     \
        CUDNN_ATTR_OPERATION_CONVOLUTION_##pass##_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_##pass##_##x, \
        CUDNN_ATTR_OPERATION_CONVOLUTION_##pass##_##w, CUDNN_ATTR_OPERATION_CONVOLUTION_##pass##_##y,       \
        CUDNN_ATTR_OPERATION_CONVOLUTION_##pass##_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_##pass##_BETA     \
  }
constexpr PassNames pass_names[] = {GADOLIN_PASS(FORWARD, "forward", FORWARD, X, W, Y),
                                    GADOLIN_PASS(BACKWARD_DATA, "backward data", BWD_DATA, DX, W, DY),
                                    GADOLIN_PASS(BACKWARD_FILTER, "backward filter", BWD_FILTER, X, DW, DY)};
#undef GADOLIN_PASS

// The n-th bit for each note.
template <class Note> std::uint32_t bits(const std::vector<Note>& notes) {
  std::uint32_t mask = 0;
  for (const Note note : notes) mask |= 1u << static_cast<unsigned>(note);
  return mask;
}

}  // namespace

CudnnDescriptor cudnn_convolution(const ConvProblem& p, const CudnnDescriptor& x, const CudnnDescriptor& w,
                                  const CudnnDescriptor& y) {
  const PassNames& names = pass_names[static_cast<int>(p.pass)];
  CudnnDescriptor made(names.type, names.what);
  made.set(names.convolution, convolution(p)).set(names.x, x).set(names.w, w).set(names.y, y);
  const auto scales = [&](auto alpha, auto beta) { made.set(names.alpha, alpha).set(names.beta, beta); };
  if (p.dtype == DType::fp64)  // they have the type that is computed in
    scales(1.0, p.accumulate ? 1.0 : 0.0);
  else
    scales(1.0f, p.accumulate ? 1.0f : 0.0f);
  return made.finalize();
}

CudnnDescriptor cudnn_pointwise(cudnnPointwiseMode_t mode, const CudnnDescriptor& x, const CudnnDescriptor* b,
                                const CudnnDescriptor& y) {
  CudnnDescriptor body(CUDNN_BACKEND_POINTWISE_DESCRIPTOR, "cuDNN pointwise");
  body.set(CUDNN_ATTR_POINTWISE_MODE, mode).set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
  // Without this a ReLU writes 0 for NaN, and a net that has gone wrong looks well. cuDNN 9 calls it
  // outdated, takes it and offers the same engines with it.
  if (mode == CUDNN_POINTWISE_RELU_FWD) body.set(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_PROPAGATE_NAN);
  body.finalize();
  CudnnDescriptor made(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, "cuDNN pointwise operation");
  made.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, body)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
  if (b) made.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
  return made.finalize();
}

CudnnDescriptor cudnn_operation_graph(std::span<const CudnnDescriptor> operations, cudnnHandle_t handle) {
  CudnnDescriptor made(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "cuDNN graph");
  made.set_all(CUDNN_ATTR_OPERATIONGRAPH_OPS, operations);
  if (handle) made.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, handle);
  return made.finalize();
}

// --- engines -----------------------------------------------------------------------------------------------

namespace {

// What a config handed out by the heuristics says about itself.
CudnnEngineConfig describe(const CudnnDescriptor& config) {
  CudnnEngineConfig made;
  made.config = config;
  const CudnnDescriptor engine =
      config.children(CUDNN_ATTR_ENGINECFG_ENGINE, 1, CUDNN_BACKEND_ENGINE_DESCRIPTOR, "cuDNN engine").at(0);
  made.engine = engine.get<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
  made.numerical = bits(engine.get_all<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                                                    CUDNN_NUMERICAL_NOTE_TYPE_COUNT));
  made.behavior = bits(engine.get_all<cudnnBackendBehaviorNote_t>(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE,
                                                                  CUDNN_BEHAVIOR_NOTE_TYPE_COUNT));
  made.workspace = config.get_or<std::int64_t>(CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE, -1);
  for (const CudnnDescriptor& choice :
       config.children(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_KNOB_TYPE_COUNTS,
                       CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, "cuDNN knob")) {
    made.knobs.emplace_back(choice.get<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE),
                            choice.get<std::int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE));
  }
  return made;
}

}  // namespace

std::vector<CudnnEngineConfig> cudnn_engine_configs(const CudnnDescriptor& graph, cudnnBackendHeurMode_t mode,
                                                    const CudnnDescriptor& device) {
  // Heuristics were not safe to ask from two threads in earlier releases.
  static std::mutex& asking = *new std::mutex;
  const std::lock_guard lock(asking);
  CudnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, "cuDNN heuristics");
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph).set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
  if (device.defined()) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device);
  if (heuristics.try_finalize() != CUDNN_STATUS_SUCCESS) return {};
  std::vector<CudnnEngineConfig> found;
  for (const CudnnDescriptor& config :
       heuristics.children(CUDNN_ATTR_ENGINEHEUR_RESULTS, heuristics.count(CUDNN_ATTR_ENGINEHEUR_RESULTS),
                           CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, "cuDNN engine config"))
    found.push_back(describe(config));
  return found;
}

std::optional<CudnnEngineConfig> cudnn_engine_config(
    const CudnnDescriptor& graph, std::int64_t index,
    std::span<const std::pair<std::int64_t, std::int64_t>> knobs, const CudnnDescriptor& device) {
  CudnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR, "cuDNN engine");
  engine.set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph).set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, index);
  if (device.defined()) engine.set(CUDNN_ATTR_ENGINE_DEVICEPROP, device);
  if (engine.try_finalize() != CUDNN_STATUS_SUCCESS) return {};
  std::vector<CudnnDescriptor> choices;
  for (const auto& [type, value] : knobs) {
    CudnnDescriptor choice(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, "cuDNN knob");
    choice.set(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, static_cast<cudnnBackendKnobType_t>(type))
        .set(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, value);
    if (choice.try_finalize() != CUDNN_STATUS_SUCCESS) return {};
    choices.push_back(choice);
  }
  CudnnDescriptor config(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, "cuDNN engine config");
  config.set(CUDNN_ATTR_ENGINECFG_ENGINE, engine);
  if (!choices.empty()) config.set_all(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, choices);
  if (config.try_finalize() != CUDNN_STATUS_SUCCESS) return {};
  return describe(config);
}

CudnnDescriptor cudnn_plan(const CudnnDescriptor& config, cudnnHandle_t handle,
                           const CudnnDescriptor& device) {
  CudnnDescriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, "cuDNN plan");
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
  if (handle) plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, handle);
  if (device.defined()) plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device);
  return plan.try_finalize() == CUDNN_STATUS_SUCCESS ? plan : CudnnDescriptor();
}

// --- execution ---------------------------------------------------------------------------------------------

cudnnStatus_t cudnn_execute(const char* op, cudnnHandle_t handle, const CudnnDescriptor& plan,
                            std::span<const std::int64_t> ids, std::span<void* const> pointers,
                            void* workspace) {
  CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, op);
  pack.set_all<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids)
      .set_all<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, pointers)
      .set<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, workspace)
      .finalize();
  return cudnn().cudnnBackendExecute(handle, plan.raw(), pack.raw());
}

cudnnHandle_t cudnn_handle(Device device) {
  // Handles are not shared between threads; they live until the thread ends, and at exit the driver frees the
  // rest.
  struct Bound {
    cudnnHandle_t handle = nullptr;
    CudaStream stream = nullptr;
  };
  thread_local std::array<Bound, 16> handles;
  const std::size_t i = static_cast<std::size_t>(device.index);
  require<DeviceError, 4>(i < handles.size(), "conv2d: ", device,
                          " is beyond the 16 devices that are supported");
  Bound& bound = handles[i];
  const DeviceGuard guard(device);
  if (!bound.handle) check(cudnn().cudnnCreate(&bound.handle), "cuDNN");
  if (const CudaStream stream = current_stream(device); stream != bound.stream) {
    check(cudnn().cudnnSetStream(bound.handle, stream), "cuDNN");
    bound.stream = stream;
  }
  return bound.handle;
}

}  // namespace gadolin
#endif
