#include "train/weight_average.h"

#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "train/multi_tensor.h"
#include "train/optimizer.h"

namespace gadolin {
namespace {

// average = decay average + (1 - decay) weight; a weight, b average. With swap, the two change places.
template <class T> struct Average {
  T decay;
  bool swap;
  GADOLIN_HD void element(const Span& s, std::int64_t i) const {
    T* w = static_cast<T*>(s.a);
    T* average = static_cast<T*>(s.b);
    if (swap) {
      const T held = w[i];
      w[i] = average[i];
      average[i] = held;
    } else {
      average[i] += (T(1) - decay) * (w[i] - average[i]);
    }
  }
  void range(const Span& s, std::int64_t begin, std::int64_t end, std::int64_t) const {
    for (std::int64_t i = begin; i < end; ++i) element(s, i);
  }
#ifdef __CUDACC__
  __device__ void block(const Span& s, std::int64_t begin, std::int64_t end, std::int64_t) const {
    for (std::int64_t i = begin + threadIdx.x; i < end; i += blockDim.x) element(s, i);
  }
#endif
};

}  // namespace

WeightAverage::WeightAverage(std::vector<Parameter> parameters, double decay, bool warmup) : decay_(decay), warmup_(warmup) {
  require<ValueError>(decay >= 0 && decay < 1, "ema: decay ", decay, " is outside [0, 1)");
  const NoGrad guard;
  for (Parameter& p : parameters) {
    if (!is_floating(p.tensor.dtype())) continue;
    averages_.push_back(p.tensor.detach().clone());
    parameters_.push_back(std::move(p));
  }
}

namespace {
template <class F> void for_pairs(const std::vector<Parameter>& weights, const std::vector<Tensor>& averages, F&& f) {
  std::vector<Span> spans;
  if (weights.empty()) return;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    spans.push_back({weights[i].tensor.raw(), averages[i].raw(), nullptr, nullptr, averages[i].numel(), 0, 0});
  }
  on_floats(averages.front().device(), averages.front().dtype(), [&](auto device, auto tag) { f(device, tag, spans); });
}
}  // namespace

void WeightAverage::update() {
  const double t = static_cast<double>(++updates_);
  const double decay = warmup_ ? std::min(decay_, (1 + t) / (10 + t)) : decay_;
  for_pairs(parameters_, averages_, [&](auto device, auto tag, std::vector<Span>& spans) {
    using T = typename decltype(tag)::type;
    for_each_span(device, "ema", spans, Average<T>{static_cast<T>(decay), false});
  });
}

void WeightAverage::swap() {
  for_pairs(parameters_, averages_, [&](auto device, auto tag, std::vector<Span>& spans) {
    using T = typename decltype(tag)::type;
    for_each_span(device, "ema", spans, Average<T>{T(0), true});
  });
  for (const Parameter& p : parameters_) p.tensor.storage().bump_version();
}

std::vector<Parameter> WeightAverage::state() const {
  std::vector<Parameter> state{{"updates", full({}, static_cast<double>(updates_), DType::fp64)}};
  for (std::size_t i = 0; i < parameters_.size(); ++i) state.push_back({parameters_[i].name, averages_[i]});
  return state;
}

void WeightAverage::load_state(const std::map<std::string, Tensor>& from) {
  const std::vector<Parameter> into = state();
  load_named(into, from, "ema");
  updates_ = static_cast<std::int64_t>(into.front().tensor.item());
}

}  // namespace gadolin
