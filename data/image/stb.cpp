// stb_image, compiled here with every format but PNG and BMP left out, and the checks BMP needs before it.
#include <climits>
#include <memory>

#include "data/image/stb.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wextra"
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS 16384
#define STBI_ASSERT(x) ((void)0)
#include <stb_image.h>
#pragma GCC diagnostic pop

namespace gadolin::detail {
namespace {

struct Release {
  void operator()(void* p) const { stbi_image_free(p); }
};

std::uint32_t little(const std::uint8_t* p, int count) {
  std::uint32_t v = 0;
  for (int i = count - 1; i >= 0; --i) v = v << 8 | p[i];
  return v;
}

}  // namespace

Image decode_stb(Bytes bytes, std::string_view name, int bits, Alpha alpha) {
  require<FormatError>(bytes.size() <= INT_MAX, "decode: ", printable(name), " is larger than 2 GiB");
  int width = 0, height = 0, channels = 0;
  const int size = static_cast<int>(bytes.size());
  const std::unique_ptr<void, Release> pixels(
      bits == 16
          ? static_cast<void*>(stbi_load_16_from_memory(bytes.data(), size, &width, &height, &channels, 0))
          : static_cast<void*>(stbi_load_from_memory(bytes.data(), size, &width, &height, &channels, 0)));
  if (!pixels) {
    const char* reason = stbi_failure_reason();
    fail<FormatError>("decode: ", printable(name), " is a damaged or unsupported ",
                      format_name(image_format(bytes)), ": ", reason ? reason : "no reason given");
  }
  return without_alpha(static_cast<const std::uint8_t*>(pixels.get()), width, height, channels, bits, alpha);
}

// stb_image reads zeros behind the end of a file, so the rows are counted first.
Image decode_bmp(Bytes bytes, std::string_view name, const DecodeOptions& options) {
  const auto broken = [&](const char* what) {
    fail<FormatError>("decode: ", printable(name), " is a damaged or unsupported BMP of ", bytes.size(),
                      " bytes: ", what);
  };
  if (bytes.size() < 26) broken("its header was cut short");
  const std::uint8_t* p = bytes.data();
  const std::int64_t offset = little(p + 10, 4), header = little(p + 14, 4);
  if (header != 12 && header != 40 && header != 56 && header != 108 && header != 124)
    broken("unknown header");
  if (static_cast<std::int64_t>(bytes.size()) < 14 + header) broken("its header was cut short");
  const bool old = header == 12;
  // Sides of 16 bits have no sign, those of 32 bits have one.
  const auto side = [&](int at16, int at32) -> std::int64_t {
    if (old) return little(p + at16, 2);
    return static_cast<std::int32_t>(little(p + at32, 4));
  };
  const std::int64_t width = side(18, 18);
  std::int64_t height = side(20, 22);
  const std::int64_t depth = little(p + (old ? 24 : 28), 2);
  const std::uint32_t packing = old ? 0 : little(p + 30, 4);
  if (packing != 0 && packing != 3) broken("run-length coding; write it without");
  if (height < 0) height = -height;  // rows from the top
  check_image_size(bytes, name, width, height, 4, options.limits);
  const std::int64_t stride = (width * depth + 31) / 32 * 4;
  const std::int64_t palette = depth <= 8 && offset < 14 + header ? -1 : 0;
  if (palette < 0) broken("its pixels begin inside the header");
  if (offset < 14 + header || offset + stride * height > static_cast<std::int64_t>(bytes.size())) {
    broken("its pixels were cut short");
  }
  return decode_stb(bytes, name, 8, options.alpha);
}

}  // namespace gadolin::detail
