// CRC-32C (Castagnoli polynomial, RFC 3720), the checksum of TFRecords, event files and checkpoints.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gadolin {

// Checksum of `count` bytes. With `before` the result of an earlier call, the checksum of both pieces
// together. Uses the processor's instruction where there is one.
std::uint32_t crc32c(const void* bytes, std::size_t count, std::uint32_t before = 0);

// As TFRecord stores it: rotated and offset, so that a checksum of data that holds checksums stays
// meaningful.
constexpr std::uint32_t masked_crc32c(std::uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

namespace detail {
std::uint32_t crc32c_by_table(const void* bytes, std::size_t count, std::uint32_t before);
}  // namespace detail

}  // namespace gadolin
