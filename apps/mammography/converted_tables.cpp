// The tables of a converted set, and preparation.json.
#include <algorithm>
#include <map>

#include "apps/mammography/converted.h"
#include "apps/mammography/preparation.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace {

std::string class_of(const Film& film, const Lesion& lesion, const std::string& classes) {
  return classes == "kind" ? lesion.kind : classes == "lesion" ? "lesion" : verdict_of(film, lesion);
}

// A breast is a patient's side; a film of an unknown patient or side is a breast of its own.
std::string breast_of(const Film& film) {
  return film.patient.empty() || film.side.empty() ? film.file : cat(film.patient, "-", film.side);
}

CsvTable box_table(const Source& source, const Converted& converted, const std::string& classes) {
  std::map<std::string, std::string> breasts;
  for (const Film& film : source.films) {
    const auto [breast, fresh] = breasts.emplace(breast_of(film), verdict_of(film));
    if (!fresh) breast->second = worse(breast->second, verdict_of(film));
  }
  CsvTable table;
  table.header = {"path",          "x1",   "y1",   "x2",     "y2",   "class",          "patient",
                  "split",         "side", "view", "breast", "kind", "lesion_verdict", "image_verdict",
                  "breast_verdict"};
  const bool shapes = std::ranges::any_of(converted.films, [](const ConvertedFilm& film) {
    return std::ranges::find(film.round, true) != film.round.end();
  });
  if (shapes) table.header.emplace_back("shape");
  for (std::size_t i = 0; i < source.films.size(); ++i) {
    const Film& film = source.films[i];
    const auto row = [&](std::vector<std::string> box, const std::string& name, const std::string& kind,
                         const std::string& verdict, bool round) {
      std::vector<std::string> fields{converted.films[i].name};
      fields.insert(fields.end(), box.begin(), box.end());
      for (const std::string& field :
           {name, film.patient, std::string(split_name(film.split)), film.side, film.view,
            film.patient.empty() || film.side.empty() ? "" : breast_of(film), kind, verdict, verdict_of(film),
            breasts.at(breast_of(film))})
        fields.push_back(field);
      if (shapes) fields.emplace_back(round ? "ellipse" : "");
      table.rows.push_back(std::move(fields));
    };
    if (film.lesions.empty()) row({"", "", "", ""}, "", "", "", false);
    for (std::size_t b = 0; b < film.lesions.size(); ++b) {
      const Corners& box = converted.films[i].boxes[b];
      row({exact_text(box.x1), exact_text(box.y1), exact_text(box.x2), exact_text(box.y2)},
          class_of(film, film.lesions[b], classes), film.lesions[b].kind, film.lesions[b].verdict,
          converted.films[i].round[b]);
    }
  }
  return table;
}

Json preparation_of(const Source& source, const Converted& converted, const ConvertSettings& settings) {
  Json films = Json::array();
  for (std::size_t i = 0; i < source.films.size(); ++i) {
    const ConvertedFilm& f = converted.films[i];
    films.push_back({{"picture", f.name},
                     {"film", source.films[i].file},
                     {"film_size", {f.width, f.height}},
                     {"crop", {f.crop.x, f.crop.y, f.crop.width, f.crop.height}},
                     {"flipped", f.flipped},
                     {"black", f.black},
                     {"white", f.white},
                     {"monochrome1", f.inverted},
                     {"chest_wall", wall_name(f.wall)}});
  }
  return {{"form", preparation_form},
          {"settings", to_json(settings.film)},
          {"source", source.name},
          {"malignant", source.malignant},
          {"classes", settings.classes},
          {"left_out", source.left_out.size()},
          {"unmatched", source.unmatched.size()},
          {"sides", source.sides},
          {"notes", source.notes},
          {"films", std::move(films)}};
}

}  // namespace

void write_tables(const std::string& folder, const Source& source, const Converted& converted,
                  const ConvertSettings& settings) {
  if (source.truth) {
    const CsvTable boxes = box_table(source, converted, settings.classes);
    write_file_atomically(folder + "/boxes.csv", to_csv(boxes));
    std::set<std::string> names;
    for (const auto& row : boxes.rows)
      if (!row[5].empty()) names.insert(row[5]);
    CsvTable classes{"", {"name", "id"}, {}, {}};
    for (const std::string& name : names) classes.rows.push_back({name, std::to_string(classes.rows.size())});
    if (!names.empty()) write_file_atomically(folder + "/classes.csv", to_csv(classes));
  } else {
    CsvTable films{"", {"path", "patient", "side", "view"}, {}, {}};
    for (std::size_t i = 0; i < source.films.size(); ++i)
      films.rows.push_back(
          {converted.films[i].name, source.films[i].patient, source.films[i].side, source.films[i].view});
    write_file_atomically(folder + "/films.csv", to_csv(films));
  }
  CsvTable rest{"", {"kind", "name", "reason"}, {}, {}};
  for (const auto* list : {&source.unmatched, &source.left_out})
    for (const Remainder& r : *list) rest.rows.push_back({r.kind, r.name, r.reason});
  write_file_atomically(folder + "/left_out.csv", to_csv(rest));
  write_file_atomically(folder + "/preparation.json",
                        preparation_of(source, converted, settings).dump(1) + "\n");
}

}  // namespace gadolin::mammography
