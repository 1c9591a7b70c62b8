// gadolin bodypart convert-data: pictures and their label files into TFRecords, divided by patient.
#include <array>
#include <cmath>
#include <filesystem>
#include <memory>

#include "apps/bodypart/commands.h"
#include "apps/program/ranges.h"
#include "data/sets/split.h"
#include "data/sets/tfrecord_dataset.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/staged_folder.h"
#include "tensor/check.h"
#include "tensor/random.h"

namespace gadolin::bodypart {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t order_purpose = 0x636f6e76657274;

struct ConvertDataOptions {
  std::string dataset_name = "dicom", dataset_dir, output_name, output_dir, need_split = "None",
              split_by = "patient", images;
  double val_fraction = -1, test_fraction = -1;  // below 0: not given
  int shards = 1;
};

// Whose picture it is, as far as known.
struct Owner {
  std::string patient, study;
};

std::string file_stem(const std::string& path) { return fs::path(path).stem().string(); }

// manifest.csv of fetch-image by stem; none without that file.
std::map<std::string, Owner> owners_in(const std::string& folder) {
  const std::string path = (fs::path(folder) / "manifest.csv").string();
  std::map<std::string, Owner> owners;
  std::error_code error;
  if (!fs::exists(path, error)) return owners;
  const CsvTable table = read_csv(path);
  const auto path_at = static_cast<std::size_t>(table.column("path")),
             patient_at = static_cast<std::size_t>(table.column("patient_id"));
  const int study_at = table.find("study_id");
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const auto& row = table.rows[i];
    Owner owner{row[patient_at], study_at < 0 ? "" : row[static_cast<std::size_t>(study_at)]};
    require<DataError>(owners.emplace(file_stem(row[path_at]), std::move(owner)).second,
                       "convert-data: ", table.place(i), ": ", printable(file_stem(row[path_at])),
                       " is listed twice");
  }
  return owners;
}

struct Samples {
  std::unique_ptr<Dataset> set;
  std::vector<Owner> owners;  // as the samples
};

Samples read_samples(const ConvertDataOptions& o, Session& session) {
  DatasetOptions options;
  std::vector<std::string> problems;
  options.problems = &problems;
  std::error_code error;
  options.image_folder = o.images;
  // Below the set, as preprocess-image writes it, or anywhere.
  if (!o.images.empty() && !fs::is_directory(fs::path(o.dataset_dir) / o.images, error))
    options.image_folder = fs::absolute(o.images).string();
  const auto pairs = open_pairs(o.dataset_dir, options);
  for (const std::string& problem : problems) session.log(problem);
  if (!problems.empty())
    fail<DataError>("convert-data: ", printable(o.dataset_dir), " has ", problems.size(),
                    " pictures or labels that cannot be used, among them: ", problems[0]);
  require<DataError>(!pairs->multi_label(), "convert-data: ", printable(o.dataset_dir),
                     "/labels has files of several lines; one class a file is needed");
  const auto owners = owners_in(o.dataset_dir);
  if (owners.empty())
    session.log("no manifest.csv beside images and labels: every picture counts as a patient of its own");
  Samples samples;
  std::vector<SampleInfo> infos;
  for (std::int64_t i = 0; i < pairs->size(); ++i) {
    SampleInfo info = pairs->info(i);
    info.name = fs::path(info.path).filename().string();
    const auto owner = owners.find(file_stem(info.path));
    require<DataError>(
        owner != owners.end() || owners.empty() || o.need_split == "None" || o.split_by != "patient",
        "convert-data: ", printable(info.name), " is not in ", printable(o.dataset_dir),
        "/manifest.csv, its patient is unknown; fetch it again, or add --split-by file");
    samples.owners.push_back(owner == owners.end() ? Owner() : owner->second);
    info.patient = samples.owners.back().patient;
    infos.push_back(std::move(info));
  }
  samples.set = std::make_unique<Dataset>(pairs->classes(), false, std::move(infos), o.dataset_dir);
  return samples;
}

