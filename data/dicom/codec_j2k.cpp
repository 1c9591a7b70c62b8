// JPEG 2000 through OpenJPEG, from a code stream or a JP2 file in memory, after a look at what it claims.
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

struct Memory {
  CodedBytes bytes;
  std::size_t at = 0;
};

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
struct StreamEnd {
  void operator()(opj_stream_t* s) const { opj_stream_destroy(s); }
};
struct CodecEnd {
  void operator()(opj_codec_t* c) const { opj_destroy_codec(c); }
};
struct ImageEnd {
  void operator()(opj_image_t* i) const { opj_image_destroy(i); }
};

// What a code stream claims before its first byte of data (ITU-T T.800 annex A): OpenJPEG takes memory by it.
class Claims {
 public:
  Claims(CodedBytes bytes, const PixelModule& m, const std::string& who) : b_(bytes), m_(m), who_(who) {}

  // Of the first component, and whether three were transformed together, by the main header.
  int precision() const { return static_cast<int>(u8(42) & 0x7f) + 1; }
  bool is_signed() const { return (u8(42) & 0x80) != 0; }
  bool transformed() const { return transformed_; }

  void check() {
    size();
    std::size_t at = 4 + u16(4);
    while (at + 4 <= b_.size()) {
      const std::uint32_t marker = u16(at), length = u16(at + 2);
      if (length < 2) broken_frame(who_, "a JPEG 2000 header is damaged");
      if (marker == 0xff90) return tile_parts(at);
      if (marker == 0xff52 || marker == 0xff53) coding(at, length);
      if (marker == 0xff52) transformed_ = u8(at + 8) == 1;
      at += 2 + length;
    }
  }

 private:
  std::uint32_t u8(std::size_t at) const { return at < b_.size() ? b_[at] : 0u; }
  std::uint32_t u16(std::size_t at) const { return u8(at) << 8 | u8(at + 1); }
  std::uint32_t u32(std::size_t at) const { return u16(at) << 16 | u16(at + 2); }

  void size() {
    const std::uint64_t right = u32(8), low = u32(12), left = u32(16), top = u32(20);
    const std::uint64_t wide = u32(24), high = u32(28), first_left = u32(32), first_top = u32(36);
    if (b_.size() < 42 || right < left || low < top || wide == 0 || high == 0 || first_left > left ||
        first_top > top) {
      broken_frame(who_, "its JPEG 2000 header is damaged");
    }
    if (u16(40) != static_cast<std::uint32_t>(m_.channels) ||
        right - left != static_cast<std::uint64_t>(m_.columns) ||
        low - top != static_cast<std::uint64_t>(m_.rows)) {
      broken_frame(who_, "the JPEG 2000 stream has ", u16(40), " x ", low - top, " x ", right - left,
                   " samples, the header says ", m_.channels, " x ", m_.rows, " x ", m_.columns);
    }
    // Every tile has a header of 14 bytes at least.
    const std::uint64_t tiles =
        ((right - first_left + wide - 1) / wide) * ((low - first_top + high - 1) / high);
    if (tiles > b_.size() / 14)
      broken_frame(who_, "the JPEG 2000 stream claims ", tiles, " tiles in ", b_.size(), " bytes");
  }

  // COD or COC: the precincts of all resolutions, each of which costs memory however empty it is.
  void coding(std::size_t at, std::uint32_t length) const {
    const bool component = u16(at) == 0xff53;
    const std::size_t style = at + (component ? 5 : 4), levels_at = component ? style + 1 : style + 5;
    if ((u8(style) & 1) == 0) return;
    const std::uint32_t levels = u8(levels_at);
    std::uint64_t precincts = 0;
    for (std::uint32_t r = 0; r <= levels && r <= 32; ++r) {
      const std::size_t place = levels_at + 5 + r;
      if (place >= at + 2 + length) break;
      const std::uint32_t exponents = u8(place), down = levels - r;
      const auto along = [&](int extent, std::uint32_t exponent) {
        return (static_cast<std::uint64_t>(extent) >> std::min(down + exponent, 32u)) + 1;
      };
      precincts += along(m_.columns, exponents & 15) * along(m_.rows, exponents >> 4);
    }
    if (precincts > 65536 + static_cast<std::uint64_t>(m_.pixels()) / 64) {
      broken_frame(who_, "the JPEG 2000 stream divides ", m_.rows, " x ", m_.columns, " samples into ",
                   precincts, " precincts");
    }
  }

