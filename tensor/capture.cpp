// Recording and replaying of steps as CUDA graphs.
#include "tensor/capture.h"

#include <list>
#include <optional>
#include <utility>

#include "tensor/autograd.h"
#include "tensor/capture_state.h"
#include "tensor/check.h"
#include "tensor/companion.h"
#include "tensor/random.h"

#ifdef GADOLIN_CUDA
#include "tensor/allocator.h"
#include "tensor/cuda/memory.h"
#include "tensor/cuda/status.h"
#include "tensor/cuda/stream.h"
#endif

namespace gadolin {
namespace {

// What a recording is valid for. The seed is an argument of recorded kernels.
struct Key {
  struct Input {
    Shape shape;
    DType dtype;
    MemoryFormat format;
    bool operator==(const Input&) const = default;
  };
  std::vector<Input> inputs;
  Device device;
  std::uint64_t seed = 0;
  bool operator==(const Key&) const = default;
};

Key key_of(const std::vector<Tensor>& inputs) {
  Key key;
  key.seed = default_generator().seed;
  for (const Tensor& input : inputs) {
    key.inputs.push_back({input.shape(), input.dtype(), input.format()});
    require<DeviceError>(input.device() == inputs.front().device(), "captured step: input ",
                         key.inputs.size() - 1, " is on ", input.device(), " but input 0 is on ",
                         inputs.front().device(), "; move it with .to(...)");
  }
  key.device = inputs.empty() ? cpu : inputs.front().device();
  return key;
}

Tensor detached(const Tensor& result) { return result.defined() ? result.detach() : result; }

#ifdef GADOLIN_CUDA
// What the last eager step shows of the one that is recorded next.
struct Preview {
  LifetimeTrace memory;
  detail::Companions companions;
};
// Watches this thread's step and the memory of its device while it lives.
struct Watched {
  Watched(Device device, Preview& preview) : memory(allocator(device)) {
    memory.watch([&preview](std::int64_t bytes, const void* data) { preview.memory(bytes, data); });
    detail::capture_state().companions = &preview.companions;
  }
  ~Watched() {
    detail::capture_state().companions = nullptr;
    memory.watch({});
  }
  CachingAllocator& memory;
};

// A graph with everything that its nodes point to.
class Recording {
 public:
  // Records `step` on the device's compute stream, without running it. `before`: of the step before.
  Recording(const CapturedStep::Function& step, const Key& key, bool reads_only, const Preview& before)
      : device_(key.device), reads_only_(reads_only), pool_(allocator(key.device).new_pool()) {
    std::uint64_t& calls = default_generator().calls;
    draws_.first = calls;
    try {
      offset_ = zeros({1}, DType::int64, device_);
      for (const Key::Input& in : key.inputs)
        inputs_.push_back(empty(in.shape, in.dtype, device_, in.format));
      // Before recording: the driver is not asked for memory then.
      allocator(device_).plan_pool(pool_, before.memory.lifetimes());
      record(step, before.companions);
    } catch (...) {
      calls = draws_.first;
      free();
      throw;
    }
    draws_.count = std::exchange(calls, draws_.first) - draws_.first;  // the launch that follows counts them
  }
  ~Recording() { free(); }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  Tensor launch(const std::vector<Tensor>& inputs) {
    const NoGrad no_grad;
    const DeviceGuard guard(device_);
    const CudaStream stream = compute_stream(device_);
    const StreamGuard on(stream);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs_[i].same_as(inputs[i])) continue;
      if (inputs_[i].strides() == inputs[i].strides()) {
        copy_bytes(inputs_[i].raw(), device_, inputs[i].raw(), device_,
                   static_cast<std::size_t>(inputs[i].nbytes()), true);
      } else {
        inputs_[i].copy_(inputs[i]);
      }
    }
    std::uint64_t& calls = default_generator().calls;
    const std::uint64_t since = draws_.offset(calls);
    // Eight bytes of pageable memory: the runtime takes its copy before this returns.
    if (draws_.count > 0) copy_bytes(offset_.raw(), device_, &since, cpu, sizeof since, true);
    companions_.launches(number_, reads_only_);
    check(cudaGraphLaunch(executable_, stream), "captured step");
    calls += draws_.count;
    return result_;
  }
  std::int64_t nodes() const { return nodes_; }
  CachingAllocator::PoolPlan plan() const { return allocator(device_).pool_plan(pool_); }

