// Every function of tensors that a user may call. Differentiable in all floating inputs unless it says
// otherwise. Elementwise functions broadcast like NumPy's. Results are new tensors; images keep their order
// in memory. Errors: ShapeError, DTypeError and DeviceError name the op, the argument and what was needed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

// --- arithmetic: ops/arithmetic.cu -------------------------------------------------------------------------
// Types meet as in PyTorch: a floating tensor and an integer one give the float's type, two integer types the
// wider one, bool being the narrowest. Two different floating types are refused (DTypeError). An integer
// tensor and a number give integers when the number is whole (bools int64), fp32 when it is not; a whole
// number beyond the integer type is refused (ValueError). Integers that grow too large wrap around. Two bools
// are refused, but by div, && and ||.
Tensor add(const Tensor& a, const Tensor& b);
// As add, elementwise:
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);  // of integers: in fp32, so by 0 it is infinity or NaN
Tensor add(const Tensor& a, double b);
Tensor mul(const Tensor& a, double b);
Tensor div(const Tensor& a, double b);
Tensor div(double a, const Tensor& b);
// Elementwise -x.
Tensor neg(const Tensor& x);
// Integers stay integers for whole exponents from 0 on; a negative or broken exponent makes them fp32.
// Integers to the power of integer tensors that hold a negative are refused (ValueError), which waits for the
// device.
Tensor pow(const Tensor& x, double exponent);
Tensor pow(const Tensor& x, const Tensor& exponent);  // elementwise
Tensor maximum(const Tensor& a, const Tensor& b);     // ties send half the gradient to each
Tensor minimum(const Tensor& a, const Tensor& b);     // ties as in maximum
// The functions above as operators:
inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator+(const Tensor& a, double b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, double b) { return add(a, -b); }
inline Tensor operator*(const Tensor& a, double b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, double b) { return div(a, b); }
inline Tensor operator+(double a, const Tensor& b) { return add(b, a); }
inline Tensor operator-(double a, const Tensor& b) { return add(mul(b, -1.0), a); }
inline Tensor operator*(double a, const Tensor& b) { return mul(b, a); }
inline Tensor operator/(double a, const Tensor& b) { return div(a, b); }
inline Tensor operator-(const Tensor& x) { return neg(x); }
// Sum over the dimensions that broadcasting had repeated, so that the result has `shape`. Undoes
// broadcasting.
Tensor sum_to(const Tensor& x, const Shape& shape);

// --- comparison: ops/compare.cu. Results are bool tensors; not differentiable ------------------------------
// Integers against floats are compared as fp64.
enum class Compare : std::uint8_t { equal, not_equal, less, less_equal, greater, greater_equal };
// Elementwise comparison, also as operators:
Tensor compare(Compare how, const Tensor& a, const Tensor& b);
Tensor compare(Compare how, const Tensor& a, double b);
inline Tensor operator<(const Tensor& a, const Tensor& b) { return compare(Compare::less, a, b); }
inline Tensor operator<(const Tensor& a, double b) { return compare(Compare::less, a, b); }
inline Tensor operator<=(const Tensor& a, const Tensor& b) { return compare(Compare::less_equal, a, b); }
inline Tensor operator<=(const Tensor& a, double b) { return compare(Compare::less_equal, a, b); }
inline Tensor operator>(const Tensor& a, const Tensor& b) { return compare(Compare::greater, a, b); }
inline Tensor operator>(const Tensor& a, double b) { return compare(Compare::greater, a, b); }
inline Tensor operator>=(const Tensor& a, const Tensor& b) { return compare(Compare::greater_equal, a, b); }
inline Tensor operator>=(const Tensor& a, double b) { return compare(Compare::greater_equal, a, b); }
inline Tensor eq(const Tensor& a, const Tensor& b) { return compare(Compare::equal, a, b); }
inline Tensor eq(const Tensor& a, double b) { return compare(Compare::equal, a, b); }
// Of truth values: every number but 0 is true, NaN too. Both sides are evaluated (a && b is a > !b):
inline Tensor operator!(const Tensor& x) { return eq(x, 0); }
inline Tensor operator&&(const Tensor& a, const Tensor& b) { return a.to(DType::boolean) > !b; }
inline Tensor operator||(const Tensor& a, const Tensor& b) { return a.to(DType::boolean) >= !b; }
// condition ? a : b; condition is bool; a and b meet as in arithmetic. Differentiable in a and b.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
// Gradient 1 inside and at the limits, 0 outside. Integers meet the limits as in arithmetic.
Tensor clamp(const Tensor& x, double low, double high);

