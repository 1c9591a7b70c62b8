// PNG: the frame of chunks is checked here, the pixels are decoded by stb_image; libpng encodes.
#include <bit>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <new>

#include <png.h>
#include <zlib.h>

#include "data/image/codec.h"
#include "data/image/stb.h"

namespace gadolin {
namespace detail {
namespace {

std::uint32_t big32(const std::uint8_t* p) {
  return static_cast<std::uint32_t>(p[0]) << 24 | static_cast<std::uint32_t>(p[1]) << 16 |
         static_cast<std::uint32_t>(p[2]) << 8 | p[3];
}

struct PngHeader {
  std::uint32_t width = 0, height = 0;
  int depth = 0, colour = 0;
};

// Walks the chunks to IEND. stb_image neither checks the sums nor minds a missing end, so a damaged file
// would otherwise become a damaged picture.
PngHeader check_png(Bytes bytes, std::string_view name) {
  const std::string who = printable(name);
  const auto broken = [&](std::size_t at, const char* what) {
    fail<FormatError>("decode: ", who, " is a damaged PNG, at byte ", at, " of ", bytes.size(), ": ", what);
  };
  PngHeader header;
  std::size_t at = 8;
  bool has_pixels = false;
  for (bool first = true;; first = false) {
    if (bytes.size() - at < 12) broken(bytes.size(), "the file was cut short");
    const std::uint8_t* chunk = bytes.data() + at;
    const std::size_t length = big32(chunk);
    if (length > 0x7fffffff) broken(at, "a chunk says it has more than 2 GiB");
    if (bytes.size() - at - 12 < length) broken(bytes.size(), "the file was cut short");
    const auto sum = crc32(0, chunk + 4, static_cast<uInt>(length + 4));
    if (sum != big32(chunk + 8 + length)) broken(at, "the check sum of a chunk is wrong");
    const std::string_view kind(reinterpret_cast<const char*>(chunk + 4), 4);
    if (first != (kind == "IHDR")) broken(at, "IHDR is not the first chunk, or comes twice");
    if (first) {
      if (length != 13) broken(at, "IHDR has not 13 bytes");
      header = {big32(chunk + 8), big32(chunk + 12), chunk[16], chunk[17]};
    }
    // No encoder begins with an empty one, and stb_image would copy it to a null pointer.
    if (kind == "IDAT" && !has_pixels && length == 0) broken(at, "the first IDAT is empty");
    has_pixels = has_pixels || kind == "IDAT";
    at += length + 12;
    if (kind != "IEND") continue;
    if (!has_pixels) broken(at, "there are no pixels");
    return header;
  }
}

void on_png_error(png_structp png, png_const_charp text) {
  std::snprintf(static_cast<char*>(png_get_error_ptr(png)), 200, "%s", text);
  png_longjmp(png, 1);
}
void on_png_warning(png_structp, png_const_charp) {}

struct PngWriter {
  png_structp png = nullptr;
  png_infop info = nullptr;
  char text[200] = {};
  std::vector<std::uint8_t> bytes;
  bool full = false;  // no memory while the library was calling

  ~PngWriter() { png_destroy_write_struct(&png, &info); }

  static void append(png_structp p, png_bytep data, std::size_t count) {
    auto* self = static_cast<PngWriter*>(png_get_io_ptr(p));
    try {
      self->bytes.insert(self->bytes.end(), data, data + count);
      return;
    } catch (...) {
      self->full = true;
    }
    png_error(p, "out of memory");
  }

  bool encode(const Image& image, int level) noexcept {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, text, on_png_error, on_png_warning);
    info = png ? png_create_info_struct(png) : nullptr;
    if (!info) return false;
    if (setjmp(png_jmpbuf(png))) return false;
    png_set_write_fn(png, this, append, nullptr);
    png_set_compression_level(png, level);
    png_set_IHDR(png, info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height),
                 image.bits, image.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    if constexpr (std::endian::native == std::endian::little) {
      if (image.bits == 16) png_set_swap(png);
    }
    const std::size_t stride = image.row_samples() * static_cast<std::size_t>(image.bits / 8);
    for (int y = 0; y < image.height; ++y) {
      png_write_row(png, image.pixels.data() + static_cast<std::size_t>(y) * stride);
    }
    png_write_end(png, info);
    return true;
  }
};

}  // namespace

Image decode_png(Bytes bytes, std::string_view name, const DecodeOptions& options) {
  const PngHeader header = check_png(bytes, name);
  const int samples = header.colour == 0 ? 1 : header.colour == 4 ? 2 : header.colour == 2 ? 3 : 4;
  check_image_size(bytes, name, header.width, header.height, samples * (header.depth == 16 ? 2 : 1),
                   options.limits);
  return decode_stb(bytes, name, header.depth == 16 ? 16 : 8, options.alpha);
}

}  // namespace detail

std::vector<std::uint8_t> encode_png(const Image& image, int level) {
  require<ValueError>(image.numel() > 0, "encode_png: ", image.width, " x ", image.height, " has no pixels");
  require<ValueError>(level >= 0 && level <= 9, "encode_png: level = ", level, " is not in 0..9");
  detail::PngWriter writer;
  const bool done = writer.encode(image, level);
  if (writer.full) throw std::bad_alloc();
  require<FormatError>(done, "encode_png: ", static_cast<const char*>(writer.text));
  return std::move(writer.bytes);
}

}  // namespace gadolin
