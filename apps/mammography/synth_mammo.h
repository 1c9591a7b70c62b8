// Made-up mammograms: two sides and two views of each patient, with masses and clusters of calcifications, in
// the forms in which CBIS-DDSM and INbreast are handed out. For examples and tests, as no films may be shown.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/dicom/made_up.h"
#include "data/image/affine.h"
#include "data/image/image.h"
#include "tensor/random.h"

namespace gadolin::mammography {

struct SynthMammoOptions {
  int patients = 40;
  int size = 512;  // height of a film; its width is 13/16 of it
  std::uint64_t seed = 0;
  double abnormal = 0.6;  // share of the patients with lesions, in one breast
  // What is wrong with the real archives too (synth_faults()).
  std::set<std::string> faults = {};
  bool has(const char* fault) const { return faults.contains(fault); }
};
// swapped: tables take crops for masks; mask-size: masks of another size; aspect: one of another aspect;
// unmatched: rows without files and files without rows; uids: UIDs of tables that no file has; side: a film
// that is mirrored, whatever its header says. The first two and uids of CBIS-DDSM alone.
const std::vector<std::string>& synth_faults();

// A round patch with an uneven edge: r(angle) around its centre.
struct SynthLesion {
  bool mass = true;  // else a cluster of calcifications
  bool malignant = false;
  Point centre;
  double radius = 0;
  std::array<double, 3> wave{}, phase{};  // of the edge
  std::vector<Point> specks;              // calcifications
  double reach(double angle) const;       // of the edge from the centre, pixels
  std::vector<Point> outline(int points) const;
};

struct SynthMammogram {
  int patient = 0;  // from 0
  bool left = true, cc = true;
  bool mirrored = false;  // the fault `side`
  bool inverted = false;  // MONOCHROME1
  Image pixels;           // as stored: 12 bits in 16
  std::vector<SynthLesion> lesions;
};
constexpr int synth_mammo_bits = 12;

// A pure function of its arguments. The chest wall of left breasts is on the left. Throws UsageError for
// settings out of range.
SynthMammogram synth_mammogram(const SynthMammoOptions& options, int patient, bool left, bool cc);
// The lesion's pixels as 255 on a film of this size.
Image synth_mask(const SynthLesion& lesion, int width, int height);

// As a DICOM file (data/dicom/made_up.h).
using SynthTexts = DicomTexts;
inline std::string synth_mammo_dicom(const SynthTexts& texts, const Image& pixels, int bits, bool inverted) {
  return made_up_dicom(texts, pixels, bits, inverted);
}
// The texts that films of all forms have.
SynthTexts synth_mammo_texts(const std::string& patient, const std::string& study, const std::string& series,
                             const std::string& instance);

// FOLDER/mass_case_description_train_set.csv and so on, FOLDER/CBIS-DDSM/Mass-Training_P_00001_LEFT_CC/...
// Films without lesions are not in this archive. Throws FileError.
struct SynthCount {
  int films = 0, lesions = 0, abnormal = 0;
};
SynthCount write_synth_cbis(const std::string& folder, const SynthMammoOptions& options);
// FOLDER/INbreast.csv, FOLDER/AllXML/20000000.xml, FOLDER/AllDICOMs/20000000_hash_MG_L_CC_ANON.dcm.
SynthCount write_synth_inbreast(const std::string& folder, const SynthMammoOptions& options);

}  // namespace gadolin::mammography
