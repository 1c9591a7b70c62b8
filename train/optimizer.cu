// One launch over all parameters for each rule, and what is decided once a step.
#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "train/gradient_sum.h"
#include "train/multi_tensor.h"
#include "train/squared_sum.h"
#include "train/update_rules.h"

namespace gadolin {
namespace {

using detail::Constants;
using detail::convert_run;
using detail::Numbers;
using detail::SquaredSum;
using detail::sum_of;
using detail::sum_of_thread;
using detail::widened;

// The control block, fp64, on the parameters' device.
enum Control { c_lr, c_steps, c_scale, c_good_steps, c_norm, c_skip, c_factor, c_bias1, c_bias2, c_size };

// Span: a weight and its copy in 16 bits, b gradient (of T or of 16 bits), c and d moments; null where there
// is none.
template <Rule rule, class T> struct Update {
  Constants<T> k;
  const double *control, *own;  // own: TensorFactor's, or nullptr when one factor serves all spans

  GADOLIN_HD Numbers<T> numbers(std::int64_t begin, std::int64_t task) const {
    const double factor = own ? own[task - begin / block_items] : control[c_factor];
    return {static_cast<T>(control[c_lr]), static_cast<T>(factor), static_cast<T>(control[c_bias1]),
            static_cast<T>(control[c_bias2])};
  }
  template <int V> GADOLIN_HD void items(const Span& s, const Numbers<T>& n, std::int64_t i) const {
    Items<T, V> w = load<T, V>(s.a, i), m{}, v{};
    const Items<T, V> g = load_any<T, V>(s.b, s.b_type, i);
    if (s.c) m = load<T, V>(s.c, i);
    if (s.d) v = load<T, V>(s.d, i);
    for (int j = 0; j < V; ++j) {
      T g_j = g.v[j] * n.factor;
      if (k.clip > T(0)) g_j = g_j > k.clip ? k.clip : g_j < -k.clip ? -k.clip : g_j;
      detail::update<rule>(k, n, static_cast<T>(s.factor), g_j, w.v[j], m.v[j], v.v[j]);
    }
    store(s.a, i, w);
    if (s.c) store(s.c, i, m);
    if (s.d) store(s.d, i, v);
    if (s.copy) store_half(s.copy, s.copy_type, i, w);
  }
  void range(const Span& s, std::int64_t begin, std::int64_t end, std::int64_t task) const {
    if (control[c_skip] != 0) return;
    const Numbers<T> numbers = this->numbers(begin, task);
    T room[1024];
    const bool sixteen = s.copy || s.b_type != dtype_of<T>;
    for (std::int64_t n = 0; begin < end; begin += n) {
      n = sixteen ? std::min<std::int64_t>(1024, end - begin) : end - begin;
      T* w = static_cast<T*>(s.a) + begin;
      update_run(s, numbers, begin, n, w, widened(s.b, s.b_type, begin, n, room));
      if (s.copy && s.copy_type == DType::bf16) convert_run(w, static_cast<bfloat16*>(s.copy) + begin, n);
      if (s.copy && s.copy_type == DType::fp16) convert_run(w, static_cast<float16*>(s.copy) + begin, n);
    }
  }
  void update_run(const Span& s, const Numbers<T>& numbers, std::int64_t begin, std::int64_t n, T* w,
                  const T* g) const {
    // Local pointers with fixed presence of the moments let the compiler vectorise.
    T* m = s.c ? static_cast<T*>(s.c) + begin : nullptr;
    T* v = s.d ? static_cast<T*>(s.d) + begin : nullptr;
    const T decay = static_cast<T>(s.factor),
            clip = k.clip > T(0) ? k.clip : std::numeric_limits<T>::infinity();
    const auto loop = [&](auto with_m, auto with_v) {
      GADOLIN_IVDEP
      for (std::int64_t i = 0; i < n; ++i) {
        T g_i = g[i] * numbers.factor;
        g_i = g_i > clip ? clip : g_i < -clip ? -clip : g_i;
        T m_i = T(0), v_i = T(0);
        if constexpr (decltype(with_m)::value) m_i = m[i];
        if constexpr (decltype(with_v)::value) v_i = v[i];
        detail::update<rule>(k, numbers, decay, g_i, w[i], m_i, v_i);
        if constexpr (decltype(with_m)::value) m[i] = m_i;
        if constexpr (decltype(with_v)::value) v[i] = v_i;
      }
    };
    if (m) return v ? loop(std::true_type{}, std::true_type{}) : loop(std::true_type{}, std::false_type{});
    v ? loop(std::false_type{}, std::true_type{}) : loop(std::false_type{}, std::false_type{});
  }
#ifdef __CUDACC__
  __device__ void block(const Span& s, std::int64_t begin, std::int64_t end, std::int64_t task) const {
    if (control[c_skip] != 0) return;
    const Numbers<T> n = numbers(begin, task);
    for_items(s, begin, end, static_cast<int>(threadIdx.x),
              [&](auto width, std::int64_t i, int) { items<decltype(width)::value>(s, n, i); });
  }
#endif
};

// What is done once a step, on the device: norm, overflow, loss scale, step number, bias corrections.
struct Advance {
  const double* partial;  // sums of squares, or nullptr when overflows are not looked for
  std::int64_t tasks;
  double clip_norm, beta1, beta2, growth, backoff, interval;
  GADOLIN_HD void finish(double sum, double* control) const {
    using std::sqrt;
    double factor = 1 / control[c_scale];
    control[c_skip] = 0;
    if (partial) {
      const double norm = sqrt(sum) * factor;
      const bool dynamic = growth != 1, finite = norm - norm == 0;
      control[c_norm] = norm;
      if (!finite) {
        control[c_skip] = 1;
        control[c_good_steps] = 0;
        if (dynamic) control[c_scale] *= backoff;
        return;
      }
      factor = detail::clipped(factor, norm, clip_norm);
      if (dynamic) {
        control[c_good_steps] += 1;
        if (control[c_good_steps] >= interval) {
          control[c_scale] *= growth;
          control[c_good_steps] = 0;
        }
      }
    }
    control[c_factor] = factor;
    control[c_steps] += 1;
    control[c_bias1] = detail::bias_correction(beta1, control[c_steps]);
    control[c_bias2] = detail::bias_correction(beta2, control[c_steps]);
  }
};
#ifdef __CUDACC__
__global__ void __launch_bounds__(span_threads) advance_kernel(Advance advance, double* control) {
  const std::int64_t tasks = advance.partial ? advance.tasks : 0;
  const double sum = block_tree_sum(sum_of_thread(advance.partial, tasks, static_cast<int>(threadIdx.x)));
  if (threadIdx.x == 0) advance.finish(sum, control);
}
#endif
void run(Cpu, const Advance& advance, double* control) {
  advance.finish(sum_of(advance.partial, advance.partial ? advance.tasks : 0), control);
}
#ifdef GADOLIN_CUDA
void run(Cuda, const Advance& advance, double* control) {
  launch("optimizer", Launch{dim3(1), dim3(span_threads), 0}, advance_kernel, advance, control);
}
#endif

// The factor of each span's gradient under clip_each_norm, into factor[first task of the span].
struct TensorFactor {
  const double *partial, *control;
  double limit, *factor;
  GADOLIN_HD void finish(double sum, std::int64_t task) const {
    using std::sqrt;
    const double norm = sqrt(sum) * control[c_factor];
    factor[task] = norm > limit ? control[c_factor] * (limit / norm) : control[c_factor];
  }
  void range(const Span& s, std::int64_t begin, std::int64_t, std::int64_t task) const {
    if (begin == 0) finish(sum_of(partial + task, tasks_of(s)), task);
  }
#ifdef __CUDACC__
  __device__ void block(const Span& s, std::int64_t begin, std::int64_t, std::int64_t task) const {
    if (begin != 0) return;
    const double sum =
        block_tree_sum(sum_of_thread(partial + task, tasks_of(s), static_cast<int>(threadIdx.x)));
    if (threadIdx.x == 0) finish(sum, task);
  }
#endif
};

template <Rule rule, class D, class T>
void update_all(D device, Tag<T>, const OptimizerOptions& o, std::vector<Span>& spans, const double* control,
                const double* own) {
  const auto as = [](double x) { return static_cast<T>(x); };
  const Constants<T> k{as(o.momentum), as(o.beta1), as(o.beta2),      as(o.alpha), as(o.eps),        as(o.l1),
                       as(o.l2),       as(o.power), as(o.clip_value), o.nesterov,  o.eps_before_bias};
  for_each_span(device, name_of(rule), spans, Update<rule, T>{k, control, own});
}

}  // namespace

Optimizer::Optimizer(std::vector<Parameter> parameters, OptimizerOptions options, LossScale scale)
    : options_(options), scale_(scale) {
  check_options(options_);
  require<UsageError>(
      scale.scale > 0 && scale.growth >= 1 && scale.backoff > 0 && scale.backoff <= 1 && scale.interval > 0,
      "optimizer: a loss scale of ", scale.scale, " that grows by ", scale.growth, " and falls by ",
      scale.backoff, " after ", scale.interval,
      " steps; scale and interval must be positive, growth at least 1, backoff above 0 and at most 1");
  for (Parameter& p : parameters) {
    if (!p.tensor.requires_grad()) continue;
    const Tensor& t = p.tensor;
    require<DTypeError>(t.dtype() == DType::fp32 || t.dtype() == DType::fp64, "optimizer: ", p.name, " is ",
                        t.dtype(), "; parameters are kept in fp32 or fp64, 16-bit types are for computing");
    require<ValueError>(is_dense(t.shape(), t.strides()), "optimizer: ", p.name,
                        " is a view with gaps; clone() it first");
    parameters_.push_back(std::move(p));
  }
  require<ValueError>(!parameters_.empty(),
                      "optimizer: no parameter wants a gradient; unfreeze some with --trainable-scopes");
  const Tensor& first = parameters_.front().tensor;
  const bool moment2 = options_.rule != Rule::sgd;
  const bool moment1 = options_.rule == Rule::sgd ? options_.momentum != 0 : options_.rule != Rule::adagrad;
  const double square = options_.rule == Rule::rmsprop_slim ? 1 : options_.initial_square;
  const NoGrad guard;
  for (const Parameter& p : parameters_) {
    require<DeviceError>(p.tensor.device() == first.device() && p.tensor.dtype() == first.dtype(),
                         "optimizer: ", p.name, " is ", p.tensor.dtype(), " on ", p.tensor.device(), ", but ",
                         parameters_.front().name, " is ", first.dtype(), " on ", first.device(),
                         "; move the whole model");
    first_.push_back(moment1 ? empty_like(p.tensor).zero_() : Tensor());
    second_.push_back(moment2 ? empty_like(p.tensor).fill_(square) : Tensor());
    const bool decays =
        (options_.decay_norm_and_bias || p.tensor.dim() > 1) &&
        std::find(options_.undecayed.begin(), options_.undecayed.end(), p.name) == options_.undecayed.end();
    decay_.push_back(decays ? options_.weight_decay : 0);
  }
  std::vector<double> control(c_size, 0);
  control[c_lr] = options_.lr;
  control[c_scale] = scale_.scale;
  control[c_factor] = 1 / scale_.scale;
  control_ = from_vector(control, {c_size}).to(first.device());
}

void Optimizer::zero_grad() {
  for (const Parameter& p : parameters_) p.tensor.zero_grad();
  if (sum_) sum_->forget();
}

void Optimizer::average_over(Communicator& communicator, const GradientReduction& reduction) {
  sum_ = communicator.alone() ? nullptr : std::make_shared<GradientSum>(communicator, parameters_, reduction);
}
void Optimizer::average_over(Communicator& communicator) { average_over(communicator, {}); }
std::vector<std::string> Optimizer::unused() const {
  return sum_ ? sum_->unused() : std::vector<std::string>();
}
const GradientHook* Optimizer::gradient_hook() const { return sum_ ? &sum_->hook() : nullptr; }

void Optimizer::step() {
  const NoGrad guard;
  if (sum_) sum_->finish();
  std::vector<Span> spans;
  std::vector<Tensor>
      copies;  // of gradients that lie in another order or type; kept until the launches are made
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& t = parameters_[i].tensor;
    Tensor g = t.grad();
    if (!g.defined()) continue;
    const bool readable = g.dtype() == t.dtype() || (t.dtype() == DType::fp32 && size_of(g.dtype()) == 2);
    if (g.strides() != t.strides() || !readable) g = copies.emplace_back(empty_like(t)).copy_(g);
    Span& s = spans.emplace_back();
    s.a = t.raw();
    s.b = g.raw();
    s.b_type = g.dtype();
    if (first_[i].defined()) s.c = first_[i].raw();
    if (second_[i].defined()) s.d = second_[i].raw();
    detail::WeightCopy* const copy = detail::copy_to_write(t);
    if (copy) s.copy = copy->data().raw(), s.copy_type = copy->data().dtype();
    s.n = t.numel();
    s.factor = decay_[i];
    t.storage().bump_version();
    if (copy) copy->written(t);
  }
  const Tensor& any = parameters_.front().tensor;
  double* control = control_.data<double>();
  const bool needs_norm = skips_overflows();
  const Tensor partial =
      needs_norm ? empty({std::max<std::int64_t>(1, span_tasks(spans))}, DType::fp64, any.device())
                 : Tensor();
  const Tensor factors = options_.clip_each_norm > 0 ? empty_like(partial) : Tensor();
  on_floats(any.device(), any.dtype(), [&](auto device, auto tag) {
    using T = typename decltype(tag)::type;
    if (needs_norm) for_each_span(device, "gradient norm", spans, SquaredSum<T>{partial.data<double>()});
    run(device,
        Advance{needs_norm ? partial.data<double>() : nullptr, span_tasks(spans), options_.clip_norm,
                options_.beta1, options_.beta2, scale_.growth, scale_.backoff,
                static_cast<double>(scale_.interval)},
        control);
    double* const own = factors.defined() ? factors.data<double>() : nullptr;
    if (own) {
      for_each_span(device, "gradient norm", spans,
                    TensorFactor{partial.data<double>(), control, options_.clip_each_norm, own});
    }
    switch (options_.rule) {
      case Rule::sgd: return update_all<Rule::sgd>(device, tag, options_, spans, control, own);
      case Rule::adam: return update_all<Rule::adam>(device, tag, options_, spans, control, own);
      case Rule::adamw: return update_all<Rule::adamw>(device, tag, options_, spans, control, own);
      case Rule::rmsprop: return update_all<Rule::rmsprop>(device, tag, options_, spans, control, own);
      case Rule::rmsprop_slim:
        return update_all<Rule::rmsprop_slim>(device, tag, options_, spans, control, own);
      case Rule::adadelta: return update_all<Rule::adadelta>(device, tag, options_, spans, control, own);
      case Rule::adagrad: return update_all<Rule::adagrad>(device, tag, options_, spans, control, own);
      case Rule::ftrl: return update_all<Rule::ftrl>(device, tag, options_, spans, control, own);
    }
  });
}

