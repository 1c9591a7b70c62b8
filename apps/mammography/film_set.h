// Films as their files are, prepared for a net as `convert` prepared those that it learnt from.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/mammography/film.h"
#include "data/sets/dataset.h"

namespace gadolin::mammography {

// DICOM files go through prepare_film with the settings that a checkpoint remembers; pictures, such as those
// that `convert` wrote, are taken as they are, and so is everything where `preparation` is empty. The same
// film gives the same bits either way.
class FilmSet : public Dataset {
 public:
  FilmSet(const std::vector<std::string>& files, const std::vector<std::string>& classes,
          const std::string& preparation);
  StoredImage read(std::int64_t i) const override;
  // From pixels of the film's file to those of the picture that read() gives.
  Affine map(std::int64_t i) const;

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::unique_ptr<Dataset>(new FilmSet(*this)); }

 private:
  struct Last;
  std::shared_ptr<const FilmPicture> prepared(std::int64_t i) const;  // null for what is taken as it is
  std::optional<FilmSettings> settings_;
  std::shared_ptr<Last> last_;
};

}  // namespace gadolin::mammography
