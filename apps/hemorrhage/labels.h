// Labels of head CTs as RSNA's competition of 2019 gives them: stage_2_train.csv, six rows an image.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace gadolin::hemorrhage {

// The order of labels in every array and file but reshaped_stage_2_train.csv.
inline constexpr std::array<const char*, 6> subtypes = {
    "epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural", "any"};
inline constexpr std::size_t any_label = 5;

// "ID_0a1b_subdural": the image "ID_0a1b" and the place in `subtypes`.
struct RowId {
  std::string_view image;
  std::size_t subtype;
};
// Throws DataError beginning with `place` for other texts.
RowId parse_row_id(std::string_view id, const std::string& place);

// Labels of one image: bit s of `said` tells that the table has a row of subtype s, bit s of `values` its
// label.
struct ImageLabels {
  std::uint8_t said = 0, values = 0;
  bool label(std::size_t subtype) const { return (values >> subtype & 1) != 0; }
  bool contradicts_any() const { return label(any_label) != ((values & 0x1f) != 0); }
};

struct LabelTable {
  std::map<std::string, ImageLabels, std::less<>> images;  // by ID_<hex>
  std::int64_t rows = 0, repeated = 0;                     // rows read; those that said the same again
};
// Streams the table, so that memory grows with images, not rows. Throws DataError, with file and line, for
// missing columns, IDs of another form, labels other than 0 and 1, a row that contradicts an earlier one, and
// images without one of their six rows. Labels that contradict `any` stay as they are.
LabelTable read_labels(const std::string& path);

// reshaped_stage_2_train.csv: a row an image. Throws DataError for missing columns and labels other than
// 0, 1.
std::map<std::string, ImageLabels, std::less<>> read_reshaped_labels(const std::string& path);

}  // namespace gadolin::hemorrhage
