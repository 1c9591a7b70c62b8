#include "apps/mammography/cbis_files.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "apps/mammography/film_component.h"
#include "data/dicom/dicom.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace fs = std::filesystem;
namespace {

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// A folder of a path that is a UID: digits with points between them.
bool is_uid(std::string_view text) {
  return text.find('.') != std::string_view::npos &&
         std::ranges::all_of(text, [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

std::vector<std::string> split_at(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

std::string CbisId::key() const { return cat(part, "/", patient, "/", side, "/", view, "/", number); }

std::optional<CbisId> cbis_id(std::string_view text) {
  const std::vector<std::string> parts = split_at(text, '_');
  const auto p = std::find(parts.begin(), parts.end(), "P");
  CbisId id;
  if (parts.end() - p < 4 || !all_digits(p[1])) return {};
  if (p != parts.begin()) id.part = p[-1];
  id.patient = "P_" + p[1];
  id.side = p[2] == "LEFT" ? "L" : p[2] == "RIGHT" ? "R" : "";
  id.view = p[3];
  if (id.side.empty() || (id.view != "CC" && id.view != "MLO")) return {};
  if (parts.end() - p > 4) {
    const std::string& number = p[4];
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), id.number);
    if (error != std::errc() || end != number.data() + number.size() || id.number < 1 || parts.end() - p > 5)
      return {};
  }
  return id;
}

CbisTree::CbisTree(const std::string& root, std::vector<Remainder>& unmatched) {
  for (const std::string& name : files_below(root)) {
    if (!has_ending(name, ".dcm")) continue;
    try {
      DicomOptions how;
      how.pixels = false;
      const DicomFile header = DicomFile::open((fs::path(root) / name).string(), how);
      CbisFile file;
      file.path = name;
      file.study = header.text(dicom::study_instance);
      file.series = header.text(dicom::series_instance);
      file.patient_id = header.text(dicom::patient_id);
      file.width = static_cast<int>(header.integer(dicom::columns, 0));
      file.height = static_cast<int>(header.integer(dicom::rows, 0));
      file.id = cbis_id(file.patient_id);
      for (const std::string& folder : split_at(name, '/'))
        if (!file.id) file.id = cbis_id(folder);
      files_.push_back(std::move(file));
    } catch (const FormatError& error) {
      unmatched.push_back({"file", name, error.message()});
    }
  }
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const CbisFile& file = files_[i];
    if (!file.series.empty()) series_.emplace(file.series, i);
    if (!file.study.empty()) studies_.emplace(file.study, i);
    if (file.id) ids_.emplace(file.id->key(), i);
  }
}

std::vector<std::size_t> CbisTree::by_path(std::string_view table_path) const {
  std::vector<std::size_t> found;
  for (const auto* index : {&series_, &studies_}) {
    for (const std::string& folder : split_at(table_path, '/')) {
      if (!is_uid(folder)) continue;
      const auto [begin, end] = index->equal_range(folder);
      for (auto i = begin; i != end; ++i) found.push_back(i->second);
    }
    if (!found.empty()) break;
  }
  return found;
}

std::vector<std::size_t> CbisTree::by_id(const CbisId& id) const {
  std::vector<std::size_t> found;
  const auto [begin, end] = ids_.equal_range(id.key());
  for (auto i = begin; i != end; ++i) found.push_back(i->second);
  return found;
}

CbisMask read_cbis_mask(const std::string& path) {
  const DicomImage image = read_dicom_image(DicomFile::open(path), 0);
  CbisMask out;
  out.width = image.columns;
  out.height = image.rows;
  if (image.channels != 1) return out;
  const auto* v = image.samples.data<std::int32_t>();
  const std::int64_t n = image.samples.numel();
  std::int32_t set = 0;
  std::vector<bool> mask(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    if (v[i] == 0) continue;
    if (set == 0) set = v[i];
    if (v[i] != set) return out;  // a third value
    mask[static_cast<std::size_t>(i)] = true;
  }
  out.is_mask = true;
  const Component kept = keep_largest(mask, image.columns, image.rows);
  out.pixels = kept.pixels;
  const auto [x, y, width, height] = kept.box;
  out.box = {static_cast<double>(x), static_cast<double>(y), static_cast<double>(x + width),
             static_cast<double>(y + height)};
  return out;
}

bool same_aspect(int mask_width, int mask_height, int width, int height) {
  const double wide = static_cast<double>(mask_width) * height / mask_height;
  return std::abs(wide - width) <= std::max(1.0, width / 1000.0);
}

Corners scaled(const Corners& box, double x, double y) {
  return {box.x1 * x, box.y1 * y, box.x2 * x, box.y2 * y};
}

}  // namespace gadolin::mammography
