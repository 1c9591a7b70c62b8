#include "layers/compute.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "tensor/autograd.h"
#include "tensor/capture_state.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

thread_local bool computing = false;
thread_local DType compute_type = DType::fp32;

// All copies by the number of their weight's storage. Never freed: modules with static lifetime end late.
std::mutex table_mutex;
auto& table = *new std::multimap<std::uint64_t, detail::WeightCopy*>;

// A copy used on the tape. The first gradient of 16 bits is handed on as it is when the weight's optimiser
// reads such; later ones are added in the weight's own type.
struct CopyNode final : Node {
  std::shared_ptr<detail::WeightCopy> copy;
  explicit CopyNode(std::shared_ptr<detail::WeightCopy> of) : copy(std::move(of)) {}
  const char* name() const override { return "to"; }
  bool twice_differentiable() const override { return true; }
  void release_saved() override {}
  Attributes attributes() const override {
    return {{"dtype", static_cast<std::int64_t>(copy->data().dtype())}};
  }
  Grads backward(const Tensor& dy, Need) override {
    Edge& edge = inputs[0];
    const bool narrow = copy->narrow_gradient() && !grad_enabled() && !edge.leaf.grad().defined();
    edge.dtype = narrow ? dy.dtype() : edge.leaf.dtype();
    return {dy.to(edge.dtype)};
  }
};

}  // namespace

ComputeScope::ComputeScope(DType dtype) : on_before_(computing), before_(compute_type) {
  require<DTypeError>(is_floating(dtype), "compute: ", dtype, " is no floating type; use fp32, bf16 or fp16");
  computing = true;
  compute_type = dtype;
}
ComputeScope::~ComputeScope() {
  computing = on_before_;
  compute_type = before_;
}
Tensor for_compute(const Tensor& t) {
  if (!computing || !t.defined() || t.dtype() == DType::fp64) return t;
  return t.to(compute_type);
}

namespace detail {

WeightCopy::WeightCopy(const Tensor& weight, DType dtype)
    : weight_(weight), data_(empty_like(weight, dtype)), storage_(weight.storage().id()) {
  const std::lock_guard lock(table_mutex);
  watch_recordings(on_recording);
  table.emplace(storage_, this);
}
WeightCopy::~WeightCopy() {
  const std::lock_guard lock(table_mutex);
  std::erase_if(table, [this](const auto& entry) { return entry.second == this; });
}

bool WeightCopy::is_of(const Tensor& weight, DType dtype) const {
  return weight.same_as(weight_) && weight.storage().id() == storage_ && data_.dtype() == dtype;
}
bool WeightCopy::current() const {
  return current_ && weight_.storage().id() == storage_ && weight_.version() == version_;
}
void WeightCopy::refresh() {
  const NoGrad guard;
  data_.copy_(weight_);
  version_ = weight_.version();
  current_ = true;
}

WeightCopy* WeightCopy::to_write(const Tensor& weight) {
  const std::lock_guard lock(table_mutex);
  for (auto [at, end] = table.equal_range(weight.storage().id()); at != end; ++at) {
    WeightCopy& copy = *at->second;
    if (!copy.is_of(weight, copy.data_.dtype()) || !copy.current() || size_of(copy.data_.dtype()) != 2 ||
        copy.data_.strides() != weight.strides())
      continue;
    copy.optimised_ = true;
    return &copy;
  }
  return nullptr;
}
void WeightCopy::written() {
  data_.storage().bump_version();
  version_ = weight_.version();
  if (capturing()) writers_.push_back(capture_state().recording);
}

void WeightCopy::on_recording(const RecordingEvent& event) {
  const std::lock_guard lock(table_mutex);
  for (const auto& entry : table) {
    WeightCopy& copy = *entry.second;
    if (copy.data_.device() != event.device || copy.weight_.storage().id() != copy.storage_) continue;
    const auto writer = std::find(copy.writers_.begin(), copy.writers_.end(), event.recording);
    const bool writes = writer != copy.writers_.end();
    if (event.stage == RecordingEvent::ends) {
      // Changed again behind the optimiser's step: what its replays leave in the copy is not what the weight
      // holds.
      if (writes && !copy.current()) copy.writers_.erase(writer);
      continue;
    }
    if (!copy.current()) copy.refresh();
    if (event.stage == RecordingEvent::launches && !event.reads_only && !writes) copy.current_ = false;
  }
}

}  // namespace detail

Tensor ComputeCopy::of(const Tensor& weight) {
  const bool casts =
      computing && weight.defined() && weight.dtype() != DType::fp64 && weight.dtype() != compute_type;
  kept_ = false;
  if (!casts || !weight.is_leaf()) return for_compute(weight);
  const auto fits = [&](const auto& copy) { return copy->is_of(weight, compute_type); };
  auto found = std::find_if(copies_.begin(), copies_.end(), fits);
  if (found == copies_.end()) {
    if (capturing()) return for_compute(weight);  // its memory would belong to the recording
    std::erase_if(copies_, [&](const auto& copy) { return !copy->is_of(weight, copy->data().dtype()); });
    found = copies_.insert(copies_.end(), std::make_shared<detail::WeightCopy>(weight, compute_type));
  }
  detail::WeightCopy& copy = **found;
  if (!copy.current()) {
    if (capturing()) return for_compute(weight);  // changed by the step that is being recorded
    copy.refresh();
  }
  if (!grad_enabled() || !weight.requires_grad()) {
    kept_ = true;
    return copy.data();
  }
  Tensor y = copy.data().detach();
  const Tensor* const inputs[] = {&weight};
  attach(y, Ref<Node>(new CopyNode(*found)), inputs, 1);
  return y;
}

}  // namespace gadolin