void Optimizer::set_lr(double lr) {
  if (lr == options_.lr) return;
  require<UsageError>(lr >= 0 && std::isfinite(lr), "optimizer: a learning rate of ", lr,
                      "; it must be a number from 0 on");
  options_.lr = lr;
  control_.select(0, c_lr).fill_(lr);
}

Tensor Optimizer::loss_seed(DType dtype) const { return control_.select(0, c_scale).to(dtype).clone(); }
Tensor Optimizer::skipped() const { return compare(Compare::not_equal, control_.select(0, c_skip), 0.0); }
double Optimizer::gradient_norm() const { return control_.select(0, c_norm).item<double>(); }
bool Optimizer::last_step_skipped() const { return control_.select(0, c_skip).item<double>() != 0; }
std::int64_t Optimizer::steps() const {
  return static_cast<std::int64_t>(control_.select(0, c_steps).item<double>());
}
double Optimizer::loss_scale() const { return control_.select(0, c_scale).item<double>(); }

double Optimizer::penalty() const {
  const NoGrad guard;
  double total = 0;
  for (std::size_t i = 0; i < parameters_.size() && options_.rule != Rule::adamw; ++i) {
    const Tensor& w = parameters_[i].tensor;
    if (decay_[i] != 0) total += decay_[i] / 2 * sum(mul(w, w)).item();
  }
  return total;
}

