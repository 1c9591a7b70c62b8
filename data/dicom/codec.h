// What the decoders of one compression each share; only data/dicom's own files include this.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/dicom/file.h"
#include "tensor/check.h"

namespace gadolin {
struct DicomImage;
}

namespace gadolin::detail {

// The bytes with what lies deflated behind `at` unpacked. Throws FormatError 61, 62.
std::shared_ptr<const std::string> inflated_data_set(std::string_view bytes, std::size_t at,
                                                     const DicomLimits& limits, const std::string& who);

// Rescale, windows, tables, padding and palette of an image whose samples are there; it begins with frame
// `first` of the file. Throws FormatError 64 for a rescale or a modality LUT that cannot be read.
void read_display_facts(const DicomFile& file, DicomImage& image, int first);
// Of that: modality LUT, VOI LUT and palette.
void read_tables(const DicomFile& file, DicomImage& image);

using CodedBytes = std::span<const std::uint8_t>;

// The image pixel module, checked: every number is positive and their products fit.
struct PixelModule {
  int rows = 0, columns = 0, frames = 1, channels = 1;
  int allocated = 16, stored = 16, high_bit = 15;
  bool is_signed = false, planar = false;
  bool halved = false;  // two pixels share their colour differences
  std::string photometric;
  std::int64_t pixels() const { return static_cast<std::int64_t>(rows) * columns; }
  std::int64_t frame_samples() const { return pixels() * channels; }
  std::int64_t samples() const { return frame_samples() * frames; }
};
// Throws FormatError 64 for numbers that are missing, impossible or do not fit together, 62 for a limit.
PixelModule read_pixel_module(const DicomFile& file);

// What an attribute of defined terms means: the one of `terms` that it names, also in other capitals, with
// other blanks, hyphens or underscores (with a warning); as it is written where it names none of them; ""
// where nothing is written. Of several values the first counts, with a warning.
std::string defined_term(const DicomFile& file, const DicomElement* e,
                         std::span<const std::string_view> terms);
// FormatError 64: `kind` is not read as the file holds it, `instead` would be.
[[noreturn]] void refuse_photometric(const DicomFile& file, const std::string& kind,
                                     std::string_view instead);

// What makes the full range of the samples of YBR: Y and differences have `low` and the middle taken away and
// are then multiplied.
struct YbrRange {
  double low = 0, luma = 1, chroma = 1;
};
// Of `bits` bits; YBR_PARTIAL_422 has 219 steps of Y above 16 and 224 of a difference, of 255 (PS3.3-2003
// C.7.6.3.1.2). Nothing for what is no YBR.
std::optional<YbrRange> ybr_range(const std::string& photometric, int bits);

// Samples of one frame as a decoder leaves them: containers of `container` bits (8, 16 or 32), native order.
struct RawFrame {
  std::vector<std::uint8_t> bytes;
  int container = 8;
  bool planar = false;
  // What the stream says where it comes before the header: bits of a sample (0: nothing), RGB or YBR_FULL.
  int precision = 0;
  std::string photometric;
  std::optional<bool> is_signed;
};

// Where the fragments that begin at `at` end: behind the last at `stop`, what follows them at `next`.
struct FragmentRun {
  std::size_t stop = 0, next = 0;
  bool cut = false, closed = false;  // the bytes end inside one; their delimiter is there
};
FragmentRun fragment_run(std::string_view bytes, std::size_t at, std::size_t end);

// The fragments of encapsulated pixel data, one run of bytes a frame. Throws FormatError 67.
struct Frames {
  std::vector<std::vector<std::span<const std::uint8_t>>> parts;
  // The bytes of a frame in one piece; `room` keeps them when they are in several.
  CodedBytes frame(int i, std::vector<std::uint8_t>& room) const;
};
Frames encapsulated_frames(const DicomFile& file, const DicomElement& pixels, int frames);

// Each decodes one frame; the size, the channels and the precision that the stream states must be those of
// the module. Throws FormatError 67 for damaged and truncated streams. `who` is the name of the file for
// messages.
void decode_rle_frame(CodedBytes bytes, const PixelModule& m, const std::string& who, RawFrame& out);
// JPEG with a DCT of 8 bits.
void decode_jpeg_frame(CodedBytes bytes, const PixelModule& m, const std::string& who, RawFrame& out);
// JPEG lossless, process 14.
void decode_lossless_frame(CodedBytes bytes, const PixelModule& m, const std::string& who, RawFrame& out);
void decode_jpeg12_frame(CodedBytes bytes, const PixelModule& m, const std::string& who, RawFrame& out);
void decode_jpegls_frame(CodedBytes bytes, const PixelModule& m, const std::string& who, RawFrame& out);
void decode_j2k_frame(CodedBytes bytes, const PixelModule& m, const std::string& who, RawFrame& out);

// What the frame header of a JPEG or JPEG-LS stream says, and the markers before it.
struct JpegHead {
  int process = 0, precision = 0, rows = 0, columns = 0, channels = 0;
  // RGB or YBR_FULL, by the names of the components, JFIF's or Adobe's marker, or halved components; "" when
  // the stream says nothing of it.
  std::string colour;
};
// process: the marker's low byte (0xc0 baseline, 0xc1 extended, 0xc3 lossless, 0xf7 JPEG-LS). Throws
// FormatError 67 unless it is there and agrees with the module.
JpegHead jpeg_head(CodedBytes bytes, const PixelModule& m, const std::string& who);

template <class... Parts> [[noreturn]] void broken_frame(const std::string& who, const Parts&... parts) {
  fail<FormatError, 67>("dicom: ", who, ": pixels cannot be decoded, ", parts...);
}

}  // namespace gadolin::detail
