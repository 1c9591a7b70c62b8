// Pixels of a DICOM file: stored values, Hounsfield units, pictures to look at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/dicom/file.h"
#include "data/image/image.h"
#include "data/image/physical.h"
#include "tensor/tensor.h"

namespace gadolin {

// A range of values to show: PS3.3 C.11.2.
struct DicomWindow {
  double center = 0, width = 0;     // of rescaled values
  std::string explanation;          // "BRAIN"
  std::string function = "LINEAR";  // or LINEAR_EXACT, SIGMOID; below a width of 1 LINEAR means LINEAR_EXACT
  bool operator==(const DicomWindow&) const = default;
};

// A table over stored values (modality LUT) or rescaled ones (VOI LUT): values below `first` take the first
// entry, values above the last one the last.
struct DicomLut {
  double first = 0;                   // the value of the first entry
  int bits = 16;                      // of the entries as they are, whatever the descriptor says
  std::vector<std::uint16_t> values;  // the entries
  double operator()(double v) const;  // the entry of a value
};

// Stored values of a file, and what says how to read them.
struct DicomImage {
  // int32, on the CPU: [frames, rows, columns], or [frames, 3, rows, columns] of colour. Stored values:
  // masked to BitsStored, the sign extended, before rescale, palette and inversion. 32-bit unsigned values
  // above 2^31 - 1 wrap around.
  Tensor samples;
  int frames = 1, rows = 0, columns = 0, channels = 1;  // channels: 1, or 3 of colour
  int bits_stored =
      8;  // of the samples after decoding: of the stream where it says otherwise than the header
  bool is_signed = false;  // of stored values
  // Of the samples, after decoding: MONOCHROME1, MONOCHROME2, PALETTE COLOR, RGB, YBR_FULL, or, of less than
  // the full range, YBR_PARTIAL_422; none of them is subsampled.
  std::string photometric;
  std::string modality;  // "CT"
  // From stored to measured values.
  struct Rescale {
    double slope = 1, intercept = 0;  // value = slope stored + intercept
    bool operator==(const Rescale&) const = default;
  };
  std::vector<Rescale> rescale;          // one, or one a frame; {1, 0} where the file says nothing
  std::optional<DicomLut> modality_lut;  // instead of rescale
  std::vector<DicomWindow> windows;      // of the first frame, in order of the file; may be empty
  std::vector<std::vector<DicomWindow>> frame_windows;  // one list a frame where they differ, else empty
  // Of a frame: its own, or those of the file.
  const std::vector<DicomWindow>& windows_of(int frame) const {
    return frame_windows.empty() ? windows : frame_windows[static_cast<std::size_t>(frame)];
  }
  std::optional<DicomLut> voi_lut;                        // instead of windows
  std::optional<std::int64_t> padding_low, padding_high;  // both or none: stored values that are no picture
  std::vector<DicomLut> palette;                          // red, green, blue; empty unless PALETTE COLOR
  // Whether a stored value marks the outside.
  bool is_padding(std::int32_t v) const { return padding_low && v >= *padding_low && v <= *padding_high; }
};

// Decodes all frames, or one (from 0). Where header and stream disagree about colour or bits, the stream
// counts, and the file gets a warning. Throws FormatError: 62 a limit, 64 a pixel module that contradicts
// itself, colours that are not read, or a rescale that cannot be read, 65 a transfer syntax that is not read,
// 66 no pixel data, 67 damaged or truncated pixels; ValueError for a frame that is not there.
DicomImage read_dicom_image(const DicomFile& file, int frame = -1);
// The transfer syntaxes that are read.
bool dicom_syntax_is_read(const std::string& uid);

// fp32 of the shape of samples: slope * stored + intercept, or the modality LUT. Hounsfield units for CT.
// Colour is refused with ValueError; it has no such unit.
Tensor to_hounsfield(const DicomImage& image);

// The same of the first frame, with NaN for padding and what is no finite number. nullopt: colour.
std::optional<PhysicalImage> to_physical(const DicomImage& image);

// int32 [frames, rows, columns, 3], red, green, blue: the samples of a colour image, YBR turned into RGB.
// Throws ValueError for images of one channel and for colours that cannot be shown.
Tensor to_rgb_samples(const DicomImage& image);

// What brightness is made of: the file's window or else its range; a window; percentiles; all stored values.
enum class DicomDisplay { automatic, window, percentile, full };
// How a frame is shown.
struct DicomDisplayOptions {
  // automatic: the first window of the file, else its VOI LUT, else percentiles.
  DicomDisplay mode = DicomDisplay::automatic;
  std::optional<DicomWindow> window;  // instead of the file's, in rescaled units
  double low = 0.5, high = 99.5;      // percentiles, padding left out
  int bits = 8;                       // 8 or 16, of grey pictures; colour has 8
  int frame = 0;                      // from 0
};
// A picture in which larger is brighter (MONOCHROME1 is inverted, padding is black); palettes and YBR become
// RGB. Windows by PS3.3 C.11.2. An image of one value only comes out black. Throws ValueError for a frame
// that is not there or a width that is not above 0.
Image to_image(const DicomImage& image, const DicomDisplayOptions& options = {});

}  // namespace gadolin
