// Folders for tests (tests/scratch.h) and pictures to fill them with.
#pragma once

#include "data/image/image.h"
#include "tensor/check.h"
#include "tests/scratch.h"

namespace gadolin::test {

inline std::uint32_t sample_at(const Image& image, std::size_t i) {
  return image.bits == 8 ? image.data<std::uint8_t>()[i] : image.data<std::uint16_t>()[i];
}
// Largest difference of two pictures of one size; a mismatch of sizes fails the test.
inline int largest_difference(const Image& a, const Image& b) {
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.height, b.height);
  EXPECT_EQ(a.channels, b.channels);
  EXPECT_EQ(a.bits, b.bits);
  if (a.pixels.size() != b.pixels.size()) return 1 << 30;
  int most = 0;
  for (std::size_t i = 0; i < a.numel(); ++i) {
    most = std::max(most, std::abs(static_cast<int>(sample_at(a, i)) - static_cast<int>(sample_at(b, i))));
  }
  return most;
}

// A picture with structure in every channel.
inline Image pattern(int width, int height, int channels, int bits = 8) {
  Image image(width, height, channels, bits);
  const std::uint32_t white = bits == 8 ? 255 : 65535;
  for (std::size_t i = 0; i < image.numel(); ++i) {
    const auto v = static_cast<std::uint32_t>((i * 2654435761u) >> 7) % (white + 1);
    if (bits == 8)
      image.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(v);
    else
      image.data<std::uint16_t>()[i] = static_cast<std::uint16_t>(v);
  }
  return image;
}

}  // namespace gadolin::test
