// cuDNN's graph API in C++: descriptors with shared ownership, and builders for tensors, operations, graphs
// and plans. Internal to layers/cudnn_*.cpp: it shows cuDNN's types.
#pragma once

#ifdef GADOLIN_CUDA
#include <cudnn_graph.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "layers/cudnn_plans.h"

namespace gadolin {

// The CUDNN_TYPE_ that belongs to a C++ type.
template <class T> struct CudnnType;
#define GADOLIN_CUDNN_TYPE(T, value) \
  template <> struct CudnnType<T> { static constexpr cudnnBackendAttributeType_t type = value; }
GADOLIN_CUDNN_TYPE(std::int64_t, CUDNN_TYPE_INT64);
GADOLIN_CUDNN_TYPE(std::int32_t, CUDNN_TYPE_INT32);
GADOLIN_CUDNN_TYPE(bool, CUDNN_TYPE_BOOLEAN);
GADOLIN_CUDNN_TYPE(float, CUDNN_TYPE_FLOAT);
GADOLIN_CUDNN_TYPE(double, CUDNN_TYPE_DOUBLE);
GADOLIN_CUDNN_TYPE(char, CUDNN_TYPE_CHAR);
GADOLIN_CUDNN_TYPE(void*, CUDNN_TYPE_VOID_PTR);
GADOLIN_CUDNN_TYPE(cudnnHandle_t, CUDNN_TYPE_HANDLE);
GADOLIN_CUDNN_TYPE(cudnnDataType_t, CUDNN_TYPE_DATA_TYPE);
GADOLIN_CUDNN_TYPE(cudnnConvolutionMode_t, CUDNN_TYPE_CONVOLUTION_MODE);
GADOLIN_CUDNN_TYPE(cudnnPointwiseMode_t, CUDNN_TYPE_POINTWISE_MODE);
GADOLIN_CUDNN_TYPE(cudnnNanPropagation_t, CUDNN_TYPE_NAN_PROPOGATION);
GADOLIN_CUDNN_TYPE(cudnnBackendHeurMode_t, CUDNN_TYPE_HEUR_MODE);
GADOLIN_CUDNN_TYPE(cudnnBackendKnobType_t, CUDNN_TYPE_KNOB_TYPE);
GADOLIN_CUDNN_TYPE(cudnnBackendNumericalNote_t, CUDNN_TYPE_NUMERICAL_NOTE);
GADOLIN_CUDNN_TYPE(cudnnBackendBehaviorNote_t, CUDNN_TYPE_BEHAVIOR_NOTE);
#undef GADOLIN_CUDNN_TYPE

// One backend descriptor. Setting a child keeps the child alive; copies share. Attributes are fixed by
// finalize().
class CudnnDescriptor {
 public:
  CudnnDescriptor() = default;
  // `name` is for errors and must be a literal.
  CudnnDescriptor(cudnnBackendDescriptorType_t type, const char* name);
  cudnnBackendDescriptor_t raw() const { return state_->raw; }
  bool defined() const { return static_cast<bool>(state_); }

  template <class T> CudnnDescriptor& set(cudnnBackendAttributeName_t attribute, const T& value) {
    return set_raw(attribute, CudnnType<T>::type, 1, &value);
  }
  template <class T>
  CudnnDescriptor& set_all(cudnnBackendAttributeName_t attribute, std::span<const T> values) {
    return set_raw(attribute, CudnnType<T>::type, static_cast<std::int64_t>(values.size()), values.data());
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t attribute, const CudnnDescriptor& child);
  CudnnDescriptor& set_all(cudnnBackendAttributeName_t attribute, std::span<const CudnnDescriptor> children);
  CudnnDescriptor& finalize();   // throws CudaError with cuDNN's reason
  cudnnStatus_t try_finalize();  // "not supported" is an answer, not an error

  // Values of an attribute; at most `limit`.
  template <class T> std::vector<T> get_all(cudnnBackendAttributeName_t attribute, std::int64_t limit) const {
    std::vector<T> values(static_cast<std::size_t>(limit));
    const std::int64_t found = get_raw(attribute, CudnnType<T>::type, limit, values.data());
    values.resize(static_cast<std::size_t>(std::min(found, limit)));
    return values;
  }
  template <class T> T get(cudnnBackendAttributeName_t attribute) const {
    T value{};
    get_raw(attribute, CudnnType<T>::type, 1, &value);
    return value;
  }
  // The value, or `otherwise` where this descriptor does not know it.
  template <class T> T get_or(cudnnBackendAttributeName_t attribute, T otherwise) const {
    T value{};
    return get_raw(attribute, CudnnType<T>::type, 1, &value, false) < 0 ? otherwise : value;
  }
  // The descriptors that an attribute holds, at most `limit`, of this type and name.
  std::vector<CudnnDescriptor> children(cudnnBackendAttributeName_t attribute, std::int64_t limit,
                                        cudnnBackendDescriptorType_t type, const char* name) const;
  std::int64_t count(cudnnBackendAttributeName_t attribute) const;  // of those that there are

