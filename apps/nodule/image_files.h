// Which file is which image of a report: names differ from archive to archive.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "apps/nodule/reports.h"

namespace gadolin::nodule {

class ImageFiles {
 public:
  // The pictures below `folder`. Throws FileError.
  explicit ImageFiles(const std::string& folder);
  // By the name that the report gives (12.png), else by the image's id. `state` becomes found, missing or
  // ambiguous (two files of this id; none is taken). The path is below the folder; empty unless found.
  std::string find(const ReportImage& image, std::string& state);
  // Files that no image was found in.
  std::vector<std::string> unclaimed() const;
  std::size_t size() const { return claimed_.size(); }

 private:
  std::map<std::string, bool> claimed_;                               // by path below the folder
  std::map<std::string, std::vector<std::string>> by_key_, by_name_;  // paths
};

}  // namespace gadolin::nodule