// --- functions of one number: ops/math.cu, ops/activations.cu ----------------------------------------------
// Elementwise, with the gradients of calculus:
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor rsqrt(const Tensor& x);
Tensor abs(const Tensor& x);  // gradient 0 at 0
// Elementwise, with the gradients of calculus:
Tensor erf(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor relu(const Tensor& x);         // gradient 0 at 0
void relu_in_place(const Tensor& y);  // not recorded
// The gradient of a relu whose result is y: dy where y is not 0, and 0 elsewhere; not recorded. For Functions
// that end in a relu in the same pass.
Tensor relu_gradient(const Tensor& y, const Tensor& dy);
// x where it is positive, else slope x.
Tensor leaky_relu(const Tensor& x, double slope = 0.01);
Tensor silu(const Tensor& x);  // x s(x), s the logistic function
// The normal distribution's function, or the approximation by tanh.
enum class Gelu : std::uint8_t { exact, tanh };
Tensor gelu(const Tensor& x, Gelu form = Gelu::exact);                     // Hendrycks and Gimpel 2016
Tensor softplus(const Tensor& x, double beta = 1, double threshold = 20);  // linear above threshold / beta

// --- reductions: ops/reductions.cu. dims empty: over everything. keep: leave a size of 1 -------------------
using Dims = std::vector<int>;                                           // dimensions; -1 is the last
Tensor sum(const Tensor& x, const Dims& dims = {}, bool keep = false);   // of integers and bools: int64
Tensor mean(const Tensor& x, const Dims& dims = {}, bool keep = false);  // of floating types only
// The gradient goes to the first maximum; NaN wins.
Tensor max(const Tensor& x, const Dims& dims = {}, bool keep = false);
Tensor min(const Tensor& x, const Dims& dims = {}, bool keep = false);  // as max
Tensor argmax(const Tensor& x, int dim, bool keep = false);  // int64; first of equals; not differentiable
Tensor argmin(const Tensor& x, int dim, bool keep = false);  // as argmax
// Variance; `correction` is subtracted from the count (1: unbiased, 0: of the population).
Tensor var(const Tensor& x, const Dims& dims = {}, int correction = 1, bool keep = false);

// --- matrices: ops/matmul.cpp ------------------------------------------------------------------------------
// a [.., m, k] times b [.., k, n] -> [.., m, n]; leading dimensions broadcast. Transposed views cost no copy.
Tensor matmul(const Tensor& a, const Tensor& b);
// Einstein's sum over two tensors: a letter a dimension, "bij,bjk->bik". Letters that the result does not
// name are summed over; without "->" it has those that occur once, in alphabetical order. One matrix product,
// so floating types only, like matmul's. Throws ValueError for an equation of another form, an unknown letter
// in the result or a letter twice in one term, ShapeError where letters and tensors disagree. Agrees with
// numpy.einsum.
Tensor einsum(const std::string& equation, const Tensor& a, const Tensor& b);
// What follows a fused product; none, or these functions.
enum class Activation : std::uint8_t { none, relu, gelu };
// y = activation(x weight^T + bias), fused: x [.., in], weight [out, in], bias [out] or undefined.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              Activation activation = Activation::none);

// --- softmax: ops/softmax.cu -------------------------------------------------------------------------------
// exp(x) over its sum along `dim`, and the logarithm of that; floating types. The largest number is taken off
// first, so nothing overflows:
Tensor softmax(const Tensor& x, int dim);
Tensor log_softmax(const Tensor& x, int dim);

// --- shape: ops/shape.cpp (views are methods of Tensor) ----------------------------------------------------
// Along an existing dimension, in which sizes may differ.
Tensor concat(const std::vector<Tensor>& parts, int dim);
namespace detail {
// For memory that is filled piece by piece: y, which holds the parts already, is recorded as concat's result.
void record_concat(Tensor& y, const std::vector<Tensor>& parts, int dim);
// copy_ on one device into a place that nobody has read yet: the version stays, as views of other places are
// still right.
void copy_elements(const Tensor& from, Tensor to);
}  // namespace detail
Tensor stack(const std::vector<Tensor>& parts, int dim = 0);                 // along a new dimension
std::vector<Tensor> split(const Tensor& x, std::int64_t size, int dim = 0);  // views; the last may be smaller
// What stands in the new places: a value, or elements mirrored at the edge, or the edge itself.
enum class PadMode : std::uint8_t { constant, reflect, replicate };
// before/after for the last dimension first, like {left, right, top, bottom}; negative sizes crop.
Tensor pad(const Tensor& x, const std::vector<std::int64_t>& amounts, PadMode mode = PadMode::constant,
           double value = 0);
Tensor flip(const Tensor& x, const Dims& dims);  // order turned round along these dimensions
// Shifted along each dimension, by as many places as its entry of `shifts` says; what leaves at one end
// enters at the other. y[i] = x[i - shift].
Tensor roll(const Tensor& x, const std::vector<std::int64_t>& shifts, const Dims& dims);

// --- indices: ops/index.cu ---------------------------------------------------------------------------------
// index is int64. Values outside throw ValueError on the CPU and read as 0 on CUDA.
Tensor gather(const Tensor& x, int dim, const Tensor& index);  // y[i][j] = x[index[i][j]][j] for dim 0
// x with the sources added.
Tensor scatter_add(const Tensor& x, int dim, const Tensor& index, const Tensor& source);
Tensor index_select(const Tensor& x, int dim, const Tensor& index);                    // index is 1-d
Tensor one_hot(const Tensor& index, std::int64_t classes, DType dtype = DType::fp32);  // not differentiable
Tensor cumsum(const Tensor& x, int dim);  // of integers and bools: int64
// What sort and topk give.
struct Sorted {
  Tensor values, indices;  // indices: int64
};
// Stable; NaN last (first if descending).
Sorted sort(const Tensor& x, int dim = -1, bool descending = false);
Sorted topk(const Tensor& x, std::int64_t k, int dim = -1, bool largest = true);  // the first k of that order
// Places of the elements that are not 0, in row-major order: int64 [count, x.dim()]. Waits for the device.
Tensor nonzero(const Tensor& x);
// What unique gives.
struct Unique {
  Tensor values, counts;  // [n], rising, NaN last and each for itself; counts: int64
};
Unique unique(const Tensor& x);  // of all elements; not differentiable; waits for the device

// --- dropout: ops/dropout.cu -------------------------------------------------------------------------------
// Zeroes elements with probability p and scales the others by 1 / (1 - p); backward draws the mask again.
Tensor dropout(const Tensor& x, double p);

}  // namespace gadolin
