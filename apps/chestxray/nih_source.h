// What lies in a folder of NIH's files: the table, the official lists, images at any depth.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "apps/chestxray/nih_table.h"

namespace gadolin::chestxray {

// A list of images, such as test_list.txt.
struct NihList {
  std::string name;                 // of the file, without folders
  std::vector<std::string> images;  // as they are written, without folders
  std::string sha256;               // over the names, sorted: the same for any order and ends of lines
};
// Throws DataError, with file and line, for a name that is there twice or is no name, and for a list without
// names.
NihList parse_nih_list(std::string_view text, const std::string& name);
NihList read_nih_list(const std::string& path);
// By the numbers of their names, 86,524 and 25,596.
bool official_lists(const NihList& train_val, const NihList& test);

// Images below a folder, found by their names without ending.
struct FoundImages {
  struct Place {
    std::size_t folder = 0;
    std::string file;
  };
  std::vector<std::string> folders;               // below the root; "" is the root itself
  std::unordered_map<std::string, Place> place;   // by stem_of the name
  std::vector<std::string> doubled;               // further files of a name that is there already, sorted
  std::string name_of(const Place& place) const;  // below the root
};
// Links to folders are followed, each folder once. Throws FileError.
FoundImages find_images(const std::string& root);

// Data_Entry*.csv in the folder. Throws DataError when there is none.
std::vector<std::string> find_nih_tables(const std::string& root);
// train_val_list.txt and test_list.txt, or another name that begins so; empty where there is none. Throws
// DataError when there are several.
std::string find_nih_list(const std::string& root, const std::string& begin);

}  // namespace gadolin::chestxray
