// What all kinds of data sets share: numbering of classes, subsets, fingerprint, choice of a kind.
#include "data/sets/dataset.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <unordered_map>

#include "data/dicom/dictionary.h"
#include "data/image/codec.h"
#include "data/sets/boxes/detection_set.h"
#include "data/sets/feature_set.h"
#include "data/sets/tfrecord_dataset.h"
#include "io/atomic_file.h"
#include "io/sha256.h"
#include "io/text.h"
#include "io/tfrecord.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace {

bool as_number(const std::string& text, std::int64_t& v) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), v);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

std::vector<std::string> sorted_classes(const std::set<std::string>& names) {
  std::vector<std::string> classes(names.begin(), names.end());
  std::int64_t a = 0, b = 0;
  if (!std::all_of(classes.begin(), classes.end(), [&](const auto& c) { return as_number(c, a); }))
    return classes;
  std::stable_sort(classes.begin(), classes.end(), [&](const auto& x, const auto& y) {
    as_number(x, a);
    as_number(y, b);
    return a < b;
  });
  return classes;
}

// Notes the problem and says so, or throws when nobody collects them.
bool noted(const DatasetOptions& options, const std::string& text) {
  if (!options.problems) fail<DataError>(text);
  options.problems->push_back(text);
  return true;
}

