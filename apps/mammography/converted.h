// A source's films as pictures with boxes in a folder.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "apps/mammography/film.h"
#include "apps/mammography/source.h"

namespace gadolin::mammography {

struct ConvertSettings {
  FilmSettings film;
  std::string classes = "lesion";  // one class `lesion`; or one a `kind`; or a `verdict`
};

// One film that became a picture.
struct ConvertedFilm {
  std::string name;  // images/cbis-P_00038-L_CC.png
  std::string error;
  int width = 0, height = 0;  // of the film
  Box crop;
  bool flipped = false, inverted = false;
  double black = 0, white = 0;
  Wall wall = Wall::left;
  std::string header_side;  // of a DICOM file
  int picture_width = 0, picture_height = 0;
  std::vector<Corners> boxes;  // on the picture, as the film's lesions
  std::vector<bool> round;     // of these: an ellipse that touches the four sides, and not cut
  Image small;                 // the picture for a sheet, where it has boxes; 8 bits
  int cut = 0;                 // of these: by the edge of the film or of the crop
};

struct Converted {
  std::vector<ConvertedFilm> films;  // as source.films
  std::int64_t boxes = 0, cut = 0;
  std::int64_t failed = 0;  // films that could not be used
};

// Names of pictures, unique: SOURCE-PATIENT-SIDE_VIEW.png, whose first two parts between hyphens are the
// case.
std::vector<std::string> picture_names(const Source& source);
// Writes FOLDER/images/... with all threads. Films that cannot be used leave `source` for its left_out:
// damaged ones, ones without a breast, and ones with a lesion outside of what is kept. `step` is told how
// many are done.
Converted write_pictures(const std::string& folder, Source& source, const ConvertSettings& settings,
                         const std::function<void(std::int64_t)>& step);
// FOLDER/sheets/001.png and so on: every picture with its boxes, 100 on a sheet, for people to look through.
// Returns the number of sheets.
std::int64_t write_sheets(const std::string& folder, const Source& source, const Converted& converted);
// Films whose header says another side of the body than the source, and films whose chest wall lies on
// another side than that asks for, are added to source.sides.
void compare_sides(Source& source, const Converted& converted);
// boxes.csv, classes.csv (or films.csv without truth), left_out.csv, preparation.json.
void write_tables(const std::string& folder, const Source& source, const Converted& converted,
                  const ConvertSettings& settings);

}  // namespace gadolin::mammography