SplitOptions shares_of(const ConvertDataOptions& o, std::uint64_t seed) {
  const double test = o.test_fraction < 0 ? 0.15 : o.test_fraction;
  const double val = o.need_split == "tt_split" ? 0 : o.val_fraction < 0 ? 0.15 : o.val_fraction;
  require<UsageError>(test > 0 && (val > 0 || o.need_split == "tt_split") && val + test < 1,
                      "convert-data: --val-fraction ", val, " and --test-fraction ", test,
                      " are not above 0 with a sum below 1");
  return {1 - val - test, val, test, seed, o.split_by == "patient"};
}

// Patients stay together; where the patient is unknown, studies do.
void divide(Samples& samples, const SplitOptions& shares, Session& session) {
  Dataset& set = *samples.set;
  std::vector<SampleInfo> infos;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    infos.push_back(set.info(i));
    const Owner& owner = samples.owners[static_cast<std::size_t>(i)];
    infos.back().patient = !owner.patient.empty() ? "patient " + owner.patient
                           : owner.study.empty()  ? ""
                                                  : "study " + owner.study;
  }
  Dataset groups(set.classes(), false, std::move(infos), set.root());
  assign_splits(groups, shares);
  for (std::int64_t i = 0; i < set.size(); ++i) set.set_split(i, groups.info(i).split);
  for (const Split split : {Split::train, Split::val, Split::test}) {
    if (!set.has_split(split)) continue;
    const auto counts = set.subset(split)->class_counts();
    for (std::size_t k = 0; k < counts.size(); ++k) {
      if (counts[k] > 0) continue;
      require<DataError>(split != Split::train, "convert-data: no picture of class '",
                         printable(set.classes()[k]), "' is left to train with, all ", set.class_counts()[k],
                         " went to other splits; add pictures of other patients, or give --need_split None");
      session.log(cat("class '", set.classes()[k], "' has no picture in ", split_name(split)));
    }
  }
}

// Seeded order within a split: readers with a small shuffle buffer should not meet one class after the other.
std::unique_ptr<Dataset> shuffled(const Dataset& set, Split split, std::uint64_t seed) {
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    if (set.info(i).split == split) order.push_back(i);
  }
  RandomStream random(seed, stream_id(order_purpose, static_cast<std::uint64_t>(split)));
  shuffle(order, random);
  return set.subset(order);
}

// path,patient_id,study_id,label,split; paths from the folder of the records on.
std::string manifest_of(const Samples& samples, const std::string& folder) {
  CsvTable table{"", {"path", "patient_id", "study_id", "label", "split"}, {}, {}};
  const fs::path from = fs::absolute(folder).lexically_normal();
  for (std::int64_t i = 0; i < samples.set->size(); ++i) {
    const SampleInfo& s = samples.set->info(i);
    const Owner& owner = samples.owners[static_cast<std::size_t>(i)];
    table.rows.push_back(
        {fs::absolute(s.path).lexically_normal().lexically_relative(from).string(), owner.patient,
         owner.study, samples.set->classes()[static_cast<std::size_t>(s.labels[0])], split_name(s.split)});
  }
  return to_csv(table);
}

void check_conversion(const ConvertDataOptions& o) {
  require<UsageError>(o.dataset_name == "dicom", "convert-data: --dataset_name ", o.dataset_name,
                      " is unknown; it must be dicom");
  require<UsageError>(o.need_split == "None" || o.need_split == "tt_split" || o.need_split == "tvt_split",
                      "convert-data: --need_split ", o.need_split,
                      " is unknown; use None, tt_split or tvt_split");
  require<UsageError>(o.split_by == "patient" || o.split_by == "file", "convert-data: --split-by ",
                      o.split_by, " is unknown; use patient or file");
  const bool split = o.need_split != "None";
  require<UsageError>(
      split || !o.output_name.empty(),
      "convert-data: without a split the file needs a name; add --output_name or --need_split");
  require<UsageError>(!split || o.output_name.empty(), "convert-data: --output_name ", o.output_name,
                      " is for --need_split None; ", "a split is named train-dicom and so on");
  require<UsageError>(o.output_name.find('/') == std::string::npos, "convert-data: --output_name ",
                      o.output_name, " is a path; the folder is --output_dir");
  require<UsageError>((split || o.test_fraction < 0) && (o.need_split == "tvt_split" || o.val_fraction < 0),
                      "convert-data: --need_split ", o.need_split, " makes no ",
                      split ? "validation" : "test or validation", " set; leave the fraction out");
}

