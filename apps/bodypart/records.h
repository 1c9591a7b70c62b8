// Labelled pictures as the trainers of A1 open them: records of convert-data, or zeros to measure with.
#pragma once

#include <memory>
#include <string>

#include "data/sets/dataset.h"

namespace gadolin::bodypart {

// What stands in `folder` (open_dataset: TFRecords and everything else that gadolin train takes), each label
// less by `offset`, so that the first classes, of which there may be no sample, fall away. Throws UsageError,
// beginning with `command`, unless
// --dataset-name is dicom, and for an offset that does not fit.
std::unique_ptr<Dataset> open_records(const std::string& command, const std::string& dataset_name,
                                      const std::string& folder, int offset);

// The same for training: the samples of `split` are what is trained on, whatever it is called. A set without
// any splits counts as `split`.
std::unique_ptr<Dataset> open_training_records(const std::string& command, const std::string& dataset_name,
                                               const std::string& folder, int offset,
                                               const std::string& split);

// Black pictures of 224 x 224 with 3 channels, `train` and `val` of them, of seven classes in turn.
std::unique_ptr<Dataset> synthetic_records(std::int64_t train, std::int64_t val);

}  // namespace gadolin::bodypart