bool holds(const fs::path& folder, std::string_view part) {
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error) fail_file("dataset", printable(folder.string()), error.value());
  for (const auto& entry : entries) {
    if (entry.path().filename().string().find(part) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

const char* split_name(Split split) {
  constexpr const char* names[] = {"", "train", "val", "test"};
  return names[static_cast<int>(split)];
}

std::optional<Split> detail::split_called(std::string_view text) {
  std::string word(trimmed(text));
  for (char& c : word)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  for (const std::string_view end : {"set", "data"}) {  // train_set, test-data, trainset
    if (!word.ends_with(end)) continue;
    word.resize(word.size() - end.size());
    if (word.ends_with('_') || word.ends_with('-') || word.ends_with(' ')) word.pop_back();
  }
  if (word == "train" || word == "training") return Split::train;
  if (word == "val" || word == "valid" || word == "validation" || word == "dev") return Split::val;
  if (word == "test" || word == "testing") return Split::test;
  return std::nullopt;
}

Split split_from(std::string_view text, std::string_view place) {
  if (trimmed(text).empty()) return Split::none;
  const std::optional<Split> split = detail::split_called(text);
  require<DataError>(split.has_value(), place, ": split '", printable(text), "' is not train, val or test");
  return *split;
}

Dataset::Dataset(std::vector<std::string> classes, bool multi_label, std::vector<SampleInfo> samples,
                 std::string root)
    : classes_(std::move(classes)), multi_label_(multi_label),
      samples_(std::make_shared<std::vector<SampleInfo>>(std::move(samples))), root_(std::move(root)) {}

const SampleInfo& Dataset::info(std::int64_t i) const {
  require<ValueError>(i >= 0 && i < size(), "dataset: sample ", i, " of ", size());
  return (*samples_)[static_cast<std::size_t>(i)];
}

std::string Dataset::left_out_text() const {
  std::int64_t all = 0;
  std::string kinds;
  for (const LeftOut& kind : left_out_) {
    all += kind.count;
    kinds += cat(kinds.empty() ? "" : ", ", kind.count, " ", printable(kind.kind), " (",
                 printable(kind.example), ")");
  }
  return all == 0 ? "" : cat(all, all == 1 ? " file is left out: " : " files are left out: ", kinds);
}

void Dataset::set_split(std::int64_t i, Split split) {
  info(i);
  own_samples()[static_cast<std::size_t>(i)].split = split;
}

bool Dataset::has_split(Split split) const {
  return std::any_of(samples_->begin(), samples_->end(),
                     [=](const SampleInfo& s) { return s.split == split; });
}

std::vector<std::int64_t> Dataset::class_counts() const {
  std::vector<std::int64_t> counts(classes_.size());
  for (const SampleInfo& s : *samples_) {
    for (const int label : s.labels) ++counts[static_cast<std::size_t>(label)];
  }
  return counts;
}

std::string Dataset::fingerprint() const {
  std::string all = multi_label_ ? "multi-label\n" : "single label\n";
  for (const std::string& c : classes_) all += c + '\n';
  for (const SampleInfo& s : *samples_) {
    all += s.name + '\t' + split_name(s.split);
    for (const int label : s.labels) all += '\t' + std::to_string(label);
    all += '\n';
  }
  return sha256_hex(all);
}

Sample Dataset::sample(std::int64_t i) const {
  Sample sample;
  sample.set("image", read(i)).set("label", info(i).labels);
  return sample;
}

StoredImage Dataset::read(std::int64_t i) const {
  require<Unsupported>(!info(i).path.empty(), "dataset: ", printable(info(i).name),
                       " is no picture in a file; ask sample() for what it is");
  return {read_bytes(info(i).path, ImageLimits{}.file_bytes), {}};
}

Image Dataset::image(std::int64_t i, const DecodeOptions& options) const {
  const StoredImage source = read(i);
  if (!source.file.empty() || source.image.numel() == 0)
    return decode_image(source.file, info(i).name, options);
  return options.channels == 1   ? to_grey(source.image)
         : options.channels == 3 ? to_rgb(source.image)
                                 : source.image;
}

std::unique_ptr<Dataset> Dataset::subset(const std::vector<std::int64_t>& indices) const {
  auto part = clone();
  part->samples_ = std::make_shared<std::vector<SampleInfo>>();
  part->samples_->reserve(indices.size());
  for (const std::int64_t i : indices) part->samples_->push_back(info(i));
  return part;
}

std::unique_ptr<Dataset> Dataset::subset(Split split) const {
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < size(); ++i) {
    if (info(i).split == split) indices.push_back(i);
  }
  std::string others;  // the way out: splits that there are
  for (const Split other : {Split::train, Split::val, Split::test}) {
    if (indices.empty() && has_split(other)) others += cat(others.empty() ? "" : ", ", split_name(other));
  }
  require<DataError>(
      !indices.empty(), "dataset: ", printable(root_), " has no samples for ",
      split == Split::none ? "no split" : split_name(split), others.empty() ? "" : ", only for ", others,
      others.empty() ? "; assign splits with `gadolin data split`"
                     : "; choose one of these (eval --split), or divide anew with `gadolin data split`");
  return subset(indices);
}

namespace detail {

bool is_image_name(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || name[0] == '.') return false;
  std::string end(name.substr(dot + 1));
  for (char& c : end)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const auto& all = decoders();
  return std::any_of(all.begin(), all.end(), [&](const Decoder& d) {
    return std::find(d.endings.begin(), d.endings.end(), end) != d.endings.end();
  });
}

bool is_image_file(const std::string& path) {
  const std::string name = fs::path(path).filename().string();
  if (is_image_name(name)) return true;
  // Scanners and archives write DICOM files without an ending, or with a UID for a name.
  std::error_code error;
  if (name[0] == '.' || name == "DICOMDIR" || !fs::is_regular_file(path, error)) return false;
  std::uint8_t head[132] = {};
  std::ifstream(path, std::ios::binary).read(reinterpret_cast<char*>(head), sizeof head);
  const ImageFormat format = image_format(head);
  if (format == ImageFormat::dicom) return dicom_available() && std::memcmp(head + 128, "DICM", 4) == 0;
  return name.find('.') == std::string::npos && (format == ImageFormat::jpeg || format == ImageFormat::png);
}

void check_inside(const std::string& path, const std::string& root, const DatasetOptions& options,
                  const std::string& place) {
  if (options.allow_outside) return;
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error), base = fs::weakly_canonical(root, error);
  const auto [end, rest] = std::mismatch(base.begin(), base.end(), real.begin(), real.end());
  (void)rest;
  require<DataError>(end == base.end(), place, ": ", printable(path), " leaves the folder ", printable(root),
                     "; allow it with --allow-outside");
}

