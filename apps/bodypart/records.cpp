#include "apps/bodypart/records.h"

#include "tensor/check.h"

namespace gadolin::bodypart {
namespace {

// Samples of another set under other labels.
class Relabelled : public Dataset {
 public:
  Relabelled(std::vector<std::string> classes, std::vector<SampleInfo> samples,
             std::shared_ptr<const Dataset> base)
      : Dataset(std::move(classes), false, std::move(samples), base->root()), base_(std::move(base)) {}
  StoredImage read(std::int64_t i) const override { return base_->read(info(i).record); }

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::unique_ptr<Dataset>(new Relabelled(*this)); }

 private:
  std::shared_ptr<const Dataset> base_;
};

class Zeros : public Dataset {
 public:
  using Dataset::Dataset;
  StoredImage read(std::int64_t) const override {
    StoredImage source;
    source.image = Image(224, 224, 3, 8);
    return source;
  }

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::unique_ptr<Dataset>(new Zeros(*this)); }
};

}  // namespace

std::unique_ptr<Dataset> open_records(const std::string& command, const std::string& dataset_name,
                                      const std::string& folder, int offset) {
  require<UsageError>(dataset_name == "dicom", command, ": --dataset-name ", dataset_name,
                      " is unknown; it must be dicom");
  std::shared_ptr<Dataset> set = open_dataset(folder);
  require<DataError>(!set->multi_label(), command, ": ", folder,
                     " has several labels a picture; one is needed");
  require<UsageError>(offset >= 0 && offset < set->num_classes() - 1, command, ": --labels-offset ", offset,
                      " leaves fewer than two of ", set->num_classes(), " classes");
  std::vector<SampleInfo> samples;
  for (std::int64_t i = 0; i < set->size(); ++i) {
    SampleInfo info = set->info(i);
    info.record = i;
    info.labels[0] -= offset;
    require<DataError>(info.labels[0] >= 0, command, ": ", printable(info.name), " has label ",
                       info.labels[0] + offset, ", below --labels-offset ", offset);
    samples.push_back(std::move(info));
  }
  return std::make_unique<Relabelled>(
      std::vector<std::string>(set->classes().begin() + offset, set->classes().end()), std::move(samples),
      set);
}

std::unique_ptr<Dataset> open_training_records(const std::string& command, const std::string& dataset_name,
                                               const std::string& folder, int offset,
                                               const std::string& split) {
  auto set = open_records(command, dataset_name, folder, offset);
  const Split wanted = split_from(split, "--dataset-split-name");
  if (set->has_split(Split::train) || set->has_split(Split::val) || set->has_split(Split::test)) {
    require<DataError>(wanted != Split::none && set->has_split(wanted), command, ": ", folder,
                       " has no samples of --dataset-split-name ", split);
    if (wanted != Split::train) {
      for (std::int64_t i = 0; i < set->size(); ++i) {
        const Split was = set->info(i).split;
        set->set_split(i, was == wanted ? Split::train : was == Split::train ? Split::none : was);
      }
    }
  } else {
    for (std::int64_t i = 0; i < set->size(); ++i) set->set_split(i, Split::train);
  }
  return set;
}

std::unique_ptr<Dataset> synthetic_records(std::int64_t train, std::int64_t val) {
  std::vector<SampleInfo> samples;
  for (std::int64_t i = 0; i < train + val; ++i) {
    SampleInfo info;
    info.name = cat("zeros-", i);
    info.labels = {static_cast<int>(i % 7)};
    info.split = i < train ? Split::train : Split::val;
    info.record = i;
    samples.push_back(std::move(info));
  }
  return std::make_unique<Zeros>(std::vector<std::string>{"0", "1", "2", "3", "4", "5", "6"}, false,
                                 std::move(samples), "");
}

}  // namespace gadolin::bodypart
