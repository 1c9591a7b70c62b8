// What the readers of reports share: names of images, blanked words, labels that contradict themselves.
#include <algorithm>
#include <cctype>
#include <set>

#include "apps/nodule/reports.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::nodule {
namespace {

std::string lowered(std::string_view text) {
  std::string low(text);
  for (char& c : low)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return low;
}

constexpr std::int64_t most_table = std::int64_t{1} << 28;

bool digit(char c) { return c >= '0' && c <= '9'; }

// "['L', 'F']", "L\\F": the first letter is where a row of pixels runs to.
std::string view_orientation(std::string_view text) {
  const std::size_t at = text.find_first_of("LRAPFH");
  if (at == std::string_view::npos) return "";
  if (text[at] == 'L' || text[at] == 'R') return "frontal";
  return text[at] == 'A' || text[at] == 'P' ? "lateral" : "";
}

}  // namespace

std::string view_position(std::string_view text) {
  const std::string word = lowered(trimmed(text));
  if (word == "pa") return "PA";
  if (word == "ap") return "AP";
  if (word == "ll" || word == "rl" || word.ends_with("lateral")) return "lateral";
  if (word == "frontal") return "frontal";
  return "";
}

std::optional<ImageId> image_id(std::string_view text) {
  text = trimmed(text);
  text = text.substr(0, text.find('?'));
  if (const std::size_t slash = text.find_last_of("/\\"); slash != std::string_view::npos)
    text.remove_prefix(slash + 1);
  for (bool cut = true; cut;) {
    cut = false;
    for (const std::string_view ending : {".png", ".jpg", ".jpeg", ".dcm", ".gif", ".bmp"}) {
      if (!has_ending(text, ending)) continue;
      text.remove_suffix(ending.size());
      cut = true;
    }
  }
  if (text.starts_with("CXR")) text.remove_prefix(3);
  std::size_t digits = 0;
  while (digits < text.size() && digit(text[digits])) ++digits;
  const std::size_t film = text.find("_IM-");
  if (digits == 0 || digits > 12 || film == std::string_view::npos || film < digits) return {};
  for (const char c : text.substr(digits, film - digits))  // "_1" of CXR1_1_IM-0001-3001
    if (!digit(c) && c != '_') return {};
  for (const char c : text.substr(film + 1))
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-') return {};
  const std::string patient(text.substr(0, digits));
  return ImageId{patient, patient + std::string(text.substr(film))};
}

bool is_lateral(std::string_view view) { return view == "lateral"; }

bool is_blanked(std::string_view text) {
  bool any = false;
  for (const char c : text) {
    if (c == 'X' || c == 'x')
      any = true;
    else if (std::isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80)
      return false;
  }
  return any;
}

std::optional<Remark> doubt_of(const Report& report) {
  bool blanked = false, normal = false, indexed = true, word = false;
  std::string finding;
  for (const std::string& term : report.terms) {
    const std::string low = lowered(trimmed(term));
    if (low.empty()) continue;
    if (is_blanked(low)) {
      blanked = true;
      continue;
    }
    word = true;
    if (low == "normal")
      normal = true;
    else if (low == "no indexing")
      indexed = false;
    else if (finding.empty())
      finding = term;
  }
  if (!word && blanked) return Remark{"blanked label", report.id, "every term is a blanked word"};
  if (!word) return Remark{"empty label", report.id, "the report has no MeSH term"};
  if (normal && !finding.empty()) return Remark{"contradiction", report.id, "normal beside " + finding};
  if (normal && !indexed) return Remark{"contradiction", report.id, "normal beside No Indexing"};
  if (!indexed && finding.empty())
    return Remark{"not indexed", report.id, "No Indexing stands for its terms"};
  return {};
}

std::map<std::string, std::string> read_views(const std::string& path, std::vector<Remark>& remarks) {
  require<DataError>(!has_ending(path, ".gz"), "nodule import: ", printable(path),
                     " is packed; unpack it with gunzip -k, and name the table");
  // Not as a table: the real one has content in a column without a name.
  const CsvTable records = parse_csv_records(read_file(path, most_table), path);
  require<DataError>(!records.rows.empty(), "nodule import: ", printable(path), " is empty");
  const std::vector<std::string>& header = records.rows[0];
  const auto find = [&](std::string_view name) {
    const auto found = std::find_if(header.begin(), header.end(),
                                    [&](const std::string& column) { return trimmed(column) == name; });
    return static_cast<std::size_t>(found - header.begin());
  };
  const std::size_t id_at = find("imageid"), view_at = find("View Position"),
                    orientation_at = find("Patient Orientation");
  require<DataError>(
      id_at < header.size() && view_at < header.size(), "nodule import: ", printable(path),
      " has no columns imageid and View Position; name nlmcxr_dicom_metadata.csv with --views");
  std::map<std::string, std::string> views;
  std::set<std::string> torn;
  for (std::size_t i = 1; i < records.rows.size(); ++i) {
    const auto field = [&](std::size_t at) {
      return at < records.rows[i].size() ? records.rows[i][at] : std::string();
    };
    const std::string name = field(id_at), position = field(view_at);
    const auto id = image_id(name);
    if (!id) {
      remarks.push_back({"image", records.place(i), cat("imageid '", printable(name), "' names no image")});
      continue;
    }
    std::string view = view_position(position);
    const std::string turned = view_orientation(field(orientation_at));
    if (!view.empty() && !turned.empty() && is_lateral(view) != is_lateral(turned)) {
      remarks.push_back(
          {"contradiction", name,
           cat("View Position ", printable(position), ", but its rows are those of a ", turned, " film")});
      view.clear();
    } else if (view.empty()) {
      view = turned;
    }
    if (view.empty()) continue;
    const auto [known, fresh] = views.emplace(id->key, view);
    if (fresh || is_lateral(known->second) == is_lateral(view)) continue;
    remarks.push_back({"contradiction", name, "one row says that it is lateral, another that it is not"});
    torn.insert(id->key);
  }
  for (const std::string& key : torn) views.erase(key);
  return views;
}

}  // namespace gadolin::nodule
