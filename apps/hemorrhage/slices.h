// The slices of head CTs as a data set of pictures that knows where each lies: what train, extract-features
// and predict read of the folder that the steps before have filled.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/sets/dataset.h"

namespace gadolin::hemorrhage {

// "ID_0a1b" of stage_2_train/ID_0a1b.jpg.
std::string image_id(const std::string& name);

// Where a slice lies, from the table of create-metadata.
struct SliceKey {
  std::string patient, study, series;
  double position = 0;  // mm along the slice normal
};
using SliceKeys = std::unordered_map<std::string, SliceKey>;  // by image id
// {train,test}_metadata.csv: SOPInstanceUID, PatientID, StudyInstanceUID, SeriesInstanceUID and
// ImagePositionPatient. With ImageOrientationPatient and all three coordinates, "x\y\z", the position is
// their projection on the normal; of one coordinate it is that one. Throws DataError, with file and line, for
// missing columns, places that are no numbers and images that are listed twice.
SliceKeys read_slice_keys(const std::string& path);

struct Slices {
  std::unique_ptr<Dataset> set;  // called by image id, with subtypes, patients and splits
  std::vector<SliceKey> keys;    // of each
  bool labelled = false;
};
// `base` is train or test. Of `data_dir`: TFRecords in train/ and validation/ (or test/), or else the
// pictures of stage_2_BASE/ there or in the archive's folder, with splits yet to be drawn; BASE_metadata.csv;
// for train the labels of reshaped_stage_2_train.csv. Ordered by patient, study, series and place. Throws
// DataError that names the step which makes what is missing, and for pictures that a table does not know.
Slices open_slices(const std::string& data_dir, const std::string& base);

}  // namespace gadolin::hemorrhage
