// Made-up head CTs as RSNA's competition of 2019 handed them out: an archive of DICOM files under meaningless
// names, tables of labels. For examples and tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/image/image.h"

namespace gadolin::hemorrhage {

struct SynthCtOptions {
  int patients = 40;
  int slices = 24;        // of a series
  int size = 96;          // pixels a side
  double bleeding = 0.5;  // share of the patients
  double test = 0.25;     // share of the patients whose labels are not in the archive
  bool clean = false;     // without what is wrong in real archives
  std::uint64_t seed = 0;
};

// A lesion of one of the five subtypes (labels.h), over 2 * reach + 1 slices or fewer at an end of the head.
struct SynthLesion {
  int subtype = 0, middle = 0, reach = 0;
  double angle = 0, size = 1;
};

// A patient from 0: an ellipsoid of bone filled with brain. What is hard about one slice its neighbours tell:
// a third of a lesion's slices hardly show it, and one slice in ten shows what looks like a lesion and is
// none, because the slices beside it are bare.
struct SynthHead {
  int patient = 0, series = 1;   // how many
  double width = 0, height = 0;  // half axes, shares of half the picture
  double tilt = 0;               // of the gantry, degrees
  std::vector<SynthLesion> lesions;
  // Bit s: subtype s of labels.h, `any` among them.
  std::uint8_t labels(int slice) const;
};
SynthHead synth_head(const SynthCtOptions& options, int patient);
// Hounsfield units of one slice, row by row; `scan` numbers the series and passes of a patient, whose noise
// and false lesions differ. A pure function of its arguments.
std::vector<float> synth_slice(const SynthCtOptions& options, const SynthHead& head, int scan, int slice);

// How stored values come from Hounsfield units.
enum class CtCoding {
  offset,   // unsigned, intercept -1024
  wrapped,  // unsigned, intercept 0, negative values 4096 higher: what the original's step mends
  is_signed
};
Image coded_slice(const std::vector<float>& units, int size, CtCoding coding);

struct SynthCtCount {
  std::int64_t files = 0, series = 0, positive = 0;
};
// FOLDER/rsna-intracranial-hemorrhage-detection.zip with stage_2_train/ID_*.dcm, stage_2_test/ID_*.dcm,
// stage_2_train.csv and stage_2_sample_submission.csv; stage_2_test_truth.csv in the form of
// stage_2_train.csv; made_up.csv with what was made: image, split, patient, series, pass, slice, remark.
// Unless `clean`: a tilted gantry whose header says 0, a file twice under two names, two passes over the same
// positions in one series, a missing slice, a file cut inside its pixels in train and in test, and rows of
// the table that repeat. Throws FileError.
SynthCtCount write_synth_ct(const std::string& folder, const SynthCtOptions& options);

}  // namespace gadolin::hemorrhage
