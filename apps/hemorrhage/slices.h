// The slices of head CTs as a data set of pictures that knows where each lies: what train, extract-features
// and predict read of the folder that the steps before have filled.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/sets/dataset.h"

namespace gadolin::hemorrhage {

// The folder of features that net `k`, from 0, of several made of the test slices: "test/net-1".
std::string test_part(std::size_t k);

// "ID_0a1b" of stage_2_train/ID_0a1b.jpg.
std::string image_id(const std::string& name);

// Where a slice lies, from the table of create-metadata.
struct SliceKey {
  std::string patient, study, series;  // series: with its pass, where the same places were scanned again
  double position = 0;                 // mm along the slice normal
};
struct SliceTable {
  std::unordered_map<std::string, SliceKey> keys;        // by image id: slices that have a place
  std::unordered_map<std::string, std::string> same_as;  // files whose bytes another image has: that image
  std::vector<std::string> placeless;                    // images without a series or a position
};
// {train,test}_metadata.csv: ImgID or, where it is missing, SOPInstanceUID; PatientID, StudyInstanceUID,
// SeriesInstanceUID and ImagePositionPatient; it may have Pass, SameAs and SlicePosition. Without the last
// the position is the projection of ImagePositionPatient, "x\y\z", on the normal of ImageOrientationPatient;
// of one coordinate it is that one. Throws DataError, with file and line, for missing columns, places that
// are no numbers and images that are listed twice.
SliceTable read_slice_table(const std::string& path);

struct Slices {
  std::unique_ptr<Dataset> set;  // called by image id, with subtypes, patients and splits
  std::vector<SliceKey> keys;    // of each
  bool labelled = false;
  std::vector<std::string> notes;  // what was left out, with counts: for people
};
// `base` is train or test. Of `data_dir`: TFRecords in train/ and validation/ (or test/), or else the
// pictures of stage_2_BASE/ there or in the archive's folder, with splits yet to be drawn; BASE_metadata.csv;
// for train the labels of reshaped_stage_2_train.csv. Ordered by patient, study, series and place. Copies and
// slices without a place are left out. Throws DataError that names the step which makes what is missing, and
// for pictures that a table does not know.
Slices open_slices(const std::string& data_dir, const std::string& base);

}  // namespace gadolin::hemorrhage
