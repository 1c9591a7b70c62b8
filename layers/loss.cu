// Losses as functors: value and derivative of one element (or one row) in one place for both devices.
#include "layers/loss.h"

#include <cmath>

#include "tensor/function.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

Tensor widened(const Tensor& t) {
  return t.dtype() == DType::bf16 || t.dtype() == DType::fp16 ? t.to(DType::fp32) : t;
}
Tensor reduce_loss(const Tensor& values, Reduction reduction) { return reduction == Reduction::mean ? mean(values) : sum(values); }

// --- one class a row -------------------------------------------------------------------------------------------------

// A row's loss before the mean: ((1 - s) l_t w_t + s / C sum_k l_k w_k) (1 - p_t)^gamma, with l = -log softmax.
template <class T> struct RowLoss {
  std::int64_t classes, ignore;
  T smoothing, gamma;
  const T* logits;             // [N, C]
  const std::int64_t* target;  // [N]
  const T* weight;             // [C] or nullptr
  T* probability;              // [N, C], kept for backward
  T* loss;                     // [N]
  T* row_weight;               // [N]: what the mean divides by

  GADOLIN_HD T weight_of(std::int64_t c) const { return weight ? weight[c] : T(1); }
  GADOLIN_HD void operator()(std::int64_t n) const {
    using std::exp;
    using std::log;
    using std::pow;
    const T* x = logits + n * classes;
    T* p = probability + n * classes;
    const std::int64_t t = target[n];
    if (t == ignore) {
      for (std::int64_t c = 0; c < classes; ++c) p[c] = T(0);
      loss[n] = row_weight[n] = T(0);
      return;
    }
    T largest = x[0], total = T(0);
    for (std::int64_t c = 1; c < classes; ++c) largest = x[c] > largest || x[c] != x[c] ? x[c] : largest;
    for (std::int64_t c = 0; c < classes; ++c) {
      p[c] = static_cast<T>(exp(x[c] - largest));
      total += p[c];
    }
    const T log_total = static_cast<T>(log(total));
    for (std::int64_t c = 0; c < classes; ++c) p[c] /= total;
    if (t < 0 || t >= classes) {  // the CPU has refused it before
      loss[n] = row_weight[n] = T(0) / T(0);
      return;
    }
    T value = (T(1) - smoothing) * weight_of(t) * (log_total - (x[t] - largest));
    if (smoothing > T(0)) {
      T spread = T(0);
      for (std::int64_t c = 0; c < classes; ++c) spread += weight_of(c) * (log_total - (x[c] - largest));
      value += smoothing / static_cast<T>(classes) * spread;
    }
    if (gamma > T(0)) value *= static_cast<T>(pow(T(1) - p[t], gamma));
    loss[n] = value;
    row_weight[n] = weight_of(t);
  }
};

// d loss / d logits of one row, times `scale[0]` = dy / sum of row weights.
template <class T> struct RowGradient {
  std::int64_t classes, ignore;
  T smoothing, gamma;
  const T* probability;
  const std::int64_t* target;
  const T* weight;
  const T* scale;
  T* dlogits;

  GADOLIN_HD T weight_of(std::int64_t c) const { return weight ? weight[c] : T(1); }
  GADOLIN_HD void operator()(std::int64_t n) const {
    using std::log;
    using std::pow;
    const T* p = probability + n * classes;
    T* d = dlogits + n * classes;
    const std::int64_t t = target[n];
    if (t == ignore) {
      for (std::int64_t c = 0; c < classes; ++c) d[c] = T(0);
      return;
    }
    T total = T(0);  // sum of the weights that the probabilities are multiplied with
    if (smoothing > T(0)) {
      for (std::int64_t c = 0; c < classes; ++c) total += weight_of(c);
      total *= smoothing / static_cast<T>(classes);
    }
    total += (T(1) - smoothing) * weight_of(t);
    const T s = scale[0];
    if (gamma > T(0)) {
      // f = w (1-p)^g (-log p); df/dx_c = df/dp p (1[c=t] - p_c)
      const T rest = T(1) - p[t], w = weight_of(t);
      const T logp = static_cast<T>(log(p[t] > T(0) ? p[t] : T(1e-38)));
      const T slope = w * (gamma * (rest > T(0) ? static_cast<T>(pow(rest, gamma - T(1))) : T(0)) * p[t] * logp -
                           static_cast<T>(pow(rest, gamma)));
      for (std::int64_t c = 0; c < classes; ++c) d[c] = s * slope * ((c == t ? T(1) : T(0)) - p[c]);
      return;
    }
    for (std::int64_t c = 0; c < classes; ++c) {
      T truth = c == t ? (T(1) - smoothing) * weight_of(t) : T(0);
      if (smoothing > T(0)) truth += smoothing / static_cast<T>(classes) * weight_of(c);
      d[c] = s * (total * p[c] - truth);
    }
  }
};

