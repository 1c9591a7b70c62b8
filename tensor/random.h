// Counter-based random numbers (Philox 4x32-10; Salmon et al. 2011): a pure function of (seed, stream,
// index), so both devices, any number of workers and a resumed run draw the same numbers.
#pragma once

#include <cstdint>

#include "tensor/half.h"

namespace gadolin {

// One block of random words.
struct Philox4 {
  std::uint32_t v[4];  // independent 32-bit words
};

namespace detail {
GADOLIN_HD std::uint32_t mulhi(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::uint32_t>((static_cast<std::uint64_t>(a) * b) >> 32);
}
}  // namespace detail

// Four random words for counter (index, stream) under key `seed`.
GADOLIN_HD Philox4 philox(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
  Philox4 c{{static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
             static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)}};
  for (int round = 0; round < 10; ++round) {
    const std::uint32_t hi0 = detail::mulhi(0xD2511F53u, c.v[0]), lo0 = 0xD2511F53u * c.v[0];
    const std::uint32_t hi1 = detail::mulhi(0xCD9E8D57u, c.v[2]), lo1 = 0xCD9E8D57u * c.v[2];
    c = {{hi1 ^ c.v[1] ^ k0, lo1, hi0 ^ c.v[3] ^ k1, lo0}};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}
// [0, 1) with 24 random bits, exact in float.
GADOLIN_HD float to_uniform(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }
// Element `index` of the uniform stream: word index % 4 of block index / 4.
GADOLIN_HD float uniform_at(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  return to_uniform(philox(seed, stream, index >> 2).v[index & 3]);
}

// Host-side view of one stream: draws in order. For shuffles and augmentation: RandomStream(seed,
// stream_id(...)).
class RandomStream {
 public:
  // Begins with the first number of the stream.
  RandomStream(std::uint64_t seed, std::uint64_t stream) : seed_(seed), stream_(stream) {}
  std::uint32_t next();                                                     // 32 random bits
  float uniform() { return to_uniform(next()); }                            // [0, 1)
  float uniform(float lo, float hi) { return lo + (hi - lo) * uniform(); }  // [lo, hi)
  std::uint64_t below(std::uint64_t n);                                     // [0, n), without bias; n > 0
  double normal();                                                          // mean 0, deviation 1
  bool chance(float p) { return uniform() < p; }                            // true with probability p

 private:
  std::uint64_t seed_, stream_, drawn_ = 0;
  Philox4 block_{};
};
// Mixes (purpose, epoch, sample) into a stream number.
std::uint64_t stream_id(std::uint64_t purpose, std::uint64_t a = 0, std::uint64_t b = 0);

// Fisher-Yates order of 0..n-1.
template <class Container> void shuffle(Container& items, RandomStream& random) {
  for (std::size_t i = items.size(); i > 1; --i) {
    const std::size_t j = static_cast<std::size_t>(random.below(i));
    auto held = items[i - 1];
    items[i - 1] = items[j];
    items[j] = held;
  }
}

// The generator behind randn, dropout and initialisers. Each random op takes the next stream number.
struct GeneratorState {
  std::uint64_t seed = 0, calls = 0;  // calls: stream numbers given so far
};
GeneratorState& default_generator();   // one for the process
void manual_seed(std::uint64_t seed);  // a new beginning: the same seed gives the same numbers

}  // namespace gadolin
