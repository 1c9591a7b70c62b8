// The methods on the bytes of a picture on the host, with all threads; in may be out.
#pragma once

#include "apps/bodypart/preprocess/pixel.h"

namespace gadolin::detail {

std::int64_t sum_of_grey(const std::uint8_t* in, std::int64_t pixels, int channels);
void keep_bits(const std::uint8_t* in, std::uint8_t* out, std::int64_t n, int bits);
void stretch(const std::uint8_t* in, std::uint8_t* out, std::int64_t n, Stretch how);
// Threshold and components of a grey picture.
void segment(const std::uint8_t* in, std::uint8_t* mask, std::int64_t width, std::int64_t height);

}  // namespace gadolin::detail
