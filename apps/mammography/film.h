// From a film as it is stored to the picture that a net sees: window, crop, flip, depth. One function, so
// that `detect film.dcm` sees the bits that `convert` wrote and training learnt from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/image/affine.h"
#include "data/image/physical.h"
#include "io/json.h"

namespace gadolin::mammography {

// How. Kept in preparation.json of a converted set and in checkpoints, as text.
struct FilmSettings {
  double low = 0.1, high = 99.9;  // percentiles of the values inside the breast that become black and white
  bool crop = true;               // to the breast; else the whole film
  bool flip = false;              // mirrored where the chest wall is on the right
  int bits = 16;                  // 8 or 16, of the picture
  bool operator==(const FilmSettings&) const = default;
};
// {"percentiles":[0.1,99.9],"crop":"breast","flip":"none","bits":16}; flip: none or left.
Json to_json(const FilmSettings& settings);
std::string to_text(const FilmSettings& settings);
// Everything must be there and of its type: "YES" is no flip. Throws DataError, beginning with `place`.
FilmSettings film_settings(const Json& json, const std::string& place);
FilmSettings film_settings_of_text(std::string_view text, const std::string& place);

enum class Wall { left, right };  // the side of a film on which the chest wall lies
const char* wall_name(Wall wall);

// Where on a film the breast is: Otsu's threshold (IEEE Trans. SMC 9, 1979) and the largest 8-connected
// component above it. What is above it on less than a tenth of the film is metal; then the threshold is that
// of the rest.
struct Breast {
  Box box;
  std::vector<bool> mask;  // [height, width] of the film
  std::int64_t pixels = 0;
  Wall wall = Wall::left;  // where its outline is higher: the first or the last tenth of the box
};
// Padding is air; where small values are bright (MONOCHROME1), values count from the other end. Throws
// DataError when all values are equal.
Breast find_breast(const PhysicalImage& film, std::string_view name);

struct FilmPicture {
  Image image;  // grey
  Affine map;   // from pixels of the film to pixels of `image`; inverse() leads back
  Box crop;     // of the film
  bool flipped = false;
  double black = 0, white = 0;  // values of the film at the ends of the window
  bool inverted = false;        // MONOCHROME1: after the window, once
  Wall wall = Wall::left;       // of the film, before a flip
};

// Values of a film's file: rescaled values of DICOM, samples of PNG, PGM and others; colours become grey.
// `bytes` is the whole file. Throws FormatError.
PhysicalImage read_film(std::span<const std::uint8_t> bytes, std::string_view name);

// The window cuts at percentiles: value v becomes (v - black) / (white - black) within 0 and 1; MONOCHROME1
// is inverted after that; padding is 0; then crop and flip. A window that DICOM names is not used: it differs
// between films of one set. Throws DataError when there is no breast.
FilmPicture prepare_film(const PhysicalImage& film, const FilmSettings& settings, std::string_view name);

}  // namespace gadolin::mammography
