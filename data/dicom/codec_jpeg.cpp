// JPEG of 8 bits by discrete cosines (processes 1 and 2) through libjpeg-turbo.
#include <csetjmp>
#include <cstdio>
//
#include <jerror.h>
#include <jpeglib.h>

#include "data/dicom/codec.h"

namespace gadolin::detail {
namespace {

struct Errors {
  jpeg_error_mgr base;
  jpeg_progress_mgr progress;
  std::jmp_buf out;
  char text[JMSG_LENGTH_MAX];
};

void give_up(j_common_ptr info) {
  auto* errors = reinterpret_cast<Errors*>(info->err);
  info->err->format_message(info, errors->text);
  std::longjmp(errors->out, 1);
}
// A stream that ends early or loses its place is damaged; superfluous bytes before a marker are not.
void on_jpeg12_message(j_common_ptr info, int level) {
  const int code = info->err->msg_code;
  if (level < 0 && (code == JWRN_HIT_MARKER || code == JWRN_JPEG_EOF || code == JWRN_HUFF_BAD_CODE))
    give_up(info);
}
void no_output(j_common_ptr) {}
// A few bytes can order thousands of passes over a large progressive picture.
void on_jpeg12_progress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= 64) return;
  auto* errors = reinterpret_cast<Errors*>(info->err);
  std::snprintf(errors->text, sizeof errors->text, "more than 64 scans");
  std::longjmp(errors->out, 1);
}

// Nothing here needs destruction: give_up() jumps over it.
bool decode(jpeg_decompress_struct& info, Errors& errors, CodedBytes bytes, int channels, J_COLOR_SPACE from,
            J_COLOR_SPACE into, std::uint8_t* to) {
  if (setjmp(errors.out) != 0) return false;
  jpeg_create_decompress(&info);
  info.progress = &errors.progress;
  jpeg_mem_src(&info, bytes.data(), static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&info, TRUE);
  info.jpeg_color_space = channels == 3 ? from : JCS_GRAYSCALE;
  info.out_color_space = channels == 3 ? into : JCS_GRAYSCALE;
  jpeg_start_decompress(&info);
  const std::size_t row = info.output_width * static_cast<std::size_t>(info.output_components);
  while (info.output_scanline < info.output_height) {
    JSAMPROW at = to + info.output_scanline * row;
    jpeg_read_scanlines(&info, &at, 1);
  }
  return true;
}

}  // namespace

void decode_jpeg_frame(CodedBytes bytes, const PixelModule& m, const std::string& who, RawFrame& out) {
  out.container = 8;
  out.planar = false;
  out.bytes.resize(static_cast<std::size_t>(m.frame_samples()));
  jpeg_decompress_struct info{};
  Errors errors{};
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = give_up;
  errors.base.emit_message = on_jpeg12_message;
  errors.base.output_message = no_output;
  errors.progress.progress_monitor = on_jpeg12_progress;
  // YCbCr in a file that says RGB becomes RGB; RGB stays what it is.
  const bool rgb = m.photometric == "RGB",
             coded_rgb = out.photometric.empty() ? rgb : out.photometric == "RGB";
  if (rgb) out.photometric = "RGB";
  const bool good = decode(info, errors, bytes, m.channels, coded_rgb ? JCS_RGB : JCS_YCbCr,
                           rgb || coded_rgb ? JCS_RGB : JCS_YCbCr, out.bytes.data());
  jpeg_destroy_decompress(&info);
  if (!good) broken_frame(who, "the JPEG stream is damaged (", errors.text, ")");
}

}  // namespace gadolin::detail