 private:
  struct State {
    cudnnBackendDescriptor_t raw = nullptr;
    const char* name = "";
    std::vector<std::shared_ptr<State>> children;
    ~State();
  };
  CudnnDescriptor& set_raw(cudnnBackendAttributeName_t attribute, cudnnBackendAttributeType_t type,
                           std::int64_t n, const void* values);
  // Writes up to n values and gives the number that there are; -1 where this descriptor does not know the
  // attribute and need not.
  std::int64_t get_raw(cudnnBackendAttributeName_t attribute, cudnnBackendAttributeType_t type,
                       std::int64_t n, void* values, bool must_know = true) const;
  std::shared_ptr<State> state_;
};

cudnnDataType_t cudnn_data_type(DType dtype);

// A tensor of a graph. Virtual tensors live inside the fused kernel only.
struct CudnnTensor {
  std::int64_t id = 0;  // names the tensor in the variant pack
  DType dtype = DType::fp32;
  std::vector<std::int64_t> dims, strides;  // logical N, C, H, W (filters K, C, R, S) and where they lie
  bool is_virtual = false;
  std::int64_t alignment = 16;  // bytes; with less, tensor-core engines are not offered
};
CudnnDescriptor cudnn_tensor(const CudnnTensor& tensor);

// The pass of this problem: y from x and w, x from w and y, or w from x and y; what holds the result already
// is added to it if the problem accumulates.
CudnnDescriptor cudnn_convolution(const ConvProblem& problem, const CudnnDescriptor& x,
                                  const CudnnDescriptor& w, const CudnnDescriptor& y);
// y = mode(x) or mode(x, b); b may broadcast, for example a bias {1, C, 1, 1}.
CudnnDescriptor cudnn_pointwise(cudnnPointwiseMode_t mode, const CudnnDescriptor& x, const CudnnDescriptor* b,
                                const CudnnDescriptor& y);
// handle: nullptr when planning without a device.
CudnnDescriptor cudnn_operation_graph(std::span<const CudnnDescriptor> operations, cudnnHandle_t handle);

// An engine with its knobs set, and what can be known before building the plan.
struct CudnnEngineConfig {
  CudnnDescriptor config;
  std::int64_t engine = 0;                                   // global index
  std::vector<std::pair<std::int64_t, std::int64_t>> knobs;  // type, value
  std::int64_t workspace = 0;                                // bytes
  std::uint32_t numerical = 0, behavior = 0;                 // bit i: note i
  bool has(cudnnBackendNumericalNote_t note) const { return (numerical >> note & 1u) != 0; }
  bool has(cudnnBackendBehaviorNote_t note) const { return (behavior >> note & 1u) != 0; }
};
// In the order of preference of the heuristics; empty when nothing supports the graph. device: undefined with
// a handle.
std::vector<CudnnEngineConfig> cudnn_engine_configs(const CudnnDescriptor& graph, cudnnBackendHeurMode_t mode,
                                                    const CudnnDescriptor& device);
// The same engine and knobs again, from numbers kept in a file. Nothing when this cuDNN refuses them; throws
// CudaError for numbers that it cannot make sense of.
std::optional<CudnnEngineConfig> cudnn_engine_config(
    const CudnnDescriptor& graph, std::int64_t engine,
    std::span<const std::pair<std::int64_t, std::int64_t>> knobs, const CudnnDescriptor& device);
// Undefined when the engine turns out not to support the graph, which is normal: go on to the next config.
// One of handle and device is given.
CudnnDescriptor cudnn_plan(const CudnnDescriptor& config, cudnnHandle_t handle,
                           const CudnnDescriptor& device);
// handle's stream must be set. ids and pointers go together. Returns cuDNN's answer: NOT_SUPPORTED and its
// kin mean that another plan may do.
[[nodiscard]] cudnnStatus_t cudnn_execute(const char* op, cudnnHandle_t handle, const CudnnDescriptor& plan,
                                          std::span<const std::int64_t> ids, std::span<void* const> pointers,
                                          void* workspace);
// This thread's handle for a device, bound to the device's current stream.
cudnnHandle_t cudnn_handle(Device device);

}  // namespace gadolin
#endif
