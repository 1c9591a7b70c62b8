// The runtime's functions on the present device: facts, errors, streams, events and launches.
#include <algorithm>
#include <cstdio>
#include <utility>

#include "account.h"
#include "collectives.h"
#include "machine.h"

using namespace software_cuda;

namespace {

thread_local int device_of_thread = 0;
thread_local cudaError_t last_error = cudaSuccess;
thread_local cudaStreamCaptureMode mode_of_thread = cudaStreamCaptureModeGlobal;
thread_local int captures_of_thread = 0;

using Lock = std::lock_guard<std::mutex>;

cudaError_t said(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

// One: loops over a grid go round more than once for small tensors already.
int multiprocessors() { return accounting() ? accounted_multiprocessors() : 1; }

// Calls that wait or allocate are refused while this thread records, and break its recordings.
bool refused_by_recording() {
  if (captures_of_thread == 0 || mode_of_thread == cudaStreamCaptureModeRelaxed) return false;
  for (const cudaStream_t stream : machine().streams)
    if (stream->capture) stream->capture->broken = true;
  return true;
}

}  // namespace

namespace software_cuda {

int present_device() { return device_of_thread; }
cudaError_t remember(cudaError_t error) { return said(error); }
bool unsafe_call_while_recording() { return refused_by_recording(); }

cudaError_t launch(Kernel kernel, dim3 grid, dim3 block, std::size_t, cudaStream_t stream) {
  const Lock lock(machine().mutex);
  const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > 1024 || block.z > 64 || grid.x == 0 || grid.y == 0 || grid.z == 0 ||
      grid.y > 65535 || grid.z > 65535 || grid.x > 0x7fffffffu)
    return said(cudaErrorInvalidConfiguration);
  if (stream && stream->device != device_of_thread) {
    report("a launch on a stream of device " + std::to_string(stream->device) + " while device " +
           std::to_string(device_of_thread) + " is the thread's");
    return said(cudaErrorInvalidResourceHandle);
  }
  return said(machine().push(
      stream, [=] { run_grid(kernel, grid, block); }, [=] { return charge_of_kernel(kernel, grid, block); }));
}

}  // namespace software_cuda

extern "C" {

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

#define SOFTWARE_CUDA_ERRORS(F)                                                                   \
  F(cudaSuccess, "no error")                                                                      \
  F(cudaErrorInvalidValue, "invalid argument")                                                    \
  F(cudaErrorMemoryAllocation, "out of memory")                                                   \
  F(cudaErrorInvalidConfiguration, "invalid configuration argument")                              \
  F(cudaErrorNoDevice, "no CUDA-capable device is detected")                                      \
  F(cudaErrorInvalidDevice, "invalid device ordinal")                                             \
  F(cudaErrorNoKernelImageForDevice, "no kernel image is available for execution on the device")  \
  F(cudaErrorInvalidResourceHandle, "invalid resource handle")                                    \
  F(cudaErrorNotReady, "device not ready")                                                        \
  F(cudaErrorIllegalAddress, "an illegal memory access was encountered")                          \
  F(cudaErrorLaunchFailure, "unspecified launch failure")                                         \
  F(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing")        \
  F(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture") \
  F(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work")                         \
  F(cudaErrorStreamCaptureIsolation, "dependency created on uncaptured work in another stream")   \
  F(cudaErrorCapturedEvent, "operation not permitted on an event last recorded in a capturing stream")

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
#define SOFTWARE_CUDA_NAME(name, text) \
  case name: return #name;
    SOFTWARE_CUDA_ERRORS(SOFTWARE_CUDA_NAME)
    default: return "cudaErrorUnknown";
  }
}
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
#define SOFTWARE_CUDA_TEXT(name, text) \
  case name: return text;
    SOFTWARE_CUDA_ERRORS(SOFTWARE_CUDA_TEXT)
    default: return "unknown error";
  }
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = machine().devices;
  return *count > 0 ? cudaSuccess : said(cudaErrorNoDevice);
}
cudaError_t cudaGetDevice(int* device) {
  *device = device_of_thread;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= machine().devices) return said(cudaErrorInvalidDevice);
  device_of_thread = device;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= machine().devices) return said(cudaErrorInvalidDevice);
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "device made of software, not a GPU");
  properties->totalGlobalMem = machine().memory;
  properties->major = 9;
  properties->multiProcessorCount = multiprocessors();
  properties->l2CacheSize = 1 << 20;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMultiProcessorCount ? multiprocessors() : 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int device) {
  if (device < 0 || device >= machine().devices) return said(cudaErrorInvalidDevice);
  std::snprintf(text, static_cast<std::size_t>(length), "0000:%02x:00.0", device);
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) { return cudaRuntimeGetVersion(version); }

