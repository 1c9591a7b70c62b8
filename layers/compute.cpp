#include "layers/compute.h"

#include <algorithm>

#include "tensor/autograd.h"
#include "tensor/capture_state.h"
#include "tensor/check.h"

namespace gadolin {
namespace detail {

// All copies of one parameter, a type each.
class WeightCopies final : public Companion {
 public:
  static WeightCopies* of(const Tensor& parameter) {
    return dynamic_cast<WeightCopies*>(parameter.companion());
  }
  WeightCopy* find(DType dtype) {
    const auto fits = [&](const WeightCopy& copy) { return copy.data().dtype() == dtype; };
    const auto at = std::find_if(copies.begin(), copies.end(), fits);
    return at == copies.end() ? nullptr : &*at;
  }
  WeightCopy* to_write(const Tensor& parameter) {
    for (WeightCopy& copy : copies) {
      if (!copy.current(parameter) || size_of(copy.data().dtype()) != 2 ||
          copy.data().strides() != parameter.strides())
        continue;
      note_companion(parameter);
      copy.optimised_ = true;
      return &copy;
    }
    return nullptr;
  }
  void refresh(const Tensor& parameter) override {
    for (WeightCopy& copy : copies) {
      if (!copy.current(parameter)) copy.refresh(parameter);
    }
  }
  // What was changed again behind the optimiser's step is not what replays leave in the copy.
  void recorded(const Tensor& parameter, std::uint64_t recording) override {
    for (WeightCopy& copy : copies) {
      if (!copy.current(parameter)) std::erase(copy.writers_, recording);
    }
  }
  void replayed(std::uint64_t recording, std::uint64_t launches) override {
    for (WeightCopy& copy : copies) {
      if (std::count(copy.writers_.begin(), copy.writers_.end(), recording) != 0) copy.replays_ = launches;
    }
  }

  std::vector<WeightCopy> copies;
};

bool WeightCopy::current(const Tensor& parameter) const {
  return version_ == parameter.version() && replays_ == replays();
}
void WeightCopy::refresh(const Tensor& parameter) {
  const NoGrad guard;
  data_.copy_(parameter);
  version_ = parameter.version();
  replays_ = replays();
}
void WeightCopy::written(const Tensor& parameter) {
  data_.storage().bump_version();
  version_ = parameter.version();
  if (capturing()) writers_.push_back(capture_state().recording);
}

WeightCopy* copy_to_write(const Tensor& parameter) {
  WeightCopies* const all = WeightCopies::of(parameter);
  return all ? all->to_write(parameter) : nullptr;
}

}  // namespace detail

namespace {

using detail::WeightCopies;
using detail::WeightCopy;

thread_local bool computing = false;
thread_local DType compute_type = DType::fp32;

// A copy used on the tape. The first gradient of 16 bits is handed on as it is when the parameter's optimiser
// reads such; later ones are added in the parameter's own type.
struct CopyNode final : Node {
  DType dtype;
  explicit CopyNode(DType of_copy) : dtype(of_copy) {}
  const char* name() const override { return "to"; }
  bool twice_differentiable() const override { return true; }
  void release_saved() override {}
  Attributes attributes() const override { return {{"dtype", static_cast<std::int64_t>(dtype)}}; }
  Grads backward(const Tensor& dy, Need) override {
    Edge& edge = inputs[0];
    WeightCopies* const all = WeightCopies::of(edge.leaf);
    const WeightCopy* const copy = all ? all->find(dtype) : nullptr;
    const bool narrow = copy && copy->optimised() && !grad_enabled() && !edge.leaf.grad().defined();
    edge.dtype = narrow ? dy.dtype() : edge.leaf.dtype();
    return {dy.to(edge.dtype)};
  }
};

bool off_tape(const Tensor& parameter) { return !grad_enabled() || !parameter.requires_grad(); }

// The up-to-date copy in the type of the innermost scope; nullptr when the parameter is to be cast.
WeightCopy* usable_copy(const Tensor& parameter) {
  const bool casts = computing && parameter.defined() && parameter.dtype() != DType::fp64 &&
                     parameter.dtype() != compute_type;
  if (!casts || !parameter.is_leaf()) return nullptr;
  WeightCopies* all = WeightCopies::of(parameter);
  WeightCopy* copy = all ? all->find(compute_type) : nullptr;
  if (!copy) {
    if (capturing()) return nullptr;  // its memory would belong to the recording
    if (!all) parameter.set_companion(Ref<Companion>(all = new WeightCopies));
    copy = &all->copies.emplace_back(parameter, compute_type);
  }
  if (!copy->current(parameter)) {
    if (capturing()) return nullptr;  // changed by the step that is being recorded
    copy->refresh(parameter);
  }
  detail::note_companion(parameter);
  return copy;
}

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

Tensor compute_copy(const Tensor& parameter) {
  const WeightCopy* const copy = usable_copy(parameter);
  if (!copy) return for_compute(parameter);
  if (off_tape(parameter)) return copy->data();
  Tensor y = copy->data().detach();
  const Tensor* const inputs[] = {&parameter};
  attach(y, Ref<Node>(new CopyNode(y.dtype())), inputs, 1);
  return y;
}
bool keeps_compute_copy(const Tensor& parameter) {
  return off_tape(parameter) && usable_copy(parameter) != nullptr;
}

}  // namespace gadolin
