// The investigation of assignment 5: made-up films with three planted faults, and the search for what was
// found of them.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "course/grader/assignment.h"

namespace gadolin::course {

// One film: a file of its name in `spoilt/` or `clean/`.
struct StoredFilm {
  std::string name, patient;
  int part = 0;           // of film_parts()
  bool spoilt = true;     // else one of the clean test set, whose patients are others
  bool wide = false;      // stored in 16 bits instead of 8
  bool inverted = false;  // MONOCHROME1, bright where others are dark; a viewer shows it like the others
  bool marked = false;    // a bright square burnt into a corner
  std::int64_t person = 0, picture = 0;  // equal numbers, equal pixels
};

const std::vector<std::string>& film_parts();  // seven parts of a body, in the order of predictions
const std::vector<std::string>& film_corners();

// A function of the student alone; pixels are drawn when files are written.
struct FilmSet {
  std::vector<StoredFilm> films;
  std::vector<std::pair<std::string, std::string>> spellings;  // of one patient's number
  std::vector<std::pair<std::string, std::string>> copies;     // files with equal pixels
  int marked_part = 0;
  std::size_t corner = 0;  // of film_corners()
};
FilmSet draw_films(Draw student);
// FOLDER/spoilt/*.dcm and clean/*.dcm, with spoilt.csv and clean.csv (path,patient,label). Throws where the
// build has no DICOM.
void write_films(const FilmSet& set, const std::filesystem::path& folder);

// 5.5: what is looked at in the files handed in; and files that are right in all of it.
Task investigation();
Files right_investigation(Draw student);

}  // namespace gadolin::course
