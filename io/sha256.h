// SHA-256 (FIPS 180-4), the fingerprint of checkpoint headers, data sets and configurations.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gadolin {

class Sha256 {
 public:
  using Digest = std::array<std::uint8_t, 32>;

  Sha256& update(const void* bytes, std::size_t count);
  Sha256& update(std::string_view bytes) { return update(bytes.data(), bytes.size()); }
  Digest digest() const;    // of everything so far; more may follow
  std::string hex() const;  // the digest as 64 lower-case digits

 private:
  void block(const std::uint8_t* bytes);
  std::array<std::uint32_t, 8> state_{0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                                      0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};
  std::array<std::uint8_t, 64> pending_{};
  std::uint64_t count_ = 0;
};

inline std::string sha256_hex(std::string_view bytes) { return Sha256().update(bytes).hex(); }

}  // namespace gadolin
