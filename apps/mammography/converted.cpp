// Films into pictures: names, pixels, moved boxes.
#include "apps/mammography/converted.h"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <map>
#include <set>

#include "data/dicom/dicom.h"
#include "data/image/resize.h"
#include "io/atomic_file.h"
#include "io/mapped_file.h"
#include "tasks/contact_sheet.h"
#include "tensor/check.h"
#include "tensor/cpu/parallel.h"

namespace gadolin::mammography {
namespace fs = std::filesystem;
namespace {

// Letters, digits, points and underscores of a text.
std::string plain(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool keep = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.';
    out += keep ? c : '_';
  }
  return out;
}

void convert_film(const std::string& folder, const Source& source, const Film& film,
                  const FilmSettings& settings, ConvertedFilm& out) {
  const MappedFile file((fs::path(source.root) / film.file).string());
  const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(file.data()), file.size());
  const PhysicalImage values = read_film(bytes, film.file);
  if (dicom_available() && DicomFile::looks_like(file.text())) {
    DicomOptions header;
    header.pixels = false;
    out.header_side = side_of_header(DicomFile(file.text(), film.file, header));
  }
  const FilmPicture picture = prepare_film(values, settings, film.file);
  out.width = values.width;
  out.height = values.height;
  out.crop = picture.crop;
  out.flipped = picture.flipped;
  out.inverted = picture.inverted;
  out.black = picture.black;
  out.white = picture.white;
  out.wall = picture.wall;
  out.picture_width = picture.image.width;
  out.picture_height = picture.image.height;
  for (const Lesion& lesion : film.lesions) {
    const MovedBox box = moved(lesion.box, picture.map, picture.image.width, picture.image.height);
    require<DataError>(box.inside > 0, "film: ", printable(film.file), ": the lesion at ", lesion.box.x1, " ",
                       lesion.box.y1, " ", lesion.box.x2, " ", lesion.box.y2, " lies outside the ",
                       out.crop.width, " x ", out.crop.height, " pixels that are kept");
    const bool cut = box.inside < 1 - 1e-9;
    out.cut += cut;
    out.boxes.push_back(box.box);
    out.round.push_back(lesion.ellipse && !cut);
  }
  if (!out.boxes.empty()) {
    const double share = std::min(1.0, 240.0 / std::max(picture.image.width, picture.image.height));
    const auto side = [&](int pixels) { return std::max(1, static_cast<int>(share * pixels)); };
    out.small = resize(to_8bit(picture.image), side(picture.image.width), side(picture.image.height));
  }
  write_png(folder + "/" + out.name, picture.image, 3);
}

}  // namespace

std::vector<std::string> picture_names(const Source& source) {
  std::vector<std::string> names;
  std::set<std::string> taken;
  const std::string head = source.name == "cbis-ddsm"   ? "cbis"
                           : source.name == "mini-mias" ? "mias"
                                                        : source.name;
  for (const Film& film : source.films) {
    const std::string owner =
        film.patient.empty() ? fs::path(film.file).replace_extension().string() : film.patient;
    std::string stem = cat("images/", head, "-", plain(owner));
    if (!film.side.empty() || !film.view.empty())
      stem += cat("-", film.side, film.side.empty() || film.view.empty() ? "" : "_", plain(film.view));
    std::string name = stem;
    for (int n = 2; !taken.insert(name).second; ++n) name = cat(stem, "_", n);
    names.push_back(name + ".png");
  }
  return names;
}

Converted write_pictures(const std::string& folder, Source& source, const ConvertSettings& settings,
                         const std::function<void(std::int64_t)>& step) {
  make_folders("mammography convert", folder + "/images");
  Converted all;
  all.films.resize(source.films.size());
  const std::vector<std::string> names = picture_names(source);
  for (std::size_t i = 0; i < names.size(); ++i) all.films[i].name = names[i];
  std::vector<std::exception_ptr> errors(names.size());
  const auto count = std::ssize(names), chunk = static_cast<std::ptrdiff_t>(4 * num_threads());
  for (std::ptrdiff_t at = 0; at < count; at += chunk) {
    const std::ptrdiff_t here = std::min(chunk, count - at);
    parallel_for(here, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        const auto i = static_cast<std::size_t>(at + k);
        try {
          convert_film(folder, source, source.films[i], settings.film, all.films[i]);
        } catch (const FormatError& error) {
          all.films[i].error = error.message();
        } catch (const DataError& error) {
          all.films[i].error = error.message();
        } catch (...) {
          errors[i] = std::current_exception();
        }
      }
    });
    for (const auto& error : errors)
      if (error) std::rethrow_exception(error);
    step(at + here);
  }
  std::vector<Film> films;
  std::vector<ConvertedFilm> done;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!all.films[i].error.empty()) {
      source.left_out.push_back({"film", source.films[i].file, all.films[i].error});
      ++all.failed;
      continue;
    }
    all.boxes += std::ssize(all.films[i].boxes);
    all.cut += all.films[i].cut;
    films.push_back(std::move(source.films[i]));
    done.push_back(std::move(all.films[i]));
  }
  source.films = std::move(films);
  all.films = std::move(done);
  return all;
}

std::int64_t write_sheets(const std::string& folder, const Source& source, const Converted& converted) {
  std::int64_t sheets = 0;
  ContactSheet sheet("", 200);
  const auto finish = [&] {
    if (sheet.size() == 0) return;
    make_folders("mammography convert", folder + "/sheets");
    char name[32];
    std::snprintf(name, sizeof name, "/sheets/%03d.png", static_cast<int>(++sheets));
    write_png(folder + name, sheet.image());
    sheet = ContactSheet("", 200);
  };
  for (std::size_t i = 0; i < source.films.size(); ++i) {
    const ConvertedFilm& film = converted.films[i];
    if (film.small.width == 0) continue;
    const double x = static_cast<double>(film.small.width) / film.picture_width,
                 y = static_cast<double>(film.small.height) / film.picture_height;
    std::vector<DrawnBox> boxes;
    for (const Corners& b : film.boxes) {
      boxes.emplace_back();
      boxes.back().box = {b.x1 * x, b.y1 * y, b.x2 * x, b.y2 * y};
    }
    sheet.add(film.small, boxes, {fs::path(film.name).stem().string()});
    if (sheet.size() == 100) finish();
  }
  finish();
  return sheets;
}

void compare_sides(Source& source, const Converted& converted) {
  for (std::size_t i = 0; i < source.films.size(); ++i) {
    const Film& film = source.films[i];
    const Wall wall = converted.films[i].wall;
    const std::string& header = converted.films[i].header_side;
    if (!film.side.empty() && !header.empty() && header != film.side)
      source.sides.push_back(
          cat(film.file, ": its header says side ", header, ", ", source.name, " says ", film.side));
    if (film.side.empty() || (film.side == "L") == (wall == Wall::left)) continue;
    source.sides.push_back(cat(film.file, ": it is said to be of side ", film.side,
                               ", whose chest wall is on the ", film.side == "L" ? "left" : "right",
                               "; on the film it is on the ", wall_name(wall)));
  }
}

}  // namespace gadolin::mammography
