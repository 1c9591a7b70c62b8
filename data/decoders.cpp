// The table of picture formats: the one place that knows pictures of files and pictures of DICOM.
#include <algorithm>

#include "data/dicom/file.h"
#include "data/image/codec.h"

namespace gadolin::detail {
namespace {

template <std::size_t N> bool begins(Bytes bytes, const std::uint8_t (&magic)[N]) {
  return bytes.size() >= N && std::equal(std::begin(magic), std::end(magic), bytes.begin());
}

bool is_jpeg(Bytes b) { return begins(b, {0xff, 0xd8, 0xff}); }
bool is_png(Bytes b) { return begins(b, {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}); }
bool is_bmp(Bytes b) { return begins(b, {'B', 'M'}); }
bool is_pnm(Bytes b) { return b.size() >= 3 && b[0] == 'P' && b[1] >= '1' && b[1] <= '6'; }
bool is_dicom(Bytes b) { return DicomFile::looks_like({reinterpret_cast<const char*>(b.data()), b.size()}); }

}  // namespace

const std::vector<Decoder>& decoders() {
  static const std::vector<Decoder> table{
      {ImageFormat::jpeg, "JPEG", {"jpg", "jpeg", "jpe", "jfif"}, is_jpeg, jpeg_header, nullptr, decode_jpeg},
      {ImageFormat::png, "PNG", {"png"}, is_png, png_header, decode_png},
      {ImageFormat::bmp, "BMP", {"bmp"}, is_bmp, bmp_header, decode_bmp},
      {ImageFormat::pnm, "PNM", {"pgm", "ppm", "pnm", "pbm"}, is_pnm, pnm_header, decode_pnm},
      {ImageFormat::dicom,
       "DICOM",
       {"dcm", "dicom", "ima"},
       is_dicom,
       dicom_header,
       decode_dicom,
       nullptr,
       physical_dicom},
  };
  return table;
}

}  // namespace gadolin::detail
