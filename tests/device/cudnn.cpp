// cuDNN's graph API: descriptors with attributes, heuristics that offer three engines, plans, and execution
// on a stream. The engines: a plain one; one with tensor cores, for channels last, 16-byte alignment and
// whole packs of channels, which rounds fp32 to TF32 and writes a workspace; and, for gradients of filters,
// one whose sums have no fixed order, offered first so that who must not take it is seen to leave it.
#include "cudnn.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include "machine.h"

using namespace software_cuda;

namespace {

thread_local std::string last_message;

cudnnStatus_t refused(cudnnStatus_t status, const char* why) {
  last_message = why;
  return status;
}

std::size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_BOOLEAN:
    case CUDNN_TYPE_CHAR: return 1;
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_HANDLE: return 8;
    default: return 4;
  }
}

BodyPointer& body(cudnnBackendDescriptor_t descriptor) { return *static_cast<BodyPointer*>(descriptor); }

BodyPointer made(cudnnBackendDescriptorType_t type) {
  auto b = std::make_shared<Body>();
  b->type = type;
  b->finished = true;
  return b;
}

void set_child(Body& parent, int name, BodyPointer child) {
  parent.attributes[name] = {CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, {}, {std::move(child)}};
}

// What an engine says about itself.
bool describe_engine(Body& engine) {
  const std::int64_t index = engine.get<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
  if (!takes(engine.child(CUDNN_ATTR_ENGINE_OPERATION_GRAPH), index)) return false;
  std::vector<cudnnBackendNumericalNote_t> notes;
  if (index == tensor_core_engine) notes.push_back(CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
  if (index == unordered_engine) notes.push_back(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
  engine.set(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, notes);
  engine.set(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
             std::vector<cudnnBackendBehaviorNote_t>{});
  return true;
}

void describe_config(Body& config) {
  const std::int64_t engine =
      config.child(CUDNN_ATTR_ENGINECFG_ENGINE).get<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
  config.set(CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE, CUDNN_TYPE_INT64,
             std::vector<std::int64_t>{engine == tensor_core_engine ? core_workspace : 0});
  config.set(CUDNN_ATTR_ENGINECFG_SHARED_MEMORY_USED, CUDNN_TYPE_INT32, std::vector<std::int32_t>{0});
  if (!config.has(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES))
    config.attributes[CUDNN_ATTR_ENGINECFG_KNOB_CHOICES] = {CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, {}, {}};
}

// Configs of all engines that take the graph, the most attractive first.
bool answer(Body& heuristics) {
  const BodyPointer graph = heuristics.attributes.at(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH).children.at(0);
  Attribute results{CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, {}, {}};
  for (const std::int64_t index : {unordered_engine, tensor_core_engine, plain_engine}) {
    const BodyPointer engine = made(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    engine->set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, std::vector<std::int64_t>{index});
    set_child(*engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph);
    if (!describe_engine(*engine)) continue;
    const BodyPointer config = made(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    set_child(*config, CUDNN_ATTR_ENGINECFG_ENGINE, engine);
    describe_config(*config);
    results.children.push_back(config);
    ++results.count;
  }
  heuristics.attributes[CUDNN_ATTR_ENGINEHEUR_RESULTS] = results;
  return results.count > 0;
}

const Body& engine_of(const Body& plan) {
  return plan.child(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG).child(CUDNN_ATTR_ENGINECFG_ENGINE);
}

}  // namespace

extern "C" {

std::size_t cudnnGetVersion() { return 91000; }
const char* cudnnGetErrorString(cudnnStatus_t status) {
  switch (status) {
    case CUDNN_STATUS_SUCCESS: return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_BAD_PARAM: return "CUDNN_STATUS_BAD_PARAM";
    case CUDNN_STATUS_NOT_SUPPORTED: return "CUDNN_STATUS_NOT_SUPPORTED";
    case CUDNN_STATUS_EXECUTION_FAILED: return "CUDNN_STATUS_EXECUTION_FAILED";
    default: return "CUDNN_STATUS_INTERNAL_ERROR";
  }
}
void cudnnGetLastErrorString(char* message, std::size_t most) {
  std::snprintf(message, most, "%s", last_message.c_str());
}
cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  *handle = new cudnnContext;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  delete handle;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t* descriptor) {
  auto* handle = new BodyPointer(std::make_shared<Body>());
  (*handle)->type = type;
  *descriptor = handle;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  delete static_cast<BodyPointer*>(descriptor);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, std::int64_t count,
                                       const void* values) {
  Body& b = *body(descriptor);
  if (b.finished) return refused(CUDNN_STATUS_BAD_PARAM, "the descriptor is finished");
  Attribute a{type, count, {}, {}};
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    for (std::int64_t i = 0; i < count; ++i) {
      a.children.push_back(body(static_cast<const cudnnBackendDescriptor_t*>(values)[i]));
      if (!a.children.back()->finished) return refused(CUDNN_STATUS_BAD_PARAM, "a child is not finished");
    }
  } else {
    const auto* bytes = static_cast<const char*>(values);
    a.bytes.assign(bytes, bytes + static_cast<std::size_t>(count) * size_of(type));
  }
  b.attributes[name] = std::move(a);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  Body& b = *body(descriptor);
  switch (b.type) {
    case CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR: {
      static const char json[] = "{\"name\": \"software\"}";
      if (!b.has(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION))
        b.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
              std::vector<char>(json, json + sizeof json - 1));
      break;
    }
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
      if (!answer(b)) return refused(CUDNN_STATUS_NOT_SUPPORTED, "no engine takes the graph");
      break;
    case CUDNN_BACKEND_ENGINE_DESCRIPTOR:
      if (!describe_engine(b))
        return refused(CUDNN_STATUS_NOT_SUPPORTED, "the engine does not take the graph");
      break;
    case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR: describe_config(b); break;
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
      b.attributes[CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE] =
          b.child(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG).attributes.at(CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE);
      break;
    default: break;
  }
  b.finished = true;
  return CUDNN_STATUS_SUCCESS;
}

