// Numbers of file formats that are little-endian, at any address.
#pragma once

#include <bit>
#include <cstring>

namespace gadolin::detail {

static_assert(std::endian::native == std::endian::little,
              "the readers and writers copy little-endian numbers as they are");

// The number in the sizeof(T) bytes at `from`, which the caller has checked to be there.
template <class T> T number_at(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace gadolin::detail
