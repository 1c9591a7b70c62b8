// Made-up radiographs of seven body parts as DICOM files of made-up patients: for examples, tests and
// benchmarks of `gadolin bodypart` where no films may be shown.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/image/image.h"

namespace gadolin {

struct SynthBodypartOptions {
  int patients = 40, images_per_patient = 7;
  int size = 256;  // width and height
  std::uint64_t seed = 0;
};

// Picture `number` of `patient`, and what its file says about it.
struct SynthFilm {
  std::string body_part;  // one of synth_body_parts() (apps/bodypart/synth_anatomy.h), in turn
  std::string modality, transfer_syntax, patient_id, patient_name, sex, birth_date, study_date;
  std::string study_uid, series_uid, instance_uid;
  int number = 0;                              // of the picture in its study, from 0
  bool inverted = false;                       // MONOCHROME1
  int bits = 12;                               // stored: 8, 10, 12, 14 or 16
  double window_center = 0, window_width = 0;  // width 0: the file has no window
  double spacing = 0;                          // millimetres
  Image pixels;                                // 8 or 16 bits, as stored
};

// A pure function of its arguments: same bytes on the same build. Exposure, noise, edges of collimation, side
// markers, bits, photometric interpretation, window and transfer syntax vary. Throws UsageError for settings
// out of range.
SynthFilm synth_film(const SynthBodypartOptions& options, int patient, int number);

// The bytes of its DICOM file, CR or DX image storage; uncompressed, RLE or JPEG lossless (process 14,
// first-order). Throws ValueError for another transfer syntax, Unsupported 60 without DICOM.
std::string synth_dicom(const SynthFilm& film);

// Writes FOLDER/PAT0000/IM0000.dcm and so on; the folder is made when it is missing. Throws UsageError,
// FileError, Unsupported 60.
void write_synth_bodypart(const std::string& folder, const SynthBodypartOptions& options);

}  // namespace gadolin
