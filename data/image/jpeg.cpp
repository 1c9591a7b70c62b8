// JPEG by libjpeg-turbo. Its errors arrive by longjmp, so every call of the library sits in a function
// without C++ objects of its own; what must be freed lives outside, in JpegReader and JpegWriter.
#include <algorithm>
#include <cctype>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>

#include <jerror.h>
#include <jpeglib.h>

#include "data/image/codec.h"

namespace gadolin {
namespace detail {
namespace {

struct ErrorManager {
  jpeg_error_mgr base;
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
};

[[noreturn]] void on_error(j_common_ptr info) {
  auto* manager = reinterpret_cast<ErrorManager*>(info->err);
  info->err->format_message(info, manager->text);
  std::longjmp(manager->jump, 1);
}

// The library goes on after damage and fills in grey; such files are refused here. Oddities that leave every
// pixel as its maker meant it (rubbish between segments, unknown versions of the header) pass.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_TOO_MUCH_DATA:
    case JWRN_BOGUS_PROGRESSION: return;
    default: on_error(info);
  }
}

// A file is wholly in memory: asking for more means that it ended early.
boolean on_starved(j_decompress_ptr info) {
  info->err->msg_code = JERR_INPUT_EOF;
  on_error(reinterpret_cast<j_common_ptr>(info));
}
void on_skip(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  if (static_cast<std::size_t>(count) > info->src->bytes_in_buffer) on_starved(info);
  info->src->next_input_byte += count;
  info->src->bytes_in_buffer -= static_cast<std::size_t>(count);
}
void nothing(j_decompress_ptr) {}

// A few bytes can order thousands of passes over a large progressive picture.
void on_progress(j_common_ptr info) {
  auto* reader = reinterpret_cast<j_decompress_ptr>(info);
  if (reader->input_scan_number <= 500) return;
  std::snprintf(reinterpret_cast<ErrorManager*>(info->err)->text, JMSG_LENGTH_MAX, "more than 500 scans");
  std::longjmp(reinterpret_cast<ErrorManager*>(info->err)->jump, 1);
}

class JpegReader {
 public:
  explicit JpegReader(Bytes bytes) : begin_(bytes.data()) {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = on_error;
    errors_.base.emit_message = on_message;
    errors_.text[0] = 0;
    source_ = {bytes.data(), bytes.size(), nothing, on_starved, on_skip, jpeg_resync_to_restart, nothing};
    progress_.progress_monitor = on_progress;
  }
  ~JpegReader() {
    if (created_) jpeg_destroy_decompress(&info_);
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  jpeg_decompress_struct& info() { return info_; }
  const char* text() const { return errors_.text; }
  std::size_t offset() const { return static_cast<std::size_t>(source_.next_input_byte - begin_); }

  bool header() noexcept {
    if (setjmp(errors_.jump)) return false;
    jpeg_create_decompress(&info_);
    created_ = true;
    info_.src = &source_;
    info_.progress = &progress_;
    info_.mem->max_memory_to_use = (1L << 31) - 1;  // progressive files hold all coefficients
    jpeg_read_header(&info_, TRUE);
    return true;
  }
  bool output_size() noexcept {
    if (setjmp(errors_.jump)) return false;
    jpeg_calc_output_dimensions(&info_);
    return true;
  }
  // From column *x and row y: *width columns (widened to whole blocks; *x moves left).
  bool start(JDIMENSION* x, JDIMENSION* width, JDIMENSION y, bool crop) noexcept {
    if (setjmp(errors_.jump)) return false;
    jpeg_start_decompress(&info_);
    if (crop && (*x > 0 || *width < info_.output_width)) jpeg_crop_scanline(&info_, x, width);
    if (y > 0) jpeg_skip_scanlines(&info_, y);
    return true;
  }
  bool rows(std::uint8_t* out, std::size_t stride, JDIMENSION count) noexcept {
    if (setjmp(errors_.jump)) return false;
    for (JDIMENSION done = 0; done < count;) {
      JSAMPROW rows[8];
      const JDIMENSION want = std::min<JDIMENSION>(8, count - done);
      for (JDIMENSION i = 0; i < want; ++i) rows[i] = out + (done + i) * stride;
      done += jpeg_read_scanlines(&info_, rows, want);
    }
    return true;
  }
  bool finish() noexcept {
    if (setjmp(errors_.jump)) return false;
    jpeg_finish_decompress(&info_);
    return true;
  }

 private:
  jpeg_decompress_struct info_{};
  ErrorManager errors_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
  const std::uint8_t* begin_;
  bool created_ = false;
};

[[noreturn]] void refuse(const JpegReader& reader, Bytes bytes, std::string_view name) {
  std::string why = reader.text();
  if (!why.empty()) why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
  while (!why.empty() && why.back() == '.') why.pop_back();
  for (char& c : why)
    if (c == ';') c = ',';
  fail<FormatError>("decode: ", printable(name), " is a damaged or unsupported JPEG, at byte ",
                    reader.offset(), " of ", bytes.size(), ": ", why);
}

// True when the end marker follows the header: a file cut short is found even if the cut lies outside the
// region.
bool has_end(Bytes bytes, std::size_t header) {
  for (std::size_t i = bytes.size(); i >= header + 2; --i) {
    if (bytes[i - 2] == 0xff && bytes[i - 1] == 0xd9) return true;
  }
  return false;
}

// CMYK as Adobe writes it (0 is full ink) to RGB, with Pillow's arithmetic. Files without Adobe's marker are
// the other way round.
void cmyk_to_rgb(const std::uint8_t* in, std::uint8_t* out, std::size_t pixels, bool inverted) {
  for (std::size_t i = 0; i < pixels; ++i) {
    const unsigned white = inverted ? in[4 * i + 3] : 255u - in[4 * i + 3];
    for (std::size_t c = 0; c < 3; ++c) {
      const unsigned v = inverted ? in[4 * i + c] : 255u - in[4 * i + c];
      const unsigned product = v * white + 128u;
      out[3 * i + c] = static_cast<std::uint8_t>((product + (product >> 8)) >> 8);
    }
  }
}

// Largest power of two by which the box may shrink.
int shrink_for(const Region& region) {
  if (region.min_width <= 0 || region.min_height <= 0) return 1;
  int shrink = 1;
  while (shrink < 8 && region.box.width / (2 * shrink) >= region.min_width &&
         region.box.height / (2 * shrink) >= region.min_height) {
    shrink *= 2;
  }
  return shrink;
}

struct Window {
  JDIMENSION x, y, width, height;
};

// The box in pixels of the shrunk picture, with a margin: at the edge of a window the library has no
// neighbours to interpolate colour from, so the pixels inside would differ from those of the whole picture.
Window window_of(const Box& box, int shrink, JDIMENSION width, JDIMENSION height) {
  constexpr int margin = 16;
  const int w = static_cast<int>(width), h = static_cast<int>(height);
  const int x0 = std::max(box.x / shrink - margin, 0), y0 = std::max(box.y / shrink - margin, 0);
  const int x1 = std::min((box.x + box.width + shrink - 1) / shrink + margin, w);
  const int y1 = std::min((box.y + box.height + shrink - 1) / shrink + margin, h);
  return {static_cast<JDIMENSION>(x0), static_cast<JDIMENSION>(y0), static_cast<JDIMENSION>(x1 - x0),
          static_cast<JDIMENSION>(y1 - y0)};
}

void choose_colours(jpeg_decompress_struct& info, std::string_view name, int channels) {
  switch (info.jpeg_color_space) {
    case JCS_GRAYSCALE: info.out_color_space = JCS_GRAYSCALE; break;
    case JCS_YCbCr: info.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB; break;
    case JCS_RGB: info.out_color_space = JCS_RGB; break;
    case JCS_CMYK:
    case JCS_YCCK: info.out_color_space = JCS_CMYK; break;
    default:
      fail<FormatError>("decode: ", printable(name), " is a JPEG with ", info.num_components,
                        " components, known are grey, RGB, YCbCr, CMYK and YCCK; convert it first");
  }
}

}  // namespace

Decoded decode_jpeg(Bytes bytes, std::string_view name, const DecodeOptions& options) {
  JpegReader reader(bytes);
  if (!reader.header()) refuse(reader, bytes, name);
  jpeg_decompress_struct& info = reader.info();
  check_image_size(bytes, name, info.image_width, info.image_height, info.num_components, options.limits);
  choose_colours(info, name, options.channels);

  Decoded out;
  out.full_width = static_cast<int>(info.image_width);
  out.full_height = static_cast<int>(info.image_height);
  Region region{{0, 0, out.full_width, out.full_height}, 0, 0};
  if (options.region) region = options.region(out.full_width, out.full_height);
  out.shrink = shrink_for(region);
  info.scale_num = 1;
  info.scale_denom = static_cast<unsigned>(out.shrink);
  if (!reader.output_size()) refuse(reader, bytes, name);
  Window window = window_of(region.box, out.shrink, info.output_width, info.output_height);
  const bool part = window.width < info.output_width || window.height < info.output_height;
  if (part && !has_end(bytes, reader.offset())) {
    fail<FormatError>("decode: ", printable(name), " is a damaged or unsupported JPEG, at byte ",
                      bytes.size(), " of ", bytes.size(), ": no end marker, the file was cut short");
  }
  if (!reader.start(&window.x, &window.width, window.y, part)) refuse(reader, bytes, name);

  const int components = info.output_components;
  Image image(static_cast<int>(window.width), static_cast<int>(window.height), components == 1 ? 1 : 3);
  if (components == 4) {
    std::vector<std::uint8_t> ink(image.numel() / 3 * 4);
    if (!reader.rows(ink.data(), window.width * 4u, window.height)) refuse(reader, bytes, name);
    cmyk_to_rgb(ink.data(), image.pixels.data(), image.numel() / 3, info.saw_Adobe_marker != 0);
  } else if (!reader.rows(image.pixels.data(), image.row_samples(), window.height)) {
    refuse(reader, bytes, name);
  }
  if (!part && !reader.finish()) refuse(reader, bytes, name);
  out.image = as_wanted(std::move(image), options);
  out.x = static_cast<int>(window.x) * out.shrink;
  out.y = static_cast<int>(window.y) * out.shrink;
  return out;
}

namespace {

class JpegWriter {
 public:
  JpegWriter() {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = on_error;
  }
  ~JpegWriter() {
    if (created_) jpeg_destroy_compress(&info_);
    std::free(buffer_);
  }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;