cudaError_t cudaDeviceSynchronize() {
  if (machine().devices == 0) return said(cudaErrorNoDevice);
  const Lock lock(machine().mutex);
  if (refused_by_recording()) return said(cudaErrorStreamCaptureUnsupported);
  return said(machine().run_until([] {
    for (const cudaStream_t stream : machine().streams)
      if (stream->device == device_of_thread && !stream->queue.empty()) return false;
    return true;
  }));
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const Lock lock(machine().mutex);
  *stream = new CUstream_st{.device = device_of_thread, .queue = {}, .capture = {}};
  machine().streams.push_back(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Lock lock(machine().mutex);
  const cudaError_t error = machine().run_until([&] { return stream->queue.empty(); });
  std::erase(machine().streams, stream);
  delete stream;
  return said(error);
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Lock lock(machine().mutex);
  if (!stream) return said(cudaErrorInvalidResourceHandle);
  if (stream->capture) stream->capture->broken = true;
  if (stream->capture || refused_by_recording()) return said(cudaErrorStreamCaptureUnsupported);
  return said(machine().run_until([&] { return stream->queue.empty(); }));
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const Lock lock(machine().mutex);
  if (event->capture) {
    if (!stream->capture) stream->capture = event->capture;
    if (stream->capture != event->capture) return said(cudaErrorStreamCaptureIsolation);
    auto& last = stream->capture->last[stream];
    for (const std::size_t node : event->last)
      if (std::find(last.begin(), last.end(), node) == last.end()) last.push_back(node);
    return cudaSuccess;
  }
  if (stream->capture) {
    if (event->state->recorded == 0) return cudaSuccess;
    stream->capture->broken = true;
    return said(cudaErrorStreamCaptureIsolation);
  }
  machine().push(
      stream,
      Operation{.kind = Operation::Kind::wait, .event = event->state, .serial = event->state->recorded});
  return said(machine().failure);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Lock lock(machine().mutex);
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Lock lock(machine().mutex);
  if (!stream) return said(cudaErrorInvalidResourceHandle);
  event->capture = stream->capture;
  if (stream->capture) {
    event->last = stream->capture->last[stream];
    return cudaSuccess;
  }
  machine().push(
      stream,
      Operation{.kind = Operation::Kind::record, .event = event->state, .serial = ++event->state->recorded});
  return said(machine().failure);
}
// Each question lets the device go on a little, so that who asks in a loop gets an answer.
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const Lock lock(machine().mutex);
  if (event->capture) return said(cudaErrorCapturedEvent);
  const EventState& state = *event->state;
  const auto done = [&] { return state.done >= state.recorded; };
  if (!done() && !machine().advance() && !others_may_come()) machine().run_until(done);
  if (machine().failure != cudaSuccess) return said(machine().failure);
  return state.done >= state.recorded ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Lock lock(machine().mutex);
  if (event->capture) return said(cudaErrorCapturedEvent);
  if (refused_by_recording()) return said(cudaErrorStreamCaptureUnsupported);
  const auto state = event->state;
  return said(machine().run_until([&] { return state->done >= state->recorded; }));
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  const Lock lock(machine().mutex);
  if (begin->state->done < begin->state->recorded || end->state->done < end->state->recorded)
    return cudaErrorNotReady;
  *milliseconds = static_cast<float>((end->state->seconds - begin->state->seconds) * 1e3);
  return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(mode_of_thread, *mode);
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const Lock lock(machine().mutex);
  if (!stream || stream->capture) return said(cudaErrorStreamCaptureUnsupported);
  stream->capture = std::make_shared<Capture>();
  stream->capture->origin = stream;
  stream->capture->last[stream];
  ++captures_of_thread;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Lock lock(machine().mutex);
  *graph = nullptr;
  const std::shared_ptr<Capture> capture = stream ? stream->capture : nullptr;
  if (!capture || capture->origin != stream) return said(cudaErrorInvalidValue);
  --captures_of_thread;
  for (const cudaStream_t other : machine().streams)
    if (other->capture == capture) other->capture.reset();
  if (capture->broken) return said(cudaErrorStreamCaptureInvalidated);
  // Whatever the origin's end does not stand behind has not been joined.
  std::vector<char> behind(capture->nodes.size(), 0);
  std::vector<std::size_t> open = capture->last[stream];
  while (!open.empty()) {
    const std::size_t node = open.back();
    open.pop_back();
    if (behind[node]) continue;
    behind[node] = 1;
    open.insert(open.end(), capture->nodes[node].after.begin(), capture->nodes[node].after.end());
  }
  for (const char found : behind)
    if (!found) return said(cudaErrorStreamCaptureUnjoined);
  *graph = new CUgraph_st{std::make_shared<const Nodes>(std::move(capture->nodes))};
  return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, std::size_t* count) {
  *count = graph->nodes->size();
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new CUgraphExec_st{graph->nodes};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const Lock lock(machine().mutex);
  const Nodes& all = *executable->nodes;
  if (std::any_of(all.begin(), all.end(), [](const Node& n) { return bool(n.issue); })) {
    if (!stream || stream->capture) return said(cudaErrorStreamCaptureUnsupported);
    push_nodes(all, stream);
    return said(machine().failure);
  }
  return said(machine().push(
      stream, [nodes = executable->nodes] { run_nodes(*nodes); }, [] { return Charge{}; }));
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
}
