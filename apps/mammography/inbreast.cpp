// INbreast: films, sheet and contours.
#include <algorithm>
#include <filesystem>
#include <map>

#include "apps/mammography/inbreast_xml.h"
#include "apps/mammography/source.h"
#include "data/dicom/dicom.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "io/mapped_file.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace fs = std::filesystem;
namespace {

// NUMBER_PATIENT_MG_SIDE_VIEW_ANON.dcm
struct InbreastName {
  std::string number, patient, side, view;
};
InbreastName inbreast_name(const std::string& file) {
  std::vector<std::string> parts(1);
  for (const char c : fs::path(file).stem().string())
    if (c == '_')
      parts.emplace_back();
    else
      parts.back() += c;
  InbreastName name{parts[0], "", "", ""};
  if (parts.size() < 5 || parts[2] != "MG") return name;
  name.patient = parts[1];
  name.side = parts[3];
  name.view = parts[4] == "ML" ? "MLO" : parts[4];
  return name;
}

// "Spiculated Region" and "Espiculated Region" are one kind, "Calcifications" are several of one.
std::string kind_of(const std::string& name) {
  std::string low;
  for (const char c : name)
    if (c != ' ') low += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (low.starts_with("calcification")) return "calcification";
  if (low.find("piculat") != std::string::npos) return "spiculated";
  if (low.starts_with("asymmet") || low.starts_with("assymet")) return "asymmetry";
  if (low.find("distor") != std::string::npos) return "distortion";
  return low;
}

class Inbreast {
 public:
  Inbreast(const std::string& root, const SourceOptions& options) : o_(options) {
    out_.name = "inbreast";
    out_.root = root;
    out_.malignant = cat("BI-RADS of the film 4 to 6; 1 and 2 are benign, 3 is ", o_.birads_3,
                         "; an assessment of the whole film, no biopsy of a lesion");
    if (o_.findings.empty()) o_.findings = {"mass"};
  }

  Source read() {
    std::string sheet = o_.sheet;
    for (const std::string& file : files_below(out_.root)) {
      const std::string whole = (fs::path(out_.root) / file).string();
      if (has_ending(file, ".dcm"))
        film(file);
      else if (has_ending(file, ".xml") && o_.xml.empty())
        contours_.emplace(fs::path(file).stem().string(), whole);
      else if (sheet.empty() && fs::path(file).filename() == "INbreast.csv")
        sheet = whole;
    }
    require<DataError>(!films_.empty(), "inbreast: ", printable(out_.root), " holds no .dcm files");
    if (!o_.xml.empty()) only(o_.xml);
    if (sheet.empty())
      out_.notes.emplace_back("no sheet (INbreast.csv): nothing is known of BI-RADS");
    else
      read_sheet(sheet);
    std::int64_t contours = 0;
    for (const auto& [number, file] : contours_) contours += read_contours(number, file);
    out_.rows = contours;
    for (auto& [number, film] : films_) out_.films.push_back(std::move(film));
    drop_other_findings(out_, o_);
    return std::move(out_);
  }

 private:
  void film(const std::string& file) {
    const InbreastName name = inbreast_name(file);
    Film film;
    film.file = file;
    film.patient = name.patient;
    film.side = name.side == "L" || name.side == "R" ? name.side : "";
    film.view = name.view;
    if (name.patient.empty()) {
      out_.unmatched.push_back({"file", file, "its name is not NUMBER_PATIENT_MG_SIDE_VIEW_ANON.dcm"});
      return;
    }
    out_.ids.insert(name.patient);
    const auto [other, fresh] = films_.emplace(name.number, film);
    require<DataError>(fresh, "inbreast: ", printable(file), " and ", printable(other->second.file),
                       " have one number");
  }