  bool encode(const Image& image, int quality) noexcept {
    if (setjmp(errors_.jump)) return false;
    jpeg_create_compress(&info_);
    created_ = true;
    jpeg_mem_dest(&info_, &buffer_, &size_);
    info_.image_width = static_cast<JDIMENSION>(image.width);
    info_.image_height = static_cast<JDIMENSION>(image.height);
    info_.input_components = image.channels;
    info_.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info_);
    jpeg_set_quality(&info_, quality, TRUE);
    if (image.channels == 3 && quality >= 90) {
      info_.comp_info[0].h_samp_factor = info_.comp_info[0].v_samp_factor = 1;
    }
    jpeg_start_compress(&info_, TRUE);
    while (info_.next_scanline < info_.image_height) {
      JSAMPROW row = const_cast<JSAMPROW>(image.row<std::uint8_t>(static_cast<int>(info_.next_scanline)));
      jpeg_write_scanlines(&info_, &row, 1);
    }
    jpeg_finish_compress(&info_);
    return true;
  }
  std::vector<std::uint8_t> bytes() const { return {buffer_, buffer_ + size_}; }
  const char* text() const { return errors_.text; }

 private:
  jpeg_compress_struct info_{};
  ErrorManager errors_{};
  unsigned char* buffer_ = nullptr;
  unsigned long size_ = 0;
  bool created_ = false;
};

}  // namespace
}  // namespace detail

std::vector<std::uint8_t> encode_jpeg(const Image& image, int quality) {
  require<ValueError>(image.bits == 8,
                      "encode_jpeg: the image has 16 bits, JPEG holds 8; convert with to_8bit()");
  require<ValueError>(image.numel() > 0 && image.width <= 65500 && image.height <= 65500,
                      "encode_jpeg: ", image.width, " x ", image.height,
                      " pixels, JPEG holds 1 to 65500 a side");
  require<ValueError>(quality >= 1 && quality <= 100, "encode_jpeg: quality = ", quality,
                      " is not in 1..100");
  detail::JpegWriter writer;
  require<FormatError>(writer.encode(image, quality), "encode_jpeg: ", writer.text());
  return writer.bytes();
}

}  // namespace gadolin
