// Samples with classes, patients and splits under one interface. Those that come along are labelled pictures:
// class folders, images/ + labels/ pairs, manifest CSV, TFRecords and MNIST's IDX files; and pictures with
// boxes (data/sets/boxes/detection_set.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/image/image.h"
#include "data/sets/sample.h"

namespace gadolin {

// What a sample is for.
enum class Split : std::uint8_t { none, train, val, test };
const char* split_name(Split split);  // "", "train", "val", "test"
// Accepts also valid, validation and an empty text. Throws DataError, beginning with `place`.
Split split_from(std::string_view text, std::string_view place = "split");

// What a set knows of a sample without reading it.
struct SampleInfo {
  std::string name;           // how messages and predictions call it: the path below the root of the set
  std::string path;           // the file; empty when samples lie inside a container
  std::string patient;        // empty: unknown, then the sample counts as a patient of its own
  std::vector<int> labels;    // class numbers, ascending; one, unless the set is multi-label
  Split split = Split::none;  // none: not divided
  std::int64_t record = 0;    // row of the manifest or number in the container
};

// Files of one kind in the folders of a set that are no samples of it.
struct LeftOut {
  std::string kind;        // ".webp", "files without an ending", "folders beside the splits"
  std::int64_t count = 0;  // files of this kind
  std::string example;     // the first one's name
};

// A list of samples in a fixed order that depends on their names only. Reading is safe from several threads.
// As a SampleSource its samples have "image" and "label", unless a set says otherwise.
class Dataset : public SampleSource {
 public:
  // For readers of data: labels are numbers of `classes`; `root` is where paths of names begin.
  Dataset(std::vector<std::string> classes, bool multi_label, std::vector<SampleInfo> samples,
          std::string root);

  std::int64_t size() const final { return static_cast<std::int64_t>(samples_->size()); }
  Sample sample(std::int64_t i) const override;
  std::string name(std::int64_t i) const final { return info(i).name; }
  std::string patient(std::int64_t i) const final { return info(i).patient; }
  std::vector<int> labels(std::int64_t i) const final { return info(i).labels; }
  const SampleInfo& info(std::int64_t i) const;  // throws ValueError outside 0..size()-1
  // Names, in the order of their numbers.
  const std::vector<std::string>& classes() const { return classes_; }
  int num_classes() const final { return static_cast<int>(classes_.size()); }
  bool multi_label() const { return multi_label_; }  // whether a sample may have several labels, or none
  const std::string& root() const { return root_; }  // where it was opened
  // By kind; of manifests and containers none, which name what they hold.
  const std::vector<LeftOut>& left_out() const { return left_out_; }
  // "6 files are left out: 2 .gif (a/w.gif), 4 .webp (a/z.webp)"; empty when none is.
  std::string left_out_text() const;
  void set_left_out(std::vector<LeftOut> kinds) { left_out_ = std::move(kinds); }  // for readers of data
  void set_split(std::int64_t i, Split split);  // throws ValueError outside 0..size()-1
  bool has_split(Split split) const;            // whether some sample is in it
  // Samples of each class; a multi-label sample counts once a label.
  std::vector<std::int64_t> class_counts() const;
  // SHA-256 over names, labels and splits: a resumed run refuses when it changed. Pixels are not in it.
  virtual std::string fingerprint() const;

  // The bytes or the picture of a sample. Throws FileError, and Unsupported for samples that are no pictures:
  // such a set has a sample() of its own.
  virtual StoredImage read(std::int64_t i) const;
  // The picture, decoded. Throws FormatError.
  Image image(std::int64_t i, const DecodeOptions& options = {}) const;
  // Samples at these places, in this order; classes stay as they are.
  std::unique_ptr<Dataset> subset(const std::vector<std::int64_t>& indices) const;
  // Samples of a split. Throws DataError when it is empty.
  std::unique_ptr<Dataset> subset(Split split) const;

