// preparation.json of a converted set: how its pictures were made of films, so that nobody has to guess.
#pragma once

#include <string>

#include "apps/mammography/film.h"

namespace gadolin::mammography {

constexpr const char* preparation_form = "gadolin mammography 1";

// The settings in force for the pictures of a set: of preparation.json beside its table. Throws DataError
// where the file is of another form, FileError where it is missing.
FilmSettings read_preparation(const std::string& path);

}  // namespace gadolin::mammography
