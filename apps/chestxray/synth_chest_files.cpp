// Made-up chest films as NIH hands its films out.
#include <algorithm>
#include <filesystem>

#include "apps/chestxray/nih_table.h"
#include "apps/chestxray/synth_chest.h"
#include "data/dicom/dictionary.h"
#include "data/dicom/made_up.h"
#include "io/atomic_file.h"
#include "io/sha256.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::chestxray {
namespace fs = std::filesystem;
namespace {

constexpr int dicom_bits = 12;

// A UID below the root for made-up numbers, of 30 digits of a hash.
std::string uid_of(const std::string& text) {
  std::string digits;
  for (const char c : sha256_hex(text).substr(0, 30))
    digits += static_cast<char>('0' + (c <= '9' ? c - '0' : c - 'a'));
  return "2.25.1" + digits;
}

std::string dicom_of(const SynthChestFilm& film, std::uint64_t seed) {
  const std::string key = cat("gadolin synth chest ", seed, " ", film.patient), id = cat(film.patient);
  char age[8];
  std::snprintf(age, sizeof age, "%03dY", film.age);
  const DicomTexts texts{
      {dicom::character_set, "ISO_IR 100"},
      {dicom::sop_class, "1.2.840.10008.5.1.4.1.1.1.1"},  // digital X-ray, for presentation
      {dicom::sop_instance, uid_of(cat(key, " film ", film.follow_up))},
      {dicom::modality, "DX"},
      {dicom::manufacturer, "Gadolin"},
      {dicom::patient_name, id},
      {dicom::patient_id, id},
      {dicom::patient_sex, film.male ? "M" : "F"},
      {dicom::patient_age, age},
      {dicom::body_part, "CHEST"},
      {dicom::view_position, film.view},
      {dicom::study_instance, uid_of(cat(key, " study ", film.follow_up))},
      {dicom::series_instance, uid_of(cat(key, " series ", film.follow_up))},
      {dicom::instance_number, "1"},
      {0x00204000, "MADE UP, NO PATIENT"}};
  Image deep(film.pixels.width, film.pixels.height, 1, 16);
  for (std::size_t i = 0; i < deep.numel(); ++i)
    deep.data<std::uint16_t>()[i] = static_cast<std::uint16_t>(film.pixels.data<std::uint8_t>()[i] * 16);
  return made_up_dicom(texts, deep, dicom_bits, false);
}

std::string findings_text(const SynthChestFilm& film) {
  std::string text;
  for (const ChestSign& s : film.signs)
    text += (text.empty() ? "" : "|") + nih_labels()[static_cast<std::size_t>(s.label)];
  return text.empty() ? no_finding : text;
}

std::string table_row(const SynthChestFilm& film) {
  return cat(film.image(), ",", findings_text(film), ",", film.follow_up, ",", film.patient, ",", film.age,
             ",", film.male ? "M" : "F", ",", film.view, ",", film.pixels.width, ",", film.pixels.height,
             ",0.143,0.143,\n");
}

std::string box_rows(const SynthChestFilm& film) {
  std::string rows;
  for (const ChestSign& s : film.signs)
    rows +=
        cat(film.image(), ",", nih_labels()[static_cast<std::size_t>(s.label)], ",",
            fixed((s.x - s.rx) * film.pixels.width, 2), ",", fixed((s.y - s.ry) * film.pixels.height, 2), ",",
            fixed(2 * s.rx * film.pixels.width, 2), ",", fixed(2 * s.ry * film.pixels.height, 2), ",,,\n");
  return rows;
}

}  // namespace

SynthChestCount write_synth_chest(const std::string& folder, const SynthChestOptions& o) {
  const fs::path root = folder, images = root / "images_001" / "images";
  make_folders("synth", images.string());
  std::string table =
      "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
      "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n";
  std::string boxes = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n", more = "Image Index,site,marker\n",
              train_val, test;
  SynthChestCount count;
  for (int patient = 1; patient <= o.patients; ++patient) {
    for (const SynthChestFilm& film : synth_chest_patient(o, patient)) {
      const std::string name = film.image(), stem(stem_of(name));
      if (o.dicom)
        write_file_atomically((images / (stem + ".dcm")).string(), dicom_of(film, o.seed));
      else
        write_png((images / name).string(), film.pixels);
      table += table_row(film);
      boxes += box_rows(film);
      more += cat(name, ",", film.site, ",", film.marker ? "yes" : "no", "\n");
      (film.test ? test : train_val) += name + "\n";
      ++count.films;
      count.test += film.test;
      count.boxes += std::ssize(film.signs);
    }
  }
  write_file_atomically((root / "Data_Entry_2017.csv").string(), table);
  write_file_atomically((root / "BBox_List_2017.csv").string(), boxes);
  write_file_atomically((root / "made_up.csv").string(), more);
  write_file_atomically((root / "train_val_list.txt").string(), train_val);
  write_file_atomically((root / "test_list.txt").string(), test);
  return count;
}

}  // namespace gadolin::chestxray
