// Losses of anchors as functors: value and derivative of a logit or a box in one place for both devices.
#include "tasks/detection/anchor_loss.h"

#include <algorithm>

#include "tensor/function.h"
#include "tensor/logistic.h"
#include "tensor/ops.h"
#include "tensor/ops/index_loop.h"

namespace gadolin {
namespace {

DType loss_type(const Tensor& x) { return x.dtype() == DType::fp64 ? DType::fp64 : DType::fp32; }

void check_label(const char* op, const Tensor& x, const Tensor& label) {
  require_floating(op, x.dtype());
  require<ShapeError>(x.dim() == 3 && label.shape() == Shape{x.size(0), x.size(1)}, op, ": label ",
                      label.shape(), " has not one number for each anchor of ", x.shape());
  require<DTypeError>(label.dtype() == DType::int64, op, ": label is ", label.dtype(), ", not int64");
  require<DeviceError>(label.device() == x.device(), op, ": the input is on ", x.device(),
                       " but the label is on ", label.device(), "; move one with .to(...)");
}

// --- classes -----------------------------------------------------------------------------------------------

// Of one logit, turned so that a large z is wrong: weight s^gamma softplus(z), s = logistic(z) = 1 - p_t.
// squares: gamma is 2, and loops have no call in them.
template <class M, bool squares> struct FocalTerm {
  M of_class, of_others, gamma;  // weights: alpha and 1 - alpha, or 1
  GADOLIN_HD M weight(bool hit) const { return hit ? of_class : of_others; }
  GADOLIN_HD M power(M s) const { return squares ? s * s : static_cast<M>(std::pow(s, gamma)); }
  GADOLIN_HD M value(M x, bool hit) const {
    const M z = hit ? -x : x;
    return weight(hit) * power(detail::logistic(z)) * detail::softplus_of(z);
  }
  GADOLIN_HD M slope(M x, bool hit) const {
    const M z = hit ? -x : x, s = detail::logistic(z);
    const M d = weight(hit) * power(s) * (gamma * detail::logistic(-z) * detail::softplus_of(z) + s);
    return hit ? -d : d;
  }
};
// Anchors one by one, with sums of every 16th class side by side, which a CPU's vectors take at once.
template <class T, class Term> struct FocalLoss {
  using M = math_type<T>;
  Term term;
  std::int64_t classes;
  const T* logits;            // [N A, K]
  const std::int64_t* label;  // [N A]
  M* loss;                    // [N A]
  GADOLIN_HD void operator()(std::int64_t a) const {
    constexpr int some = 16;
    const Term t = term;
    const T* const x = logits + a * classes;
    const int hit = static_cast<int>(label[a]), n = hit == anchor_ignored ? 0 : static_cast<int>(classes),
              whole = n / some * some;
    M sums[some] = {}, sum = 0;
    for (int k = 0; k < whole; k += some)
      for (int j = 0; j < some; ++j) sums[j] += t.value(convert<M>(x[k + j]), k + j == hit);
    for (int k = whole; k < n; ++k) sum += t.value(convert<M>(x[k]), k == hit);
    for (int j = 0; j < some; ++j) sum += sums[j];
    loss[a] = sum;
  }
};
// `width` classes of an anchor at a time: all of them, or one on a GPU, where neighbours are other threads'.
template <class T, class Term> struct FocalGradient {
  using M = math_type<T>;
  Term term;
  std::int64_t classes, anchors, width;
  const T* logits;
  const std::int64_t* label;
  const M* dy;  // [N]
  T* dx;
  GADOLIN_HD void operator()(std::int64_t i) const {
    const Term t = term;
    const std::int64_t first = i * width, a = first / classes;
    const int n = static_cast<int>(width), hit = static_cast<int>(label[a] - (first - a * classes));
    const M factor = dy[a / anchors];
    const T* const __restrict__ x = logits + first;
    T* const __restrict__ out = dx + first;
    if (label[a] == anchor_ignored) {
      for (int k = 0; k < n; ++k) out[k] = convert<T>(M(0));
      return;
    }
    for (int k = 0; k < n; ++k) out[k] = convert<T>(factor * t.slope(convert<M>(x[k]), k == hit));
  }
};

struct AnchorFocalFunction {
  static constexpr auto name = "anchor_focal_loss";
  double alpha, gamma;
  Saved logits, label;