std::string Optimizer::bad_gradient() const {
  const NoGrad guard;
  for (const Parameter& p : parameters_) {
    const Tensor g = p.tensor.grad();
    if (g.defined() && !(sum(sub(g, g)).item() == 0)) return p.name;
  }
  return "";
}

std::vector<Parameter> Optimizer::state() const {
  std::vector<Parameter> state{{"control", control_}};
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (first_[i].defined()) state.push_back({parameters_[i].name + ".1", first_[i]});
    if (second_[i].defined()) state.push_back({parameters_[i].name + ".2", second_[i]});
  }
  return state;
}

void load_named(const std::vector<Parameter>& into, const std::map<std::string, Tensor>& from,
                const char* what) {
  const NoGrad guard;
  for (const Parameter& p : into) {
    const auto found = from.find(p.name);
    require<CheckpointError>(
        found != from.end(), what, ": the checkpoint has no ", p.name,
        "; was it made with another optimiser or other frozen layers? use --init-from for the weights alone");
    require<CheckpointError>(found->second.shape() == p.tensor.shape(), what, ": ", p.name, " is ",
                             found->second.shape(), " in the checkpoint, but ", p.tensor.shape(), " here");
    Tensor target = p.tensor;
    target.copy_(found->second);
  }
}

void Optimizer::load_state(const std::map<std::string, Tensor>& from) {
  load_named(state(), from, "optimizer");
  options_.lr = control_.select(0, c_lr).item<double>();
  scale_.scale = loss_scale();
}

}  // namespace gadolin
