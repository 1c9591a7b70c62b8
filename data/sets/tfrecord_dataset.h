// Labelled pictures in TFRecords and back: the keys of TF-Slim, image/encoded, image/class/label and so on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/sets/dataset.h"

namespace gadolin {

// The records of a file, of a pattern or of a folder (tfrecord_files) as a data set; the keys are those of
// DatasetOptions. Labels are numbers, named by labels.txt (number:name a line) beside the files or above, or
// texts; an empty list of labels makes the set multi-label. Splits come from names of files or folders:
// train, val, validation, test. A sample is called by its name_key, or FILE:RECORD where that is missing or
// not unique. Opening reads labels only; every picture is held against its checksum when it is read. Throws
// DataError for a missing feature, FormatError with record and byte for damage.
std::unique_ptr<Dataset> open_tfrecords(const std::string& path, const DatasetOptions& options = {});

// Writes PATH (or its shards) with image/encoded, format, height, width, filename, class/label and
// patient_id, where known. JPEG, PNG and BMP files go in byte for byte, other pictures as PNG. Returns the
// files, which appear together with the last record.
std::vector<std::string> write_tfrecords(const std::string& path, const Dataset& dataset, int shards = 1);
// labels.txt: number:name a line.
void write_class_names(const std::string& path, const std::vector<std::string>& classes);
// The other way round, for any data set: FOLDER/images/000000.jpg ... and FOLDER/manifest.csv. Returns how
// many.
std::int64_t unpack_dataset(const std::string& folder, const Dataset& dataset);

}  // namespace gadolin
