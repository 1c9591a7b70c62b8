// A folder of films of any kind: without truth, with a table of boxes, or all of them normal.
#include <filesystem>

#include "apps/mammography/source.h"
#include "data/dicom/anonymize.h"
#include "data/dicom/dicom.h"
#include "data/sets/boxes/detection_set.h"
#include "io/mapped_file.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace fs = std::filesystem;
namespace {

// What the header of a DICOM file says of whose film it is.
void read_header(const std::string& path, const SourceOptions& o, Film& film, Source& out) {
  const MappedFile mapped(path);
  if (!dicom_available() || !DicomFile::looks_like(mapped.text())) return;
  DicomOptions how;
  how.pixels = false;
  const DicomFile file(mapped.text(), path, how);
  const std::string id = file.text(dicom::patient_id);
  if (!id.empty()) {
    // A patient's own number stays in the clinic; the same patient has the same pseudonym everywhere.
    const std::string patient = o.keep_patient_ids ? id : patient_pseudonym(id, o.key);
    out.ids.insert(patient);
    if (film.patient.empty()) film.patient = patient;
  }
  if (film.side.empty()) film.side = side_of_header(file);
  film.view = file.text(dicom::view_position);
}

}  // namespace

Source read_films(const std::string& root, const SourceOptions& options) {
  Source out;
  out.name = "films";
  out.root = root;
  out.malignant = "nothing is known of malignancy";
  out.truth = options.normal || !options.boxes.empty();
  if (!options.boxes.empty()) {
    DatasetOptions how;
    how.image_folder = root;
    how.patient_until = options.patient_until;
    const auto set = open_box_table(options.boxes, how);
    out.rows = set->counts().rows;
    for (std::int64_t i = 0; i < set->size(); ++i) {
      Film film;
      film.file = fs::path(set->info(i).path).lexically_relative(root).string();
      film.patient = set->patient(i);
      film.side = set->picture(i).side;
      film.split = set->info(i).split;
      for (const MarkedBox& b : set->picture(i).boxes)
        film.lesions.push_back({{b.box.x1, b.box.y1, b.box.x2, b.box.y2},
                                set->classes()[static_cast<std::size_t>(b.box.label)],
                                "",
                                b.box.ellipse});
      out.films.push_back(std::move(film));
    }
    for (const std::string& note : set->notes()) out.notes.push_back(note);
  }
  std::set<std::string> listed;
  for (const Film& film : out.films) listed.insert(film.file);
  for (const std::string& name : files_below(root)) {
    if (!detail::is_image_file((fs::path(root) / name).string()) || listed.contains(name)) continue;
    if (!options.boxes.empty()) {
      out.unmatched.push_back({"file", name, "no row of the table of boxes names it"});
      continue;
    }
    Film film;
    film.file = name;
    const std::string plain = fs::path(name).filename().string();
    if (!options.patient_until.empty())
      film.patient = plain.substr(0, plain.find_first_of(options.patient_until));
    out.films.push_back(std::move(film));
  }
  require<DataError>(
      !out.films.empty(), "mammography convert: ", printable(root),
      " holds no films; DICOM, PNG, PGM, JPEG and BMP files are looked for in all its folders");
  for (Film& film : out.films) {
    try {
      read_header((fs::path(root) / film.file).string(), options, film, out);
    } catch (const FormatError&) {  // told when its pixels are read
    }
    if (out.truth && !film.lesions.empty()) continue;
    if (options.normal) film.verdict = "normal";
  }
  SourceOptions wanted = options;
  if (wanted.findings.empty()) wanted.findings = {"all"};
  drop_other_findings(out, wanted);
  return out;
}

}  // namespace gadolin::mammography
