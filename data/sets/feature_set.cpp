#include "data/sets/feature_set.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

#include "io/csv.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace {

std::vector<std::string> separated(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('|', begin), text.size());
    if (const auto word = trimmed(text.substr(begin, end - begin)); !word.empty()) words.emplace_back(word);
    begin = end + 1;
  }
  return words;
}

// The lines of a part's index, for rows that begin at `first`.
void add_rows(const FeaturePart& part, const FeatureRows& rows, std::vector<detail::RawSample>& samples,
              std::set<std::string>& names) {
  const std::string path = part.folder + "/index.csv";
  const CsvTable index = read_csv(path);
  const std::int64_t count = rows.rows_of_last(), first = rows.rows() - count;
  require<DataError>(std::ssize(index.rows) == count, "features: ", printable(path), " has ",
                     index.rows.size(), " rows, ", fs::path(rows.path()).filename().string(), " beside it ",
                     count, "; extract both again");
  const int row_at = index.column("row"), path_at = index.column("path"), label_at = index.column("label"),
            patient_at = index.find("patient"), split_at = index.find("split");
  std::vector<bool> seen(index.rows.size());
  for (std::size_t i = 0; i < index.rows.size(); ++i) {
    const auto field = [&](int column) {
      return std::string(column < 0 ? "" : trimmed(index.rows[i][static_cast<std::size_t>(column)]));
    };
    detail::RawSample sample;
    sample.place = "features: " + index.place(i);
    const std::string number = field(row_at);
    std::int64_t row = -1;
    const auto read = std::from_chars(number.data(), number.data() + number.size(), row);
    const bool good = read.ec == std::errc() && read.ptr == number.data() + number.size() && row >= 0 &&
                      row < std::ssize(seen) && !seen[static_cast<std::size_t>(row)];
    require<DataError>(good, sample.place, ": row '", printable(number), "' is not one of 0 to ",
                       seen.size() - 1, ", each once");
    seen[static_cast<std::size_t>(row)] = true;
    sample.info.name = field(path_at);
    require<DataError>(!sample.info.name.empty(), sample.place, ": the path is empty");
    if (!names.insert(sample.info.name).second) sample.info.name = part.name + "/" + sample.info.name;
    sample.info.patient = field(patient_at);
    sample.info.split = split_from(field(split_at), sample.place);
    if (sample.info.split == Split::none) sample.info.split = part.split;
    sample.info.record = first + row;
    sample.labels = separated(field(label_at));
    samples.push_back(std::move(sample));
  }
}

}  // namespace

FeatureSet::FeatureSet(const Dataset& labelled, FeatureRows rows)
    : Dataset(labelled), rows_(std::make_shared<const FeatureRows>(std::move(rows))) {}

Sample FeatureSet::sample(std::int64_t i) const {
  SampleArray x{row(), std::vector<float>(static_cast<std::size_t>(row().numel()))};
  rows_->copy(info(i).record, x.values.data(), info(i).name);
  Sample sample;
  sample.set("x", std::move(x)).set("label", info(i).labels);
  return sample;
}

bool holds_features(const std::string& folder) { return !feature_parts(folder).empty(); }

std::unique_ptr<Dataset> open_features(const std::string& folder, const DatasetOptions& options) {
  const std::vector<FeaturePart> parts = feature_parts(folder);
  require<DataError>(!parts.empty(), "features: ", printable(folder),
                     " holds no features.npy with index.csv, nor do train, val or test in it; make them with "
                     "nodule extract-features");
  std::vector<detail::RawSample> samples;
  std::set<std::string> names;
  FeatureRows rows;
  for (const FeaturePart& part : parts) {
    rows.add(part.folder);
    add_rows(part, rows, samples, names);
  }
  const auto labelled = detail::number_classes(std::move(samples), options, folder);
  return std::make_unique<FeatureSet>(*labelled, std::move(rows));
}

}  // namespace gadolin
