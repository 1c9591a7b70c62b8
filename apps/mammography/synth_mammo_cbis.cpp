// Made-up films as CBIS-DDSM is handed out: tables of lesions, and a tree of DICOM files with films, masks
// and crops.
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>

#include "apps/mammography/synth_mammo.h"
#include "data/dicom/anonymize.h"
#include "data/image/resize.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace fs = std::filesystem;
namespace {

class SynthCbis {
 public:
  SynthCbis(const std::string& folder, const SynthMammoOptions& o) : folder_(folder), o_(o) {
    const std::vector<std::string> header{"patient_id",
                                          "breast density",
                                          "left or right breast",
                                          "image view",
                                          "abnormality id",
                                          "abnormality type",
                                          "assessment",
                                          "pathology",
                                          "subtlety",
                                          "image file path",
                                          "cropped image file path",
                                          "ROI mask file path"};
    for (CsvTable& table : tables_) table.header = header;
  }

  SynthCount write() {
    for (int p = 0; p < o_.patients; ++p) {
      bool any = false;
      for (const bool left : {true, false}) {
        for (const bool cc : {true, false}) {
          const SynthMammogram film = synth_mammogram(o_, p, left, cc);
          if (film.lesions.empty()) continue;
          any = true;
          for (const bool mass : {true, false}) part(film, mass);
        }
      }
      count_.abnormal += any;
    }
    if (o_.has("unmatched")) {
      CsvTable& table = tables_[0];
      std::vector<std::string> row{"P_99999", "2", "LEFT", "CC", "1", "mass", "4", "MALIGNANT", "3"};
      for (const char* name : {"Mass-Training_P_99999_LEFT_CC", "Mass-Training_P_99999_LEFT_CC_1"})
        row.push_back(cat(name, "/1.2.3/1.2.4/000000.dcm"));
      row.push_back(row.back());
      table.rows.push_back(std::move(row));
      const SynthMammogram normal = synth_mammogram(o_, o_.patients, true, true);
      file("Mass-Test_P_88888_LEFT_CC", "full mammogram images", normal.pixels, synth_mammo_bits,
           normal.inverted, 1, "88888");
    }
    const char* const names[] = {"mass_case_description_train_set.csv", "mass_case_description_test_set.csv",
                                 "calc_case_description_train_set.csv", "calc_case_description_test_set.csv"};
    for (std::size_t t = 0; t < 4; ++t)
      write_file_atomically((fs::path(folder_) / names[t]).string(), to_csv(tables_[t]));
    return count_;
  }

 private:
  // Lesions of one kind on one film; a film with both kinds is in the archive twice.
  void part(const SynthMammogram& film, bool mass) {
    const bool test = film.patient % 5 == 4;
    char patient[16];
    std::snprintf(patient, sizeof patient, "P_%05d", film.patient + 1);
    const std::string stem = cat(mass ? "Mass" : "Calc", test ? "-Test_" : "-Training_", patient,
                                 film.left ? "_LEFT_" : "_RIGHT_", film.cc ? "CC" : "MLO");
    std::string film_path;
    int number = 0;
    for (const SynthLesion& lesion : film.lesions) {
      if (lesion.mass != mass) continue;
      if (film_path.empty()) {
        film_path =
            file(stem, "full mammogram images", film.pixels, synth_mammo_bits, film.inverted, 1, stem);
        ++count_.films;
      }
      ++number;
      ++count_.lesions;
      const std::string id = cat(stem, "_", number);
      const Image mask = mask_of(lesion, film.pixels), crop = crop_of(lesion, film.pixels);
      std::string mask_path = file(id, "ROI mask images", mask, 8, false, 2, id),
                  crop_path = file(id, "cropped images", crop, synth_mammo_bits, film.inverted, 1, id);
      if (o_.has("swapped") && count_.lesions % 3 == 1) std::swap(mask_path, crop_path);
      tables_[static_cast<std::size_t>(2 * !mass + test)].rows.push_back(
          {patient, "2", film.left ? "LEFT" : "RIGHT", film.cc ? "CC" : "MLO", std::to_string(number),
           mass ? "mass" : "calcification", lesion.malignant ? "5" : "3",
           lesion.malignant          ? "MALIGNANT"
           : count_.lesions % 2 == 0 ? "BENIGN"
                                     : "BENIGN_WITHOUT_CALLBACK",
           "4", film_path, crop_path, mask_path + "\n"});
    }
  }

  Image mask_of(const SynthLesion& lesion, const Image& film) const {
    Image mask = synth_mask(lesion, film.width, film.height);
    const bool aspect = o_.has("aspect") && count_.lesions == 2;
    if (!aspect && (!o_.has("mask-size") || count_.lesions % 4 != 1)) return mask;
    mask = resize(mask, film.width * 5 / 4, film.height * (aspect ? 6 : 5) / (aspect ? 5 : 4));
    for (std::uint8_t& v : mask.pixels) v = v >= 128 ? 255 : 0;
    return mask;
  }

  static Image crop_of(const SynthLesion& lesion, const Image& film) {
    const auto cut = [](double at, int most) { return std::clamp(static_cast<int>(at), 0, most); };
    const double r = 1.5 * lesion.radius;
    const int x1 = cut(lesion.centre.x - r, film.width - 1),
              x2 = cut(lesion.centre.x + r, film.width - 1) + 1,
              y1 = cut(lesion.centre.y - r, film.height - 1),
              y2 = cut(lesion.centre.y + r, film.height - 1) + 1;
    Image crop(x2 - x1, y2 - y1, 1, 16);
    for (int y = y1; y < y2; ++y)
      std::copy_n(film.row<std::uint16_t>(y) + x1, x2 - x1, crop.row<std::uint16_t>(y - y1));
    return crop;
  }

  // Writes one file and returns the path that a table gives it.
  std::string file(const std::string& id, const std::string& what, const Image& pixels, int bits,
                   bool inverted, int number, const std::string& salt) {
    const std::string key = cat("gadolin synth mammo ", o_.seed),
                      study = replaced_uid(cat("study ", salt), key),
                      series = replaced_uid(cat("series ", salt), key);
    SynthTexts texts = synth_mammo_texts(id, study, series, replaced_uid(cat(what, salt), key));
    texts.emplace_back(dicom::series_description, what);
    const fs::path place = fs::path(folder_) / "CBIS-DDSM" / id / study / series / cat("1-", number, ".dcm");
    make_folders("synth", place.parent_path().string());
    write_file_atomically(place.string(), synth_mammo_dicom(texts, pixels, bits, inverted));
    const bool foreign = o_.has("uids") && count_.films % 3 == 0;
    return cat(id, "/", foreign ? "1.3.6.1.4.1.9590.1" : study, "/", foreign ? "1.3.6.1.4.1.9590.2" : series,
               "/00000", number - 1, ".dcm");
  }

  const std::string& folder_;
  const SynthMammoOptions& o_;
  std::array<CsvTable, 4> tables_;  // mass and calcification, each training and test
  SynthCount count_;
};

}  // namespace

SynthCount write_synth_cbis(const std::string& folder, const SynthMammoOptions& options) {
  return SynthCbis(folder, options).write();
}

}  // namespace gadolin::mammography