 private:
  void record(const CapturedStep::Function& step, const detail::Companions& before) {
    const DeviceGuard guard(device_);
    const CudaStream stream = compute_stream(device_);
    const StreamGuard on(stream);
    before.refresh();
    const PoolScope pool(device_, pool_);
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "captured step");
    detail::capture_state() = {true, reads_only_, reinterpret_cast<const std::uint64_t*>(offset_.raw()),
                               number_, &companions_};
    try {
      result_ = detached(step(inputs_));
    } catch (...) {
      detail::capture_state() = {};
      cudaGraph_t broken = nullptr;
      cudaStreamEndCapture(stream, &broken);
      if (broken) cudaGraphDestroy(broken);
      cudaGetLastError();
      throw;
    }
    detail::capture_state() = {};
    check(cudaStreamEndCapture(stream, &graph_), "captured step");
    companions_.recorded(number_);
    std::size_t count = 0;
    check(cudaGraphGetNodes(graph_, nullptr, &count), "captured step");
    nodes_ = static_cast<std::int64_t>(count);
    check(cudaGraphInstantiate(&executable_, graph_, 0), "captured step");
  }
  void free() {
    if (executable_) cudaGraphExecDestroy(executable_);  // waits its turn behind a launch that still runs
    if (graph_) cudaGraphDestroy(graph_);
    executable_ = nullptr;
    graph_ = nullptr;
    result_ = Tensor();
    if (pool_ >= 0) allocator(device_).drop_pool(pool_);
    pool_ = -1;
  }

  Device device_;
  bool reads_only_;
  std::uint64_t number_ = detail::next_recording();
  detail::Companions companions_;
  int pool_ = -1;
  std::vector<Tensor> inputs_;
  Tensor offset_;  // [1] int64: how many stream numbers were drawn since the recording was made
  Tensor result_;
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
  std::int64_t nodes_ = 0;
  detail::RecordedDraws draws_;
};
#endif

}  // namespace

struct CapturedStep::Impl {
  struct Entry {
    Key key;
    int eager = 0;
#ifdef GADOLIN_CUDA
    Preview preview;
    std::unique_ptr<Recording> recording;
#endif
  };
  Function step;
  CaptureOptions options;
  std::list<Entry> entries;  // most recently used first
  bool replayed = false;
  std::int64_t nodes = 0;

  Entry& entry_for(Key key) {
    for (auto at = entries.begin(); at != entries.end(); ++at) {
      if (!(at->key == key)) continue;
      entries.splice(entries.begin(), entries, at);
      return entries.front();
    }
    entries.emplace_front();
    entries.front().key = std::move(key);
    if (static_cast<int>(entries.size()) > options.most_recordings) entries.pop_back();
    return entries.front();
  }
  // Of a number that each recording has.
  template <class F> std::int64_t sum([[maybe_unused]] const F& number) const {
    std::int64_t all = 0;
#ifdef GADOLIN_CUDA
    for (const Entry& entry : entries) all += entry.recording ? number(*entry.recording) : 0;
#endif
    return all;
  }
};

CapturedStep::CapturedStep(Function step, CaptureOptions options) : impl_(std::make_unique<Impl>()) {
  require<ValueError>(static_cast<bool>(step), "captured step: the function is empty");
  require<ValueError>(options.warm_up >= 1 && options.most_recordings >= 1, "captured step: warm_up ",
                      options.warm_up, " and most_recordings ", options.most_recordings,
                      " must be at least 1");
  impl_->step = std::move(step);
  impl_->options = options;
}
CapturedStep::~CapturedStep() = default;
CapturedStep::CapturedStep(CapturedStep&&) noexcept = default;
CapturedStep& CapturedStep::operator=(CapturedStep&&) noexcept = default;

Tensor CapturedStep::operator()(const std::vector<Tensor>& inputs) {
  require<CaptureError>(!capturing(), "captured step: called inside another one that is being recorded");
  impl_->replayed = false;
  Key key = key_of(inputs);
  if (key.device.is_cpu()) return detached(impl_->step(inputs));
#ifdef GADOLIN_CUDA
  Impl::Entry& entry = impl_->entry_for(std::move(key));
  if (entry.eager < impl_->options.warm_up) {
    std::optional<Watched> watched;
    if (entry.eager + 1 == impl_->options.warm_up) watched.emplace(entry.key.device, entry.preview = {});
    Tensor result = detached(impl_->step(inputs));
    ++entry.eager;
    return result;
  }
  if (!entry.recording) {
    entry.recording =
        std::make_unique<Recording>(impl_->step, entry.key, impl_->options.reads_only, entry.preview);
    entry.preview = {};
  }
  Tensor result = entry.recording->launch(inputs);
  impl_->replayed = true;
  impl_->nodes = entry.recording->nodes();
  return result;
#else
  fail<DeviceError>("captured step: ", key.device, " is not available; this build has no CUDA");
#endif
}

bool CapturedStep::replayed() const { return impl_->replayed; }
std::int64_t CapturedStep::nodes() const { return impl_->nodes; }
int CapturedStep::recordings() const {
  return static_cast<int>(impl_->sum([](const auto&) { return 1; }));
}
std::int64_t CapturedStep::arena_bytes() const {
  return impl_->sum([](const auto& recording) { return recording.plan().arena_bytes; });
}
std::int64_t CapturedStep::unplanned() const {
  return impl_->sum([](const auto& recording) { return recording.plan().missed; });
}
void CapturedStep::clear() { impl_->entries.clear(); }

}  // namespace gadolin
