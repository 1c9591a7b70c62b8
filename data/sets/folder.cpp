// Data sets that are folders: one folder a class, and images/ + labels/ pairs.
#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "data/sets/dataset.h"
#include "io/atomic_file.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace {

// Names in a folder, sorted by bytes: the order of a directory is chance.
std::vector<std::string> names_in(const fs::path& folder, bool folders) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error) fail_file("dataset", printable(folder.string()), error.value());
  for (const auto& entry : entries) {
    const std::string name = entry.path().filename().string();
    if (name[0] != '.' && entry.is_directory() == folders) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// What is no sample, by kind.
class Leftovers {
 public:
  void file(const std::string& name) {
    const std::string ending = fs::path(name).extension().string();
    add(ending.empty() ? "without an ending" : ending, name);
  }
  void add(const std::string& kind, const std::string& name) {
    LeftOut& all = kinds_[kind];
    if (all.count++ == 0) all = {kind, 1, name};
  }
  std::vector<LeftOut> list() const {
    std::vector<LeftOut> all;
    for (const auto& [name, kind] : kinds_) all.push_back(kind);
    return all;
  }

 private:
  std::map<std::string, LeftOut> kinds_;
};

// A walk through folders of classes.
struct FolderWalk {
  const std::string& root;
  const DatasetOptions& options;
  std::vector<detail::RawSample> samples;
  Leftovers left;

  void images(const fs::path& folder, const std::string& below, const std::string& label, Split split) {
    detail::check_inside(folder.string(), root, options, "dataset");
    for (const std::string& name : names_in(folder, false)) {
      if (!detail::is_image_file((folder / name).string())) {
        left.file(below + name);
        continue;
      }
      detail::RawSample sample;
      sample.info.path = (folder / name).string();
      sample.info.name = below + name;
      sample.info.split = split;
      sample.labels = {label};
      sample.place = "dataset";
      if (fs::is_symlink(folder / name)) detail::check_inside(sample.info.path, root, options, "dataset");
      samples.push_back(std::move(sample));
    }
    for (const std::string& name : names_in(folder, true))
      images(folder / name, below + name + '/', label, split);
  }

  void classes(const fs::path& folder, const std::string& below, Split split) {
    for (const std::string& name : names_in(folder, false)) left.file(below + name);
    for (const std::string& label : names_in(folder, true)) {
      const std::size_t before = samples.size();
      images(folder / label, below + label + '/', label, split);
      if (samples.size() > before) continue;
      const std::string text =
          cat("dataset: class folder ", printable((folder / label).string()), " holds no images");
      if (!options.problems)
        fail<DataError>(text, "; put JPEG, PNG, BMP, PNM or DICOM files there or remove it");
      options.problems->push_back(text);
    }
  }

  // A folder beside those of the splits, such as masks/.
  void beside(const fs::path& folder, const std::string& below) {
    for (const std::string& name : names_in(folder, false)) left.add("beside the splits", below + name);
    for (const std::string& name : names_in(folder, true)) beside(folder / name, below + name + '/');
  }
};

// The splits among these folders. Folders of such names are classes when there are others beside them and
// they hold pictures themselves, or when only one split has a name.
std::map<std::string, Split> split_folders(const fs::path& root, const std::vector<std::string>& folders) {
  std::map<std::string, Split> splits;
  std::set<Split> kinds;
  bool classes_inside = true;
  for (const std::string& name : folders) {
    const auto split = detail::split_called(name);
    if (!split) continue;
    splits[name] = *split;
    kinds.insert(*split);
    classes_inside = classes_inside && !names_in(root / name, true).empty();
  }
  const bool others = splits.size() < folders.size();
  if (others && (kinds.size() < 2 || !classes_inside)) splits.clear();
  return splits;
}

std::vector<std::string> read_labels(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_bytes(path, 1 << 20);
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  require<FormatError>(text.find('\0') == std::string_view::npos, "dataset: ", printable(path),
                       " is not a text file");
  return text_lines(text);
}

}  // namespace

std::unique_ptr<Dataset> open_class_folders(const std::string& root, const DatasetOptions& options) {
  FolderWalk walk{root, options, {}, {}};
  const std::vector<std::string> folders = names_in(root, true);
  const std::map<std::string, Split> splits = split_folders(root, folders);
  if (splits.empty()) {
    walk.classes(root, "", Split::none);
  } else {
    for (const std::string& name : names_in(root, false)) walk.left.file(name);
    for (const std::string& name : folders) {
      const auto split = splits.find(name);
      if (split != splits.end())
        walk.classes(fs::path(root) / name, name + '/', split->second);
      else
        walk.beside(fs::path(root) / name, name + '/');
    }
  }
  require<DataError>(
      !walk.samples.empty(), "dataset: ", printable(root),
      " holds neither manifest.csv, IDX files, images/ with labels/, nor class folders with images");
  auto set = detail::number_classes(std::move(walk.samples), options, root);
  set->set_left_out(walk.left.list());
  return set;
}

std::unique_ptr<Dataset> open_pairs(const std::string& root, const DatasetOptions& options) {
  const fs::path images = fs::path(root) / (options.image_folder.empty() ? "images" : options.image_folder),
                 labels = fs::path(root) / "labels";
  const std::string prefix = images.filename().string() + "/";
  std::map<std::string, std::string> label_files;
  Leftovers left;
  for (const std::string& name : names_in(labels, false)) {
    if (has_ending(name, ".txt"))
      label_files[fs::path(name).stem().string()] = (labels / name).string();
    else
      left.file("labels/" + name);
  }
  std::vector<detail::RawSample> samples;
  const auto problem = [&](const std::string& text) {
    if (!options.problems) fail<DataError>(text);
    options.problems->push_back(text);
  };
  for (const std::string& name : names_in(images, false)) {
    if (!detail::is_image_file((images / name).string())) {
      left.file(prefix + name);
      continue;
    }
    const auto file = label_files.find(fs::path(name).stem().string());
    if (file == label_files.end() || file->second.empty()) {
      problem(cat("dataset: ", printable(prefix + name),
                  file == label_files.end() ? " has no file in labels/"
                                            : " shares its label file with another image"));
      continue;
    }
    detail::RawSample sample;
    sample.info.path = (images / name).string();
    sample.info.name = prefix + name;
    if (fs::is_symlink(images / name)) detail::check_inside(sample.info.path, root, options, "dataset");
    sample.labels = read_labels(file->second);
    sample.place = cat("dataset: labels/", printable(fs::path(file->second).filename().string()));
    file->second.clear();
    samples.push_back(std::move(sample));
  }
  for (const auto& [stem, path] : label_files) {
    if (!path.empty())
      problem(cat("dataset: labels/", printable(stem), ".txt has no image in ", printable(prefix)));
  }
  require<DataError>(!samples.empty(), "dataset: ", printable(images.string()),
                     " holds no images with labels");
  auto set = detail::number_classes(std::move(samples), options, root);
  set->set_left_out(left.list());
  return set;
}

}  // namespace gadolin
