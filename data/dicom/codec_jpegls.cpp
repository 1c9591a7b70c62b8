// JPEG-LS through CharLS of the distribution.
#include "data/dicom/codec.h"

#ifdef GADOLIN_DICOM
#include <charls/charls.h>
#endif

namespace gadolin::detail {

#ifdef GADOLIN_DICOM
void decode_jpegls_frame(CodedBytes bytes, const PixelModule& m, const std::string& who, RawFrame& out) {
  const JpegHead head = jpeg_head(bytes, m, who);
  if (head.process != 0xf7) broken_frame(who, "the stream is not JPEG-LS");
  out.container = head.precision > 8 ? 16 : 8;
  out.precision = head.precision;  // unsigned in the stream; the sign is extended from there
  out.photometric = head.colour;
  out.bytes.resize(static_cast<std::size_t>(m.frame_samples()) * static_cast<std::size_t>(out.container / 8));
  try {
    charls::jpegls_decoder decoder;
    decoder.source(bytes.data(), bytes.size());
    decoder.read_spiff_header();
    decoder.read_header();
    decoder.decode(out.bytes.data(), out.bytes.size());
    out.planar = decoder.interleave_mode() == charls::interleave_mode::none;
  } catch (const charls::jpegls_error& error) {
    broken_frame(who, "the JPEG-LS stream is damaged, or CharLS does not know what it uses (", error.what(),
                 ")");
  }
}
#else
void decode_jpegls_frame(CodedBytes, const PixelModule&, const std::string&, RawFrame&) {
  require_dicom("dicom");
}
#endif

}  // namespace gadolin::detail
