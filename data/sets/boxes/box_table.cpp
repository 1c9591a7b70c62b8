// Box tables: path,x1,y1,x2,y2,class, with or without a header; and class files.
#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>

#include "data/sets/boxes/raw_boxes.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace detail {
namespace {

using Row = std::vector<std::string>;

enum Column {
  path_at,
  x1_at,
  y1_at,
  x2_at,
  y2_at,
  class_at,
  patient_at,
  side_at,
  split_at,
  width_at,
  height_at,
  shape_at,
  columns
};
constexpr const char* column_names[columns] = {"path",    "x1",   "y1",    "x2",    "y2",     "class",
                                               "patient", "side", "split", "width", "height", "shape"};

// What people call a column; `columns` for other words.
int column_called(std::string_view word) {
  static const std::unordered_map<std::string_view, int> known{
      {"path", path_at},   {"filename", path_at},   {"file", path_at},
      {"image", path_at},  {"image_path", path_at}, {"x1", x1_at},
      {"xmin", x1_at},     {"y1", y1_at},           {"ymin", y1_at},
      {"x2", x2_at},       {"xmax", x2_at},         {"y2", y2_at},
      {"ymax", y2_at},     {"class", class_at},     {"class_name", class_at},
      {"label", class_at}, {"patient", patient_at}, {"patient_id", patient_at},
      {"split", split_at}, {"width", width_at},     {"height", height_at},
      {"shape", shape_at}, {"side", side_at},       {"laterality", side_at}};
  std::string lower(trimmed(word));
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const auto found = known.find(lower);
  return found == known.end() ? columns : found->second;
}

// A header names at least two of the corners.
bool is_header(const Row& row) {
  return std::count_if(row.begin(), row.end(), [](const std::string& field) {
           const int column = column_called(field);
           return column >= x1_at && column <= y2_at;
         }) >= 2;
}

bool is_number(std::string_view text) {
  const std::string_view plain = trimmed(text);
  double value = 0;
  const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  return error == std::errc() && end == plain.data() + plain.size();
}

class TableReader {
 public:
  TableReader(const std::string& name, const DatasetOptions& options, RawBoxes& raw)
      : options_(options), raw_(raw), file_(static_cast<int>(raw.files.size())) {
    raw_.files.push_back(name);
    for (int c = 0; c < columns; ++c) at_[static_cast<std::size_t>(c)] = c <= class_at ? c : -1;
  }

  void header(const Row& row, std::int64_t line) {
    at_.fill(-1);
    for (std::size_t f = 0; f < row.size(); ++f) {
      const int column = column_called(row[f]);
      if (column == columns) continue;
      int& at = at_[static_cast<std::size_t>(column)];
      require<DataError>(at < 0, place(line), ": the header names ", column_names[column], " twice");
      at = static_cast<int>(f);
    }
    for (int c = path_at; c <= class_at; ++c) {
      require<DataError>(at_[static_cast<std::size_t>(c)] >= 0, place(line), ": the header has no column ",
                         column_names[c], "; needed are path, x1, y1, x2, y2 and class");
    }
    fields_ = row.size();
  }

  void row(const Row& row, std::int64_t line) {
    const std::string where = place(line);
    if (fields_ == 0) {
      const bool rest_empty = std::all_of(row.begin() + std::min<std::ptrdiff_t>(6, std::ssize(row)),
                                          row.end(), [](const auto& f) { return trimmed(f).empty(); });
      require<DataError>(row.size() >= 6 && rest_empty, where, ": ", row.size(),
                         row.size() == 1 ? " column" : " columns",
                         "; needed are path,x1,y1,x2,y2,class, separated by commas, and path,,,,, for a "
                         "picture without boxes");
    } else {
      require<DataError>(row.size() == fields_, where, ": ", row.size(),
                         row.size() == 1 ? " column" : " columns", ", the header has ", fields_);
    }
    const auto field = [&](int column) {
      const int at = at_[static_cast<std::size_t>(column)];
      return at < 0 ? std::string_view() : trimmed(row[static_cast<std::size_t>(at)]);
    };
    const std::string name(field(path_at));
    require<DataError>(!name.empty(), where, ": the path is empty");
    const std::string_view corner[] = {field(x1_at), field(y1_at), field(x2_at), field(y2_at)};
    const std::int64_t given =
        std::count_if(std::begin(corner), std::end(corner), [](std::string_view c) { return !c.empty(); });
    const bool empty = given == 0 && field(class_at).empty();
    raw_.counts.rows += !empty;
    require<DataError>(given == 0 || given == 4, where, ": ", 4 - given,
                       " of the four corners are empty; give all of them, or none and no class for a "
                       "picture without boxes");
    require<DataError>(given == 0 || !field(class_at).empty(), where, ": the box has no class");
    require<DataError>(given == 4 || empty, where, ": class '", printable(field(class_at)),
                       "' has no box; a picture without boxes has an empty class too");
    const std::size_t picture = picture_of(name, line, where);
    agree(picture, field(patient_at), field(split_at), field(width_at), field(height_at), where);
    same_side(picture, field(side_at), where);
    if (empty) return no_boxes(picture, line, where);
    State& state = state_[picture];
    require<DataError>(state.empty_line == 0, where, ": ", printable(name),
                       " is said to have no boxes in line ", state.empty_line);
    RawBox box;
    box.picture = picture;
    box.x1 = box_number(corner[0], "x1", where);
    box.y1 = box_number(corner[1], "y1", where);
    box.x2 = box_number(corner[2], "x2", where);
    box.y2 = box_number(corner[3], "y2", where);
    const std::string_view shape = field(shape_at);
    require<DataError>(shape.empty() || shape == "box" || shape == "ellipse", where, ": shape '",
                       printable(shape), "' is unknown; use box or ellipse");
    box.ellipse = shape == "ellipse";
    const std::string cls(field(class_at));
    require<DataError>(printable(cls) == cls, where, ": class '", printable(cls),
                       "' is not text in UTF-8; convert the table");
    box.name = raw_.names.number(cls);
    box.id = raw_.counts.rows;
    box.origin = {file_, line, -1};
    state.box_line = line;
    raw_.boxes.push_back(box);
  }

