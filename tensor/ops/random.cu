// Random tensors and ranges. Every element is a function of (seed, stream, index), so both devices agree.
#include <cmath>

#include "tensor/loops.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin {
namespace {

// The loops give no index, so these functors read it from an int64 tensor 0..n-1.
struct Uniform {
  std::uint64_t seed, stream;
  GADOLIN_HD float operator()(std::int64_t i) const {
    return uniform_at(seed, stream, static_cast<std::uint64_t>(i));
  }
};
// Box-Muller in double, rounded at the end: the devices' logarithms differ in their last bits only.
struct Normal {
  std::uint64_t seed, stream;
  GADOLIN_HD double operator()(std::int64_t i) const {
    using std::cos;
    using std::log;
    using std::sqrt;
    const Philox4 words = philox(seed, stream, static_cast<std::uint64_t>(i));
    const double u = 1.0 - static_cast<double>(to_uniform(words.v[0])),
                 v = static_cast<double>(to_uniform(words.v[1]));
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
  }
};

Tensor indices(const Shape& shape, Device device) {
  Tensor t = empty(shape, DType::int64);
  std::int64_t* values = t.data<std::int64_t>();
  for (std::int64_t i = 0; i < t.numel(); ++i) values[i] = i;
  return t.to(device);
}

template <class F>
Tensor generate(F f, const Shape& shape, DType dtype, Device device) {
  const Tensor index = indices(shape, device);
  Tensor y = empty(shape, dtype, device);
  on_device(device, [&](auto d) {
    dispatch_floating(dtype, "rand", [&](auto tag) {
      using T = typename decltype(tag)::type;
      map<T, std::int64_t>(d, "rand", f, y, index);
    });
  });
  return y;
}

}  // namespace

Tensor rand(const Shape& shape, std::uint64_t seed, std::uint64_t stream, DType dtype, Device device) {
  return generate(Uniform{seed, stream}, shape, dtype, device);
}
Tensor rand(const Shape& shape, DType dtype, Device device) {
  GeneratorState& state = default_generator();
  return rand(shape, state.seed, state.calls++, dtype, device);
}
Tensor randn(const Shape& shape, DType dtype, Device device) {
  GeneratorState& state = default_generator();
  return generate(Normal{state.seed, state.calls++}, shape, dtype, device);
}
Tensor arange(std::int64_t n, DType dtype, Device device) { return indices({n}, device).to(dtype); }

}  // namespace gadolin
