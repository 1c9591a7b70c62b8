// JPEG 2000 through OpenJPEG, from a code stream or a JP2 file in memory.
#include <algorithm>
#include <cstring>
#include <memory>

#include "data/dicom/codec.h"

#ifdef GADOLIN_DICOM
#include <openjpeg.h>
#endif

namespace gadolin::detail {

#ifdef GADOLIN_DICOM
namespace {

struct Memory { CodedBytes bytes; std::size_t at = 0; };

OPJ_SIZE_T read_some(void* to, OPJ_SIZE_T wanted, void* user) {
  auto* m = static_cast<Memory*>(user);
  const std::size_t n = std::min<std::size_t>(wanted, m->bytes.size() - m->at);
  if (n == 0) return static_cast<OPJ_SIZE_T>(-1);
  std::memcpy(to, m->bytes.data() + m->at, n);
  m->at += n;
  return n;
}
OPJ_OFF_T skip_some(OPJ_OFF_T wanted, void* user) {
  auto* m = static_cast<Memory*>(user);
  if (wanted < 0 || static_cast<std::size_t>(wanted) > m->bytes.size() - m->at) return -1;
  m->at += static_cast<std::size_t>(wanted);
  return wanted;
}
OPJ_BOOL seek_to(OPJ_OFF_T place, void* user) {
  auto* m = static_cast<Memory*>(user);
  if (place < 0 || static_cast<std::size_t>(place) > m->bytes.size()) return OPJ_FALSE;
  m->at = static_cast<std::size_t>(place);
  return OPJ_TRUE;
}
void quiet(const char*, void*) {}

// Streams and codecs are both void* to C++.
struct StreamEnd { void operator()(opj_stream_t* s) const { opj_stream_destroy(s); } };
struct CodecEnd { void operator()(opj_codec_t* c) const { opj_destroy_codec(c); } };
struct ImageEnd { void operator()(opj_image_t* i) const { opj_image_destroy(i); } };

}  // namespace

void decode_j2k_frame(CodedBytes bytes, const PixelModule& m, const std::string& who, RawFrame& out) {
  const bool code_stream = bytes.size() >= 4 && bytes[0] == 0xff && bytes[1] == 0x4f && bytes[2] == 0xff && bytes[3] == 0x51;
  if (!code_stream && !(bytes.size() >= 12 && bytes[4] == 'j' && bytes[5] == 'P')) {
    broken_frame(who, "the stream does not begin as JPEG 2000 does");
  }
  Memory memory{bytes};
  const std::unique_ptr<opj_stream_t, StreamEnd> stream(opj_stream_create(std::min<std::size_t>(bytes.size() + 1, 1 << 20), OPJ_TRUE));
  const std::unique_ptr<opj_codec_t, CodecEnd> codec(opj_create_decompress(code_stream ? OPJ_CODEC_J2K : OPJ_CODEC_JP2));
  require<OutOfMemory>(stream && codec, "dicom: OpenJPEG could not start");
  opj_stream_set_user_data(stream.get(), &memory, nullptr);
  opj_stream_set_user_data_length(stream.get(), bytes.size());
  opj_stream_set_read_function(stream.get(), read_some);
  opj_stream_set_skip_function(stream.get(), skip_some);
  opj_stream_set_seek_function(stream.get(), seek_to);
  opj_set_error_handler(codec.get(), quiet, nullptr);
  opj_set_warning_handler(codec.get(), quiet, nullptr);
  opj_set_info_handler(codec.get(), quiet, nullptr);
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  opj_image_t* read = nullptr;
  if (!opj_setup_decoder(codec.get(), &parameters) || !opj_read_header(stream.get(), codec.get(), &read)) {
    if (read) opj_image_destroy(read);
    broken_frame(who, "its JPEG 2000 header is damaged");
  }
  const std::unique_ptr<opj_image_t, ImageEnd> image(read);
  const auto columns = static_cast<OPJ_UINT32>(m.columns), rows = static_cast<OPJ_UINT32>(m.rows);
  if (image->numcomps != static_cast<OPJ_UINT32>(m.channels) || image->x1 - image->x0 != columns || image->y1 - image->y0 != rows) {
    broken_frame(who, "the JPEG 2000 stream has ", image->numcomps, " x ", image->y1 - image->y0, " x ", image->x1 - image->x0,
                 " samples, the header says ", m.channels, " x ", m.rows, " x ", m.columns);
  }
  for (OPJ_UINT32 c = 0; c < image->numcomps; ++c) {
    const opj_image_comp_t& comp = image->comps[c];
    if (comp.dx != 1 || comp.dy != 1 || comp.prec > 32 || comp.prec > static_cast<OPJ_UINT32>(m.allocated)) {
      broken_frame(who, "component ", c + 1, " of the JPEG 2000 stream is subsampled or has ", comp.prec, " bits, BitsAllocated is ",
                   m.allocated);
    }
  }
  if (!opj_decode(codec.get(), stream.get(), image.get()) || !opj_end_decompress(codec.get(), stream.get())) {
    broken_frame(who, "the JPEG 2000 stream is damaged or truncated");
  }
  const auto pixels = static_cast<std::size_t>(m.pixels());
  out.container = 32;
  out.planar = true;
  out.bytes.resize(static_cast<std::size_t>(m.frame_samples()) * 4);
  for (OPJ_UINT32 c = 0; c < image->numcomps; ++c) {
    const opj_image_comp_t& comp = image->comps[c];
    if (comp.w != columns || comp.h != rows || !comp.data) broken_frame(who, "the JPEG 2000 stream left out a component");
    std::memcpy(out.bytes.data() + c * pixels * 4, comp.data, pixels * 4);
  }
}
#else
void decode_j2k_frame(CodedBytes, const PixelModule&, const std::string&, RawFrame&) { require_dicom("dicom"); }
#endif

}  // namespace gadolin::detail