void convert_data(Session& session, const ConvertDataOptions& o) {
  check_conversion(o);
  const std::uint64_t seed = session.common().seed;
  const bool split = o.need_split != "None";
  const SplitOptions shares = split ? shares_of(o, seed) : SplitOptions{};
  Samples samples = read_samples(o, session);
  if (split) divide(samples, shares, session);
  StagedFolder folder("convert-data", o.output_dir);
  write_class_names(folder / "labels.txt", samples.set->classes());
  std::vector<std::vector<std::string>> rows{{"file", "pictures"}};
  for (const std::string& name : samples.set->classes()) rows[0].push_back(name);
  for (const Split part : {Split::none, Split::train, Split::val, Split::test}) {
    if (!samples.set->has_split(part)) continue;
    const std::string title = part == Split::val ? "validation" : split_name(part);
    const std::string name = (split ? title + "-dicom" : o.output_name) + ".tfrecord";
    const auto set = shuffled(*samples.set, part, seed);
    write_tfrecords(folder / name, *set, o.shards);
    rows.push_back({name, std::to_string(set->size())});
    for (const std::int64_t count : set->class_counts()) rows.back().push_back(std::to_string(count));
    session.output(split ? title : "records", (fs::path(o.output_dir) / name).string());
    session.metric(split ? title : "records", set->size());
  }
  write_file_atomically(folder / "split.csv", manifest_of(samples, o.output_dir));
  folder.commit();
  session.say(format_table(rows));
  session.metric("classes", samples.set->num_classes());
  session.output("labels", (fs::path(o.output_dir) / "labels.txt").string());
  session.output("manifest", (fs::path(o.output_dir) / "split.csv").string());
}

}  // namespace

void add_convert_data(Program& program, CLI::App* group) {
  const auto o = std::make_shared<ConvertDataOptions>();
  CLI::App* app = program.add(
      group, "convert-data", "Pictures and label files into TFRecords, divided by patient",
      [o](Session& s) { convert_data(s, *o); },
      "gadolin bodypart convert-data --dataset_dir films --output_dir records --need_split tvt_split");
  app->add_option("--dataset_name,--dataset-name", o->dataset_name, "dicom; there is no other")
      ->capture_default_str();
  app->add_option("--dataset_dir,--dataset-dir", o->dataset_dir,
                  "Folder with images/, labels/ and manifest.csv, as fetch-image leaves it")
      ->required();
  app->add_option("--output_dir,--output-dir", o->output_dir, "Folder to make")->required();
  app->add_option("--output_name,--output-name", o->output_name,
                  "Name of the file without a split: NAME.tfrecord");
  app->add_option("--need_split,--need-split", o->need_split,
                  "None, tt_split (train, test) or tvt_split (train, validation, test)")
      ->capture_default_str();
  app->add_option("--val-fraction", o->val_fraction, "Share of validation; default 0.15")
      ->check(between(0.0, 1.0));
  app->add_option("--test-fraction", o->test_fraction, "Share of the test set; default 0.15")
      ->check(between(0.0, 1.0));
  app->add_option("--split-by", o->split_by,
                  "patient: all of one patient on one side; file: every picture by itself")
      ->capture_default_str();
  app->add_option("--images", o->images,
                  "Pictures in this folder instead of images/, such as preprocessed_images_seg");
  app->add_option("--shards", o->shards, "TFRecord files a split")
      ->check(between(1, 512))
      ->capture_default_str();
}

}  // namespace gadolin::bodypart
