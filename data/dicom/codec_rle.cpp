// RLE lossless (PS3.5 annex G): byte planes, most significant first, each packed by the PackBits rule.
#include <cstring>

#include "data/dicom/codec.h"

namespace gadolin::detail {
namespace {

// Unpacks one segment into every `step`-th byte of `out`, `count` of them. False when the segment has too
// little.
bool unpack_bits(CodedBytes in, std::uint8_t* out, std::size_t count, std::size_t step) {
  std::size_t at = 0, made = 0;
  while (made < count && at < in.size()) {
    const auto code = static_cast<std::int8_t>(in[at++]);
    if (code >= 0) {
      std::size_t n = static_cast<std::size_t>(code) + 1;
      if (n > in.size() - at) return false;
      n = std::min(n, count - made);
      for (std::size_t i = 0; i < n; ++i) out[(made + i) * step] = in[at + i];
      at += static_cast<std::size_t>(code) + 1;
      made += n;
    } else if (code != -128) {
      if (at >= in.size()) return false;
      const std::size_t n = std::min(static_cast<std::size_t>(1 - code), count - made);
      for (std::size_t i = 0; i < n; ++i) out[(made + i) * step] = in[at];
      ++at;
      made += n;
    }
  }
  return made == count;
}

}  // namespace

void decode_rle_frame(CodedBytes bytes, const PixelModule& m, const std::string& who, RawFrame& out) {
  const int width = m.allocated / 8;
  if (m.allocated != 8 && m.allocated != 16 && m.allocated != 32)
    broken_frame(who, "RLE of ", m.allocated, " bits is not defined");
  if (bytes.size() < 64) broken_frame(who, "the RLE header has 64 bytes, the frame ", bytes.size());
  std::uint32_t header[16];
  for (std::size_t i = 0; i < 16; ++i) {
    header[i] = static_cast<std::uint32_t>(bytes[4 * i]) | static_cast<std::uint32_t>(bytes[4 * i + 1]) << 8 |
                static_cast<std::uint32_t>(bytes[4 * i + 2]) << 16 |
                static_cast<std::uint32_t>(bytes[4 * i + 3]) << 24;
  }
  const auto segments = static_cast<std::uint32_t>(m.channels * width);
  if (header[0] != segments || segments > 15)
    broken_frame(who, "it has ", header[0], " RLE segments, ", segments, " are needed");
  const auto pixels = static_cast<std::size_t>(m.pixels());
  out.container = m.allocated;
  out.planar = true;
  out.bytes.resize(static_cast<std::size_t>(m.frame_samples()) * static_cast<std::size_t>(width));
  for (std::uint32_t s = 0; s < segments; ++s) {
    const std::size_t begin = header[1 + s];
    const std::size_t end = s + 1 < segments ? header[2 + s] : bytes.size();
    if (begin < 64 || begin > end || end > bytes.size())
      broken_frame(who, "RLE segment ", s + 1, " lies outside the frame");
    const std::size_t channel = s / static_cast<std::uint32_t>(width),
                      byte = s % static_cast<std::uint32_t>(width);
    std::uint8_t* to = out.bytes.data() + channel * pixels * static_cast<std::size_t>(width) +
                       (static_cast<std::size_t>(width) - 1 - byte);
    if (!unpack_bits(bytes.subspan(begin, end - begin), to, pixels, static_cast<std::size_t>(width))) {
      broken_frame(who, "RLE segment ", s + 1, " ends before its ", pixels, " bytes");
    }
  }
}

}  // namespace gadolin::detail
