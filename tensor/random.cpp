#include "tensor/random.h"

#include <cmath>
#include <initializer_list>
#include <numbers>

namespace gadolin {

std::uint32_t RandomStream::next() {
  if ((drawn_ & 3u) == 0) block_ = philox(seed_, stream_, drawn_ >> 2);
  return block_.v[drawn_++ & 3u];
}

std::uint64_t RandomStream::below(std::uint64_t n) {
  // A multiple of n: what lies above it would favour small values.
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % n;
  for (;;) {
    const std::uint64_t hi = next(), value = (hi << 32) | next();
    if (value < limit) return value % n;
  }
}

// Box-Muller; 1 - u keeps the logarithm away from 0.
double RandomStream::normal() {
  const double u = 1.0 - static_cast<double>(uniform()), v = static_cast<double>(uniform());
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

// SplitMix64's finaliser, applied once a word.
std::uint64_t stream_id(std::uint64_t purpose, std::uint64_t a, std::uint64_t b) {
  std::uint64_t h = 0;
  for (std::uint64_t word : {purpose, a, b}) {
    h += word + 0x9E3779B97F4A7C15u;
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
    h ^= h >> 31;
  }
  return h;
}

GeneratorState& default_generator() {
  thread_local GeneratorState state;
  return state;
}
void manual_seed(std::uint64_t seed) { default_generator() = {seed, 0}; }

}  // namespace gadolin
