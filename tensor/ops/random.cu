// Random tensors and ranges. Every element is a function of (seed, stream, index), so both devices agree.
#include <cmath>

#include "tensor/capture_state.h"
#include "tensor/ops.h"
#include "tensor/ops/index_loop.h"
#include "tensor/random.h"

namespace gadolin {
namespace {

// Each is a function of an element's place in row-major order.
struct Uniform {
  std::uint64_t seed, stream;
  GADOLIN_HD float operator()(std::int64_t i) const {
    return uniform_at(seed, stream, static_cast<std::uint64_t>(i));
  }
  GADOLIN_HD void advance(std::uint64_t calls) { stream += calls; }
};
// Box-Muller in double, rounded at the end: the devices' logarithms differ in their last bits only.
struct Normal {
  std::uint64_t seed, stream;
  GADOLIN_HD double operator()(std::int64_t i) const {
    const Philox4 words = philox(seed, stream, static_cast<std::uint64_t>(i));
    const double u = 1.0 - static_cast<double>(to_uniform(words.v[0])),
                 v = static_cast<double>(to_uniform(words.v[1]));
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
  }
  GADOLIN_HD void advance(std::uint64_t calls) { stream += calls; }
};
struct Place {
  GADOLIN_HD std::int64_t operator()(std::int64_t i) const { return i; }
  GADOLIN_HD void advance(std::uint64_t) {}
};

// Of the default generator: replays of a recording go on where eager calls would (tensor/capture_state.h).
enum class Draws { default_generator, of_their_own };

template <class T, class F> struct GenerateLoop {
  F f;
  const std::uint64_t* calls;  // that a replay adds, or null
  T* out;
  GADOLIN_HD void operator()(std::int64_t i) const {
    F at_call = f;
    if (calls) at_call.advance(*calls);
    out[i] = convert<T>(at_call(i));
  }
};

template <class F>
Tensor generate(const char* op, F f, Draws draws, const Shape& shape, DType dtype, Device device) {
  Tensor y = empty(shape, dtype, device);
  const bool recorded = device.is_cuda() && draws == Draws::default_generator;
  const std::uint64_t* calls = recorded ? capture_random_offset() : nullptr;
  on_device(device, [&](auto d) {
    dispatch_floating(dtype, op, [&]<class T>(Tag<T>) {
      detail::for_each_index(d, op, y.numel(), 8, GenerateLoop<T, F>{f, calls, y.data<T>()});
    });
  });
  return y;
}

}  // namespace

Tensor rand(const Shape& shape, std::uint64_t seed, std::uint64_t stream, DType dtype, Device device) {
  return generate("rand", Uniform{seed, stream}, Draws::of_their_own, shape, dtype, device);
}
Tensor rand(const Shape& shape, DType dtype, Device device) {
  GeneratorState& state = default_generator();
  return generate("rand", Uniform{state.seed, state.calls++}, Draws::default_generator, shape, dtype, device);
}
Tensor randn(const Shape& shape, DType dtype, Device device) {
  GeneratorState& state = default_generator();
  return generate("randn", Normal{state.seed, state.calls++}, Draws::default_generator, shape, dtype, device);
}
Tensor arange(std::int64_t n, DType dtype, Device device) {
  Tensor places = empty({n}, DType::int64, device);
  const GenerateLoop<std::int64_t, Place> loop{{}, nullptr, places.data<std::int64_t>()};
  on_device(device, [&](auto d) { detail::for_each_index(d, "arange", n, 1, loop); });
  return places.to(dtype);
}

}  // namespace gadolin