template <class Body> void for_rows(Cpu, const char*, std::int64_t rows, const Body& body) {
  parallel_for(rows, 1 + 4096 / body.classes, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) body(n);
  });
}
#ifdef __CUDACC__
template <class Body> __global__ void row_kernel(std::int64_t rows, Body body) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t n = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; n < rows; n += step) body(n);
}
template <class Body> void for_rows(Cuda, const char* op, std::int64_t rows, const Body& body) {
  launch(op, grid_stride(rows, 64), row_kernel<Body>, rows, body);
}
#endif

template <class F> void float_or_double(DType dtype, F&& f) {
  if (dtype == DType::fp64) {
    f(Tag<double>{});
  } else {
    f(Tag<float>{});
  }
}

struct CrossEntropyFunction {
  static constexpr auto name = "cross_entropy";
  CrossEntropyOptions options;
  double gamma = 0;
  Saved target;
  mutable Tensor probability, total_weight;  // [N, C], []

  void check(const Tensor& logits, const Tensor& t) const {
    require<ShapeError>(logits.dim() == 2, name, ": logits ", logits.shape(), " are not [N, C]");
    require<ShapeError>(t.shape() == Shape{logits.size(0)}, name, ": target ", t.shape(), " is not [", logits.size(0), "]");
    require<DTypeError>(t.dtype() == DType::int64, name, ": target is ", t.dtype(), ", not int64; convert with .to(DType::int64)");
    require<DTypeError>(logits.dtype() == DType::fp32 || logits.dtype() == DType::fp64, name, ": logits are ", logits.dtype(),
                        "; convert with .to(DType::fp32)");
    require<DeviceError>(t.device() == logits.device(), name, ": logits are on ", logits.device(), " but the target is on ",
                         t.device(), "; move one with .to(...)");
    require<ValueError>(options.label_smoothing >= 0 && options.label_smoothing <= 1, name, ": label smoothing ",
                        options.label_smoothing, " is outside [0, 1]");
    const Tensor& w = options.class_weight;
    require<ShapeError>(!w.defined() || w.shape() == Shape{logits.size(1)}, name, ": class weights ", w.defined() ? w.shape() : Shape{},
                        " are not [", logits.size(1), "]");
    if (!t.device().is_cpu()) return;
    const std::vector<std::int64_t> values = t.to_vector<std::int64_t>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      require<ValueError>(values[i] == options.ignore_index || (values[i] >= 0 && values[i] < logits.size(1)), name, ": target ",
                          values[i], " at index ", i, " is outside [0, ", logits.size(1), "); class labels start at 0");
    }
  }
  Tensor allocate(const Tensor& logits, const Tensor&) const { return empty({}, logits.dtype(), logits.device()); }
  void save(const Tensor&, const Tensor& t, const Tensor&) { target = t; }
  Tensor weights_like(const Tensor& t) const {
    return options.class_weight.defined() ? options.class_weight.to(t.device()).to(t.dtype()).contiguous() : Tensor();
  }

  template <class D> void forward(D device, const Tensor& logits_any, const Tensor& t_any, Tensor& y) const {
    const Tensor logits = logits_any.contiguous(), t = t_any.contiguous(), weight = weights_like(logits);
    const std::int64_t rows = logits.size(0);
    probability = empty(logits.shape(), logits.dtype(), logits.device());
    const Tensor loss = empty({rows}, logits.dtype(), logits.device()), row_weight = empty_like(loss);
    float_or_double(logits.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      for_rows(device, name, rows,
               RowLoss<T>{logits.size(1), options.ignore_index, static_cast<T>(options.label_smoothing), static_cast<T>(gamma),
                          logits.data<T>(), t.data<std::int64_t>(), weight.defined() ? weight.data<T>() : nullptr,
                          probability.data<T>(), loss.data<T>(), row_weight.data<T>()});
    });
    total_weight = sum(row_weight);
    y.copy_(div(sum(loss), total_weight));
  }
  template <class D> Grads backward(D device, const Tensor& dy, Need) const {
    const Tensor scale = div(dy, total_weight), weight = weights_like(probability), t = target->contiguous();
    Tensor dx = empty(probability.shape(), probability.dtype(), probability.device());
    float_or_double(dx.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      for_rows(device, name, dx.size(0),
               RowGradient<T>{dx.size(1), options.ignore_index, static_cast<T>(options.label_smoothing), static_cast<T>(gamma),
                              probability.data<T>(), t.data<std::int64_t>(), weight.defined() ? weight.data<T>() : nullptr,
                              scale.data<T>(), dx.data<T>()});
    });
    return {dx, Tensor()};
  }
};