 protected:
  // For subset(): each kind of set copies itself.
  virtual std::unique_ptr<Dataset> clone() const { return std::unique_ptr<Dataset>(new Dataset(*this)); }
  Dataset(const Dataset&) = default;
  std::vector<std::string> classes_;  // see classes()
  bool multi_label_;                  // see multi_label()
  // Shared by copies until one of them changes its own, so that a subset of one sample costs one sample.
  std::shared_ptr<std::vector<SampleInfo>> samples_;
  // These, to be changed: copied first when others share them.
  std::vector<SampleInfo>& own_samples() {
    if (samples_.use_count() > 1) samples_ = std::make_shared<std::vector<SampleInfo>>(*samples_);
    return *samples_;
  }
  std::string root_;               // see root()
  std::vector<LeftOut> left_out_;  // see left_out()
};

// How data are opened.
struct DatasetOptions {
  // Names of the columns of a manifest; `label` is accepted for `labels`, `patient_id` for `patient`; patient
  // and split may be missing.
  std::string path_column = "path", label_column = "labels", patient_column = "patient";
  std::string split_column = "split";  // see above
  // Keys of features in TFRecords; patient and name may be missing.
  std::string image_key = "image/encoded", label_key = "image/class/label", patient_key = "image/patient_id";
  std::string name_key = "image/filename";  // see above
  // Where a manifest's paths begin; empty: its own folder. Of pairs: the folder of the pictures below the
  // root; empty: images.
  std::string image_folder;
  // Fixes the numbers of the classes; another label is an error. Empty: all labels, sorted.
  std::vector<std::string> classes;
  std::string none_label;      // multi-label: this label stands for no class at all ("No Finding")
  bool multi_label = false;    // otherwise only when some row has labels separated by |
  bool allow_outside = false;  // links and paths that leave the root
  // Of TFRecords: labels are not looked for, and a damaged record is an error only when it is read.
  bool unlabelled = false;
  // Of pictures with boxes. class_file: lines name,id of a table; empty: its classes, sorted. part: only this
  // list of Pascal VOC's ImageSets/Main, or only this one of COCO's files. patient_until: a picture's file
  // name up to the first of these characters is its patient. boxes_on_shown: where nothing tells otherwise,
  // boxes were drawn on pictures turned by their EXIF orientation.
  std::string class_file, part, patient_until;
  bool skip_difficult = false, skip_truncated = false, boxes_on_shown = false;  // see above
  // Boxes exactly as they are written, for scoring: no picture is opened, nothing is clipped or left out.
  bool as_written = false;
  // Of sequences: longer ones are cut into parts (data/sets/sequence_set.h); 0: any length.
  std::int64_t longest = 0;
  // When given, faulty rows are noted here and left out, not thrown.
  std::vector<std::string>* problems = nullptr;
};

// Opens whatever `path` holds, in this order: a CSV file, of boxes or a manifest; a JSON file of COCO;
// TFRecords, by name or by a pattern (data/sets/tfrecord_dataset.h); a folder with manifest.csv; with
// features.npy and index.csv, or such folders train, val and test (data/sets/feature_set.h); with
// Annotations/ of Pascal VOC or annotations/ of COCO; with *-idx3-ubyte(.gz); with TFRecords; with images/
// and labels/; with train/ and val/ or test/ of class folders; class folders. Names of classes that
// are all whole numbers are sorted as numbers, others by bytes. Throws DataError with what was looked for, or
// file and line of a wrong row.
std::unique_ptr<Dataset> open_dataset(const std::string& path, const DatasetOptions& options = {});

// The kinds one by one.
std::unique_ptr<Dataset> open_manifest(const std::string& path, const DatasetOptions& options = {});
// ROOT/CLASS/NAME, or ROOT/SPLIT/CLASS/NAME; links to outside are refused.
std::unique_ptr<Dataset> open_class_folders(const std::string& root, const DatasetOptions& options = {});
// root/images/NAME.* with root/labels/NAME.txt, one label a line; several lines make the set multi-label.
std::unique_ptr<Dataset> open_pairs(const std::string& root, const DatasetOptions& options = {});
// train-* files are the split train, t10k-* the split test. Pictures are held in memory.
std::unique_ptr<Dataset> open_idx(const std::string& root, const DatasetOptions& options = {});

// path,patient,labels,split of every sample, written atomically; paths relative to the folder of `path` where
// they lie below it.
void write_manifest(const std::string& path, const Dataset& dataset);
// Puts the splits of `dataset`, opened from this manifest, into its split column; other columns and the order
// stay.
void write_splits(const std::string& path, const Dataset& dataset, const std::string& split_column = "split");
// The other way round: splits from the split.csv of a run, or any table with the columns split and name, or
// split and path (from the table's folder). Samples that are not in it have no split afterwards. Throws
// DataError for one that the set lacks.
void read_splits(const std::string& path, Dataset& dataset);

namespace detail {
// Sorted class list of raw labels, and samples with numbers for them.
struct RawSample {
  SampleInfo info;
  std::vector<std::string> labels;
  std::string place;
};
std::unique_ptr<Dataset> number_classes(std::vector<RawSample> raw, const DatasetOptions& options,
                                        std::string root);
// train, Training, train_set, valid, dev, TEST ... as people call the parts of a division; none for other
// words.
std::optional<Split> split_called(std::string_view text);
bool is_image_name(std::string_view name);
// By its name; a DICOM file of any name, and a JPEG or PNG file without an ending, by its first bytes.
bool is_image_file(const std::string& path);
// Throws DataError when `path` (under `root`) is a link to outside of it; `path` itself otherwise.
void check_inside(const std::string& path, const std::string& root, const DatasetOptions& options,
                  const std::string& place);
}  // namespace detail

}  // namespace gadolin
