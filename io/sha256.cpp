// SHA-256, straight from the standard.
#include "io/sha256.h"

#include <bit>
#include <cstring>

#if defined(__SHA__) && defined(__SSE4_1__)
#include <immintrin.h>
#define GADOLIN_SHA_INSTRUCTIONS 1
#endif

namespace gadolin {
namespace {

constexpr std::uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

}  // namespace

#ifdef GADOLIN_SHA_INSTRUCTIONS

// The processor's instructions do two rounds at a time on the state as (a, b, e, f) and (c, d, g, h).
void Sha256::block(const std::uint8_t* bytes) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const auto load = [](const void* at) { return _mm_loadu_si128(static_cast<const __m128i*>(at)); };
  __m128i w[4];
  for (int i = 0; i < 4; ++i) w[i] = _mm_shuffle_epi8(load(bytes + 16 * i), swap);
  const __m128i first = _mm_shuffle_epi32(load(state_.data()), 0xb1),
                second = _mm_shuffle_epi32(load(state_.data() + 4), 0x1b);
  const __m128i abef_before = _mm_alignr_epi8(first, second, 8),
                cdgh_before = _mm_blend_epi16(second, first, 0xf0);
  __m128i abef = abef_before, cdgh = cdgh_before;
  for (int i = 0; i < 16; ++i) {
    const __m128i sum = _mm_add_epi32(w[i % 4], load(constants + 4 * i));
    cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
    abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
    const __m128i last = w[(i + 3) % 4];
    const __m128i middle = _mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]),
                                         _mm_alignr_epi8(last, w[(i + 2) % 4], 4));
    w[i % 4] = _mm_sha256msg2_epu32(middle, last);  // of four groups on; those of the last four are not used
  }
  abef = _mm_shuffle_epi32(_mm_add_epi32(abef, abef_before), 0x1b);
  cdgh = _mm_shuffle_epi32(_mm_add_epi32(cdgh, cdgh_before), 0xb1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state_.data()), _mm_blend_epi16(abef, cdgh, 0xf0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state_.data() + 4), _mm_alignr_epi8(cdgh, abef, 8));
}

#else

void Sha256::block(const std::uint8_t* bytes) {
  std::uint32_t w[64];
  for (int i = 0; i < 16; ++i) {
    const std::uint8_t* b = bytes + 4 * i;
    w[i] = (std::uint32_t{b[0]} << 24) | (std::uint32_t{b[1]} << 16) | (std::uint32_t{b[2]} << 8) | b[3];
  }
  for (int i = 16; i < 64; ++i) {
    const std::uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const std::uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  for (int i = 0; i < 64; ++i) {
    const std::uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const std::uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + constants[i] + w[i];
    const std::uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const std::uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  const std::uint32_t sums[8] = {a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < 8; ++i) state_[i] += sums[i];
}

#endif

Sha256& Sha256::update(const void* bytes, std::size_t count) {
  const std::uint8_t* at = static_cast<const std::uint8_t*>(bytes);
  while (count > 0) {
    const std::size_t filled = count_ % 64;
    if (filled == 0 && count >= 64) {
      block(at);
      at += 64;
      count -= 64;
      count_ += 64;
      continue;
    }
    const std::size_t taken = count < 64 - filled ? count : 64 - filled;
    std::memcpy(pending_.data() + filled, at, taken);
    at += taken;
    count -= taken;
    count_ += taken;
    if (count_ % 64 == 0) block(pending_.data());
  }
  return *this;
}

Sha256::Digest Sha256::digest() const {
  Sha256 last = *this;
  const std::uint64_t bits = count_ * 8;
  const std::uint8_t end = 0x80, zero = 0;
  last.update(&end, 1);
  while (last.count_ % 64 != 56) last.update(&zero, 1);
  std::uint8_t length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<std::uint8_t>(bits >> (56 - 8 * i));
  last.update(length, 8);
  Digest result;
  for (std::size_t i = 0; i < 32; ++i)
    result[i] = static_cast<std::uint8_t>(last.state_[i / 4] >> (24 - 8 * (i % 4)));
  return result;
}

std::string Sha256::hex() const {
  std::string text;
  for (const std::uint8_t byte : digest()) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace gadolin
