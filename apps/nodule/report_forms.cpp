// The other forms of reports: the scraper's JSON and the tables of Indiana University; and which form is it.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

#include "apps/nodule/reports.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "io/json.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::nodule {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t most_json = std::int64_t{1} << 28, most_xml = std::int64_t{1} << 22;

bool is_number(std::string_view text) {
  std::int64_t n = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), n);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() && n > 0 && text[0] != '0';
}

Report report_of_entry(const std::string& key, const Json& entry, const std::string& place) {
  require<DataError>(is_number(key), place, ": a number from 1 was expected, such as \"12\" for 12.png");
  require<DataError>(entry.is_object(), place, " is no object with type, items and img");
  const Json items = entry.value("items", Json());
  const bool texts = items.is_array() && std::all_of(items.begin(), items.end(),
                                                     [](const Json& item) { return item.is_string(); });
  require<DataError>(texts, place, ": items is no list of texts");
  require<DataError>(entry.contains("img") && entry["img"].is_string(), place,
                     ": img is no text; the address names the patient");
  const std::string address = entry["img"];
  const auto id = image_id(address);
  require<DataError>(id.has_value(), place, ": the address ", printable(address, 120),
                     " names no image such as CXR7_IM-2263-1001.png");
  Report report;
  report.id = "CXR" + id->patient;
  report.place = place;
  for (const Json& item : items) {
    report.terms.push_back(item.get<std::string>());
    require<DataError>(printable(report.terms.back()) == report.terms.back(), place, ": item '",
                       printable(report.terms.back()), "' is not text on one line");
  }
  report.images.push_back({"CXR" + id->key, key + ".png", ""});
  return report;
}

// What cannot be read is named, or thrown.
template <class F>
void note_unread(Reports& reports, bool skip, const char* kind, const std::string& name, F&& f) {
  try {
    f();
  } catch (const DataError& error) {
    if (!skip) throw;
    reports.unread.push_back({kind, name, error.message()});
  } catch (const FormatError& error) {
    if (!skip) throw;
    reports.unread.push_back({kind, name, error.message()});
  }
}

Reports scraper_reports(const std::string& text, const std::string& name, bool skip) {
  std::set<std::string> keys;
  std::string twice;
  const Json json = Json::parse(
      text,
      [&](int depth, Json::parse_event_t event, Json& value) {
        if (depth == 1 && event == Json::parse_event_t::key && !keys.insert(value.get<std::string>()).second)
          twice = value.get<std::string>();
        return true;
      },
      false);
  require<DataError>(json.is_object() && !json.empty(), "reports: ", printable(name),
                     " is no JSON of the scraper: {\"1\": {\"type\": \"Major\", \"items\": [...], \"img\": "
                     "\"...\"}, ...}");
  require<DataError>(twice.empty(), "reports: ", printable(name), ": entry ", printable(twice),
                     " stands there twice; keep one of the two");
  Reports reports{"scraper", {}, {}};
  for (const auto& [key, entry] : json.items()) {
    const std::string place = cat("reports: ", printable(name), ": entry ", printable(key));
    const Json& value = entry;
    const std::string& number = key;
    note_unread(reports, skip, "entry", key,
                [&] { reports.reports.push_back(report_of_entry(number, value, place)); });
  }
  // In the order of the numbers, whatever the file's.
  std::stable_sort(reports.reports.begin(), reports.reports.end(), [](const Report& a, const Report& b) {
    const std::string &x = a.images[0].file, &y = b.images[0].file;
    return x.size() != y.size() ? x.size() < y.size() : x < y;
  });
  return reports;
}

Reports xml_reports(const std::string& folder, bool skip) {
  std::vector<std::string> files;
  std::error_code error;
  fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error);
  if (error) fail_file("nodule import", printable(folder), error.value());
  for (; at != fs::recursive_directory_iterator(); at.increment(error)) {
    if (error) fail_file("nodule import", printable(folder), error.value());
    if (has_ending(at->path().filename().string(), ".xml") && at->is_regular_file())
      files.push_back(at->path().lexically_relative(folder).string());
  }
  require<DataError>(!files.empty(), "nodule import: ", printable(folder),
                     " holds no .xml file; name the scraper's .json, a table .csv, or a folder of reports");
  // 2.xml before 10.xml.
  std::sort(files.begin(), files.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  Reports reports{"xml", {}, {}};
  for (const std::string& file : files)
    note_unread(reports, skip, "file", file, [&] {
      reports.reports.push_back(parse_report_xml(read_file(folder + "/" + file, most_xml), file));
    });
  return reports;
}

}  // namespace

