// Labelled pictures as the trainers of body parts open them: records of convert-data, or zeros to measure
// with.
#pragma once

#include <memory>
#include <string>

#include "data/sets/dataset.h"

namespace gadolin::bodypart {

// The samples in `folder` (TFRecords and everything else that open_dataset reads) without the first `offset`
// classes: `offset` is subtracted from every label. Throws UsageError for a --dataset-name other than dicom
// and for an offset that leaves fewer than two classes, DataError for a sample of a class that is left out;
// messages begin with `command`.
std::unique_ptr<Dataset> open_records(const std::string& command, const std::string& dataset_name,
                                      const std::string& folder, int offset);

// The same for training: the samples of `split` become the training samples. In a set without any splits, all
// samples do.
std::unique_ptr<Dataset> open_training_records(const std::string& command, const std::string& dataset_name,
                                               const std::string& folder, int offset,
                                               const std::string& split);

// Black pictures of 224 x 224 with 3 channels, `train` and `val` of them, of seven classes in turn.
std::unique_ptr<Dataset> synthetic_records(std::int64_t train, std::int64_t val);

}  // namespace gadolin::bodypart
