// Initial values of weights. All draw from the default generator: manual_seed() fixes them, on every device.
// Fans are those of a weight [out, in, window...]: in = in * window, out = out * window.
#pragma once

#include "tensor/tensor.h"

namespace gadolin {

// Numbers of inputs or of outputs of a weight, as compute_fans counts them.
enum class Fan { in, out };

// While one is alive on this thread, initialisers write zeros: for nets whose weights are about to be loaded,
// or are only to be counted.
struct SkipInitialValues {
  SkipInitialValues();
  ~SkipInitialValues();
  SkipInitialValues(const SkipInitialValues&) = delete;
  SkipInitialValues& operator=(const SkipInitialValues&) = delete;

 private:
  bool before_;
};

void uniform_(Tensor& t, double low, double high);       // [low, high)
void normal_(Tensor& t, double mean, double deviation);  // normal
// Normal, cut off at two deviations from the mean, by inversion (as TensorFlow's and timm's).
void truncated_normal_(Tensor& t, double mean, double deviation);
// He et al. 2015: variance gain / fan, gain 2 for ReLU.
void he_normal_(Tensor& t, Fan fan = Fan::in, double gain = 2);
void he_uniform_(Tensor& t, Fan fan = Fan::in, double gain = 2);  // uniform, with the same variance
// Glorot and Bengio 2010: variance 2 / (in + out).
void glorot_normal_(Tensor& t);
void glorot_uniform_(Tensor& t);  // uniform in +-sqrt(6 / (in + out)) (Glorot and Bengio 2010)
// Rows (or columns, whichever are fewer) orthonormal, times gain; of the weight as a matrix [out, in *
// window]. Saxe et al. 2013.
void orthogonal_(Tensor& t, double gain = 1);

}  // namespace gadolin
