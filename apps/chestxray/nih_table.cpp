#include "apps/chestxray/nih_table.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "data/sets/extra_columns.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::chestxray {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

// "Image Index", "ImageIndex" and "image_index" are one name.
std::string plain_name(std::string_view text) {
  std::string out = upper(text);
  std::erase_if(out, [](char c) { return c == ' ' || c == '_'; });
  return out;
}

int column_of(const CsvTable& table, std::string_view name) {
  const auto found =
      std::ranges::find_if(table.header, [&](const std::string& h) { return plain_name(h) == name; });
  return found == table.header.end() ? -1 : static_cast<int>(found - table.header.begin());
}

// The column by its name in any spelling. Throws what CsvTable::column() throws.
int needed_column(const CsvTable& table, const char* name) {
  const int found = column_of(table, plain_name(name));
  return found >= 0 ? found : table.column(name);
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view without_zeros(std::string_view digits) {
  while (digits.size() > 1 && digits[0] == '0') digits.remove_prefix(1);
  return digits;
}

std::string known_labels() {
  std::string text;
  for (const std::string& label : nih_labels()) text += (text.empty() ? "" : ", ") + label;
  return text;
}

// Sorted, without repeats, in NIH's spelling.
std::string findings_of(std::string_view text, const std::string& place) {
  std::array<bool, 15> there{};
  const auto& known = nih_labels();
  std::size_t count = 0;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('|', begin), text.size());
    const std::string_view part = trimmed(text.substr(begin, end - begin));
    begin = end + 1;
    auto found = std::ranges::find(known, part);
    if (found == known.end())
      found = std::ranges::find_if(
          known, [name = plain_name(part)](const std::string& label) { return plain_name(label) == name; });
    require<DataError>(found != known.end(), "nih: ", place, ": finding '", printable(part), "' is none of ",
                       known_labels());
    bool& seen = there[static_cast<std::size_t>(found - known.begin())];
    count += !seen;
    seen = true;
  }
  std::string all;
  for (std::size_t k = 0; k < known.size(); ++k) {
    if (!there[k]) continue;
    require<DataError>(count == 1 || known[k] != no_finding, "nih: ", place, ": No Finding beside ",
                       count - 1, count == 2 ? " finding" : " findings", "; one of them is wrong");
    all += (all.empty() ? "" : "|") + known[k];
  }
  return all;
}

// NIH's names begin with the patient's eight digits.
void check_patient(const NihFilm& film, const std::string& place) {
  const std::string_view name = film.image;
  if (name.size() < 9 || name[8] != '_' || !all_digits(name.substr(0, 8)) || !all_digits(film.patient))
    return;
  require<DataError>(without_zeros(name.substr(0, 8)) == film.patient, "nih: ", place, ": patient ",
                     film.patient, " of ", film.image, ", whose name says ", without_zeros(name.substr(0, 8)),
                     "; are columns or rows of the table shifted?");
}

// What could not be used in a column: how often, and the first.
struct Odd {
  const char* what;
  std::int64_t count = 0;
  std::string first = {};
  void note(const NihFilm& film, std::string_view text) {
    if (count++ == 0) first = cat(film.image, ": ", printable(text));
  }
  void tell(std::vector<std::string>& notes) const {
    if (count > 0) notes.push_back(cat(count, " ", what, " (", first, ")"));
  }
};

struct Columns {
  int image, findings, patient, age, sex, view;
};

NihFilm film_of(const CsvTable& table, std::size_t row, const Columns& at, Odd& ages, Odd& sexes) {
  const auto field = [&](int column) {
    return column < 0 ? std::string_view() : trimmed(table.rows[row][static_cast<std::size_t>(column)]);
  };
  NihFilm film;
  film.line = table.lines[row];
  film.image = field(at.image);
  const bool good = !film.image.empty() && film.image.find_first_of("/\\") == std::string::npos &&
                    !stem_of(film.image).empty() && printable(film.image) == film.image;
  require<DataError>(good, "nih: ", table.place(row), ": '", printable(film.image),
                     "' is no name of an image, such as 00000001_000.png");
  const std::string place = table.place(row);
  film.findings = findings_of(field(at.findings), place);
  const std::string_view patient = field(at.patient);
  require<DataError>(!patient.empty() && printable(patient) == patient, "nih: ", place, ": patient '",
                     printable(patient), "' of ", film.image, " is no id; films are divided by patient");
  film.patient = all_digits(patient) ? without_zeros(patient) : patient;
  check_patient(film, place);
  film.age = age_in_years(field(at.age));
  if (std::isnan(film.age) && !field(at.age).empty()) ages.note(film, field(at.age));
  film.sex = upper(field(at.sex)).substr(0, 1);
  if (film.sex != "M" && film.sex != "F") {
    if (!film.sex.empty()) sexes.note(film, field(at.sex));
    film.sex.clear();
  }
  film.view = printable(upper(field(at.view)));
  return film;
}

}  // namespace

const std::array<std::string, 15>& nih_labels() {
  static const std::array<std::string, 15> labels{
      "Atelectasis",        "Cardiomegaly", "Consolidation", "Edema", "Effusion",   "Emphysema",
      "Fibrosis",           "Hernia",       "Infiltration",  "Mass",  "No Finding", "Nodule",
      "Pleural_Thickening", "Pneumonia",    "Pneumothorax"};
  return labels;
}

std::string_view stem_of(std::string_view image) { return image.substr(0, image.rfind('.')); }

NihTable parse_nih_table(std::string_view text, const std::string& name) {
  const CsvTable table = parse_csv(text, name);
  Columns at{needed_column(table, "Image Index"), needed_column(table, "Finding Labels"),
             needed_column(table, "Patient ID"),  column_of(table, "PATIENTAGE"),
             column_of(table, "PATIENTGENDER"),   column_of(table, "VIEWPOSITION")};
  if (at.sex < 0) at.sex = column_of(table, "PATIENTSEX");
  NihTable out;
  out.name = name;
  out.films.reserve(table.rows.size());
  Odd ages{"ages are none a person has, and count as not told"},
      sexes{"sexes are neither M nor F, and count as not told"};
  std::unordered_map<std::string_view, std::int64_t> seen;
  seen.reserve(table.rows.size());
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    out.films.push_back(film_of(table, row, at, ages, sexes));
    const NihFilm& film = out.films.back();
    const auto [first, fresh] = seen.emplace(stem_of(film.image), film.line);
    require<DataError>(fresh, "nih: ", table.place(row), ": ", film.image, " is in line ", first->second,
                       " already");
  }
  require<DataError>(!out.films.empty(), "nih: ", printable(name), " has no rows");
  ages.tell(out.notes);
  sexes.tell(out.notes);
  identify(out);
  return out;
}

NihTable read_nih_table(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_bytes(path);
  return parse_nih_table({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

}  // namespace gadolin::chestxray