 private:
  // What a picture's rows have said so far.
  struct State {
    std::int64_t empty_line = 0, box_line = 0;
  };

  std::string place(std::int64_t line) const { return raw_.place({file_, line, -1}); }

  std::size_t picture_of(const std::string& name, std::int64_t line, const std::string& where) {
    const auto [found, fresh] = place_.emplace(name, raw_.pictures.size());
    if (!fresh) return found->second;
    RawPicture picture;
    picture.name = name;
    picture.path = (fs::path(raw_.root) / name).string();
    picture.id = std::ssize(raw_.pictures);
    picture.origin = {file_, line, -1};
    try {
      std::error_code error;
      const bool plain = fs::path(name).is_relative() && name.find("..") == std::string::npos &&
                         !fs::is_symlink(picture.path, error);
      if (!plain) check_inside(picture.path, raw_.root, options_, where);
    } catch (...) {
      place_.erase(found);
      throw;
    }
    raw_.pictures.push_back(std::move(picture));
    state_.emplace_back();
    return found->second;
  }

  void agree(std::size_t at, std::string_view patient, std::string_view split, std::string_view width,
             std::string_view height, const std::string& where) {
    RawPicture& picture = raw_.pictures[at];
    if (!patient.empty()) {
      require<DataError>(picture.patient.empty() || picture.patient == patient, where, ": ",
                         printable(picture.name), " belonged to another patient before");
      picture.patient = patient;
    }
    if (const Split part = split_from(split, where); part != Split::none) {
      require<DataError>(picture.split == Split::none || picture.split == part, where, ": ",
                         printable(picture.name), " is in ", split_name(picture.split), " and in ",
                         split_name(part));
      picture.split = part;
    }
    size_of(picture.width, width, "width", picture.name, where);
    size_of(picture.height, height, "height", picture.name, where);
  }
  void same_side(std::size_t at, std::string_view text, const std::string& where) {
    RawPicture& picture = raw_.pictures[at];
    const std::string side = box_side(text, where);
    require<DataError>(side.empty() || picture.side.empty() || picture.side == side, where, ": ",
                       printable(picture.name), " is of side ", picture.side, " and of side ", side);
    if (!side.empty()) picture.side = side;
  }
  static void size_of(int& side, std::string_view text, const char* what, const std::string& name,
                      const std::string& where) {
    if (text.empty()) return;
    const double value = box_number(text, what, where);
    require<DataError>(value >= 1 && value <= 1e6 && value == static_cast<int>(value), where, ": ", what, " ",
                       value, " is no size of a picture");
    require<DataError>(side == 0 || side == static_cast<int>(value), where, ": ", what, " ", value, " of ",
                       printable(name), " was ", side, " before");
    side = static_cast<int>(value);
  }

  void no_boxes(std::size_t picture, std::int64_t line, const std::string& where) {
    State& state = state_[picture];
    require<DataError>(state.box_line == 0, where, ": ", printable(raw_.pictures[picture].name),
                       " is said to have no boxes, but has one in line ", state.box_line);
    require<DataError>(state.empty_line == 0, where, ": ", printable(raw_.pictures[picture].name),
                       " is said to have no boxes in line ", state.empty_line, " already");
    state.empty_line = line;
  }

