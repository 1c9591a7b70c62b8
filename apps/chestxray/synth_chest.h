// Made-up frontal chest films with NIH's table, lists and boxes: for examples and tests. They show what goes
// wrong with real ones: signs that differ in their side alone, patients with several films, markers and sites
// that go with a finding.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/image/image.h"

namespace gadolin::chestxray {

struct SynthChestOptions {
  int patients = 100;
  int films = 4;  // of a patient at most; each has 1 to this many
  int size = 128;
  std::uint64_t seed = 0;
  double strength = 1;  // how clearly signs are seen; 0: not at all, films tell nothing but whose they are
  // 0: a metal marker lies on every second film. 1: on all films of Pneumothorax and no other, and patients
  // with Effusion come from site B, the others from site A; but on the test list as with 0.
  double confound = 0;
  double lateral = 0;  // share of lateral films, without findings
  bool dicom = false;  // .dcm of 12 bits instead of .png of 8; the table says .png, as NIH's does
};

// Where a sign is: its middle and half its width and height, as shares of the film.
struct ChestSign {
  int label = 0;  // in nih_labels()
  double x = 0, y = 0, rx = 0, ry = 0;
};

struct SynthChestFilm {
  int patient = 0, follow_up = 0;  // patient from 1
  bool male = false, test = false, marker = false;
  int age = 0;
  char site = 'A';
  std::string view;              // PA, AP or LL
  std::vector<ChestSign> signs;  // by rising label; none: No Finding
  Image pixels;                  // 8 bits
  std::string image() const;     // 00000012_003.png
};

// The films of one patient (from 1), a pure function of its arguments. Patients of the last fifth are on the
// test list. A patient's findings are on four of five of the films. The signs, none of which is medicine:
// Cardiomegaly a wide heart; Effusion a white base of either lung; Mass and Nodule round spots; Pneumothorax
// a black apex; Atelectasis a grey field low in the patient's left lung (right in the picture), Consolidation
// the same in the right lung, so that a film in the mirror shows the other one. Throws UsageError for
// settings out of range.
std::vector<SynthChestFilm> synth_chest_patient(const SynthChestOptions& options, int patient);

struct SynthChestCount {
  std::int64_t films = 0, test = 0, boxes = 0;
};
// FOLDER/Data_Entry_2017.csv, train_val_list.txt, test_list.txt, BBox_List_2017.csv (boxes in pixels of the
// film), images_001/images/..., and made_up.csv with what NIH's table does not tell: Image Index, site,
// marker. Throws FileError.
SynthChestCount write_synth_chest(const std::string& folder, const SynthChestOptions& options);

}  // namespace gadolin::chestxray
