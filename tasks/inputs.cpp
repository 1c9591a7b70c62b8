#include "tasks/inputs.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "data/sets/tfrecord_dataset.h"
#include "io/atomic_file.h"
#include "io/text.h"
#include "io/tfrecord.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

// Pictures in files. A pipe gives its bytes once, so they are kept.
class FileSet : public Dataset {
 public:
  FileSet(const std::vector<std::string>& files, const std::vector<std::string>& classes)
      : Dataset(classes, false, {}, "") {
    auto piped = std::make_shared<std::map<std::string, std::vector<std::uint8_t>>>();
    for (const std::string& file : files) {
      SampleInfo info;
      info.name = info.path = file;
      samples_->push_back(info);
      std::error_code error;
      const auto type = std::filesystem::status(file, error).type();
      using enum std::filesystem::file_type;
      if (type == fifo || type == character || type == socket)
        piped->emplace(file, read_bytes(file, ImageLimits{}.file_bytes));
    }
    piped_ = std::move(piped);
  }
  StoredImage read(std::int64_t i) const override {
    const auto kept = piped_->find(info(i).path);
    return kept == piped_->end() ? Dataset::read(i) : StoredImage{kept->second, {}};
  }

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::unique_ptr<Dataset>(new FileSet(*this)); }

 private:
  std::shared_ptr<const std::map<std::string, std::vector<std::uint8_t>>> piped_;
};

// A sample whose picture has gone through its pipeline but for the normalisation.
class SeenSet : public Dataset {
 public:
  SeenSet(const Dataset& set, std::int64_t i, Image seen)
      : Dataset(set.classes(), set.multi_label(), {set.info(i)}, set.root()), seen_(std::move(seen)) {}
  StoredImage read(std::int64_t) const override { return {{}, seen_}; }

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::unique_ptr<Dataset>(new SeenSet(*this)); }

 private:
  Image seen_;
};

// Sets one after the other; the record of a sample is its place among all.
class JoinedDataset : public Dataset {
 public:
  using Parts = std::vector<std::unique_ptr<Dataset>>;
  JoinedDataset(const std::vector<std::string>& classes, std::shared_ptr<const Parts> parts)
      : Dataset(classes, false, {}, ""), parts_(std::move(parts)) {
    for (const auto& part : *parts_) {
      begins_.push_back(size());
      for (std::int64_t i = 0; i < part->size(); ++i) {
        samples_->push_back(part->info(i));
        samples_->back().record = size() - 1;
      }
    }
  }
  StoredImage read(std::int64_t i) const override {
    const std::int64_t at = info(i).record;
    const auto part =
        static_cast<std::size_t>(std::upper_bound(begins_.begin(), begins_.end(), at) - begins_.begin()) - 1;
    return (*parts_)[part]->read(at - begins_[part]);
  }

 protected:
  std::unique_ptr<Dataset> clone() const override {
    return std::unique_ptr<Dataset>(new JoinedDataset(*this));
  }

 private:
  std::shared_ptr<const Parts> parts_;
  std::vector<std::int64_t> begins_;
};

// `deep`: and in all folders below, those with a dot in front left out.
std::vector<std::string> images_in(const std::string& path, bool deep) {
  std::vector<std::string> images;
  for (auto at = std::filesystem::recursive_directory_iterator(path); at != std::filesystem::end(at); ++at) {
    const bool hidden = at->path().filename().string().starts_with('.');
    if (at->is_directory() && (hidden || !deep)) at.disable_recursion_pending();
    if (!hidden && at->is_regular_file() && detail::is_image_file(at->path().string()))
      images.push_back(at->path().string());
  }
  std::sort(images.begin(), images.end());
  return images;
}

}  // namespace

bool means_tfrecords(const std::string& path) {
  std::error_code error;
  return is_tfrecord_name(std::filesystem::path(path).filename().string()) ||
         (path.find_first_of("*?") != std::string::npos && !std::filesystem::exists(path, error));
}

std::vector<std::string> expand_files(const std::vector<std::string>& given, bool deep) {
  std::vector<std::string> files;
  for (const std::string& path : given) {
    if (std::filesystem::is_directory(path)) {
      std::vector<std::string> inside = images_in(path, false);
      if (inside.empty() && holds_tfrecords(path))
        inside = tfrecord_files(path);
      else if (deep)
        inside = images_in(path, true);
      files.insert(files.end(), inside.begin(), inside.end());
    } else if (has_ending(path, ".txt")) {
      std::vector<std::string> listed = text_lines(read_file(path, std::int64_t{1} << 30));
      files.insert(files.end(), listed.begin(), listed.end());
    } else {
      files.push_back(path);
    }
  }
  return files;
}

std::vector<std::string> distinct_stems(const std::vector<std::string>& files) {
  std::vector<std::string> names;
  std::vector<std::filesystem::path> above;
  for (const std::string& file : files) {
    const auto path = std::filesystem::path(file).lexically_normal();
    names.push_back(path.stem().string());
    above.push_back(path.parent_path());
  }
  for (bool again = true; again;) {
    std::map<std::string, std::set<std::string>> folders;
    for (std::size_t i = 0; i < files.size(); ++i) folders[names[i]].insert(above[i].string());
    again = false;
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (folders[names[i]].size() < 2 || !above[i].has_filename()) continue;
      names[i] = above[i].filename().string() + "_" + names[i];
      above[i] = above[i].parent_path();
      again = true;
    }
  }
  std::set<std::string> taken;
  for (std::string& name : names) {
    const std::string plain = name;
    for (int number = 2; !taken.insert(name).second; ++number) name = cat(plain, "-", number);
  }
  return names;
}

std::unique_ptr<Dataset> file_set(const std::vector<std::string>& files,
                                  const std::vector<std::string>& classes) {
  return std::make_unique<FileSet>(files, classes);
}

std::unique_ptr<Dataset> open_inputs(const std::string& command, const std::vector<std::string>& given,
                                     const std::vector<std::string>& classes, const DatasetOptions& options) {
  DatasetOptions unlabelled = options;
  unlabelled.classes = classes;
  unlabelled.unlabelled = true;
  auto parts = std::make_shared<JoinedDataset::Parts>();
  const std::vector<std::string> files = expand_files(given, true);
  require<UsageError>(!files.empty(), command, ": no files to look at");
  for (auto from = files.begin(); from != files.end();) {
    const auto to = means_tfrecords(*from) ? from + 1 : std::find_if(from, files.end(), means_tfrecords);
    parts->push_back(means_tfrecords(*from) ? open_tfrecords(*from, unlabelled)
                                            : file_set({from, to}, classes));
    from = to;
  }
  return std::make_unique<JoinedDataset>(classes, std::move(parts));
}

// Read and decoded once: a loader learns from its first sample what samples are, and then reads it again.
Batch one_sample(const Dataset& set, std::int64_t i, const Pipeline& pipeline, Device device) {
  const SeenSet seen(set, i, seen_sample(set, i, pipeline).image);
  DataLoader loader(seen, Pipeline(pipeline.normalize()), {.batch_size = 1, .workers = 0, .device = device});
  Batch batch;
  loader.next(batch);
  return batch;
}

Transformed seen_sample(const Dataset& set, std::int64_t i, const Pipeline& pipeline) {
  const StoredImage source = set.read(i);
  const SampleKey first{LoaderOptions{}.seed, 0, 0};
  if (source.image.numel() > 0) return pipeline.transform(source.image, first);
  return pipeline.transform(source.file, set.info(i).name, first);
}

}  // namespace gadolin
