// CBIS-DDSM: rows of its tables and files of its tree brought together.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>

#include "apps/mammography/cbis_files.h"
#include "data/dicom/dicom.h"
#include "io/csv.h"
#include "io/mapped_file.h"
#include "io/sha256.h"
#include "io/text.h"
#include "tensor/check.h"
#include "tensor/cpu/parallel.h"

namespace gadolin::mammography {
namespace fs = std::filesystem;
namespace {

struct CbisRow {
  std::string place;  // "mass_case_description_train_set.csv:12"
  CbisId id;
  std::string kind, verdict, film_path, crop_path, mask_path;
  Split split = Split::none;
  std::size_t film = 0;                 // in the tree
  std::vector<std::size_t> candidates;  // files one of which is the mask
  std::string problem, what;            // why there is no lesion; of a row or of a mask
  Lesion lesion;
};

class Cbis {
 public:
  Cbis(const std::string& root, const SourceOptions& options) : o_(options) {
    out_.name = "cbis-ddsm";
    out_.root = root;
    out_.malignant = "pathology MALIGNANT of the lesion; BENIGN and BENIGN_WITHOUT_CALLBACK are benign";
    if (o_.findings.empty()) o_.findings = {"all"};
  }

  Source read() {
    for (const std::string& file : files_below(out_.root))
      if (file.find("_case_description_") != std::string::npos && has_ending(file, ".csv")) read_table(file);
    require<DataError>(!rows_.empty(), "cbis-ddsm: ", printable(out_.root),
                       " has no mass_case_description_*.csv and no calc_case_description_*.csv with rows");
    tree_ = std::make_unique<CbisTree>(out_.root, out_.unmatched);
    for (CbisRow& row : rows_) match(row);
    read_masks();
    films();
    drop_other_findings(out_, o_);
    return std::move(out_);
  }

 private:
  CbisFile& file(std::size_t i) { return tree_->files()[i]; }

  void read_table(const std::string& name) {
    const CsvTable table = read_csv((fs::path(out_.root) / name).string());
    const auto at = [&](const char* column) { return static_cast<std::size_t>(table.column(column)); };
    const std::size_t patient = at("patient_id"), side = at("left or right breast"), view = at("image view"),
                      number = at("abnormality id"), type = at("abnormality type"),
                      pathology = at("pathology"), film = at("image file path"),
                      crop = at("cropped image file path"), mask = at("ROI mask file path");
    const std::string plain = fs::path(name).filename().string();
    const bool train = plain.find("train") != std::string::npos,
               test = plain.find("test") != std::string::npos;
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
      const auto field = [&](std::size_t column) { return std::string(trimmed(table.rows[i][column])); };
      CbisRow row;
      row.place = cat(plain, ":", table.lines[i]);
      const std::string place = "cbis-ddsm: " + row.place, text = field(number), verdict = field(pathology);
      row.kind = field(type);
      row.split = train == test ? Split::none : train ? Split::train : Split::test;
      const char* const part = row.split == Split::test ? "-Test_" : "-Training_";
      const auto id = cbis_id(cat(row.kind == "mass" ? "Mass" : "Calc", part, field(patient), "_",
                                  field(side), "_", field(view), "_", text));
      require<DataError>(id.has_value(), place, ": patient ", printable(field(patient), 40), ", side ",
                         printable(field(side), 40), ", view ", printable(field(view), 40), ", number ",
                         printable(text, 40), " are not like P_00038, LEFT or RIGHT, CC or MLO, 1");
      row.id = *id;
      require<DataError>(row.kind == "mass" || row.kind == "calcification", place, ": abnormality type '",
                         printable(row.kind, 40), "' is neither mass nor calcification");
      require<DataError>(
          verdict == "MALIGNANT" || verdict == "BENIGN" || verdict == "BENIGN_WITHOUT_CALLBACK", place,
          ": pathology '", printable(verdict, 40), "' is not MALIGNANT, BENIGN or BENIGN_WITHOUT_CALLBACK");
      row.verdict = verdict == "MALIGNANT" ? "malignant" : "benign";
      row.film_path = field(film);
      row.crop_path = field(crop);
      row.mask_path = field(mask);
      rows_.push_back(std::move(row));
      ++out_.rows;
    }
  }

  // By UIDs of the paths, else by kind, patient, side, view and number.
  void match(CbisRow& row) {
    CbisId whole = row.id;
    whole.number = 0;
    std::vector<std::size_t> films;
    for (const std::size_t i : tree_->by_path(row.film_path))
      if (!file(i).id || file(i).id->number == 0) films.push_back(i);
    if (films.empty()) films = tree_->by_id(whole);
    std::set<std::size_t> masks;
    for (const std::string& path : {row.mask_path, row.crop_path})
      for (const std::size_t i : tree_->by_path(path))
        if (!file(i).id || file(i).id->number != 0) masks.insert(i);
    if (masks.empty())
      for (const std::size_t i : tree_->by_id(row.id)) masks.insert(i);
    for (const std::size_t i : films) file(i).used = true;
    for (const std::size_t i : masks) file(i).used = true;
    row.what = "row";
    if (films.size() != 1)
      row.problem = films.empty()
                        ? "there is no film of it, neither by UID nor by patient, side and view"
                        : cat(films.size(), " files are its film, among them ", file(films[0]).path);
    else if (masks.empty())
      row.problem = "there is neither a mask nor a crop of it, by UID or by patient, side, view and number";
    if (films.size() == 1) row.film = films[0];
    has_film_.push_back(films.size() == 1);
    for (const std::size_t i : masks)
      if (films.empty() || i != films[0]) row.candidates.push_back(i);
  }

