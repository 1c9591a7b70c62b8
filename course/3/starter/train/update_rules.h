// The optimisers' update rules, one element at a time, for both devices.
#pragma once

#include "course/todo.h"
#include <cmath>

#include "tensor/loops.h"
#include "train/optimizer.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin::detail {

// Numbers of one step that every element needs; read from the control block once a piece.
template <class T> struct Numbers { T lr, factor, bias1, bias2; };

template <class T> struct Constants {
  T momentum, beta1, beta2, alpha, eps, l1, l2, power, clip;
  bool nesterov, eps_before_bias;
};

// x^power; the usual half without the cost of pow.
template <class T> GADOLIN_HD T root(T x, T power) {
  using std::pow;
  using std::sqrt;
  return power == T(0.5) ? sqrt(x) : pow(x, power);
}

// What all gradients are multiplied by, so that their norm is not above clip_norm (0: any).
GADOLIN_HD double clipped(double factor, double norm, double clip_norm) {
  course::todo("3.4b", "clipped");
}
// What a mean with decay beta is divided by after `steps` steps from 0 (Kingma and Ba 2015, section 3).
GADOLIN_HD double bias_correction(double beta, double steps) {
  course::todo("3.4b", "bias_correction");
}

// w, gradient g (scaled, clipped, decayed), moments m and v -> new w, m, v. Formulas are torch.optim's; the
// Slim form of RMSProp is tf.train.RMSPropOptimizer's: mean square starts at 1, eps under the root, rate
// inside the momentum. Adagrad has no eps but a start value, and FTRL is McMahan et al. 2013 with
// TensorFlow's 2 l2; both as in tf.train.
template <Rule rule, class T>
GADOLIN_HD void update(const Constants<T>& k, const Numbers<T>& n, T decay, T g, T& w, T& m, T& v) {
  using std::sqrt;
  course::todo("3.4a", "weight decay");
  if constexpr (rule == Rule::sgd) {
  course::todo("3.4a", "sgd");
  } else if constexpr (rule == Rule::adam || rule == Rule::adamw) {
  course::todo("3.4a", "adam");
  } else if constexpr (rule == Rule::rmsprop) {
    v = k.alpha * v + (T(1) - k.alpha) * g * g;
    m = k.momentum * m + g / (sqrt(v) + k.eps);
    w -= n.lr * m;
  } else if constexpr (rule == Rule::adadelta) {  // Zeiler 2012; m is the mean square of the changes
    v = k.alpha * v + (T(1) - k.alpha) * g * g;
    const T change = sqrt(m + k.eps) / sqrt(v + k.eps) * g;
    m = k.alpha * m + (T(1) - k.alpha) * change * change;
    w -= n.lr * change;
  } else if constexpr (rule == Rule::adagrad) {
    v += g * g;
    w -= n.lr * g / (sqrt(v) + k.eps);
  } else if constexpr (rule == Rule::ftrl) {  // m is the linear term z; a rate of 0 changes nothing
    if (n.lr > T(0)) {
      const T before = root(v, k.power);
      v += g * g;
      const T after = root(v, k.power);
      m += g - (after - before) / n.lr * w;
      const T beyond = m > k.l1 ? m - k.l1 : m < -k.l1 ? m + k.l1 : T(0);
      w = -beyond / (after / n.lr + T(2) * k.l2);
    }
  } else {
    v += (T(1) - k.alpha) * (g * g - v);
    m = k.momentum * m + n.lr * g / sqrt(v + k.eps);
    w -= m;
  }
}

}  // namespace gadolin::detail
