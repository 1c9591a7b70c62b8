#include "apps/mammography/film_set.h"

#include <mutex>

#include "io/bytes.h"

namespace gadolin::mammography {

// A film is asked for several times: its size, its picture, its map.
struct FilmSet::Last {
  std::mutex mutex;
  std::string path;
  std::shared_ptr<const FilmPicture> film;
};

FilmSet::FilmSet(const std::vector<std::string>& files, const std::vector<std::string>& classes,
                 const std::string& preparation)
    : Dataset(classes, false, {}, ""), last_(std::make_shared<Last>()) {
  if (!preparation.empty()) settings_ = film_settings_of_text(preparation, "checkpoint: preparation");
  for (const std::string& file : files) {
    SampleInfo info;
    info.name = info.path = file;
    own_samples().push_back(std::move(info));
  }
}

std::shared_ptr<const FilmPicture> FilmSet::prepared(std::int64_t i) const {
  const std::string& path = info(i).path;
  if (!settings_) return nullptr;
  {
    const std::lock_guard lock(last_->mutex);
    if (last_->path == path) return last_->film;
  }
  const std::vector<std::uint8_t> bytes = read_bytes(path, ImageLimits{}.file_bytes);
  std::shared_ptr<const FilmPicture> film;
  if (image_format(bytes) == ImageFormat::dicom)
    film = std::make_shared<const FilmPicture>(prepare_film(read_film(bytes, path), *settings_, path));
  const std::lock_guard lock(last_->mutex);
  last_->path = path;
  last_->film = film;
  return film;
}

StoredImage FilmSet::read(std::int64_t i) const {
  if (const auto film = prepared(i)) return {{}, film->image};
  return Dataset::read(i);
}

Affine FilmSet::map(std::int64_t i) const {
  const auto film = prepared(i);
  return film ? film->map : Affine{};
}

}  // namespace gadolin::mammography