// --- independent labels ----------------------------------------------------------------------------------------------

// log(1 + exp(-|x|)) never overflows.
template <class T> GADOLIN_HD T softplus_of(T x) {
  using std::exp;
  using std::log1p;
  return (x > T(0) ? x : T(0)) + static_cast<T>(log1p(exp(x > T(0) ? -x : x)));
}
template <class T> GADOLIN_HD T logistic(T x) {
  using std::exp;
  const T e = static_cast<T>(exp(x > T(0) ? -x : x));
  return (x < T(0) ? e : T(1)) / (T(1) + e);
}

struct Bce {
  static constexpr auto name = "binary_cross_entropy_with_logits";
  template <class T> GADOLIN_HD T forward(T x, T y) const { return softplus_of(x) - x * y; }
  template <class T> GADOLIN_HD T backward(T x, T y) const { return logistic(x) - y; }
};
struct Focal {
  static constexpr auto name = "sigmoid_focal_loss";
  double alpha, gamma;
  template <class T> GADOLIN_HD T forward(T x, T y) const {
    using std::pow;
    const T p = logistic(x), ce = softplus_of(x) - x * y, pt = p * y + (T(1) - p) * (T(1) - y);
    return alpha_t(y) * ce * static_cast<T>(pow(T(1) - pt, static_cast<T>(gamma)));
  }
  template <class T> GADOLIN_HD T backward(T x, T y) const {
    using std::pow;
    const T p = logistic(x), ce = softplus_of(x) - x * y, pt = p * y + (T(1) - p) * (T(1) - y), g = static_cast<T>(gamma);
    const T rest = T(1) - pt, dpt = (T(2) * y - T(1)) * p * (T(1) - p);
    const T power = static_cast<T>(pow(rest, g)), slope = rest > T(0) ? g * static_cast<T>(pow(rest, g - T(1))) : T(0);
    return alpha_t(y) * (power * (p - y) - slope * dpt * ce);
  }
  template <class T> GADOLIN_HD T alpha_t(T y) const {
    return alpha < 0 ? T(1) : static_cast<T>(alpha) * y + static_cast<T>(1 - alpha) * (T(1) - y);
  }
};
struct SmoothL1 {
  static constexpr auto name = "smooth_l1_loss";
  double beta;
  template <class T> GADOLIN_HD T forward(T x, T y) const {
    const T d = x - y, size = d < T(0) ? -d : d, b = static_cast<T>(beta);
    return size < b ? T(0.5) * d * d / b : size - T(0.5) * b;
  }
  template <class T> GADOLIN_HD T backward(T x, T y) const {
    const T d = x - y, size = d < T(0) ? -d : d, b = static_cast<T>(beta);
    return size < b ? d / b : d > T(0) ? T(1) : d < T(0) ? T(-1) : d;
  }
};
struct Squared {
  static constexpr auto name = "mse_loss";
  template <class T> GADOLIN_HD T forward(T x, T y) const { return (x - y) * (x - y); }
  template <class T> GADOLIN_HD T backward(T x, T y) const { return T(2) * (x - y); }
};

