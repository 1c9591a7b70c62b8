#include "course/5/cases_films.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <fstream>
#include <stdexcept>

#include "data/dicom/made_up.h"
#include "io/csv.h"
#include "tensor/random.h"

namespace gadolin::course {
namespace fs = std::filesystem;
namespace {

constexpr int side = 64;

std::string padded(const char* before, std::int64_t n, int digits) {
  std::string number = std::to_string(n);
  return before +
         std::string(static_cast<std::size_t>(std::max(0, digits - static_cast<int>(number.size()))), '0') +
         number;
}

// Another way to write a patient's number, as hospitals do.
std::string other_spelling(const std::string& patient, std::int64_t which) {
  const std::string digits = patient.substr(3);
  switch (which) {
    case 0: return "pat" + digits;
    case 1: return "PAT " + digits;
    case 2: return "Pat-" + digits;
    default: return "PAT_" + digits;
  }
}

// Soft shapes: what a part looks like, moved and scaled a little for a person, and a little for a film.
struct Blob {
  double x, y, width, height, bright;
};
std::vector<Blob> shapes_of(int part) {
  switch (part) {
    case 0: return {{0, 0.1, 0.75, 0.8, 0.7}, {-0.2, 0, 0.2, 0.15, -0.3}, {0.25, 0.2, 0.25, 0.2, -0.3}};
    case 1: return {{0, 0, 0.9, 0.85, 0.6}, {-0.4, 0, 0.28, 0.6, -0.5}, {0.4, 0, 0.28, 0.6, -0.5}};
    case 2:
      return {{0, 0.4, 0.4, 0.35, 0.7},
              {-0.4, -0.3, 0.1, 0.4, 0.6},
              {-0.13, -0.45, 0.1, 0.4, 0.6},
              {0.13, -0.45, 0.1, 0.4, 0.6},
              {0.4, -0.3, 0.1, 0.4, 0.6}};
    case 3: return {{0, -0.1, 0.6, 0.75, 0.8}, {-0.2, 0, 0.13, 0.1, -0.5}, {0.2, 0, 0.13, 0.1, -0.5}};
    case 4: return {{0, 0, 0.22, 1, 0.8}, {0, 0.02, 0.4, 0.12, 0.3}};
    case 5: return {{-0.35, 0, 0.4, 0.5, 0.6}, {0.35, 0, 0.4, 0.5, 0.6}, {0, 0.3, 0.2, 0.2, -0.5}};
    default:
      return {{0, -0.75, 0.18, 0.2, 0.9},
              {0, -0.35, 0.2, 0.2, 0.9},
              {0, 0.05, 0.22, 0.2, 0.9},
              {0, 0.45, 0.24, 0.2, 0.9},
              {0, 0, 0.6, 1, 0.3}};
  }
}

Image pixels_of(const StoredFilm& film, std::size_t corner) {
  RandomStream person(static_cast<std::uint64_t>(film.person), 5),
      picture(static_cast<std::uint64_t>(film.picture), 6);
  const auto between = [](RandomStream& r, double low, double high) {
    return low + (high - low) * static_cast<double>(r.uniform());
  };
  const double scale = between(person, 0.85, 1.1) * between(picture, 0.9, 1.1),
               turn = between(picture, -0.25, 0.25), bright = between(person, 0.8, 1.2),
               dx = between(picture, -0.15, 0.15), dy = between(picture, -0.15, 0.15);
  const std::vector<Blob> shapes = shapes_of(film.part);
  Image image(side, side, 1, film.wide ? 16 : 8);
  for (int row = 0; row < side; ++row) {
    for (int column = 0; column < side; ++column) {
      const double px = 2.0 * column / side - 1 - dx, py = 2.0 * row / side - 1 - dy;
      const double x = (std::cos(turn) * px + std::sin(turn) * py) / scale,
                   y = (std::cos(turn) * py - std::sin(turn) * px) / scale;
      double value = 0.15;
      for (const Blob& b : shapes) {
        const double u = (x - b.x) / b.width, v = (y - b.y) / b.height;
        value += 0.5 * bright * b.bright * std::exp(-2 * (u * u + v * v));
      }
      value += 0.8 * (static_cast<double>(picture.uniform()) + static_cast<double>(picture.uniform()) - 1);
      if (film.marked) {
        const int in_x = corner % 2 == 0 ? column : side - 1 - column,
                  in_y = corner / 2 == 0 ? row : side - 1 - row;
        if (in_x >= 3 && in_x < 10 && in_y >= 3 && in_y < 10) value = 1;
      }
      auto level = static_cast<std::uint8_t>(std::clamp(std::lround(255 * value), 0L, 255L));
      if (film.inverted) level = static_cast<std::uint8_t>(255 - level);
      if (film.wide)
        image.row<std::uint16_t>(row)[column] = level;
      else
        image.row<std::uint8_t>(row)[column] = level;
    }
  }
  return image;
}

void store(const fs::path& file, const std::string& bytes) {
  std::ofstream out(file, std::ios::binary);
  out << bytes;
  if (!out.flush()) throw std::runtime_error(file.string() + ": cannot be written");
}

}  // namespace

const std::vector<std::string>& film_parts() {
  static const std::vector<std::string> names{"abdomen",         "chest",  "hand", "head",
                                              "musculoskeletal", "pelvis", "spine"};
  return names;
}
const std::vector<std::string>& film_corners() {
  static const std::vector<std::string> names{"upper left", "upper right", "lower left", "lower right"};
  return names;
}

FilmSet draw_films(Draw student) {
  constexpr std::int64_t patients = 48, each = 5, twice_named = 9, copied = 8, clean_patients = 21;
  FilmSet set;
  set.marked_part = static_cast<int>(student.integer(0, 6));
  set.corner = static_cast<std::size_t>(student.integer(0, 3));
  const std::int64_t seed = student.integer(1, 1'000'000) * 1000;
  const std::vector<std::int64_t> order = student.order(patients);
  std::int64_t file = 0;
  for (std::int64_t p = 0; p < patients; ++p) {
    const std::string name = padded("PAT", p + 1, 4);
    const auto place = std::find(order.begin(), order.end(), p) - order.begin();
    const std::string other = other_spelling(name, place % 4);
    if (place < twice_named) set.spellings.emplace_back(name, other);
    for (std::int64_t k = 0; k < each; ++k) {
      StoredFilm film;
      film.part = static_cast<int>((p + k) % 7);
      film.patient = place < twice_named && k >= 3 ? other : name;
      film.marked = film.part == set.marked_part && student.chance(0.9);
      film.inverted = student.chance(0.15);
      film.person = seed + p, film.picture = seed + 500 + file++;
      set.films.push_back(film);
    }
  }
  // A copy is filed under another patient, in 16 bits or inverted, so that no byte comparison finds it.
  const std::vector<std::int64_t> which = student.order(patients * each);
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  for (std::size_t c = 0; c < static_cast<std::size_t>(copied); ++c) {
    const auto from = static_cast<std::size_t>(which[c]);
    StoredFilm film = set.films[from];
    film.patient = padded("PAT", patients + 1 + static_cast<std::int64_t>(c), 4);
    film.wide = true, film.inverted = c % 2 == 0 ? film.inverted : !film.inverted;
    pairs.emplace_back(from, set.films.size());
    set.films.push_back(film);
  }
  // Names tell nothing of the order.
  const std::vector<std::int64_t> names = student.order(static_cast<std::int64_t>(set.films.size()));
  for (std::size_t i = 0; i < set.films.size(); ++i)
    set.films[i].name = padded("F", names[i] + 1, 4) + ".dcm";
  for (const auto& [first, second] : pairs)
    set.copies.emplace_back(set.films[first].name, set.films[second].name);
  std::sort(set.films.begin(), set.films.end(),
            [](const StoredFilm& a, const StoredFilm& b) { return a.name < b.name; });
  for (std::int64_t p = 0; p < clean_patients; ++p) {
    for (std::int64_t k = 0; k < 4; ++k) {
      StoredFilm film;
      film.spoilt = false;
      film.name = padded("C", 4 * p + k + 1, 4) + ".dcm";
      film.patient = padded("NEW", p + 1, 4);
      film.part = static_cast<int>((p + 2 * k) % 7);
      film.inverted = student.chance(0.15);
      film.person = seed + 300 + p, film.picture = seed + 900 + 4 * p + k;
      set.films.push_back(film);
    }
  }
  return set;
}

void write_films(const FilmSet& set, const fs::path& folder) {
  CsvTable tables[2];
  for (CsvTable& table : tables) table.header = {"path", "patient", "label"};
  int number = 0;
  for (const StoredFilm& film : set.films) {
    const std::string where = film.spoilt ? "spoilt" : "clean", id = std::to_string(++number);
    fs::create_directories(folder / where);
    std::string part = film_parts()[static_cast<std::size_t>(film.part)];
    tables[film.spoilt ? 0 : 1].rows.push_back({where + "/" + film.name, film.patient, part});
    for (char& c : part) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    store(
        folder / where / film.name,
        made_up_dicom({{dicom::sop_class, "1.2.840.10008.5.1.4.1.1.1"},
                       {dicom::sop_instance, "2.25." + std::to_string(film.person + 1) + "." + id},
                       {dicom::study_instance, "2.25." + std::to_string(film.person + 1)},
                       {dicom::series_instance, "2.25." + std::to_string(film.person + 1) + "." + id + ".1"},
                       {dicom::patient_id, film.patient},
                       {dicom::modality, "CR"},
                       {dicom::body_part, part},
                       {dicom::window_center, "128"},  // shows a level as it is
                       {dicom::window_width, "256"}},
                      pixels_of(film, set.corner), 8, film.inverted));
  }
  store(folder / "spoilt.csv", to_csv(tables[0]));
  store(folder / "clean.csv", to_csv(tables[1]));
}

}  // namespace gadolin::course
