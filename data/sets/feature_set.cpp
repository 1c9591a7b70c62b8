#include "data/sets/feature_set.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <set>

#include "io/csv.h"
#include "io/npy.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace {

constexpr const char* array_name = "features.npy";
constexpr const char* index_name = "index.csv";

bool is_part(const fs::path& folder) {
  std::error_code error;
  return fs::is_regular_file(folder / array_name, error) && fs::is_regular_file(folder / index_name, error);
}

std::vector<std::string> separated(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('|', begin), text.size());
    if (const auto word = trimmed(text.substr(begin, end - begin)); !word.empty()) words.emplace_back(word);
    begin = end + 1;
  }
  return words;
}

// One folder's rows, behind those of the folders before it.
class FeaturePart {
 public:
  FeaturePart(const std::string& folder, std::string name, Split split)
      : name_(std::move(name)), split_(split), index_(read_csv(folder + "/" + index_name)),
        array_(map_npy(folder + "/" + array_name)) {
    require<DataError>(array_.dim() >= 2 && array_.numel() > 0,
                       "features: ", printable(folder + "/" + array_name), " is ", array_.shape(),
                       ", and a set needs [rows, ...]; was it written by nodule extract-features or predict "
                       "--layer?");
    require<DataError>(std::ssize(index_.rows) == array_.size(0),
                       "features: ", printable(folder + "/" + index_name), " has ", index_.rows.size(),
                       " rows, ", array_name, " beside it ", array_.size(0), "; extract both again");
    array_ = array_.to(DType::fp32);
  }
  const Tensor& array() const { return array_; }

  void add(std::vector<detail::RawSample>& samples, std::set<std::string>& names, std::int64_t first) const {
    const int row_at = index_.column("row"), path_at = index_.column("path"),
              label_at = index_.column("label"), patient_at = index_.find("patient"),
              split_at = index_.find("split");
    std::vector<bool> seen(index_.rows.size());
    for (std::size_t i = 0; i < index_.rows.size(); ++i) {
      const auto field = [&](int column) {
        return std::string(column < 0 ? "" : trimmed(index_.rows[i][static_cast<std::size_t>(column)]));
      };
      detail::RawSample sample;
      sample.place = "features: " + index_.place(i);
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
      if (!names.insert(sample.info.name).second) sample.info.name = name_ + "/" + sample.info.name;
      sample.info.patient = field(patient_at);
      sample.info.split = split_from(field(split_at), sample.place);
      if (sample.info.split == Split::none) sample.info.split = split_;
      sample.info.record = first + row;
      sample.labels = separated(field(label_at));
      samples.push_back(std::move(sample));
    }
  }

 private:
  std::string name_;
  Split split_;
  CsvTable index_;
  Tensor array_;
};

}  // namespace

FeatureSet::FeatureSet(const Dataset& labelled, std::vector<Tensor> arrays)
    : Dataset(labelled), arrays_(std::move(arrays)) {
  std::int64_t rows = 0;
  for (const Tensor& array : arrays_) {
    begins_.push_back(rows);
    rows += array.size(0);
  }
  for (int d = 1; d < arrays_.at(0).dim(); ++d) row_.push_back(arrays_[0].size(d));
}

Sample FeatureSet::sample(std::int64_t i) const {
  const std::int64_t row = info(i).record;
  const auto part =
      static_cast<std::size_t>(std::upper_bound(begins_.begin(), begins_.end(), row) - begins_.begin() - 1);
  // Not a view: several threads ask at once, and threads own no tensors.
  const std::int64_t size = row_.numel();
  const float* from = arrays_[part].data<float>() + (row - begins_[part]) * size;
  SampleArray x{row_, std::vector<float>(from, from + size)};
  const auto bad = std::find_if(x.values.begin(), x.values.end(), [](float v) { return !std::isfinite(v); });
  if (bad != x.values.end())
    fail<DataError>("features: ", printable(info(i).name), " has ", *bad, " at place ",
                    bad - x.values.begin(), "; extract it again, and look at the picture");
  Sample sample;
  sample.set("x", std::move(x)).set("label", info(i).labels);
  return sample;
}

bool holds_features(const std::string& folder) {
  const fs::path root(folder);
  return is_part(root) || is_part(root / "train") || is_part(root / "val") || is_part(root / "test");
}

std::unique_ptr<Dataset> open_features(const std::string& folder, const DatasetOptions& options) {
  std::vector<FeaturePart> parts;
  if (is_part(folder)) parts.emplace_back(folder, "all", Split::none);
  for (const Split split : {Split::train, Split::val, Split::test})
    if (const std::string part = folder + "/" + split_name(split); is_part(part))
      parts.emplace_back(part, split_name(split), split);
  require<DataError>(!parts.empty(), "features: ", printable(folder), " holds no ", array_name, " with ",
                     index_name, ", nor do train, val or test in it; make them with nodule extract-features");
  std::vector<detail::RawSample> samples;
  std::vector<Tensor> arrays;
  std::set<std::string> names;
  std::int64_t rows = 0;
  for (const FeaturePart& part : parts) {
    const Shape first = parts[0].array().shape(), shape = part.array().shape();
    bool same = first.dim() == shape.dim();
    for (int d = 1; same && d < shape.dim(); ++d) same = first[d] == shape[d];
    require<DataError>(same, "features: the parts of ", printable(folder), " are ", first, " and ", shape,
                       "; their rows must be of one layer of one net");
    part.add(samples, names, rows);
    arrays.push_back(part.array());
    rows += shape[0];
  }
  const auto labelled = detail::number_classes(std::move(samples), options, folder);
  return std::make_unique<FeatureSet>(*labelled, std::move(arrays));
}

}  // namespace gadolin