// Descriptors are asked for with descriptors: those become copies of what is there.
cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, std::int64_t most,
                                       std::int64_t* count, void* values) {
  const Body& b = *body(descriptor);
  const auto found = b.attributes.find(name);
  if (!b.finished || found == b.attributes.end() || found->second.type != type)
    return refused(CUDNN_STATUS_BAD_PARAM, "the descriptor has no such attribute");
  const Attribute& a = found->second;
  if (count) *count = a.count;
  const std::size_t given = static_cast<std::size_t>(std::min(most, a.count));
  if (!values || given == 0) return CUDNN_STATUS_SUCCESS;
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    for (std::size_t i = 0; i < given; ++i)
      body(static_cast<cudnnBackendDescriptor_t*>(values)[i]) = a.children[i];
  } else {
    std::memcpy(values, a.bytes.data(), given * size_of(type));
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan_handle,
                                  cudnnBackendDescriptor_t pack_handle) {
  const std::lock_guard lock(machine().mutex);
  const BodyPointer plan = body(plan_handle);
  const Body& pack = *body(pack_handle);
  const auto ids = pack.all<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto pointers = pack.all<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  void* workspace = pack.get<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
  if (ids.size() != pointers.size())
    return refused(CUDNN_STATUS_BAD_PARAM, "ids and pointers differ in number");
  std::map<std::int64_t, void*> tensors;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (reinterpret_cast<std::uintptr_t>(pointers[i]) % 16 != 0)
      return refused(CUDNN_STATUS_BAD_PARAM, "a tensor is not aligned as its descriptor says");
    tensors[ids[i]] = pointers[i];
  }
  const std::int64_t scratch = plan->get<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
  if (scratch > 0 && !workspace) return refused(CUDNN_STATUS_BAD_PARAM, "the workspace is missing");
  const bool cores = engine_of(*plan).get<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX) == tensor_core_engine;
  const cudaError_t error = machine().push(
      handle->stream,
      [plan, tensors, workspace, scratch, cores] {
        if (scratch > 0) std::memset(workspace, 0xff, static_cast<std::size_t>(scratch));
        run_graph(engine_of(*plan).child(CUDNN_ATTR_ENGINE_OPERATION_GRAPH), tensors, cores);
      },
      [&] { return charge_of_graph(engine_of(*plan).child(CUDNN_ATTR_ENGINE_OPERATION_GRAPH), cores); });
  return error == cudaSuccess ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_EXECUTION_FAILED;
}
}
