#include "apps/mammography/source.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "io/atomic_file.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace fs = std::filesystem;

std::string worse(const std::string& a, const std::string& b) {
  const auto rank = [](const std::string& v) {
    return v == "malignant" ? 3 : v.empty() ? 2 : v == "benign" ? 1 : 0;
  };
  return rank(a) >= rank(b) ? a : b;
}

std::string verdict_of(const Film& film) {
  if (!film.verdict.empty() || film.lesions.empty()) return film.verdict.empty() ? "normal" : film.verdict;
  std::string verdict = "normal";
  for (const Lesion& lesion : film.lesions) verdict = worse(verdict, lesion.verdict);
  return verdict;
}

std::string verdict_of(const Film& film, const Lesion& lesion) {
  return lesion.verdict.empty() ? verdict_of(film) : lesion.verdict;
}

void drop_unknown_verdicts(Source& source) {
  std::erase_if(source.films, [&](const Film& film) {
    const bool unknown = std::ranges::any_of(
        film.lesions, [&](const Lesion& lesion) { return verdict_of(film, lesion).empty(); });
    if (unknown)
      source.left_out.push_back({"film", film.file, "whether a lesion on it is malignant is not known"});
    return unknown;
  });
}

std::string verdict_of_birads(std::string_view text, const SourceOptions& options, const std::string& place) {
  const std::string_view plain = trimmed(text);
  const bool letter = plain.size() == 2 && plain[0] == '4' && std::string_view("abcABC").find(plain[1]) < 6;
  require<DataError>((plain.size() == 1 || letter) && plain[0] >= '0' && plain[0] <= '6', place,
                     ": BI-RADS '", printable(plain, 40), "' is not 0 to 6, or 4a, 4b, 4c");
  switch (plain[0]) {
    case '0': return "";
    case '1':
    case '2': return "benign";
    case '3': return options.birads_3 == "unknown" ? "" : options.birads_3;
    default: return "malignant";
  }
}

std::string side_of_header(const DicomFile& file) {
  for (const DicomTag tag : {dicom::image_laterality, dicom::laterality}) {
    const std::string side = file.text(tag);
    if (side == "L" || side == "R") return side;
  }
  const std::string part = file.text(dicom::body_part);  // "Left Breast", "RIGHT"
  for (const auto& [word, side] : {std::pair("left", "L"), std::pair("right", "R")})
    if (has_ending(part.substr(0, std::string_view(word).size()), word)) return side;
  return "";
}

std::vector<std::string> files_below(const std::string& root) {
  std::vector<std::string> names;
  std::error_code error;
  fs::recursive_directory_iterator at(root, fs::directory_options::skip_permission_denied, error);
  if (error) fail_file("mammography convert", printable(root), error.value());
  for (; at != fs::recursive_directory_iterator(); at.increment(error)) {
    if (error) fail_file("mammography convert", printable(root), error.value());
    if (at->is_regular_file() && !at->is_symlink())
      names.push_back(at->path().lexically_relative(root).string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void drop_other_findings(Source& source, const SourceOptions& options) {
  std::map<std::string, std::int64_t> others;
  std::int64_t wanted = 0, all = 0, films = 0;
  std::vector<Film> kept;
  for (Film& film : source.films) {
    const bool any = !film.lesions.empty();
    all += std::ssize(film.lesions);
    std::erase_if(film.lesions, [&](const Lesion& lesion) {
      const bool other = !options.wants(lesion.kind);
      others[lesion.kind] += other;
      return other;
    });
    wanted += std::ssize(film.lesions);
    if (any && film.lesions.empty()) {
      source.left_out.push_back({"film", film.file, "it has findings, but none that is wanted"});
      ++films;
    } else {
      kept.push_back(std::move(film));
    }
  }
  source.films = std::move(kept);
  std::string found;
  for (const auto& [kind, count] : others)
    if (count > 0) found += cat(found.empty() ? "" : ", ", count, " ", kind);
  require<DataError>(all == 0 || wanted > 0, source.name, ": none of ", all,
                     " findings is wanted; found are ", found, "; give their kinds to --findings, or all");
  if (!found.empty())
    source.notes.push_back(
        cat(found, " not wanted; ", films, " films with nothing else are left out, as they are not normal"));
}

Source read_source(const std::string& root, const std::string& name, const SourceOptions& options) {
  std::error_code error;
  require<DataError>(fs::is_directory(root, error), "mammography convert: ", printable(root),
                     " is not a folder");
  if (name == "cbis-ddsm") return read_cbis(root, options);
  if (name == "inbreast") return read_inbreast(root, options);
  if (name == "mini-mias") return read_mini_mias(root, options);
  if (name == "films") return read_films(root, options);
  bool dicom_of_inbreast = false;
  for (const std::string& file : files_below(root)) {
    const std::string plain = fs::path(file).filename().string();
    if (plain.find("_case_description_") != std::string::npos && has_ending(plain, ".csv"))
      return read_cbis(root, options);
    if (plain == "Info.txt") return read_mini_mias(root, options);
    dicom_of_inbreast = dicom_of_inbreast || has_ending(plain, "_ANON.dcm");
  }
  return dicom_of_inbreast ? read_inbreast(root, options) : read_films(root, options);
}

}  // namespace gadolin::mammography