  // One XML file or a folder of them, anywhere. One file is about its own film alone.
  void only(const std::string& xml) {
    std::error_code error;
    if (fs::is_directory(xml, error)) {
      for (const std::string& file : files_below(xml))
        if (has_ending(file, ".xml"))
          contours_.emplace(fs::path(file).stem().string(), (fs::path(xml) / file).string());
      require<DataError>(!contours_.empty(), "inbreast: ", printable(xml), " holds no .xml files");
      return;
    }
    const std::string number = fs::path(xml).stem().string();
    const auto own = films_.find(number);
    require<DataError>(own != films_.end(), "inbreast: ", printable(xml), ": there is no film ",
                       printable(number), "_....dcm in ", printable(out_.root));
    contours_.emplace(number, xml);
    std::map<std::string, Film> one;
    one.emplace(number, std::move(own->second));
    films_ = std::move(one);
    single_ = true;
  }

  void read_sheet(const std::string& path) {
    const std::vector<std::uint8_t> bytes = read_bytes(path, 64 << 20);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    require<DataError>(!text.starts_with("\xD0\xCF\x11\xE0") && !text.starts_with("PK"),
                       "inbreast: ", printable(path),
                       " is a file of Excel; save it there as CSV and give that to --sheet");
    const std::string_view first = text.substr(0, text.find('\n'));
    const char separator = first.find(';') < first.size() ? ';' : ',';
    const CsvTable sheet = parse_csv(text, path, separator);
    const auto number_at = static_cast<std::size_t>(sheet.column("File Name")),
               birads_at = static_cast<std::size_t>(sheet.column("Bi-Rads"));
    const int side_at = sheet.find("Laterality");
    std::set<std::string> seen;
    for (std::size_t i = 0; i < sheet.rows.size(); ++i) {
      const std::string number(trimmed(sheet.rows[i][number_at])), place = cat("inbreast: ", sheet.place(i));
      if (number.empty()) continue;  // sums below the table
      require<DataError>(seen.insert(number).second, place, ": film ", printable(number), " is listed twice");
      const auto film = films_.find(number);
      if (film == films_.end()) {
        if (!single_)
          out_.unmatched.push_back({"row", sheet.place(i), cat("there is no film ", number, "_....dcm")});
        continue;
      }
      film->second.verdict = verdict_of_birads(sheet.rows[i][birads_at], o_, place);
      if (side_at < 0) continue;
      const std::string side(trimmed(sheet.rows[i][static_cast<std::size_t>(side_at)]));
      if (!side.empty() && side != film->second.side)
        out_.sides.push_back(cat(film->second.file, ": its name says ", film->second.side, ", ",
                                 sheet.place(i), " says ", side));
    }
    for (auto film = films_.begin(); film != films_.end();) {
      if (!seen.contains(film->first)) {
        out_.unmatched.push_back({"file", film->second.file, "no row of the sheet names it"});
        film = films_.erase(film);
      } else {
        ++film;
      }
    }
  }

  std::int64_t read_contours(const std::string& number, const std::string& file) {
    const auto film = films_.find(number);
    if (film == films_.end()) {
      out_.unmatched.push_back(
          {"file", fs::path(file).filename().string(), "there is no film of this number"});
      return 0;
    }
    std::vector<Contour> contours;
    try {
      const std::vector<std::uint8_t> bytes = read_bytes(file, 64 << 20);
      contours = parse_inbreast_xml({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file);
    } catch (const Error& e) {
      if (!o_.skip_wrong) throw;
      // What lies on the film is unknown, so it is not normal.
      out_.left_out.push_back({"film", film->second.file, e.message()});
      films_.erase(film);
      return 0;
    }
    for (const Contour& contour : contours)
      film->second.lesions.push_back({box_of(contour, o_.point_size), kind_of(contour.name), ""});
    return std::ssize(contours);
  }

  SourceOptions o_;
  Source out_;
  std::map<std::string, Film> films_;            // by number
  std::map<std::string, std::string> contours_;  // XML files by number
  bool single_ = false;
};

}  // namespace

Source read_inbreast(const std::string& root, const SourceOptions& options) {
  return Inbreast(root, options).read();
}

}  // namespace gadolin::mammography
