// Data sets that are folders: one folder a class, and images/ + labels/ pairs.
#include <algorithm>
#include <filesystem>
#include <map>

#include "data/sets/dataset.h"
#include "io/atomic_file.h"
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

void add_images(const fs::path& folder, const std::string& below, const std::string& label, Split split,
                const std::string& root, const DatasetOptions& options, std::vector<detail::RawSample>& out) {
  detail::check_inside(folder.string(), root, options, "dataset");
  for (const std::string& name : names_in(folder, false)) {
    if (!detail::is_image_file((folder / name).string())) continue;
    detail::RawSample sample;
    sample.info.path = (folder / name).string();
    sample.info.name = below + name;
    sample.info.split = split;
    sample.labels = {label};
    sample.place = "dataset";
    if (fs::is_symlink(folder / name)) detail::check_inside(sample.info.path, root, options, "dataset");
    out.push_back(std::move(sample));
  }
  for (const std::string& name : names_in(folder, true)) {
    add_images(folder / name, below + name + '/', label, split, root, options, out);
  }
}

void add_classes(const fs::path& folder, const std::string& below, Split split, const std::string& root,
                 const DatasetOptions& options, std::vector<detail::RawSample>& out) {
  for (const std::string& label : names_in(folder, true)) {
    const std::size_t before = out.size();
    add_images(folder / label, below + label + '/', label, split, root, options, out);
    if (out.size() > before) continue;
    const std::string text =
        cat("dataset: class folder ", printable((folder / label).string()), " holds no images");
    if (!options.problems)
      fail<DataError>(text, "; put JPEG, PNG, BMP, PNM or DICOM files there or remove it");
    options.problems->push_back(text);
  }
}

std::string trimmed(std::string_view line) {
  const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!line.empty() && space(line.front())) line.remove_prefix(1);
  while (!line.empty() && space(line.back())) line.remove_suffix(1);
  return std::string(line);
}

std::vector<std::string> read_labels(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_bytes(path, 1 << 20);
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  require<FormatError>(text.find('\0') == std::string_view::npos, "dataset: ", printable(path),
                       " is not a text file");
  std::vector<std::string> labels;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string label = trimmed(text.substr(0, end));
    if (!label.empty()) labels.push_back(label);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return labels;
}

}  // namespace

std::unique_ptr<Dataset> open_class_folders(const std::string& root, const DatasetOptions& options) {
  std::vector<detail::RawSample> samples;
  const std::vector<std::string> folders = names_in(root, true);
  std::map<std::string, Split> splits;
  for (const char* name : {"train", "val", "valid", "validation", "test"}) {
    if (std::find(folders.begin(), folders.end(), name) != folders.end()) splits[name] = split_from(name);
  }
  // Folders named train and val are classes only when there is a third that is neither.
  if (!splits.empty() && splits.size() == folders.size()) {
    for (const auto& [name, split] : splits)
      add_classes(fs::path(root) / name, name + '/', split, root, options, samples);
  } else {
    add_classes(root, "", Split::none, root, options, samples);
  }
  require<DataError>(
      !samples.empty(), "dataset: ", printable(root),
      " holds neither manifest.csv, IDX files, images/ with labels/, nor class folders with images");
  return detail::number_classes(std::move(samples), options, root);
}

std::unique_ptr<Dataset> open_pairs(const std::string& root, const DatasetOptions& options) {
  const fs::path images = fs::path(root) / (options.image_folder.empty() ? "images" : options.image_folder),
                 labels = fs::path(root) / "labels";
  const std::string prefix = images.filename().string() + "/";
  std::map<std::string, std::string> label_files;
  for (const std::string& name : names_in(labels, false)) {
    if (fs::path(name).extension() == ".txt")
      label_files[fs::path(name).stem().string()] = (labels / name).string();
  }
  std::vector<detail::RawSample> samples;
  const auto problem = [&](const std::string& text) {
    if (!options.problems) fail<DataError>(text);
    options.problems->push_back(text);
  };
  for (const std::string& name : names_in(images, false)) {
    if (!detail::is_image_file((images / name).string())) continue;
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
  return detail::number_classes(std::move(samples), options, root);
}

}  // namespace gadolin
