// Films of NIH's table with their files, divided into training, validation and test.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "apps/chestxray/nih_source.h"
#include "data/sets/split.h"
#include "io/json.h"

namespace gadolin::chestxray {

// A row, a file or a list's entry that did not become a sample.
struct LeftOver {
  std::string kind;    // row, file or list
  std::string name;    // of the image or file
  std::string reason;  // "no file of this name"
  bool operator==(const LeftOver&) const = default;
};

struct DivisionOptions {
  bool random = false;     // by patient, with these shares; else by the lists
  SplitOptions shares;     // its seed also draws validation from the list
  double val_share = 0.1;  // of the patients of train_val, as near as whole patients allow; 0: no validation
  std::string train_val, test;  // files of lists; empty: those in the folder
};

// Films with a file, in the order of the table. The samples of `set` are named by their images and have no
// path, as the manifest decides where a path begins.
struct NihSet {
  NihTable table;
  FoundImages images;
  std::vector<std::size_t> row;  // of each sample, in table.films
  std::unique_ptr<Dataset> set;
  std::vector<LeftOver> left;  // rows, then files, then entries of lists
  Json division;               // kind, text, sha256, and what it was made of
};

// Joins table, images and lists. A film in neither list is left over. Throws DataError when no film has a
// file, where lists are missing, an image or a patient is in both of them, and what readers throw.
NihSet divide_nih(const std::string& root, NihTable table, const DivisionOptions& options);

}  // namespace gadolin::chestxray