Reports parse_scraper_json(const std::string& text, const std::string& name) {
  return scraper_reports(text, name, false);
}

Reports parse_report_tables(const std::string& reports_path, const std::string& projections_path) {
  const CsvTable table = read_csv(reports_path), films = read_csv(projections_path);
  const auto uid_at = static_cast<std::size_t>(table.column("uid")),
             mesh_at = static_cast<std::size_t>(table.column("MeSH")),
             film_uid_at = static_cast<std::size_t>(films.column("uid")),
             file_at = static_cast<std::size_t>(films.column("filename"));
  const int findings_at = table.find("findings"), impression_at = table.find("impression"),
            projection_at = films.find("projection");
  Reports reports{"csv", {}, {}};
  std::map<std::string, std::size_t> by_uid;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const auto& row = table.rows[i];
    const auto field = [&](int at) {
      return at < 0 ? "" : std::string(trimmed(row[static_cast<std::size_t>(at)]));
    };
    Report report;
    const std::string uid(trimmed(row[uid_at]));
    require<DataError>(!uid.empty() && by_uid.emplace(uid, i).second, "reports: ", table.place(i), ": uid '",
                       printable(uid), "' is empty or stands there twice");
    report.id = "CXR" + uid;
    report.place = table.place(i);
    for (std::string_view rest = row[mesh_at]; !rest.empty();) {
      const std::size_t end = std::min(rest.find(';'), rest.size());
      if (!trimmed(rest.substr(0, end)).empty()) report.terms.emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    report.findings = field(findings_at);
    report.impression = field(impression_at);
    report.texts = findings_at >= 0 || impression_at >= 0;
    reports.reports.push_back(std::move(report));
  }
  for (std::size_t i = 0; i < films.rows.size(); ++i) {
    const std::string uid(trimmed(films.rows[i][film_uid_at])), file(trimmed(films.rows[i][file_at]));
    const auto found = by_uid.find(uid);
    if (found == by_uid.end()) {
      reports.unread.push_back(
          {"image", file, cat(films.place(i), ": no report has the uid ", printable(uid))});
      continue;
    }
    std::string view;
    if (projection_at >= 0) {
      const std::string& word = films.rows[i][static_cast<std::size_t>(projection_at)];
      view = view_position(word);
      if (view.empty() && !trimmed(word).empty())
        reports.unread.push_back(
            {"view", file, cat(films.place(i), ": projection ", printable(word), " is unknown; left open")});
    }
    reports.reports[found->second].images.push_back({file, "", view});
  }
  return reports;
}

Reports read_reports(const std::string& path, const ReadOptions& options) {
  std::error_code error;
  require<DataError>(fs::exists(path, error), "nodule import: ", printable(path),
                     " does not exist; check the path");
  if (fs::is_directory(path, error)) return xml_reports(path, options.skip_wrong);
  if (has_ending(path, ".json"))
    return scraper_reports(read_file(path, most_json), fs::path(path).filename().string(),
                           options.skip_wrong);
  require<DataError>(has_ending(path, ".csv"), "nodule import: ", printable(path),
                     " is none of the scraper's .json, a table .csv and a folder of .xml files");
  std::string projections = options.projections;
  if (projections.empty()) {
    std::string name = fs::path(path).filename().string();
    if (const std::size_t word = name.find("reports"); word != std::string::npos)
      name.replace(word, 7, "projections");
    projections = (fs::path(path).parent_path() / name).string();
    require<DataError>(name != fs::path(path).filename() && fs::exists(projections, error),
                       "nodule import: the images of ", printable(path),
                       " stand in another table, and there is no ", printable(name),
                       " beside it; name it with --projections");
  }
  return parse_report_tables(path, projections);
}

}  // namespace gadolin::nodule
