// Conversions between kinds of image, and the choice of a decoder by the first bytes of a file
// (data/decoders.cpp).
#include "data/image/image.h"

#include <algorithm>
#include <cstring>

#include "data/image/codec.h"
#include "io/atomic_file.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

template <class T> void grey_rows(const T* rgb, T* grey, std::size_t pixels) {
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::uint64_t r = rgb[3 * i], g = rgb[3 * i + 1], b = rgb[3 * i + 2];
    grey[i] = static_cast<T>((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16);
  }
}
template <class T> void rgb_rows(const T* grey, T* rgb, std::size_t pixels) {
  for (std::size_t i = 0; i < pixels; ++i) rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = grey[i];
}

// One sample over a background of 0 or `white`, rounded to nearest.
template <class T> T over(T sample, T alpha, std::uint64_t background) {
  constexpr std::uint64_t white = std::uint64_t{T(~T{0})};
  return static_cast<T>((sample * std::uint64_t{alpha} + background * (white - alpha) + white / 2) / white);
}
template <class T>
void drop_alpha(const T* in, T* out, std::size_t pixels, std::size_t colours, Alpha alpha) {
  const std::uint64_t background = alpha == Alpha::over_white ? std::uint64_t{T(~T{0})} : 0;
  for (std::size_t i = 0; i < pixels; ++i) {
    const T* p = in + i * (colours + 1);
    for (std::size_t c = 0; c < colours; ++c) {
      out[i * colours + c] = alpha == Alpha::drop ? p[c] : over<T>(p[c], p[colours], background);
    }
  }
}

std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Image::Image(int w, int h, int c, int b) : width(w), height(h), channels(c), bits(b) {
  require<ValueError>(w >= 0 && h >= 0 && (c == 1 || c == 3) && (b == 8 || b == 16), "image: ", w, " x ", h,
                      " with ", c, " channels of ", b,
                      " bits cannot be made; "
                      "channels are 1 or 3, bits 8 or 16");
  pixels.resize(numel() * static_cast<std::size_t>(b / 8));
}

Image to_grey(const Image& image) {
  if (image.channels == 1) return image;
  Image grey(image.width, image.height, 1, image.bits);
  if (image.bits == 8)
    grey_rows(image.data<std::uint8_t>(), grey.data<std::uint8_t>(), grey.numel());
  else
    grey_rows(image.data<std::uint16_t>(), grey.data<std::uint16_t>(), grey.numel());
  return grey;
}

Image to_rgb(const Image& image) {
  if (image.channels == 3) return image;
  Image rgb(image.width, image.height, 3, image.bits);
  if (image.bits == 8)
    rgb_rows(image.data<std::uint8_t>(), rgb.data<std::uint8_t>(), image.numel());
  else
    rgb_rows(image.data<std::uint16_t>(), rgb.data<std::uint16_t>(), image.numel());
  return rgb;
}

Image to_8bit(const Image& image) {
  if (image.bits == 8) return image;
  Image out(image.width, image.height, image.channels, 8);
  const std::uint16_t* in = image.data<std::uint16_t>();
  for (std::size_t i = 0; i < out.numel(); ++i) {
    out.pixels[i] = static_cast<std::uint8_t>((in[i] * 255u + 32767u) / 65535u);
  }
  return out;
}