std::unique_ptr<Dataset> number_classes(std::vector<RawSample> raw, const DatasetOptions& options,
                                        std::string root) {
  bool multi = options.multi_label;
  std::set<std::string> names;
  for (const RawSample& r : raw) {
    multi = multi || r.labels.size() > 1;
    for (const std::string& l : r.labels) {
      if ((options.none_label.empty() || l != options.none_label) && names.insert(l).second)
        require<DataError>(printable(l) == l, r.place, ": label '", printable(l),
                           "' is not text in UTF-8; convert the table, or rename the folder");
    }
  }
  // Without a fixed list a none label means: several labels a sample are possible, and none is one of them.
  multi = multi || !options.none_label.empty();
  const std::vector<std::string> classes = options.classes.empty() ? sorted_classes(names) : options.classes;
  std::unordered_map<std::string, int> number;
  for (std::size_t c = 0; c < classes.size(); ++c) {
    require<DataError>(number.emplace(classes[c], static_cast<int>(c)).second, "dataset: class '",
                       printable(classes[c]), "' is listed twice");
  }
  std::vector<SampleInfo> samples;
  std::unordered_map<std::string, std::size_t> seen;
  for (RawSample& r : raw) {
    bool good = true;
    for (const std::string& l : r.labels) {
      if (multi && !options.none_label.empty() && l == options.none_label) continue;
      const auto found = number.find(l);
      if (found != number.end())
        r.info.labels.push_back(found->second);
      else
        good = !noted(options, cat(r.place, ": label '", printable(l), "' is not among the ", classes.size(),
                                   " classes"));
    }
    std::sort(r.info.labels.begin(), r.info.labels.end());
    r.info.labels.erase(std::unique(r.info.labels.begin(), r.info.labels.end()), r.info.labels.end());
    if (good && !multi && r.info.labels.empty())
      good = !noted(options, cat(r.place, ": ", printable(r.info.name), " has no label"));
    const auto [first, fresh] = seen.emplace(r.info.name, samples.size());
    if (good && !fresh) {
      const bool same = samples[first->second].labels == r.info.labels;
      good = !noted(options, cat(r.place, ": ", printable(r.info.name),
                                 same ? " is listed twice" : " is listed twice with different labels"));
    }
    if (good)
      samples.push_back(std::move(r.info));
    else if (fresh)
      seen.erase(first);
  }
  require<DataError>(!samples.empty(), "dataset: ", printable(root), " has no usable samples");
  return std::make_unique<Dataset>(classes, multi, std::move(samples), std::move(root));
}

}  // namespace detail

std::unique_ptr<Dataset> open_dataset(const std::string& path, const DatasetOptions& options) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status) && path.find_first_of("*?") != std::string::npos)
    return open_tfrecords(path, options);
  require<DataError>(fs::exists(status), "dataset: ", printable(path), " does not exist; check the path");
  if (!fs::is_directory(status)) {
    if (is_tfrecord_name(fs::path(path).filename().string())) return open_tfrecords(path, options);
    if (has_ending(path, ".json")) return open_coco(path, options);
    const bool file = fs::is_regular_file(status);  // a pipe can be read once
    if (file && has_ending(path, ".csv") && is_box_table(path)) return open_box_table(path, options);
    // What comes through a pipe can only be a table, and its name says nothing.
    const bool piped = fs::is_fifo(status) || path.starts_with("/dev/");
    require<DataError>(piped || has_ending(path, ".csv"), "dataset: ", printable(path),
                       " is neither a folder nor a manifest (.csv) nor a TFRecord (.tfrecord)");
    return open_manifest(path, options);
  }
  const fs::path root(path);
  if (fs::exists(root / "manifest.csv")) return open_manifest((root / "manifest.csv").string(), options);
  if (holds_features(path)) return open_features(path, options);
  if (holds_voc(path)) return open_voc(path, options);
  if (holds_coco(path)) return open_coco(path, options);
  if (holds(root, "-idx3-ubyte")) return open_idx(path, options);
  if (holds_tfrecords(path)) return open_tfrecords(path, options);
  if (fs::is_directory(root / "images") && fs::is_directory(root / "labels"))
    return open_pairs(path, options);
  return open_class_folders(path, options);
}

}  // namespace gadolin