  void check(const Tensor& x, const Tensor& t) const {
    check_label(name, x, t);
    if (!t.device().is_cpu()) return;
    for (const std::int64_t c : t.to_vector<std::int64_t>()) {
      require<ValueError>(c >= anchor_ignored && c < x.size(2), name, ": label ", c, " is outside [-2, ",
                          x.size(2), "): -2 ignored, -1 background, classes from 0");
    }
  }
  Tensor allocate(const Tensor& x, const Tensor&) const {
    return empty({x.size(0)}, loss_type(x), x.device());
  }
  void save(const Tensor& x, const Tensor& t, const Tensor&) {
    logits = x;
    label = t;
  }
  // f(a value of T, the term for it)
  template <class F> void with_term(DType dtype, const F& f) const {
    dispatch_floating(dtype, name, [&]<class T>(Tag<T>) {
      using M = math_type<T>;
      const M a = static_cast<M>(alpha < 0 ? 1 : alpha), b = static_cast<M>(alpha < 0 ? 1 : 1 - alpha),
              g = static_cast<M>(gamma);
      if (g == M(2)) return f(Tag<T>{}, FocalTerm<M, true>{a, b, g});
      f(Tag<T>{}, FocalTerm<M, false>{a, b, g});
    });
  }
  template <class D> void forward(D device, const Tensor& x_any, const Tensor& t_any, Tensor& y) const {
    const Tensor x = x_any.contiguous(), t = t_any.contiguous(),
                 values = empty(t.shape(), y.dtype(), y.device());
    with_term(x.dtype(), [&]<class T, class Term>(Tag<T>, Term term) {
      using M = math_type<T>;
      detail::for_each_index(
          device, name, t.numel(), x.size(2),
          FocalLoss<T, Term>{term, x.size(2), x.data<T>(), t.data<std::int64_t>(), values.data<M>()});
    });
    y = sum(values, {1});
  }
  template <class D> Grads backward(D device, const Tensor& dy_any, Need) const {
    const Tensor x = logits->contiguous(), t = label->contiguous(), dy = dy_any.contiguous(),
                 dx = empty(x.shape(), x.dtype(), x.device());
    with_term(x.dtype(), [&]<class T, class Term>(Tag<T>, Term term) {
      using M = math_type<T>;
      const std::int64_t width = std::is_same_v<D, Cpu> ? std::max<std::int64_t>(1, x.size(2)) : 1;
      detail::for_each_index(device, name, x.numel() / width, 8 * width,
                             FocalGradient<T, Term>{term, x.size(2), x.size(1), width, x.data<T>(),
                                                    t.data<std::int64_t>(), dy.data<M>(), dx.data<T>()});
    });
    return {dx, Tensor()};
  }
};

// --- boxes -------------------------------------------------------------------------------------------------

template <class M> struct SmoothL1Box {
  M beta;
  GADOLIN_HD M value(const M* p, const M* t) const {
    M sum = 0;
    for (int c = 0; c < 4; ++c) {
      const M d = p[c] - t[c], size = d < M(0) ? -d : d;
      sum += size < beta ? M(0.5) * d * d / beta : size - M(0.5) * beta;
    }
    return sum;
  }
  GADOLIN_HD void slope(const M* p, const M* t, M* g) const {
    for (int c = 0; c < 4; ++c) {
      const M d = p[c] - t[c], size = d < M(0) ? -d : d;
      g[c] = size < beta ? d / beta : d > M(0) ? M(1) : d < M(0) ? M(-1) : d;
    }
  }
};

// 2 - I / U - U / C: I the intersection, U the union, C the smallest box around both.
template <class M> struct GiouBox {
  GADOLIN_HD static M larger(M a, M b) { return a < b ? b : a; }
  GADOLIN_HD static M smaller(M a, M b) { return b < a ? b : a; }
  GADOLIN_HD static M side(M from, M to) { return to < from ? M(0) : to - from; }
  struct Parts {
    M w, h, iw, ih, cw, ch, inter, all;
  };
  GADOLIN_HD static Parts parts(const M* p, const M* t) {
    Parts s;
    s.w = side(p[0], p[2]);
    s.h = side(p[1], p[3]);
    s.iw = side(larger(p[0], t[0]), smaller(p[2], t[2]));
    s.ih = side(larger(p[1], t[1]), smaller(p[3], t[3]));
    s.cw = larger(p[2], t[2]) - smaller(p[0], t[0]);
    s.ch = larger(p[3], t[3]) - smaller(p[1], t[1]);
    s.inter = s.w > M(0) && s.h > M(0) ? s.iw * s.ih : M(0);
    s.all = s.w * s.h + side(t[0], t[2]) * side(t[1], t[3]) - s.inter;
    return s;
  }
  GADOLIN_HD M value(const M* p, const M* t) const {
    const Parts s = parts(p, t);
    return M(2) - s.inter / s.all - s.all / (s.cw * s.ch);
  }
  GADOLIN_HD void slope(const M* p, const M* t, M* g) const {
    const Parts s = parts(p, t);
    const M hull = s.cw * s.ch;
    for (int c = 0; c < 4; ++c) {
      const bool far = c >= 2, inside = far ? p[c] < t[c] : p[c] > t[c];
      const M sign = far ? M(1) : M(-1), across = c % 2 ? s.w : s.h, common = c % 2 ? s.iw : s.ih;
      const M d_inter = inside && s.inter > M(0) ? sign * common : M(0), d_all = sign * across - d_inter,
              d_hull = inside ? M(0) : sign * (c % 2 ? s.cw : s.ch);
      g[c] = (s.inter * d_all - d_inter * s.all) / (s.all * s.all) -
             (d_all * hull - s.all * d_hull) / (hull * hull);
    }
  }
};

// Of one anchor: its loss, or with `dx` its gradient.
template <class T, class Box> struct BoxTerm {
  using M = math_type<T>;
  Box box;
  std::int64_t anchors;
  const T* boxes;   // [N A, 4]
  const M* target;  // [N A, 4]
  const std::int64_t* label;
  M* loss;
  const M* dy;  // [N]
  T* dx;
  GADOLIN_HD void operator()(std::int64_t a) const {
    const bool counts = label[a] >= 0;
    M p[4] = {}, g[4] = {};
    for (int c = 0; counts && c < 4; ++c) p[c] = convert<M>(boxes[4 * a + c]);
    if (!dx) {
      loss[a] = counts ? box.value(p, target + 4 * a) : M(0);
      return;
    }
    if (counts) box.slope(p, target + 4 * a, g);
    for (int c = 0; c < 4; ++c) dx[4 * a + c] = convert<T>(counts ? dy[a / anchors] * g[c] : M(0));
  }
};

struct AnchorBoxFunction {
  static constexpr auto name = "anchor_box_loss";
  BoxLossOptions options;
  Saved boxes, target, label;

