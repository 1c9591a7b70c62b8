// What the decoders of one compression each share; only data/dicom's own files include this.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/dicom/file.h"
#include "tensor/check.h"

namespace gadolin {
struct DicomImage;
}

namespace gadolin::detail {

// Rescale, windows, tables, padding and palette of an image whose samples are there.
void read_display_facts(const DicomFile& file, DicomImage& image);

using CodedBytes = std::span<const std::uint8_t>;

// The image pixel module, checked: every number is positive and their products fit.
struct PixelModule {
  int rows = 0, columns = 0, frames = 1, channels = 1;
  int allocated = 16, stored = 16, high_bit = 15;
  bool is_signed = false, planar = false;
  std::string photometric;
  std::int64_t pixels() const { return static_cast<std::int64_t>(rows) * columns; }
  std::int64_t frame_samples() const { return pixels() * channels; }
  std::int64_t samples() const { return frame_samples() * frames; }
};
// Throws FormatError 64 for numbers that are missing, impossible or do not fit together, 62 for a limit.
PixelModule read_pixel_module(const DicomFile& file);

// Samples of one frame as a decoder leaves them: containers of `container` bits (8, 16 or 32), native order.
struct RawFrame {
  std::vector<std::uint8_t> bytes;
  int container = 8;
  bool planar = false;
  bool ready = false;  // 32-bit samples that need neither mask nor sign
};

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
void decode_dcmtk_frame(CodedBytes bytes, const PixelModule& m, const std::string& syntax,
                        const std::string& who, RawFrame& out);
void decode_j2k_frame(CodedBytes bytes, const PixelModule& m, const std::string& who, RawFrame& out);

// What the frame header of a JPEG or JPEG-LS stream says.
struct JpegHead {
  int process = 0, precision = 0, rows = 0, columns = 0, channels = 0;
};
// process: the marker's low byte (0xc0 baseline, 0xc1 extended, 0xc3 lossless, 0xf7 JPEG-LS). Throws
// FormatError 67 unless it is there and agrees with the module.
JpegHead jpeg_head(CodedBytes bytes, const PixelModule& m, const std::string& who);

template <class... Parts>
[[noreturn]] void broken_frame(const std::string& who, const Parts&... parts) {
  fail<FormatError, 67>("dicom: ", who, ": pixels cannot be decoded, ", parts...);
}

}  // namespace gadolin::detail
