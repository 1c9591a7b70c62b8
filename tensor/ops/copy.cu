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
struct AddScaled {
  double scale;
  template <class T> GADOLIN_HD T operator()(T a, T b) const { return a + static_cast<T>(scale) * b; }
};
struct Scale {
  double factor;
  template <class T> GADOLIN_HD T operator()(T a) const { return a * static_cast<T>(factor); }
};

template <class From, class To, class D> void cast_loop(D device, const Tensor& from, Tensor& to) {
  constexpr bool cut = std::is_same_v<From, double> && std::is_integral_v<To> && !std::is_same_v<To, bool>;
  using Alike = std::conditional_t<std::is_same_v<From, To>, Move, Same>;
  map<To, From>(device, "copy", std::conditional_t<cut, Whole<To>, Alike>{}, to, from);
}

// Same device, any strides. Sixty-four pairs of types are too many kernels: the pairs that training uses are
// direct, the others pass through fp64, or int64 between integers. So every cast from floats to integers
// meets Whole.
template <class D> void convert_loop(D device, const Tensor& from, Tensor& to) {
  const DType a = from.dtype(), b = to.dtype();
  const auto is = [&](DType x, DType y) { return a == x && b == y; };
  if (a == b) {
    const Tensor source = detail::as_words(from);
    Tensor target = detail::as_words(to);
    switch (source.dtype()) {
      case DType::uint8: return cast_loop<std::uint8_t, std::uint8_t>(device, source, target);
      case DType::fp16: return cast_loop<float16, float16>(device, source, target);
      case DType::int32: return cast_loop<std::int32_t, std::int32_t>(device, source, target);
      default: return cast_loop<std::int64_t, std::int64_t>(device, source, target);
    }
  } else if (is(DType::fp32, DType::bf16)) {
    cast_loop<float, bfloat16>(device, from, to);
  } else if (is(DType::bf16, DType::fp32)) {
    cast_loop<bfloat16, float>(device, from, to);
  } else if (is(DType::fp32, DType::fp16)) {
    cast_loop<float, float16>(device, from, to);
  } else if (is(DType::fp16, DType::fp32)) {
    cast_loop<float16, float>(device, from, to);
  } else if (b == DType::fp64) {
    dispatch_all(a, [&](auto tag) { cast_loop<typename decltype(tag)::type, double>(device, from, to); });
  } else if (a == DType::fp64) {
    dispatch_all(b, [&](auto tag) { cast_loop<double, typename decltype(tag)::type>(device, from, to); });
  } else if (!is_floating(a) && b == DType::int64) {
    dispatch_all(a,
                 [&](auto tag) { cast_loop<typename decltype(tag)::type, std::int64_t>(device, from, to); });
  } else if (!is_floating(b) && a == DType::int64) {
    dispatch_all(b,
                 [&](auto tag) { cast_loop<std::int64_t, typename decltype(tag)::type>(device, from, to); });
  } else {
    Tensor between = empty_like(from, is_floating(a) || is_floating(b) ? DType::fp64 : DType::int64);
    convert_loop(device, from, between);
    convert_loop(device, between, to);
  }
}

void copy_bytes_between(const Tensor& from, Tensor& to) {
#ifdef GADOLIN_CUDA
  copy_bytes(to.raw(), to.device(), from.raw(), from.device(), static_cast<std::size_t>(from.nbytes()),
             false);
#else
  (void)from;
  (void)to;
#endif
}

bool same_layout(const Tensor& a, const Tensor& b) {
  return is_dense(a.shape(), a.strides()) &&
         (a.strides() == b.strides() || (a.is_contiguous() && b.is_contiguous()));
}

void require_no_tape(const char* op, const Tensor& t) {
  require<AutogradError, 5>(!grad_enabled() || !t.requires_grad(), op,
                            ": the tensor is on the tape; change values in place under NoGrad only");
}

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
  if (!is_floating(wanted) || !is_floating(dtype())) {
    const NoGrad guard;
    return apply(CastFunction{wanted, dtype()}, *this);
  }
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
  require_no_tape("copy_", *this);
  const NoGrad guard;
  Tensor from = source.detach();
  if (from.shape() != shape()) {
    require<ShapeError>(broadcast("copy_", from.shape(), shape()) == shape(), "copy_: source ", from.shape(),
                        " does not fit into ", shape());
    from = from.expand(shape());
  }
  if (from.device() != device()) {
    if (from.dtype() == dtype() && same_layout(from, *this)) {
      copy_bytes_between(from, *this);
      storage().bump_version();
      return *this;
    }
    from = from.to(device());
  }
  detail::copy_elements(from, *this);
  storage().bump_version();
  return *this;
}

Tensor& Tensor::fill_(double value) {
  require_no_tape("fill_", *this);
  require<ValueError>(detail::holds(dtype(), value), "fill_: ", dtype(), " cannot hold ", value,
                      "; use a floating type, or round the number first");
  if (numel() > 0) {
    on_device(device(), [&](auto d) {
      dispatch_all(dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        using M = math_type<T>;
        map<T>(d, "fill", Constant<M>{static_cast<M>(value)}, *this);
      });
    });
  }
  storage().bump_version();
  return *this;
}

Tensor& Tensor::add_(const Tensor& other, double scale) {
  require_no_tape("add_", *this);
  require<ShapeError>(shape() == other.shape(), "add_: ", shape(), " and ", other.shape(),
                      " must have the same shape");
  const Tensor* both[] = {this, &other};
  detail::check_same("add_", both, 2);
  on_device(device(), [&](auto d) {
    dispatch_floating(dtype(), "add_", [&](auto tag) {
      using T = typename decltype(tag)::type;
      map<T, T, T>(d, "add_", AddScaled{scale}, *this, *this, other);
    });
  });
  storage().bump_version();
  return *this;
}

Tensor& Tensor::mul_(double factor) {
  require_no_tape("mul_", *this);
  on_device(device(), [&](auto d) {
    dispatch_floating(dtype(), "mul_", [&](auto tag) {
      using T = typename decltype(tag)::type;
      map<T, T>(d, "mul_", Scale{factor}, *this, *this);
    });
  });
  storage().bump_version();
  return *this;
}

}  // namespace gadolin
