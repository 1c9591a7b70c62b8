// Manifest CSV: path, patient, labels (separated by |), split; other columns are carried along.
#include <filesystem>
#include <unordered_map>

#include "data/sets/dataset.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace {

std::vector<std::string> parts(const std::string& text) {
  std::vector<std::string> out;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find('|', begin), text.size());
    const std::string_view part = trimmed(std::string_view(text).substr(begin, end - begin));
    if (!part.empty()) out.emplace_back(part);
    begin = end + 1;
  }
  return out;
}

int label_column(const CsvTable& table, const DatasetOptions& options) {
  if (options.label_column == "labels" && table.find("labels") < 0 && table.find("label") >= 0)
    return table.find("label");
  return table.column(options.label_column);
}
// A column that may be missing only under its usual name.
int optional_column(const CsvTable& table, const std::string& name, const char* usual) {
  return name == usual ? table.find(name) : table.column(name);
}

}  // namespace

std::unique_ptr<Dataset> open_manifest(const std::string& path, const DatasetOptions& options) {
  const CsvTable table = read_csv(path);
  require<DataError>(
      table.find(options.path_column) >= 0 || table.find("name") < 0 || table.find("split") < 0,
      "dataset: ", printable(path),
      " names samples that have no files of their own; give the set itself, and this file "
      "with --splits");
  const int path_at = table.column(options.path_column), label_at = label_column(table, options);
  const bool other_name = options.patient_column == "patient" && table.find("patient") < 0;
  const int patient_at =
      other_name ? table.find("patient_id") : optional_column(table, options.patient_column, "patient");
  const int split_at = optional_column(table, options.split_column, "split");
  std::string root =
      options.image_folder.empty() ? fs::path(path).parent_path().string() : options.image_folder;
  if (root.empty() || path.starts_with("/dev/")) root = ".";  // /dev/stdin: where the user stands
  std::vector<detail::RawSample> samples;
  samples.reserve(table.rows.size());
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const auto field = [&](int column) {
      return std::string(column < 0 ? "" : trimmed(table.rows[i][static_cast<std::size_t>(column)]));
    };
    detail::RawSample sample;
    sample.place = cat("dataset: ", table.place(i));
    try {
      sample.info.name = field(path_at);
      require<DataError>(!sample.info.name.empty(), sample.place, ": the path is empty");
      sample.info.path = (fs::path(root) / sample.info.name).string();
      std::error_code error;
      const bool plain = fs::path(sample.info.name).is_relative() &&
                         sample.info.name.find("..") == std::string::npos &&
                         !fs::is_symlink(sample.info.path, error);
      if (!plain) detail::check_inside(sample.info.path, root, options, sample.place);
      sample.info.patient = field(patient_at);
      sample.info.split = split_from(field(split_at), sample.place);
      sample.labels = parts(field(label_at));
      sample.info.record = static_cast<std::int64_t>(i);
      samples.push_back(std::move(sample));
    } catch (const DataError& e) {
      if (!options.problems) throw;
      options.problems->push_back(e.message());
    }
  }
  require<DataError>(!samples.empty(), "dataset: ", printable(path), " lists no samples");
  return detail::number_classes(std::move(samples), options, root);
}

void write_manifest(const std::string& path, const Dataset& dataset) {
  CsvTable table{path, {"path", "patient", "labels", "split"}, {}, {}};
  const fs::path folder = fs::absolute(path).parent_path();
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const SampleInfo& s = dataset.info(i);
    require<DataError>(!s.path.empty(), "write_manifest: ", printable(s.name), " has no file of its own");
    const fs::path below =
        fs::absolute(s.path).lexically_normal().lexically_relative(folder.lexically_normal());
    const bool inside = !below.empty() && *below.begin() != "..";
    std::string labels;
    for (const int label : s.labels) {
      const std::string& name = dataset.classes()[static_cast<std::size_t>(label)];
      require<DataError>(name.find('|') == std::string::npos, "write_manifest: class '", printable(name),
                         "' holds the separator |");
      labels += (labels.empty() ? "" : "|") + name;
    }
    table.rows.push_back(
        {inside ? below.string() : fs::absolute(s.path).string(), s.patient, labels, split_name(s.split)});
  }
  write_file_atomically(path, to_csv(table));
}

void write_splits(const std::string& path, const Dataset& dataset, const std::string& split_column) {
  CsvTable table = read_csv(path);
  int column = table.find(split_column);
  if (column < 0) {
    column = static_cast<int>(table.header.size());
    table.header.push_back(split_column);
    for (auto& row : table.rows) row.emplace_back();
  }
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const SampleInfo& s = dataset.info(i);
    const auto row = static_cast<std::size_t>(s.record);
    require<DataError>(row < table.rows.size(), "write_splits: ", printable(path), " has ", table.rows.size(),
                       " rows, the set was opened with more; open it again");
    table.rows[row][static_cast<std::size_t>(column)] = split_name(s.split);
  }
  write_file_atomically(path, to_csv(table));
}

void read_splits(const std::string& path, Dataset& dataset) {
  const CsvTable table = read_csv(path);
  const bool by_name = table.find("name") >= 0;
  const auto key_at = static_cast<std::size_t>(table.column(by_name ? "name" : "path"));
  const auto split_at = static_cast<std::size_t>(table.column("split"));
  const auto whole = [](const fs::path& file) { return fs::absolute(file).lexically_normal().string(); };
  std::unordered_map<std::string, std::int64_t> sample;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    sample.emplace(by_name ? dataset.info(i).name : whole(dataset.info(i).path), i);
  }
  std::vector<Split> splits(static_cast<std::size_t>(dataset.size()), Split::none);
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const std::string key(trimmed(table.rows[row][key_at]));
    const auto found = sample.find(by_name ? key : whole(fs::path(path).parent_path() / key));
    require<DataError>(found != sample.end(), "splits: ", table.place(row), ": ", printable(key),
                       " is not in ", printable(dataset.root()), "; are they the splits of other data?");
    splits[static_cast<std::size_t>(found->second)] =
        split_from(table.rows[row][split_at], cat("splits: ", table.place(row)));
  }
  for (std::int64_t i = 0; i < dataset.size(); ++i) dataset.set_split(i, splits[static_cast<std::size_t>(i)]);
}

}  // namespace gadolin