namespace detail {

void check_image_size(Bytes bytes, std::string_view name, std::int64_t width, std::int64_t height,
                      std::int64_t sample_bytes, const ImageLimits& limits) {
  const std::string who = printable(name);
  require<FormatError>(width > 0 && height > 0, "decode: ", who, " says it is ", width, " x ", height,
                       " pixels");
  require<FormatError>(width <= limits.side && height <= limits.side && width * height <= limits.pixels,
                       "decode: ", who, " is ", width, " x ", height, " pixels, at most ", limits.side, " x ",
                       limits.side, " and ", limits.pixels, " in all are read; make it smaller first");
  const std::int64_t unpacked = width * height * sample_bytes;
  require<FormatError>(
      unpacked <= limits.free_bytes || unpacked / limits.ratio <= static_cast<std::int64_t>(bytes.size()),
      "decode: ", who, " would unpack ", human_bytes(static_cast<std::int64_t>(bytes.size())), " to ",
      human_bytes(unpacked), ", more than ", limits.ratio, " times its size");
}

Image without_alpha(const std::uint8_t* samples, int width, int height, int channels, int bits, Alpha alpha) {
  const int colours = channels <= 2 ? 1 : 3;
  Image image(width, height, colours, bits);
  if (channels == colours) {
    std::memcpy(image.pixels.data(), samples, image.pixels.size());
    return image;
  }
  const std::size_t pixels = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  const auto n = static_cast<std::size_t>(colours);
  if (bits == 8)
    drop_alpha(samples, image.data<std::uint8_t>(), pixels, n, alpha);
  else
    drop_alpha(reinterpret_cast<const std::uint16_t*>(samples), image.data<std::uint16_t>(), pixels, n,
               alpha);
  return image;
}

Image as_wanted(Image image, const DecodeOptions& options) {
  if (options.reduce_to_8bit && image.bits == 16) image = to_8bit(image);
  if (options.channels == 1 && image.channels == 3) image = to_grey(image);
  if (options.channels == 3 && image.channels == 1) image = to_rgb(image);
  return image;
}

const Decoder& decoder_of(Bytes bytes, std::string_view name, const DecodeOptions& options) {
  require<FormatError>(!bytes.empty(), "decode: ", printable(name), " is empty (0 bytes)");
  require<FormatError>(bytes.size() <= options.limits.file_bytes, "decode: ", printable(name), " has ",
                       human_bytes(static_cast<std::int64_t>(bytes.size())), ", at most ",
                       human_bytes(static_cast<std::int64_t>(options.limits.file_bytes)), " are read");
  const auto& all = decoders();
  const auto decoder =
      std::find_if(all.begin(), all.end(), [&](const Decoder& d) { return d.matches(bytes); });
  require<FormatError>(decoder != all.end(), "decode: ", printable(name),
                       " is not a JPEG, PNG, BMP, PNM or DICOM file; convert it first");
  return *decoder;
}

}  // namespace detail

ImageFormat image_format(std::span<const std::uint8_t> bytes) {
  for (const detail::Decoder& d : detail::decoders()) {
    if (d.matches(bytes)) return d.format;
  }
  return ImageFormat::unknown;
}

const char* format_name(ImageFormat format) {
  for (const detail::Decoder& d : detail::decoders()) {
    if (d.format == format) return d.name;
  }
  return "unknown";
}

Decoded decode_region(std::span<const std::uint8_t> bytes, std::string_view name,
                      const DecodeOptions& options) {
  require<ValueError>(options.channels == 0 || options.channels == 1 || options.channels == 3,
                      "decode: channels = ", options.channels, " is not 0 (as in the file), 1 or 3");
  const detail::Decoder& decoder = detail::decoder_of(bytes, name, options);
  if (decoder.decode_region) return decoder.decode_region(bytes, name, options);
  Decoded out;
  out.image = detail::as_wanted(decoder.decode(bytes, name, options), options);
  out.full_width = out.image.width;
  out.full_height = out.image.height;
  if (options.region) options.region(out.full_width, out.full_height);
  return out;
}

Image decode_image(std::span<const std::uint8_t> bytes, std::string_view name, const DecodeOptions& options) {
  require<ValueError>(!options.region,
                      "decode_image: reads whole pictures; use decode_region for a part of one");
  return decode_region(bytes, name, options).image;
}

Image read_image(const std::string& path, const DecodeOptions& options) {
  return decode_image(read_bytes(path, options.limits.file_bytes), path, options);
}

void write_png(const std::string& path, const Image& image, int level) {
  write_file_atomically(path, as_text(encode_png(image, level)));
}
void write_jpeg(const std::string& path, const Image& image, int quality) {
  write_file_atomically(path, as_text(encode_jpeg(image, quality)));
}

}  // namespace gadolin
