#include "train/weight_average.h"

#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "train/multi_tensor.h"
#include "train/optimizer.h"

namespace gadolin {
namespace {

// average = decay average + (1 - decay) weight; a weight, b average. Without a count of updates the two
// change places.
template <class T> struct Average {
  double decay;
  bool warmup;
  const double* updates;  // so far, on the device, with this one
  const bool* skipped;    // whether nothing is to be done, on the device; null: no

  GADOLIN_HD T share() const {  // of the weight in the new average
    if (!updates) return T(0);
    const double t = *updates, early = (1 + t) / (10 + t);
    return T(1) - static_cast<T>(warmup && early < decay ? early : decay);
  }
  template <int V> GADOLIN_HD void items(const Span& s, T share, std::int64_t i) const {
    const Items<T, V> w = load<T, V>(s.a, i);
    Items<T, V> average = load<T, V>(s.b, i);
    if (!updates) {
      store(s.a, i, average);
      store(s.b, i, w);
    } else {
      for (int j = 0; j < V; ++j) average.v[j] += share * (w.v[j] - average.v[j]);
      store(s.b, i, average);
    }
  }
  void range(const Span& s, std::int64_t begin, std::int64_t end, std::int64_t) const {
    if (skipped && *skipped) return;
    const T part = share();
    for (std::int64_t i = begin; i < end; ++i) items<1>(s, part, i);
  }
#ifdef __CUDACC__
  __device__ void block(const Span& s, std::int64_t begin, std::int64_t end, std::int64_t) const {
    if (skipped && *skipped) return;
    const T part = share();
    for_items(s, begin, end, static_cast<int>(threadIdx.x),
              [&](auto width, std::int64_t i, int) { items<decltype(width)::value>(s, part, i); });
  }
#endif
};

}  // namespace

WeightAverage::WeightAverage(std::vector<Parameter> parameters, double decay, bool warmup)
    : decay_(decay), warmup_(warmup) {
  require<ValueError>(decay >= 0 && decay < 1, "ema: decay ", decay, " is outside [0, 1)");
  const NoGrad guard;
  for (Parameter& p : parameters) {
    if (!is_floating(p.tensor.dtype())) continue;
    averages_.push_back(p.tensor.detach().clone());
    parameters_.push_back(std::move(p));
  }
  updates_ = zeros({}, DType::fp64, averages_.empty() ? cpu : averages_.front().device());
}

namespace {
template <class F>
void for_pairs(const std::vector<Parameter>& weights, const std::vector<Tensor>& averages, F&& f) {
  std::vector<Span> spans;
  if (weights.empty()) return;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    Span& s = spans.emplace_back();
    s.a = weights[i].tensor.raw();
    s.b = averages[i].raw();
    s.n = averages[i].numel();
  }
  on_floats(averages.front().device(), averages.front().dtype(),
            [&](auto device, auto tag) { f(device, tag, spans); });
}
}  // namespace

void WeightAverage::update(const Tensor& skipped) {
  const NoGrad guard;
  const Tensor next = add(updates_, 1.0);
  updates_.copy_(skipped.defined() ? where(skipped, updates_, next) : next);
  const bool* skips = skipped.defined() ? skipped.data<bool>() : nullptr;
  for_pairs(parameters_, averages_, [&](auto device, auto tag, std::vector<Span>& spans) {
    using T = typename decltype(tag)::type;
    for_each_span(device, "ema", spans, Average<T>{decay_, warmup_, updates_.data<double>(), skips});
  });
}

void WeightAverage::swap() {
  for_pairs(parameters_, averages_, [&](auto device, auto tag, std::vector<Span>& spans) {
    using T = typename decltype(tag)::type;
    for_each_span(device, "ema", spans, Average<T>{0, false, nullptr, nullptr});
  });
  for (const Parameter& p : parameters_) p.tensor.storage().bump_version();
}

std::vector<Parameter> WeightAverage::state() const {
  std::vector<Parameter> state{{"updates", updates_}};
  for (std::size_t i = 0; i < parameters_.size(); ++i) state.push_back({parameters_[i].name, averages_[i]});
  return state;
}

void WeightAverage::load_state(const std::map<std::string, Tensor>& from) {
  load_named(state(), from, "ema");
}

}  // namespace gadolin
