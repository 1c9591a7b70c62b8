// Pictures that a user names one by one: files, folders, lists.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/loader.h"

namespace gadolin {

// Folders become the images in them, sorted, .txt files the paths they list. Throws FileError, beginning with `command`.
std::vector<std::string> expand_files(const std::string& command, const std::vector<std::string>& given);
// A set of these files without labels.
std::unique_ptr<Dataset> file_set(const std::vector<std::string>& files, const std::vector<std::string>& classes);
// Sample `i` as a batch of one: what the net makes of it does not depend on what else was asked for.
Batch one_sample(const Dataset& set, std::int64_t i, const Pipeline& pipeline, Device device);

}  // namespace gadolin
