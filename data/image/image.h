// Pictures in memory and their files: JPEG, PNG, BMP, PNM and DICOM in, PNG and JPEG out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/bytes.h"

namespace gadolin {

// A picture [height, width, channels]: rows from top to bottom, the samples of one pixel side by side.
// channels is 1 (grey) or 3 (red, green, blue). bits is 8, or 16 with two-byte samples in the machine's
// order.
struct Image {
  int width = 0, height = 0, channels = 1, bits = 8;  // see above
  std::vector<std::uint8_t> pixels;                   // row by row

  Image() = default;
  Image(int width, int height, int channels, int bits = 8);  // black
  // Samples of the whole picture.
  std::size_t numel() const {
    return static_cast<std::size_t>(width) * static_cast<std::size_t>(height) *
           static_cast<std::size_t>(channels);
  }
  // Samples of a row.
  std::size_t row_samples() const {
    return static_cast<std::size_t>(width) * static_cast<std::size_t>(channels);
  }
  // The samples as T: std::uint8_t when bits is 8, std::uint16_t when it is 16.
  template <class T> T* data() { return reinterpret_cast<T*>(pixels.data()); }
  template <class T> const T* data() const { return reinterpret_cast<const T*>(pixels.data()); }  // as above
  // First sample of row y.
  template <class T> T* row(int y) { return data<T>() + static_cast<std::size_t>(y) * row_samples(); }
  // As above.
  template <class T> const T* row(int y) const {
    return data<T>() + static_cast<std::size_t>(y) * row_samples();
  }
  bool operator==(const Image&) const = default;
};

// Luminance by ITU-R BT.601 with Pillow's integer weights. A grey image is returned as it is.
Image to_grey(const Image& image);
// Grey repeated three times. A colour image is returned as it is.
Image to_rgb(const Image& image);
// 16 bits to 8: round(value / 257), so that 65535 becomes 255. An 8-bit image is returned as it is.
Image to_8bit(const Image& image);

// What decoders refuse before they allocate memory.
struct ImageLimits {
  std::size_t file_bytes = std::size_t{256} << 20;  // size of the file
  int side = 16384;                                 // pixels a side
  std::int64_t pixels = 268'435'456;                // width times height
  // A file larger than `free_bytes` when unpacked may not unpack to more than `ratio` times its size.
  std::int64_t ratio = 2000;
  std::int64_t free_bytes = std::int64_t{64} << 20;  // see ratio
};

// A rectangle of the whole picture, in pixels.
struct Box {
  int x = 0, y = 0, width = 0, height = 0;  // left, top, and size
  bool operator==(const Box&) const = default;
};
// What a caller will use of a picture: the box, shrunk to no less than min_width x min_height.
struct Region {
  Box box;                            // part that is used
  int min_width = 0, min_height = 0;  // that the box keeps, as it is decoded
};

// What becomes of transparency: left out, or laid over a ground.
enum class Alpha { drop, over_black, over_white };

// How a picture is decoded.
struct DecodeOptions {
  int channels = 0;             // 0: as in the file; 1: grey; 3: colour
  bool reduce_to_8bit = false;  // round 16 bits to 8
  Alpha alpha = Alpha::drop;    // as Pillow's convert("RGB")
  ImageLimits limits = {};      // what is refused
  // Called once with the size of the whole picture. A JPEG decoder may then leave out what is outside the
  // box. It may also decode at 1/2, 1/4 or 1/8, as long as the box stays at least min_width x min_height.
  std::function<Region(int width, int height)> region = {};
  // Told, sentence by sentence, what in the whole file breaks its standard and is read all the same. DICOM
  // has such sentences; without this no time goes into finding them.
  std::function<void(const std::string& sentence)> warn = {};
};

// A decoded picture or a part of it. The whole picture has full_width x full_height pixels. Pixel (0, 0) of
// `image` lies at (x, y) of it, and one pixel of `image` covers shrink x shrink of its pixels.
struct Decoded {
  Image image;                          // as decoded
  int full_width = 0, full_height = 0;  // of the whole picture
  int x = 0, y = 0, shrink = 1;         // where it lies, and how many pixels one stands for
};

// What the first bytes of a file say.
enum class ImageFormat { unknown, jpeg, png, bmp, pnm, dicom };
// By the first bytes; unknown for others.
ImageFormat image_format(std::span<const std::uint8_t> bytes);
const char* format_name(ImageFormat format);  // "JPEG", ...

// Decodes a whole file that is in memory. `name` is used in messages. The orientation tag of cameras and
// colour profiles are not applied. A file that ends early or is damaged is refused as a whole. Of a DICOM
// file the first frame is decoded, as to_image() of data/dicom/image.h shows it by default, with 16 bits
// where more than 8 are stored. Throws FormatError with the byte where the file went wrong, or the limit that
// it exceeds.
Image decode_image(std::span<const std::uint8_t> bytes, std::string_view name,
                   const DecodeOptions& options = {});
// The same for a part of the picture, and what was decoded of it.
Decoded decode_region(std::span<const std::uint8_t> bytes, std::string_view name,
                      const DecodeOptions& options);
// Reads and decodes a file. Throws FileError when it cannot be read.
Image read_image(const std::string& path, const DecodeOptions& options = {});

// PNG, 8 or 16 bit, grey or colour. level: zlib 0..9.
std::vector<std::uint8_t> encode_png(const Image& image, int level = 6);
// Baseline JPEG of an 8-bit image. quality 1..100; below 90 colour is stored at half resolution.
std::vector<std::uint8_t> encode_jpeg(const Image& image, int quality = 90);
// Both write a temporary file and rename it: a reader sees the old file or the complete new one.
void write_png(const std::string& path, const Image& image, int level = 6);
void write_jpeg(const std::string& path, const Image& image, int quality = 90);  // as encode_jpeg

}  // namespace gadolin