  void check(const Tensor& x, const Tensor& t, const Tensor& kind) const {
    check_label(name, x, kind);
    require<ShapeError>(x.size(2) == 4 && t.shape() == x.shape(), name, ": boxes ", x.shape(), " and target ",
                        t.shape(), " are not both [N, A, 4]");
    require<DTypeError>(t.dtype() == loss_type(x), name, ": target is ", t.dtype(), ", not ", loss_type(x));
  }
  Tensor allocate(const Tensor& x, const Tensor&, const Tensor&) const {
    return empty({x.size(0)}, loss_type(x), x.device());
  }
  void save(const Tensor& x, const Tensor& t, const Tensor& kind, const Tensor&) {
    boxes = x;
    target = t;
    label = kind;
  }
  template <class D>
  void run(D device, const Tensor& x_any, const Tensor& t_any, const Tensor& kind_any, const Tensor& values,
           const Tensor& dy, const Tensor& dx) const {
    const Tensor x = x_any.contiguous(), t = t_any.contiguous(), kind = kind_any.contiguous();
    dispatch_floating(x.dtype(), name, [&]<class T>(Tag<T>) {
      using M = math_type<T>;
      const auto loop = [&]<class Box>(Box box) {
        detail::for_each_index(
            device, name, kind.numel(), 16,
            BoxTerm<T, Box>{box, x.size(1), x.data<T>(), t.data<M>(), kind.data<std::int64_t>(),
                            values.defined() ? values.data<M>() : nullptr,
                            dy.defined() ? dy.data<M>() : nullptr, dx.defined() ? dx.data<T>() : nullptr});
      };
      if (options.kind == BoxLossOptions::Kind::giou)
        loop(GiouBox<M>{});
      else
        loop(SmoothL1Box<M>{static_cast<M>(options.beta)});
    });
  }
  template <class D>
  void forward(D device, const Tensor& x, const Tensor& t, const Tensor& kind, Tensor& y) const {
    const Tensor values = empty(kind.shape(), y.dtype(), y.device());
    run(device, x, t, kind, values, {}, {});
    y = sum(values, {1});
  }
  template <class D> Grads backward(D device, const Tensor& dy, Need) const {
    const Tensor dx = empty(boxes->shape(), boxes->dtype(), boxes->device());
    run(device, boxes, target, label, {}, dy.contiguous(), dx);
    return {dx, Tensor(), Tensor()};
  }
};

}  // namespace

Tensor anchor_focal_loss(const Tensor& logits, const Tensor& label, double alpha, double gamma) {
  require<ValueError>(gamma >= 0 && alpha <= 1, AnchorFocalFunction::name, ": gamma ", gamma,
                      " must not be negative, alpha ", alpha, " not above 1");
  return apply(AnchorFocalFunction{alpha, gamma, {}, {}}, logits, label);
}

Tensor anchor_box_loss(const Tensor& boxes, const Tensor& target, const Tensor& label,
                       const BoxLossOptions& options) {
  require<ValueError>(options.beta >= 0, AnchorBoxFunction::name, ": beta ", options.beta,
                      " must not be negative");
  return apply(AnchorBoxFunction{options, {}, {}, {}}, boxes, target.detach(), label);
}

Tensor per_positive(const Tensor& sums, const Tensor& positives) {
  const Tensor least = ones({1}, sums.dtype(), sums.device()),
               count = maximum(positives.detach().to(sums.dtype()).reshape({positives.numel()}), least);
  require<ShapeError>(sums.dim() == 1 && (count.numel() == 1 || count.shape() == sums.shape()),
                      "per_positive: positives ", positives.shape(),
                      " are neither [] nor of the sums' shape ", sums.shape());
  return count.numel() == 1 ? sum(sums / count) : mean(sums / count);
}

}  // namespace gadolin
