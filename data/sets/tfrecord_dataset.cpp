// Labelled pictures in TFRecords: read at random as a Dataset, and written from one.
#include "data/sets/tfrecord_dataset.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <unordered_map>

#include "io/atomic_file.h"
#include "io/tfrecord.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace {

using TfRecordFiles = std::vector<std::unique_ptr<TfRecordFile>>;

std::string keys_of(const Example& example) {
  std::string text;
  for (const auto& [key, feature] : example) {
    (void)feature;
    text += (text.empty() ? "" : ", ") + printable(key);
    if (text.size() > 200) return text + ", ...";
  }
  return text.empty() ? "no features at all" : text;
}

const Feature& feature_of(const Example& example, const std::string& key, const TfRecordFile& file,
                          std::int64_t i, const char* option) {
  const auto found = example.find(key);
  if (found == example.end()) {
    fail<DataError>("dataset: ", file.place(i), " has no feature '", printable(key), "'; give ", option,
                    ", it has ", keys_of(parse_example(file.record(i), cat("dataset: ", file.place(i)))));
  }
  return found->second;
}

class TfRecordDataset : public Dataset {
 public:
  TfRecordDataset(const Dataset& samples, std::shared_ptr<const TfRecordFiles> files, std::string image_key)
      : Dataset(samples), files_(std::move(files)), image_key_(std::move(image_key)) {}

  StoredImage read(std::int64_t i) const override {
    const std::int64_t at = info(i).record;
    const TfRecordFile& file = *(*files_)[static_cast<std::size_t>(at >> 32)];
    return {encoded(file, at & 0xffffffff, image_key_), {}};
  }
  static std::vector<std::uint8_t> encoded(const TfRecordFile& file, std::int64_t record,
                                           const std::string& key) {
    const std::string_view keys[] = {key};
    const Example example = parse_example(file.record(record), cat("dataset: ", file.place(record)), keys);
    const Feature& image = feature_of(example, key, file, record, "--image-key");
    require<DataError>(
        image.kind == Feature::Kind::bytes && image.bytes.size() == 1 && !image.bytes[0].empty(),
        "dataset: ", file.place(record), ": feature '", printable(key), "' is ", kind_name(image.kind), " x ",
        image.bytes.size() + image.floats.size() + image.ints.size(),
        ", needed is the bytes of one image file");
    return {image.bytes[0].begin(), image.bytes[0].end()};
  }

 protected:
  std::unique_ptr<Dataset> clone() const override {
    return std::unique_ptr<Dataset>(new TfRecordDataset(*this));
  }

 private:
  std::shared_ptr<const TfRecordFiles> files_;
  std::string image_key_;
};

// labels.txt, "number:name" a line, beside the file or in the folder above; empty when there is none.
std::map<std::int64_t, std::string> class_names(const fs::path& file) {
  std::map<std::int64_t, std::string> names;
  for (const fs::path& folder : {file.parent_path(), file.parent_path() / ".."}) {
    const std::string path = (folder / "labels.txt").string();
    std::error_code error;
    if (!fs::is_regular_file(path, error)) continue;
    const std::string text = read_file(path, 16 << 20);
    for (std::size_t at = 0, line = 1; at < text.size(); ++line) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      std::string row = text.substr(at, end - at);
      if (row.ends_with('\r')) row.pop_back();
      at = end + 1;
      if (row.empty()) continue;
      std::int64_t number = 0;
      const auto parsed = std::from_chars(row.data(), row.data() + row.size(), number);
      const bool good =
          parsed.ec == std::errc() && parsed.ptr < row.data() + row.size() && *parsed.ptr == ':';
      require<DataError>(good && names.emplace(number, row.substr(row.find(':') + 1)).second,
                         "dataset: ", printable(path), ":", line, ": not a new class as number:name");
    }
    return names;
  }
  return names;
}