  const DatasetOptions& options_;
  RawBoxes& raw_;
  int file_;
  std::array<int, columns> at_;                         // where in a row each column stands, -1: nowhere
  std::size_t fields_ = 0;                              // of the header; 0: there is none
  std::unordered_map<std::string, std::size_t> place_;  // of a picture by its name
  std::vector<State> state_;
};

}  // namespace

void parse_box_table(std::string_view text, const std::string& name, const DatasetOptions& options,
                     RawBoxes& raw) {
  const CsvTable table = parse_csv_records(text, name);
  require<DataError>(!table.rows.empty(), "boxes: ", printable(name),
                     " is empty; needed are rows path,x1,y1,x2,y2,class");
  TableReader reader(name, options, raw);
  std::size_t first = 0;
  if (is_header(table.rows[0])) {
    reader.header(table.rows[0], table.lines[0]);
    first = 1;
  }
  for (std::size_t i = first; i < table.rows.size(); ++i) {
    const std::int64_t before = raw.counts.rows;
    if (row_is_right(options, [&] { reader.row(table.rows[i], table.lines[i]); })) continue;
    raw.counts.rows = before + 1;
    ++raw.counts.wrong;
  }
  require<DataError>(table.rows.size() > first, "boxes: ", printable(name), " has a header and no rows");
}

std::vector<std::string> parse_class_file(std::string_view text, const std::string& name) {
  const CsvTable table = parse_csv_records(text, name);
  std::vector<std::pair<std::int64_t, std::string>> rows;
  std::unordered_map<std::string, std::string> place_of_name;
  std::unordered_map<std::int64_t, std::string> name_of_id;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const Row& row = table.rows[i];
    const std::string where = "classes: " + table.place(i);
    if (i == 0 && row.size() == 2 && trimmed(row[0]) == "name" && trimmed(row[1]) == "id") continue;
    require<DataError>(row.size() == 2, where, ": ", row.size(), row.size() == 1 ? " column" : " columns",
                       "; needed is name,id");
    const std::string cls(trimmed(row[0]));
    const std::string_view number = trimmed(row[1]);
    require<DataError>(!cls.empty(), where, ": the name is empty");
    require<DataError>(printable(cls) == cls, where, ": class '", printable(cls),
                       "' is not text in UTF-8; convert the file");
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), id);
    require<DataError>(error == std::errc() && end == number.data() + number.size(), where, ": id '",
                       printable(number, 40), "' is not a whole number");
    require<DataError>(id >= 0, where, ": id ", id, " is below 0; ids count from 0, without a background");
    const auto [twice, fresh] = place_of_name.emplace(cls, table.place(i));
    require<DataError>(fresh, where, ": class '", cls, "' is listed twice");
    const auto [taken, free] = name_of_id.emplace(id, cls);
    require<DataError>(free, where, ": id ", id, " is that of class '", taken->second, "' already");
    rows.emplace_back(id, cls);
  }
  require<DataError>(!rows.empty(), "classes: ", printable(name),
                     " lists no classes; needed are lines name,id");
  std::sort(rows.begin(), rows.end());
  std::vector<std::string> classes;
  for (const auto& row : rows) {
    require<DataError>(row.first == std::ssize(classes), "classes: ", printable(name), ": id ",
                       std::ssize(classes), " is missing before ", row.first, " ('", row.second,
                       "'); ids go from 0 to ", std::ssize(rows) - 1, ", without a background");
    classes.push_back(row.second);
  }
  return classes;
}

std::vector<std::string> read_class_file(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_bytes(path, 64 << 20);
  return parse_class_file({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

}  // namespace detail

std::unique_ptr<DetectionSet> open_box_table(const std::string& path, const DatasetOptions& options) {
  const std::vector<std::uint8_t> bytes = read_bytes(path);
  detail::RawBoxes raw;
  raw.root = options.image_folder.empty() ? fs::path(path).parent_path().string() : options.image_folder;
  if (raw.root.empty()) raw.root = ".";
  detail::parse_box_table({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path, options, raw);
  return detail::finish_boxes(std::move(raw), options);
}

bool is_box_table(const std::string& path) {
  std::string text, line;  // up to the first row, behind Excel's sep=;
  std::ifstream file(path, std::ios::binary);
  while (std::getline(file, line)) {
    text += line + "\n";
    if (!trimmed(line).empty() && !line.starts_with("sep=")) break;
  }
  try {
    const CsvTable table = parse_csv_records(text, path);
    if (table.rows.empty()) return false;
    const auto& row = table.rows[0];
    if (detail::is_header(row)) return true;
    if (row.size() < 6) return false;
    return std::all_of(row.begin() + 1, row.begin() + 5, [](const std::string& field) {
      return trimmed(field).empty() || detail::is_number(field);
    });
  } catch (const Error&) {
    return false;
  }
}

}  // namespace gadolin
