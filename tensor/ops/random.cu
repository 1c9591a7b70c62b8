// Random tensors and ranges. Every element is a function of (seed, stream, index), so both devices agree.
#include <cmath>

#include "tensor/capture_state.h"
#include "tensor/loops.h"
#include "tensor/ops.h"
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

template <class T, class F> void generate(Cpu, const char*, F f, Draws, Tensor& y) {
  T* out = y.data<T>();
  parallel_for(y.numel(), detail::map_grain / 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = convert<T>(f(i));
  });
}

#ifdef __CUDACC__
template <class T, class F>
__global__ void generate_kernel(F f, const std::uint64_t* calls, std::int64_t n, T* out) {
  if (calls) f.advance(*calls);
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step)
    out[i] = convert<T>(f(i));
}

template <class T, class F> void generate(Cuda, const char* op, F f, Draws draws, Tensor& y) {
  if (y.numel() == 0) return;
  const std::uint64_t* calls = draws == Draws::default_generator ? capture_random_offset() : nullptr;
  launch(op, grid_stride(y.numel()), generate_kernel<T, F>, f, calls, y.numel(), y.data<T>());
}
#endif

template <class F>
Tensor generate(const char* op, F f, Draws draws, const Shape& shape, DType dtype, Device device) {
  Tensor y = empty(shape, dtype, device);
  on_device(device, [&](auto d) {
    dispatch_floating(dtype, op,
                      [&](auto tag) { generate<typename decltype(tag)::type>(d, op, f, draws, y); });
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
  on_device(device,
            [&](auto d) { generate<std::int64_t>(d, "arange", Place{}, Draws::of_their_own, places); });
  return places.to(dtype);
}

}  // namespace gadolin
