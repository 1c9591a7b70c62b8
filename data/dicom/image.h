// Pixels of a DICOM file: stored values, Hounsfield units, pictures to look at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/dicom/file.h"
#include "data/image/image.h"
#include "tensor/tensor.h"

namespace gadolin {

struct DicomWindow {
  double center = 0, width = 0;
  std::string explanation;          // "BRAIN"
  std::string function = "LINEAR";  // or LINEAR_EXACT, SIGMOID
};

// A table over stored values (modality LUT) or rescaled ones (VOI LUT): values below `first` take the first
// entry, values above the last one the last.
struct DicomLut {
  double first = 0;
  int bits = 16;
  std::vector<std::uint16_t> values;
  double operator()(double v) const;
};

struct DicomImage {
  // int32, on the CPU: [frames, rows, columns], or [frames, 3, rows, columns] of colour. Stored values:
  // masked to BitsStored, the sign extended, before rescale, palette and inversion. 32-bit unsigned values
  // above 2^31 - 1 wrap around.
  Tensor samples;
  int frames = 1, rows = 0, columns = 0, channels = 1;
  int bits_stored = 8;
  bool is_signed = false;
  // Of the samples, after decoding: MONOCHROME1, MONOCHROME2, PALETTE COLOR, RGB or YBR_FULL.
  std::string photometric;
  std::string modality;
  struct Rescale {
    double slope = 1, intercept = 0;
  };
  std::vector<Rescale> rescale;  // one, or one a frame; {1, 0} where the file says nothing
  std::optional<DicomLut> modality_lut;
  std::vector<DicomWindow> windows;  // in order of the file; may be empty
  std::optional<DicomLut> voi_lut;
  std::optional<std::int64_t> padding_low, padding_high;  // both or none: stored values that are no picture
  std::vector<DicomLut> palette;                          // red, green, blue; empty unless PALETTE COLOR
  bool is_padding(std::int32_t v) const { return padding_low && v >= *padding_low && v <= *padding_high; }
};

// Decodes all frames, or one (from 0). Throws FormatError: 62 a limit, 64 a pixel module that contradicts
// itself, 65 a transfer syntax that is not read, 66 no pixel data, 67 damaged or truncated pixels; ValueError
// for a frame that is not there.
DicomImage read_dicom_image(const DicomFile& file, int frame = -1);
// The transfer syntaxes that are read.
bool dicom_syntax_is_read(const std::string& uid);

// fp32 of the shape of samples: slope * stored + intercept, or the modality LUT. Hounsfield units for CT.
// Colour is refused with ValueError; it has no such unit.
Tensor to_hounsfield(const DicomImage& image);

enum class DicomDisplay { automatic, window, percentile, full };
struct DicomDisplayOptions {
  // automatic: the first window of the file, else its VOI LUT, else percentiles.
  DicomDisplay mode = DicomDisplay::automatic;
  std::optional<DicomWindow> window;  // instead of the file's, in rescaled units
  double low = 0.5, high = 99.5;      // percentiles, padding left out
  int bits = 8;                       // 8 or 16, of grey pictures; colour has 8
  int frame = 0;
};
// A picture in which larger is brighter (MONOCHROME1 is inverted, padding is black); palettes and YBR become
// RGB. Windows by PS3.3 C.11.2. An image of one value only comes out black. Throws ValueError for a frame
// that is not there or a width below 1.
Image to_image(const DicomImage& image, const DicomDisplayOptions& options = {});

}  // namespace gadolin