// By the file's name or its folder's.
Split split_of(const fs::path& file) {
  for (const std::string& name : {file.filename().string(), file.parent_path().filename().string()}) {
    for (const char* split : {"train", "validation", "valid", "val", "test"}) {
      const std::string_view word = split;
      if (!name.starts_with(word)) continue;
      if (name.size() == word.size() ||
          std::string_view("-_.").find(name[word.size()]) != std::string_view::npos)
        return split_from(word);
    }
  }
  return Split::none;
}

std::string text_of(const Example& example, const std::string& key) {
  const auto found = example.find(key);
  if (found == example.end()) return {};
  if (found->second.bytes.size() == 1) return found->second.bytes[0];
  return found->second.ints.size() == 1 ? cat(found->second.ints[0]) : std::string();
}

// Raw labels of one record; whether it says by an empty list that it has none.
detail::RawSample sample_of(const TfRecordFile& file, std::int64_t i, const DatasetOptions& o,
                            const std::map<std::int64_t, std::string>& names, bool& none) {
  const std::string_view keys[] = {o.label_key, o.patient_key, o.name_key};
  detail::RawSample sample;
  sample.place = cat("dataset: ", file.place(i));
  Example example;
  try {
    example = parse_example(file.unchecked(i), sample.place, keys);
  } catch (const FormatError&) {
    if (o.unlabelled) return sample;  // reading it says why
    file.record(i);                   // damage says so itself
    throw;
  }
  sample.info.name = text_of(example, o.name_key);
  sample.info.patient = text_of(example, o.patient_key);
  if (o.unlabelled) return sample;
  const Feature& label = feature_of(example, o.label_key, file, i, "--label-key");
  require<DataError>(label.kind != Feature::Kind::floats, sample.place, ": feature '", printable(o.label_key),
                     "' is float, labels are int64 or bytes");
  sample.labels = label.bytes;
  for (const std::int64_t number : label.ints) {
    const auto name = names.find(number);
    const std::string text = name != names.end() ? name->second : cat(number);
    const bool known = name != names.end() ||
                       (names.empty() && (o.classes.empty() || std::find(o.classes.begin(), o.classes.end(),
                                                                         text) != o.classes.end()));
    if (!known) file.record(i);
    require<DataError>(known || names.empty(), sample.place, ": label ", number, " is not in labels.txt");
    require<DataError>(known, sample.place, ": label ", number,
                       " has no name; put labels.txt, number:name a line, beside the file");
    sample.labels.push_back(text);
  }
  none = sample.labels.empty();
  return sample;
}

const char* tf_format(ImageFormat format) {
  return format == ImageFormat::jpeg ? "jpg" : format == ImageFormat::png ? "png" : "bmp";
}

}  // namespace

std::unique_ptr<Dataset> open_tfrecords(const std::string& path, const DatasetOptions& given) {
  DatasetOptions options = given;
  auto files = std::make_shared<TfRecordFiles>();
  std::vector<detail::RawSample> samples;
  std::unordered_map<std::string, int> named;
  const std::vector<std::string> paths = tfrecord_files(path);
  const auto names =
      given.unlabelled ? std::map<std::int64_t, std::string>() : class_names(fs::path(paths[0]));
  options.multi_label = options.multi_label || given.unlabelled;
  if (options.classes.empty()) {
    for (const auto& [number, name] : names) {
      (void)number;
      options.classes.push_back(name);
    }
  }
  for (const std::string& file_path : paths) {
    auto file = std::make_unique<TfRecordFile>(file_path);
    if (file->size() > 0 && !given.unlabelled)
      TfRecordDataset::encoded(*file, 0, options.image_key);  // a wrong key shows now, not in training
    for (std::int64_t i = 0; i < file->size(); ++i) {
      try {
        bool none = false;
        detail::RawSample sample = sample_of(*file, i, options, names, none);
        options.multi_label = options.multi_label || none;
        sample.info.split = split_of(file_path);
        sample.info.record = static_cast<std::int64_t>(files->size()) << 32 | i;
        ++named[sample.info.name];
        samples.push_back(std::move(sample));
      } catch (const Error& e) {
        if (!options.problems) throw;
        options.problems->push_back(e.message());
      }
    }
    files->push_back(std::move(file));
  }
  std::int64_t records = 0;
  for (const auto& file : *files) records += file->size();
  require<DataError>(
      !samples.empty(), "dataset: ", printable(path),
      records == 0 ? cat(" holds no records") : cat(" has no usable records: all ", records, " have faults"));
  for (detail::RawSample& s : samples) {
    if (!s.info.name.empty() && named[s.info.name] == 1) continue;
    const TfRecordFile& file = *(*files)[static_cast<std::size_t>(s.info.record >> 32)];
    s.info.name = cat(fs::path(file.path()).filename().string(), ":", s.info.record & 0xffffffff);
  }
  return std::make_unique<TfRecordDataset>(*detail::number_classes(std::move(samples), options, path),
                                           std::move(files), options.image_key);
}

