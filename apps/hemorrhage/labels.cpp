#include "apps/hemorrhage/labels.h"

#include <algorithm>

#include "io/bytes.h"
#include "io/csv.h"
#include "io/mapped_file.h"
#include "tensor/check.h"

namespace gadolin::hemorrhage {
namespace {

bool label_of(const std::string& text, const std::string& place) {
  require<DataError>(text == "0" || text == "1", "labels: ", place, ": the label is '", printable(text, 40),
                     "'; it must be 0 or 1");
  return text == "1";
}

}  // namespace

RowId parse_row_id(std::string_view id, const std::string& place) {
  const std::size_t cut = id.rfind('_');
  const auto known = cut == std::string_view::npos
                         ? subtypes.end()
                         : std::find(subtypes.begin(), subtypes.end(), id.substr(cut + 1));
  const std::string_view image = id.substr(0, cut == std::string_view::npos ? 0 : cut);
  const std::string_view hex = image.substr(0, 3) == "ID_" ? image.substr(3) : std::string_view();
  const bool plain = std::all_of(hex.begin(), hex.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
  require<DataError>(known != subtypes.end() && !hex.empty() && plain, "labels: ", place, ": the ID is '",
                     printable(id, 60), "'; it must be ID_<hex>_<subtype>, as in ID_12cadc6af_subdural");
  return {image, static_cast<std::size_t>(known - subtypes.begin())};
}

LabelTable read_labels(const std::string& path) {
  const MappedFile file(path);
  LabelTable table;
  std::size_t id = 0, label = 0;
  CsvTable header;
  each_csv_row(
      file.text(), path,
      [&](const CsvTable& head) {
        header = head;
        id = static_cast<std::size_t>(head.column("ID"));
        label = static_cast<std::size_t>(head.column("Label"));
      },
      [&](std::vector<std::string>& row, std::int64_t line) {
        const std::string place = cat(printable(path), ":", line);
        const RowId what = parse_row_id(row[id], place);
        const bool value = label_of(row[label], place);
        auto image = table.images.find(what.image);
        if (image == table.images.end()) image = table.images.emplace(what.image, ImageLabels()).first;
        const auto bit = static_cast<std::uint8_t>(1u << what.subtype);
        ++table.rows;
        if ((image->second.said & bit) != 0) {
          require<DataError>(image->second.label(what.subtype) == value, "labels: ", place, ": ",
                             printable(row[id]), " is ", value ? 1 : 0, ", an earlier row says ",
                             value ? 0 : 1, "; remove the wrong one");
          ++table.repeated;
        }
        image->second.said |= bit;
        if (value) image->second.values |= bit;
      });
  std::int64_t incomplete = 0;
  std::string first;
  for (const auto& [name, image] : table.images) {
    if (image.said == 0x3f) continue;
    if (incomplete++ > 0) continue;
    for (std::size_t s = 0; s < subtypes.size(); ++s)
      if ((image.said >> s & 1) == 0) first = cat(name, " has none of ", subtypes[s]);
  }
  require<DataError>(incomplete == 0, "labels: ", printable(path), ": ", incomplete, " of ",
                     table.images.size(), " images have fewer than six rows: ", first,
                     "; the table was cut, fetch it again");
  return table;
}

std::map<std::string, ImageLabels, std::less<>> read_reshaped_labels(const std::string& path) {
  const MappedFile file(path);
  std::map<std::string, ImageLabels, std::less<>> images;
  std::size_t id = 0;
  std::array<std::size_t, subtypes.size()> columns{};
  each_csv_row(
      file.text(), path,
      [&](const CsvTable& head) {
        id = static_cast<std::size_t>(head.column("ImgID"));
        for (std::size_t s = 0; s < subtypes.size(); ++s)
          columns[s] = static_cast<std::size_t>(head.column(subtypes[s]));
      },
      [&](std::vector<std::string>& row, std::int64_t line) {
        ImageLabels labels{0x3f, 0};
        for (std::size_t s = 0; s < subtypes.size(); ++s)
          if (label_of(row[columns[s]], cat(printable(path), ":", line)))
            labels.values |= static_cast<std::uint8_t>(1u << s);
        require<DataError>(images.emplace(row[id], labels).second, "labels: ", printable(path), ":", line,
                           ": image ", printable(row[id]), " is listed twice");
      });
  return images;
}

}  // namespace gadolin::hemorrhage
