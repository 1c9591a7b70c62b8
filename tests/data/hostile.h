// Damage for parser tests: every truncation, and random changes of a few bytes that repeat from run to run.
#pragma once

#include <algorithm>
#include <functional>
#include <string>

#include "tensor/check.h"
#include "tensor/random.h"

namespace gadolin {

// Calls read(damaged, what). read() may throw gadolin::Error, nothing else; returns how many times it did not
// throw.
inline int survive_truncations(const std::string& whole,
                               const std::function<void(const std::string&)>& read) {
  int accepted = 0;
  for (std::size_t length = 0; length < whole.size(); ++length) {
    try {
      read(whole.substr(0, length));
      ++accepted;
    } catch (const Error&) {
    }
  }
  return accepted;
}

// `rounds` copies with one to three changes among the first `reach` bytes: a flipped bit, a random or an
// extreme byte, a byte removed or repeated.
inline int survive_changes(const std::string& whole, int rounds, std::size_t reach,
                           const std::function<void(const std::string&)>& read, std::uint64_t seed = 1) {
  int accepted = 0;
  for (int round = 0; round < rounds; ++round) {
    RandomStream random(seed, static_cast<std::uint64_t>(round));
    std::string bytes = whole;
    const std::uint64_t changes = 1 + random.below(3);
    for (std::uint64_t change = 0; change < changes; ++change) {
      const std::size_t at = static_cast<std::size_t>(random.below(std::min(reach, bytes.size())));
      switch (random.below(5)) {
        case 0: bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8))); break;
        case 1: bytes[at] = static_cast<char>(random.below(256)); break;
        case 2: bytes[at] = static_cast<char>(random.chance(0.5f) ? 0xff : 0x7f); break;
        case 3: bytes.erase(at, 1); break;
        default: bytes.insert(at, 1, bytes[at]); break;
      }
    }
    if (bytes == whole) continue;
    try {
      read(bytes);
      ++accepted;
    } catch (const Error&) {
    }
  }
  return accepted;
}

}  // namespace gadolin