std::vector<std::string> write_tfrecords(const std::string& path, const Dataset& dataset, int shards) {
  TfRecordWriter writer(path, shards);
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const SampleInfo& info = dataset.info(i);
    StoredImage source = dataset.read(i);
    const Image image = dataset.image(i);
    ImageFormat format = image_format(source.file);
    if (format != ImageFormat::jpeg && format != ImageFormat::png && format != ImageFormat::bmp) {
      source.file = encode_png(image);
      format = ImageFormat::png;
    }
    Example example;
    example["image/encoded"] = Feature::of_bytes({std::string(source.file.begin(), source.file.end())});
    example["image/format"] = Feature::of_bytes({tf_format(format)});
    example["image/class/label"] = Feature::of_ints({info.labels.begin(), info.labels.end()});
    example["image/height"] = Feature::of_ints({image.height});
    example["image/width"] = Feature::of_ints({image.width});
    example["image/filename"] = Feature::of_bytes({info.name});
    if (!info.patient.empty()) example["image/patient_id"] = Feature::of_bytes({info.patient});
    writer.append(example);
  }
  const std::vector<std::string> paths = writer.paths();
  writer.close();
  return paths;
}

void write_class_names(const std::string& path, const std::vector<std::string>& classes) {
  std::string text;
  for (std::size_t k = 0; k < classes.size(); ++k) {
    require<DataError>(classes[k].find_first_of("\r\n") == std::string::npos, "labels: class '",
                       printable(classes[k]), "' holds a line break");
    text += cat(k, ":", classes[k], "\n");
  }
  write_file_atomically(path, text);
}

std::int64_t unpack_dataset(const std::string& folder, const Dataset& dataset) {
  make_folders("convert", folder + "/images");
  std::vector<SampleInfo> infos;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    StoredImage source = dataset.read(i);
    if (source.file.empty()) source.file = encode_png(source.image);
    const ImageFormat format = image_format(source.file);
    require<DataError>(format != ImageFormat::unknown, "dataset: ", printable(dataset.info(i).name),
                       " is no image that can be read");
    const char* end = format == ImageFormat::jpeg  ? "jpg"
                      : format == ImageFormat::png ? "png"
                      : format == ImageFormat::bmp ? "bmp"
                      : format == ImageFormat::pnm ? "pnm"
                                                   : "dcm";
    char name[40];
    std::snprintf(name, sizeof name, "images/%06lld.%s", static_cast<long long>(i), end);
    SampleInfo info = dataset.info(i);
    info.name = name;
    info.path = (fs::path(folder) / name).string();
    write_file_atomically(info.path, {reinterpret_cast<const char*>(source.file.data()), source.file.size()});
    infos.push_back(std::move(info));
  }
  write_manifest((fs::path(folder) / "manifest.csv").string(),
                 Dataset(dataset.classes(), dataset.multi_label(), std::move(infos), folder));
  return dataset.size();
}

}  // namespace gadolin
