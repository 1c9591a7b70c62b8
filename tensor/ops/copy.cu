// Copies between any strides, dtypes and devices, fills, changes in place, and casts.
#include <type_traits>

#include "tensor/cuda/memory.h"
#include "tensor/function.h"
#include "tensor/loops.h"
#include "tensor/ops.h"
#include "tensor/ops/promote.h"

namespace gadolin {
namespace {

struct Same {
  template <class T> GADOLIN_HD T operator()(T x) const { return x; }
};
struct Move : Same {
  using moves_bits = void;
};
template <class T> struct Constant {
  T value;
  GADOLIN_HD T operator()() const { return value; }
};
// Towards zero; what lies beyond T's range becomes its end, NaN becomes 0: C++ leaves these open, and devices
// differ.
template <class T> struct Whole {
  GADOLIN_HD T operator()(double x) const {
    constexpr int bits = static_cast<int>(sizeof(T)) * 8 - (std::is_signed_v<T> ? 1 : 0);
    constexpr T most = static_cast<T>((std::uint64_t{1} << bits) - 1);
    constexpr T least = std::is_signed_v<T> ? static_cast<T>(-most - 1) : T(0);
    constexpr double end = static_cast<double>(std::uint64_t{1} << bits),
                     begin = std::is_signed_v<T> ? -end : 0.0;
    if (x >= end) return most;
    if (x <= begin) return least;
    return x == x ? static_cast<T>(x) : T(0);
  }
};

template <class From, class To, class D> void cast_loop(D device, const Tensor& from, const Tensor& to) {
  constexpr bool cut = std::is_same_v<From, double> && std::is_integral_v<To> && !std::is_same_v<To, bool>;
  using Alike = std::conditional_t<std::is_same_v<From, To>, Move, Same>;
  map<To, From>(device, "copy", std::conditional_t<cut, Whole<To>, Alike>{}, to, from);
}

// Same device, any strides. Sixty-four pairs of types are too many kernels: the pairs that training uses are
// direct, the others pass through fp64, or int64 between integers. So every cast from floats to integers
// meets Whole.
template <class D> void convert_loop(D device, const Tensor& from, const Tensor& to) {
  const DType a = from.dtype(), b = to.dtype();
  const auto is = [&](DType x, DType y) { return a == x && b == y; };
  if (a == b) {
    return detail::dispatch_words(a, [&]<class Word>(Tag<Word>) {
      cast_loop<Word, Word>(device, detail::as_words(from), detail::as_words(to));
    });
  }
  if (is(DType::fp32, DType::bf16)) return cast_loop<float, bfloat16>(device, from, to);
  if (is(DType::bf16, DType::fp32)) return cast_loop<bfloat16, float>(device, from, to);
  if (is(DType::fp32, DType::fp16)) return cast_loop<float, float16>(device, from, to);
  if (is(DType::fp16, DType::fp32)) return cast_loop<float16, float>(device, from, to);
  if (b == DType::fp64)
    return dispatch_all(a, [&]<class T>(Tag<T>) { cast_loop<T, double>(device, from, to); });
  if (a == DType::fp64)
    return dispatch_all(b, [&]<class T>(Tag<T>) { cast_loop<double, T>(device, from, to); });
  if (!is_floating(a) && b == DType::int64)
    return dispatch_all(a, [&]<class T>(Tag<T>) { cast_loop<T, std::int64_t>(device, from, to); });
  if (!is_floating(b) && a == DType::int64)
    return dispatch_all(b, [&]<class T>(Tag<T>) { cast_loop<std::int64_t, T>(device, from, to); });
  const Tensor between = empty_like(from, is_floating(a) || is_floating(b) ? DType::fp64 : DType::int64);
  convert_loop(device, from, between);
  convert_loop(device, between, to);
}

void copy_bytes_between([[maybe_unused]] const Tensor& from, [[maybe_unused]] const Tensor& to) {
#ifdef GADOLIN_CUDA
  copy_bytes(to.raw(), to.device(), from.raw(), from.device(), static_cast<std::size_t>(from.nbytes()),
             false);
#endif
}

bool same_layout(const Tensor& a, const Tensor& b) {
  return is_dense(a.shape(), a.strides()) &&
         (a.strides() == b.strides() || (a.is_contiguous() && b.is_contiguous()));
}

int kind_of(DType dtype) { return is_floating(dtype) ? 2 : dtype == DType::boolean ? 0 : 1; }

struct CastFunction {
  static constexpr auto name = "to";
  DType to, from;
  Attributes attributes() const { return {{"dtype", static_cast<std::int64_t>(to)}}; }
  Tensor allocate(const Tensor& x) const { return empty_like(x, to); }
  template <class D> void forward(D device, const Tensor& x, Tensor& y) const { convert_loop(device, x, y); }
  Grads backward(const Tensor& dy, Need) const { return {dy.to(from)}; }
};
struct CloneFunction {
  static constexpr auto name = "clone";
  MemoryFormat format;
  bool keep_order;
  Tensor allocate(const Tensor& x) const {
    return keep_order ? empty_like(x) : empty(x.shape(), x.dtype(), x.device(), format);
  }
  template <class D> void forward(D device, const Tensor& x, Tensor& y) const { convert_loop(device, x, y); }
  Grads backward(const Tensor& dy, Need) const { return {dy}; }
};
struct MoveFunction {
  static constexpr auto name = "to";
  Device from;
  Grads backward(const Tensor& dy, Need) const { return {dy.to(from)}; }
};

}  // namespace

Tensor Tensor::to(DType wanted) const {
  if (dtype() == wanted) return *this;
  const NoGrad guard(!is_floating(wanted) || !is_floating(dtype()));
  return apply(CastFunction{wanted, dtype()}, *this);
}

Tensor Tensor::to(Device wanted) const {
  if (device() == wanted) return *this;
  const Tensor dense = is_dense(shape(), strides()) ? detach() : detach().contiguous(format());
  Ref<Storage> held(new Storage(dense.nbytes(), wanted));
  Tensor moved = over(std::move(held), dense.shape(), dense.strides(), 0, dtype());
  copy_bytes_between(dense, moved);
  return record(MoveFunction{device()}, moved, *this);
}

Tensor Tensor::clone() const { return apply(CloneFunction{MemoryFormat::contiguous, true}, *this); }
Tensor Tensor::contiguous(MemoryFormat format) const {
  if (is_contiguous(format)) return *this;
  return apply(CloneFunction{format, false}, *this);
}

void detail::copy_elements(const Tensor& from, Tensor to) {
  on_device(to.device(), [&](auto d) { convert_loop(d, from, to); });
}

Tensor& Tensor::copy_(const Tensor& source) {
  detail::require_no_tape("copy_", *this);
  const NoGrad guard;
  Tensor from = source.detach();
  if (from.shape() != shape()) {
    require<ShapeError>(broadcast("copy_", from.shape(), shape()) == shape(), "copy_: source ", from.shape(),
                        " does not fit into ", shape());
    from = from.expand(shape());
  }
  if (from.device() != device() && from.dtype() == dtype() && same_layout(from, *this))
    copy_bytes_between(from, *this);
  else
    detail::copy_elements(from.to(device()), *this);
  storage().bump_version();
  return *this;
}

Tensor& Tensor::fill_(double value) {
  detail::require_no_tape("fill_", *this);
  require<ValueError>(detail::holds(dtype(), value), "fill_: ", dtype(), " cannot hold ", value,
                      "; use a floating type, or round the number first");
  on_device(device(), [&](auto d) {
    dispatch_all(dtype(), [&]<class T>(Tag<T>) {
      using M = math_type<T>;
      map<T>(d, "fill", Constant<M>{static_cast<M>(value)}, *this);
    });
  });
  storage().bump_version();
  return *this;
}

// += and its like: the result of the op, written over the tensor.
Tensor& Tensor::become(const char* op, const Tensor& result) {
  require<AutogradError, 5>(!result.requires_grad(), op,
                            ": the result would be recorded, and what is on the tape is not changed in place"
                            "; write t = t + x, or work under NoGrad");
  require<DTypeError>(kind_of(result.dtype()) <= kind_of(dtype()), op, ": the result is ", result.dtype(),
                      ", which ", dtype(), " cannot hold; convert with .to(DType::", result.dtype(),
                      ") first");
  require<ShapeError>(result.shape() == shape(), op, ": the result has shape ", result.shape(), ", not ",
                      shape());
  return copy_(result);
}

}  // namespace gadolin
