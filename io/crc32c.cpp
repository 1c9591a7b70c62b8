// CRC-32C by the SSE4.2 instruction, or by one table of 256 entries.
#include "io/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace gadolin {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1u) != 0 ? 0x82f63b78u : 0u);
    table[i] = value;
  }
  return table;
}
constexpr auto table = make_table();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(const unsigned char* bytes, std::size_t count,
                                                               std::uint32_t before) {
  std::uint64_t crc = ~before;
  for (; count >= 8; bytes += 8, count -= 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes, 8);
    crc = _mm_crc32_u64(crc, word);
  }
  std::uint32_t rest = static_cast<std::uint32_t>(crc);
  for (; count > 0; ++bytes, --count) rest = _mm_crc32_u8(rest, *bytes);
  return ~rest;
}
#endif

}  // namespace

std::uint32_t detail::crc32c_by_table(const void* bytes, std::size_t count, std::uint32_t before) {
  std::uint32_t crc = ~before;
  const unsigned char* at = static_cast<const unsigned char*>(bytes);
  for (const unsigned char* end = at + count; at != end; ++at) crc = table[(crc ^ *at) & 0xffu] ^ (crc >> 8);
  return ~crc;
}

std::uint32_t crc32c(const void* bytes, std::size_t count, std::uint32_t before) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return by_instruction(static_cast<const unsigned char*>(bytes), count, before);
#endif
  return detail::crc32c_by_table(bytes, count, before);
}

}  // namespace gadolin
