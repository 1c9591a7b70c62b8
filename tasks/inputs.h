// Pictures that a user names one by one: files, folders, lists.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/sets/loader.h"

namespace gadolin {

// Folders become the images in them, sorted, or else their TFRecords, .txt files the paths they list. `deep`:
// with the images of the folders in them, such as those of classes. Throws FileError.
std::vector<std::string> expand_files(const std::vector<std::string>& given, bool deep = false);
// What is made of each file is called so: its stem, with folders in front where several would be called the
// same
// ("cat_1", "dog_1"), and a number where that does not tell them apart.
std::vector<std::string> distinct_stems(const std::vector<std::string>& files);
// Whether an argument means TFRecords: by its name, or a pattern.
bool means_tfrecords(const std::string& path);
// The pictures of all of them in their order, TFRecords (of options.image_key and name_key) among files;
// labels are not looked for. Throws UsageError when there is nothing, beginning with `command`.
std::unique_ptr<Dataset> open_inputs(const std::string& command, const std::vector<std::string>& given,
                                     const std::vector<std::string>& classes,
                                     const DatasetOptions& options = {});
// A set of these files without labels.
std::unique_ptr<Dataset> file_set(const std::vector<std::string>& files,
                                  const std::vector<std::string>& classes);
// Sample `i` as a batch of one: what the net makes of it does not depend on what else was asked for.
Batch one_sample(const Dataset& set, std::int64_t i, const Pipeline& pipeline, Device device);
// What one_sample shows the net, as a picture, and where the sample's pixels came to lie in it.
Transformed seen_sample(const Dataset& set, std::int64_t i, const Pipeline& pipeline);

}  // namespace gadolin
