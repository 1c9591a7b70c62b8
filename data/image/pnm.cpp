// PBM, PGM and PPM (P1 to P6), the latter two with any largest value; own code, because stb_image ignores the
// largest value and does not notice a file that ends early.
#include <cstring>

#include "data/image/codec.h"

namespace gadolin::detail {
namespace {

class PnmReader {
 public:
  PnmReader(Bytes bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  [[noreturn]] void broken(const char* what) const {
    fail<FormatError>("decode: ", printable(name_), " is a damaged PNM, at byte ", at_, " of ", bytes_.size(),
                      ": ", what);
  }
  // A decimal number after white space and comments.
  std::uint32_t number() {
    skip_space();
    std::uint32_t value = 0;
    const std::size_t begin = at_;
    while (at_ < bytes_.size() && bytes_[at_] >= '0' && bytes_[at_] <= '9') {
      value = value * 10 + (bytes_[at_++] - static_cast<std::uint32_t>('0'));
      if (value > 100'000'000) broken("a number is too large");
    }
    if (at_ == begin) broken(at_ == bytes_.size() ? "the file was cut short" : "a number was expected");
    return value;
  }
  // A dot of a text bitmap: they may stand without white space between them.
  std::uint32_t dot() {
    skip_space();
    if (at_ == bytes_.size()) broken("the file was cut short");
    if (bytes_[at_] != '0' && bytes_[at_] != '1') broken("a 0 or 1 was expected");
    return bytes_[at_++] == '1';
  }
  // The single white space that separates the header from binary samples.
  const std::uint8_t* samples(std::size_t count) {
    if (at_ >= bytes_.size() || !is_space(bytes_[at_])) broken("white space was expected");
    ++at_;
    if (bytes_.size() - at_ < count) {
      at_ = bytes_.size();
      broken("the file was cut short");
    }
    return bytes_.data() + at_;
  }

 private:
  static bool is_space(std::uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
  void skip_space() {
    while (at_ < bytes_.size() && (is_space(bytes_[at_]) || bytes_[at_] == '#')) {
      if (bytes_[at_] == '#')
        while (at_ < bytes_.size() && bytes_[at_] != '\n') ++at_;
      else
        ++at_;
    }
  }
  Bytes bytes_;
  std::string_view name_;
  std::size_t at_ = 2;
};

// Value of `most` becomes the largest of T, rounded to nearest.
template <class T> T scaled(std::uint32_t value, std::uint32_t most) {
  constexpr std::uint32_t white = T(~T{0});
  return static_cast<T>(most == white ? value : (std::uint64_t{value} * white + most / 2) / most);
}

template <class T> void fill(Image& image, PnmReader& reader, std::uint32_t most, bool text) {
  T* out = image.data<T>();
  const std::size_t wide = most > 255 ? 2 : 1;
  const std::uint8_t* in = text ? nullptr : reader.samples(image.numel() * wide);
  for (std::size_t i = 0; i < image.numel(); ++i) {
    const std::uint32_t v = text        ? reader.number()
                            : wide == 2 ? static_cast<std::uint32_t>(in[2 * i] << 8 | in[2 * i + 1])
                                        : in[i];
    if (v > most) reader.broken("a sample is above the largest value");
    out[i] = scaled<T>(v, most);
  }
}

// One bit a pixel, set for black; rows of binary files begin with a byte of their own.
Image decode_bitmap(PnmReader& reader, Bytes bytes, std::string_view name, const DecodeOptions& options,
                    bool text) {
  const std::uint32_t width = reader.number(), height = reader.number();
  check_image_size(bytes, name, width, height, 1, options.limits);
  const std::size_t row = text ? width : (width + 7) / 8;
  if (row * height > bytes.size()) reader.broken("the file was cut short");
  const std::uint8_t* in = text ? nullptr : reader.samples(row * height);
  Image image(static_cast<int>(width), static_cast<int>(height), 1);
  std::uint8_t* out = image.data<std::uint8_t>();
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t x = 0; x < width; ++x) {
      const bool black = text ? reader.dot() != 0 : (in[y * row + x / 8] >> (7 - x % 8) & 1) != 0;
      out[y * width + x] = black ? 0 : 255;
    }
  }
  return image;
}

}  // namespace

ImageHeader pnm_header(Bytes bytes, std::string_view name) {
  PnmReader reader(bytes, name);
  ImageHeader header;
  header.width = static_cast<int>(reader.number());
  header.height = static_cast<int>(reader.number());
  return header;
}

Image decode_pnm(Bytes bytes, std::string_view name, const DecodeOptions& options) {
  PnmReader reader(bytes, name);
  if (bytes[1] == '1' || bytes[1] == '4') return decode_bitmap(reader, bytes, name, options, bytes[1] == '1');
  const bool text = bytes[1] == '2' || bytes[1] == '3';
  const int channels = bytes[1] == '3' || bytes[1] == '6' ? 3 : 1;
  const std::uint32_t width = reader.number(), height = reader.number(), most = reader.number();
  if (most < 1 || most > 65535) reader.broken("the largest value is not in 1..65535");
  check_image_size(bytes, name, width, height, channels * (most > 255 ? 2 : 1), options.limits);
  // Every sample takes a byte at least, so what cannot be there is not allocated.
  if (static_cast<std::uint64_t>(width) * height * static_cast<std::uint64_t>(channels) > bytes.size()) {
    reader.broken("the file was cut short");
  }
  Image image(static_cast<int>(width), static_cast<int>(height), channels, most > 255 ? 16 : 8);
  if (image.bits == 8)
    fill<std::uint8_t>(image, reader, most, text);
  else
    fill<std::uint16_t>(image, reader, most, text);
  return image;
}

}  // namespace gadolin::detail