  void read_masks() {
    std::vector<std::exception_ptr> errors(rows_.size());
    parallel_for(std::ssize(rows_), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        CbisRow& row = rows_[static_cast<std::size_t>(i)];
        try {
          if (row.problem.empty()) read_mask(row);
        } catch (const FormatError& error) {
          row.problem = error.message();
        } catch (...) {
          errors[static_cast<std::size_t>(i)] = std::current_exception();
        }
      }
    });
    for (const auto& error : errors)
      if (error) std::rethrow_exception(error);
  }

  // The archive has masks and crops under one another's names, so pixels decide.
  void read_mask(CbisRow& row) {
    const CbisFile& film = file(row.film);
    std::optional<CbisMask> mask;
    for (const std::size_t i : row.candidates) {
      const CbisMask read = read_cbis_mask((fs::path(out_.root) / file(i).path).string());
      if (!read.is_mask) continue;
      const bool better = !mask || (mask->pixels == 0 && read.pixels > 0) ||
                          (read.pixels > 0 && same_aspect(read.width, read.height, film.width, film.height));
      if (better) mask = read;
    }
    row.what = "mask";
    if (!mask) {
      row.problem =
          cat("none of its ", row.candidates.size(), " files is a mask: all have more than two values");
    } else if (mask->pixels == 0) {
      row.problem = "its mask is empty";
    } else if (!same_aspect(mask->width, mask->height, film.width, film.height)) {
      row.problem = cat("its mask of ", mask->width, " x ", mask->height,
                        " has another aspect than the film of ", film.width, " x ", film.height);
    } else {
      row.what.clear();
      row.lesion = {scaled(mask->box, static_cast<double>(film.width) / mask->width,
                           static_cast<double>(film.height) / mask->height),
                    row.kind, row.verdict};
    }
  }

  std::string pixels_of(std::size_t i) {
    const DicomFile dicom = DicomFile::open((fs::path(out_.root) / file(i).path).string());
    const DicomElement* pixels = dicom.find(dicom::pixel_data);
    return pixels == nullptr ? "" : sha256_hex(dicom.raw(*pixels));
  }

  // One film a file; a film with masses and calcifications is in the archive twice and becomes one again.
  void films() {
    std::map<std::string, std::vector<std::size_t>> breasts;  // files by patient, side and view
    std::map<std::size_t, Film> by_file;
    std::set<std::size_t> incomplete;
    std::set<std::string> train, test;
    std::int64_t by_id = 0;
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      const CbisRow& row = rows_[r];
      if (!row.problem.empty()) {
        (row.what == "row" ? out_.unmatched : out_.left_out).push_back({row.what, row.place, row.problem});
        if (!has_film_[r]) continue;
      }
      CbisFile& source = file(row.film);
      const auto [film, fresh] = by_file.try_emplace(row.film);
      if (fresh) {
        film->second = {source.path, row.id.patient, row.id.side, row.id.view, "", row.split, {}};
        breasts[cat(row.id.patient, row.id.side, row.id.view)].push_back(row.film);
        out_.ids.insert(source.patient_id);
        by_id += tree_->by_path(row.film_path).empty();
        (row.split == Split::test ? test : train).insert(row.id.patient);
      }
      if (row.problem.empty())
        film->second.lesions.push_back(row.lesion);
      else
        incomplete.insert(row.film);
    }
    if (by_id > 0)
      out_.notes.push_back(
          cat(by_id, " films have no UID of their rows and were found by patient, side and view"));
    join_twins(breasts, by_file, incomplete);
    std::int64_t both = 0;
    for (const std::string& patient : test) both += train.contains(patient);
    if (both > 0)
      out_.notes.push_back(cat(
          both, " patients are in the archive's training and test part; all of their films go to training"));
    for (auto& [i, film] : by_file) {
      if (incomplete.contains(i)) {
        out_.left_out.push_back({"film", film.file, "a lesion on it has no mask that can be used"});
        continue;
      }
      if (train.contains(film.patient) && film.split == Split::test) film.split = Split::train;
      out_.films.push_back(std::move(film));
    }
    for (const CbisFile& f : tree_->files())
      if (!f.used) out_.unmatched.push_back({"file", f.path, "no row of a table is about it"});
  }

  void join_twins(const std::map<std::string, std::vector<std::size_t>>& breasts,
                  std::map<std::size_t, Film>& by_file, std::set<std::size_t>& incomplete) {
    std::int64_t twins = 0;
    for (const auto& [breast, files] : breasts) {
      if (files.size() < 2) continue;
      std::map<std::string, std::size_t> by_pixels;
      for (const std::size_t i : files) {
        const auto [first, fresh] = by_pixels.emplace(pixels_of(i), i);
        if (fresh) continue;
        auto& lesions = by_file[first->second].lesions;
        lesions.insert(lesions.end(), by_file[i].lesions.begin(), by_file[i].lesions.end());
        if (incomplete.contains(i)) incomplete.insert(first->second);
        by_file.erase(i);
        ++twins;
      }
    }
    if (twins > 0)
      out_.notes.push_back(cat(twins,
                               " films are in the archive twice, with masses and with calcifications; each "
                               "is one picture with both"));
  }

  SourceOptions o_;
  Source out_;
  std::vector<CbisRow> rows_;
  std::vector<bool> has_film_;  // as rows_
  std::unique_ptr<CbisTree> tree_;
};

}  // namespace

Source read_cbis(const std::string& root, const SourceOptions& options) {
  require_dicom("mammography convert");
  return Cbis(root, options).read();
}

}  // namespace gadolin::mammography