  // Tile parts may carry a coding style of their own.
  void tile_parts(std::size_t at) const {
    while (at + 12 <= b_.size() && u16(at) == 0xff90) {
      const std::size_t part = u32(at + 6);
      for (std::size_t head = at + 12; head + 4 <= b_.size() && u16(head) != 0xff93;
           head += 2 + u16(head + 2)) {
        if (u16(head + 2) < 2) broken_frame(who_, "a JPEG 2000 header is damaged");
        if (u16(head) == 0xff52 || u16(head) == 0xff53) coding(head, u16(head + 2));
      }
      if (part < 12) return;  // 0: to the end of the stream
      at += part;
    }
  }

  CodedBytes b_;
  const PixelModule& m_;
  const std::string& who_;
  bool transformed_ = false;
};

// The code stream in a JP2 file, whose other boxes have no meaning in DICOM; empty when there is none.
CodedBytes code_stream_of(CodedBytes b) {
  const auto u32 = [&](std::size_t at) {
    return std::uint64_t{b[at]} << 24 | std::uint64_t{b[at + 1]} << 16 | std::uint64_t{b[at + 2]} << 8 |
           b[at + 3];
  };
  for (std::size_t at = 0; at + 8 <= b.size();) {
    std::uint64_t head = 8, length = u32(at);
    if (length == 1 && at + 16 <= b.size()) {
      head = 16;
      length = u32(at + 8) << 32 | u32(at + 12);
    }
    if (length == 0) length = b.size() - at;  // to the end
    if (length < head) return {};
    const std::uint64_t have = std::min<std::uint64_t>(length, b.size() - at);
    if (b[at + 4] == 'j' && b[at + 5] == 'p' && b[at + 6] == '2' && b[at + 7] == 'c')
      return have < head ? CodedBytes{} : b.subspan(at + head, have - head);
    at += have;
  }
  return {};
}

}  // namespace

void decode_j2k_frame(CodedBytes bytes, const PixelModule& m, const std::string& who, RawFrame& out) {
  if (bytes.size() >= 12 && bytes[4] == 'j' && bytes[5] == 'P') bytes = code_stream_of(bytes);
  if (bytes.size() < 4 || bytes[0] != 0xff || bytes[1] != 0x4f || bytes[2] != 0xff || bytes[3] != 0x51) {
    broken_frame(who, "the stream does not begin as JPEG 2000 does");
  }
  Claims claims(bytes, m, who);
  claims.check();
  Memory memory{bytes};
  const std::unique_ptr<opj_stream_t, StreamEnd> stream(
      opj_stream_create(std::min<std::size_t>(bytes.size() + 1, 1 << 20), OPJ_TRUE));
  const std::unique_ptr<opj_codec_t, CodecEnd> codec(opj_create_decompress(OPJ_CODEC_J2K));
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
  for (OPJ_UINT32 c = 0; c < image->numcomps; ++c) {
    const opj_image_comp_t& comp = image->comps[c];
    if (comp.dx != 1 || comp.dy != 1 || comp.prec > 32 || comp.prec > static_cast<OPJ_UINT32>(m.allocated)) {
      broken_frame(who, "component ", c + 1, " of the JPEG 2000 stream is subsampled or has ", comp.prec,
                   " bits, BitsAllocated is ", m.allocated);
    }
  }
  if (!opj_decode(codec.get(), stream.get(), image.get()) || !opj_end_decompress(codec.get(), stream.get())) {
    broken_frame(who, "the JPEG 2000 stream is damaged or truncated");
  }
  const auto pixels = static_cast<std::size_t>(m.pixels());
  out.container = 32;
  out.planar = true;
  out.precision = claims.precision();
  out.is_signed = claims.is_signed();
  if (m.channels == 3 && claims.transformed()) out.photometric = "RGB";
  out.bytes.resize(static_cast<std::size_t>(m.frame_samples()) * 4);
  for (OPJ_UINT32 c = 0; c < static_cast<OPJ_UINT32>(m.channels); ++c) {
    if (c >= image->numcomps) broken_frame(who, "the JPEG 2000 stream left out a component");
    const opj_image_comp_t& comp = image->comps[c];
    if (comp.w != columns || comp.h != rows || !comp.data)
      broken_frame(who, "the JPEG 2000 stream left out a component");
    std::memcpy(out.bytes.data() + c * pixels * 4, comp.data, pixels * 4);
  }
}
#else
void decode_j2k_frame(CodedBytes, const PixelModule&, const std::string&, RawFrame&) {
  require_dicom("dicom");
}
#endif

}  // namespace gadolin::detail
