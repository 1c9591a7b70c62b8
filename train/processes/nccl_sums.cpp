// Sums on GPUs as calls of NCCL on a stream of their own.
#ifdef GADOLIN_NCCL
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "tensor/capture_state.h"
#include "tensor/check.h"
#include "tensor/cuda/status.h"
#include "tensor/cuda/stream.h"
#include "train/processes/gpu_sums.h"
#include "train/processes/nccl_library.h"

namespace gadolin::detail {
namespace {

using std::chrono::steady_clock;

double seconds_since(steady_clock::time_point then) {
  return std::chrono::duration<double>(steady_clock::now() - then).count();
}

std::string text_of(ncclResult_t result, ncclComm_t comm) {
  const char* const more = nccl().ncclGetLastError(comm);
  const std::string text = nccl().ncclGetErrorString(result);
  return more != nullptr && *more ? cat(text, ": ", more) : text;
}

[[noreturn]] void fail_call(const char* call, int rank, const std::string& text) {
  fail<ProcessError>(
      "processes: ", call, " of rank ", rank, ": ", text,
      "; another process may have ended: look at what it said. NCCL_DEBUG=INFO tells more, and "
      "GADOLIN_NCCL=0 does without NCCL");
}

ncclDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::fp32: return ncclFloat32;
    case DType::fp64: return ncclFloat64;
    case DType::fp16: return ncclFloat16;
    case DType::bf16: return ncclBfloat16;
    default: return ncclInt64;  // the communicator has refused others
  }
}

class NcclSums final : public GpuSums {
 public:
  NcclSums(Device device, int rank, ncclComm_t comm) : device_(device), rank_(rank), comm_(comm) {
    const DeviceGuard guard(device_);
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "processes");
  }
  ~NcclSums() override {
    if (given_up_) return;
    const DeviceGuard guard(device_);
    nccl().ncclCommDestroy(comm_);
    cudaStreamDestroy(stream_);
  }

  void begin_sum(const Tensor& t) override {
    call(t, "ncclAllReduce", [&] {
      return nccl().ncclAllReduce(t.raw(), t.raw(), static_cast<std::size_t>(t.numel()), type_of(t.dtype()),
                                  ncclSum, comm_, stream_);
    });
  }
  void broadcast(const Tensor& t) override {
    call(t, "ncclBroadcast", [&] {
      return nccl().ncclBroadcast(t.raw(), t.raw(), static_cast<std::size_t>(t.nbytes()), ncclUint8, 0, comm_,
                                  stream_);
    });
    finish_sums();
  }
  void finish_sums() override {
    if (begun_.empty()) return;
    const DeviceGuard guard(device_);
    last_.record(stream_);
    last_.make_wait(current_stream(device_));
    begun_.clear();
    mark();
  }
  void mark() override {
    if (capturing()) return;  // the launch of the recording is marked
    const DeviceGuard guard(device_);
    Event event;
    event.record(current_stream(device_));
    const std::lock_guard lock(mutex_);
    if (marks_.empty()) progress_ = steady_clock::now();
    marks_.push_back(std::move(event));
  }

  double seconds_waiting() override {
    const std::lock_guard lock(mutex_);
    for (; !marks_.empty() && marks_.front().done(); marks_.pop_front()) progress_ = steady_clock::now();
    const double marked = marks_.empty() ? 0 : seconds_since(progress_);
    return calling_ ? std::max(marked, seconds_since(called_)) : marked;
  }
  std::string trouble() override {
    const std::lock_guard lock(mutex_);
    if (given_up_ || calling_) return {};
    ncclResult_t result = ncclSuccess;
    nccl().ncclCommGetAsyncError(comm_, &result);
    if (result == ncclSuccess || result == ncclInProgress) return {};
    return cat("processes: NCCL of rank ", rank_, ": ", text_of(result, comm_),
               "; another process may have ended: look at what it said");
  }
  void give_up() override {
    if (!given_up_.exchange(true)) nccl().ncclCommAbort(comm_);
  }

 private:
  template <class F> void call(const Tensor& t, const char* name, F&& f) {
    const DeviceGuard guard(device_);
    require<DeviceError>(t.device() == device_, "processes: a tensor on ", t.device(),
                         " is to be summed, but this rank computes on ", device_, "; move it there");
    if (given_up_) fail_call(name, rank_, "sums were given up");
    ready_.record(current_stream(device_));
    ready_.make_wait(stream_);
    {
      const std::lock_guard lock(mutex_);
      called_ = steady_clock::now();
      calling_ = true;
    }
    const ncclResult_t result = f();
    const std::string text = result == ncclSuccess ? "" : text_of(result, given_up_ ? nullptr : comm_);
    const std::lock_guard lock(mutex_);
    calling_ = false;
    if (result != ncclSuccess) fail_call(name, rank_, text);
    begun_.push_back(t);
  }

  Device device_;
  int rank_;
  ncclComm_t comm_;
  CudaStream stream_ = nullptr;
  Event ready_, last_;
  std::vector<Tensor> begun_;  // keep their memory until the current stream waits for them
  std::atomic<bool> given_up_ = false;
  std::mutex mutex_;         // of what follows
  std::deque<Event> marks_;  // that had not ended when they were looked at
  bool calling_ = false;     // NCCL
  steady_clock::time_point called_, progress_;
};

}  // namespace

std::string new_nccl_id() {
  ncclUniqueId id;
  const ncclResult_t result = nccl().ncclGetUniqueId(&id);
  if (result != ncclSuccess) fail_call("ncclGetUniqueId", 0, text_of(result, nullptr));
  return std::string(id.internal, sizeof id.internal);
}

std::unique_ptr<GpuSums> join_nccl(Device device, int rank, int size, const std::string& id,
                                   const std::function<void(double seconds)>& look) {
  struct Joining {
    ncclComm_t comm = nullptr;
    ncclResult_t result = ncclSuccess;
    std::string text;
    std::promise<void> ended;
  };
  const auto joining = std::make_shared<Joining>();
  std::future<void> ended = joining->ended.get_future();
  // The call returns when all have come, or never: then its thread is left behind.
  std::thread([=] {
    ncclUniqueId unique;
    std::memcpy(unique.internal, id.data(), sizeof unique.internal);
    cudaSetDevice(device.index);
    joining->result = nccl().ncclCommInitRank(&joining->comm, size, unique, rank);
    if (joining->result != ncclSuccess) joining->text = text_of(joining->result, nullptr);
    joining->ended.set_value();
  }).detach();
  for (const auto began = steady_clock::now();
       ended.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready;)
    look(seconds_since(began));
  if (joining->result != ncclSuccess) fail_call("ncclCommInitRank", rank, joining->text);
  return std::make_unique<NcclSums>(device, rank, joining->comm);
}

}  // namespace gadolin::detail
#endif