template <class F> struct ForwardPair {
  F f;
  template <class T> GADOLIN_HD T operator()(T x, T y) const { return f.forward(x, y); }
};
template <class F> struct BackwardPair {
  F f;
  template <class T> GADOLIN_HD T operator()(T x, T y, T dz) const { return dz * f.backward(x, y); }
};

// Elementwise loss of x against a target of its shape; differentiable in x only.
template <class F> struct PairLoss {
  static constexpr auto name = F::name;
  F f;
  Saved x, y;
  Shape shape(const Tensor& a, const Tensor& b) const {
    require<ShapeError>(a.shape() == b.shape(), name, ": input ", a.shape(), " and target ", b.shape(), " differ");
    return a.shape();
  }
  void save(const Tensor& a, const Tensor& b, const Tensor&) {
    x = a;
    y = b;
  }
  template <class D> void forward(D device, const Tensor& a, const Tensor& b, Tensor& z) const {
    float_or_double(a.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      map<T, T, T>(device, name, ForwardPair<F>{f}, z, a, b);
    });
  }
  template <class D> Grads backward(D device, const Tensor& dz, Need) const {
    Tensor dx = empty_like(x.get());
    float_or_double(dz.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      map<T, T, T, T>(device, name, BackwardPair<F>{f}, dx, x.get(), y.get(), dz);
    });
    return {dx, Tensor()};
  }
};

template <class F> Tensor pair_loss(F f, const Tensor& x, const Tensor& target) {
  return apply(PairLoss<F>{f, {}, {}}, widened(x), widened(target).detach());
}

Tensor row_loss(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options, double gamma) {
  CrossEntropyFunction f;
  f.options = options;
  f.gamma = gamma;
  return apply(std::move(f), widened(logits), target);
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options) {
  return row_loss(logits, target, options, 0);
}
Tensor softmax_focal_loss(const Tensor& logits, const Tensor& target, double gamma, const CrossEntropyOptions& options) {
  require<ValueError>(gamma >= 0, "softmax_focal_loss: gamma ", gamma, " is negative");
  require<ValueError>(options.label_smoothing == 0, "softmax_focal_loss: label smoothing is not defined for it");
  return row_loss(logits, target, options, gamma);
}

Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target, const Tensor& positive_weight, const Tensor& mask) {
  const char* const name = "binary_cross_entropy_with_logits";
  require<ShapeError>(!mask.defined() || mask.shape() == logits.shape(), name, ": mask ", mask.defined() ? mask.shape() : Shape{},
                      " is not of the logits' shape ", logits.shape());
  require<ShapeError>(!positive_weight.defined() || (logits.dim() > 0 && positive_weight.shape() == Shape{logits.size(-1)}), name,
                      ": positive weights ", positive_weight.defined() ? positive_weight.shape() : Shape{},
                      " are not one a class of logits ", logits.shape());
  Tensor loss = pair_loss(Bce{}, logits, target);
  if (positive_weight.defined()) {
    // -[p y log s + (1 - y) log(1 - s)] = bce + (p - 1) y softplus(-x)
    const Tensor x = widened(logits), y = widened(target).detach();
    loss = loss + mul(mul(add(positive_weight.to(x.dtype()), -1.0), y), softplus(neg(x), 1, 1e9));
  }
  if (!mask.defined()) return mean(loss);
  const Tensor kept = mask.to(loss.dtype());
  return sum(mul(loss, kept)) / sum(kept);
}
Tensor sigmoid_focal_loss(const Tensor& logits, const Tensor& target, double alpha, double gamma, Reduction reduction) {
  require<ValueError>(gamma >= 0 && alpha <= 1, "sigmoid_focal_loss: gamma ", gamma, " must not be negative, alpha ", alpha,
                      " not above 1");
  return reduce_loss(pair_loss(Focal{alpha, gamma}, logits, target), reduction);
}
Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, double beta, Reduction reduction) {
  require<ValueError>(beta > 0, "smooth_l1_loss: beta ", beta, " must be positive");
  return reduce_loss(pair_loss(SmoothL1{beta}, x, target), reduction);
}
Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  return reduce_loss(pair_loss(Squared{}, x, target), reduction);
}

}  // namespace gadolin
