// gadolin hemorrhage create-tf-records: pictures and labels as TFRecords, each patient in one shard.
#include <atomic>
#include <exception>
#include <filesystem>
#include <mutex>
#include <set>

#include "apps/hemorrhage/archive.h"
#include "apps/hemorrhage/commands.h"
#include "apps/hemorrhage/labels.h"
#include "apps/program/ranges.h"
#include "data/image/header.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "io/mapped_file.h"
#include "io/sha256.h"
#include "io/tfrecord.h"
#include "tensor/check.h"
#include "tensor/cpu/parallel.h"
#include "tensor/random.h"
#include "train/progress.h"

namespace gadolin::hemorrhage {
namespace fs = std::filesystem;
namespace {

struct CreateTfRecordsOptions {
  std::string data_dir;
  int shards = 20, validation = 2;
};

constexpr std::uint64_t shard_stream = 0x7368617264u;

struct RecordPicture {
  std::string file;  // "ID_0a1b.jpg"
  std::uint8_t labels = 0;
  bool labelled = false;
};

struct Shard {
  std::string path;  // below --data_dir
  std::vector<RecordPicture> pictures;
  std::int64_t patients = 0;
};

void need_file(const std::string& path, const char* step) {
  std::error_code error;
  require<DataError>(fs::is_regular_file(path, error), "create-tf-records: ", printable(path),
                     " does not exist; make it with hemorrhage ", step);
}

template <class T> void shuffle_by(RandomStream& random, std::vector<T>& all) {
  for (std::size_t i = all.size(); i > 1; --i)
    std::swap(all[i - 1], all[static_cast<std::size_t>(random.below(static_cast<std::uint64_t>(i)))]);
}

class RecordMaker {
 public:
  RecordMaker(Session& session, const CreateTfRecordsOptions& o) : session_(session), o_(o) {
    require<UsageError>(o.validation < o.shards, "create-tf-records: --validation ", o.validation, " of ",
                        o.shards, " shards leaves none for training; give fewer");
  }

  void run() {
    for (const char* step : {"train", "validation", "test"}) {
      make_folders("create-tf-records", in_data(step));
      remove_stale_temporaries(in_data(step), std::time(nullptr) + 1);
    }
    plan_train();
    plan_test();
    write();
    tell();
  }

 private:
  std::string in_data(const std::string& name) const { return (fs::path(o_.data_dir) / name).string(); }

  std::string picture_folder(const std::string& split) const {
    std::error_code error;
    for (const std::string& folder :
         {in_data("stage_2_" + split), in_data(cat(archive_stem, "/stage_2_", split))})
      if (fs::is_directory(folder, error)) return folder;
    return "";
  }

  // Names by image id, sorted.
  std::map<std::string, std::string> pictures_in(const std::string& folder) const {
    std::map<std::string, std::string> found;
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (!has_ending(name, ".jpg") && !has_ending(name, ".jpeg") && !has_ending(name, ".png")) continue;
      const auto [other, fresh] = found.emplace(name.substr(0, name.rfind('.')), name);
      require<DataError>(fresh, "create-tf-records: ", printable(folder), " has ", printable(other->second),
                         " and ", printable(name), "; remove one, or extract again with --again");
    }
    return found;
  }

  struct Known {
    std::string patient;
    bool copy = false;
  };
  std::unordered_map<std::string, Known> read_patients(const std::string& path) const {
    need_file(path, "create-metadata");
    const MappedFile file(path);
    std::unordered_map<std::string, Known> known;
    std::size_t id = 0, patient = 0, same = 0;
    each_csv_row(
        file.text(), path,
        [&](const CsvTable& head) {
          id = static_cast<std::size_t>(head.column("ImgID"));
          patient = static_cast<std::size_t>(head.column("PatientID"));
          same = static_cast<std::size_t>(head.column("SameAs"));
        },
        [&](std::vector<std::string>& row, std::int64_t line) {
          const bool fresh = known.emplace(row[id], Known{row[patient], !row[same].empty()}).second;
          require<DataError>(fresh, "create-tf-records: ", printable(path), ":", line, ": image ",
                             printable(row[id], 60), " is listed twice");
        });
    return known;
  }

  // Patients in an order that the seed draws, each to the shard that is smallest so far.
  void plan_train() {
    const std::string folder = picture_folder("train"), metadata = in_data("train_metadata.csv"),
                      table = in_data("reshaped_stage_2_train.csv");
    need_file(table, "process-labels");
    const auto known = read_patients(metadata);
    const auto labels = read_reshaped_labels(table);
    require<DataError>(!folder.empty(), "create-tf-records: ", printable(o_.data_dir),
                       " has no pictures in stage_2_train; make them with hemorrhage img-extract");
    std::map<std::string, std::vector<RecordPicture>> by_patient;
    for (const auto& [id, file] : pictures_in(folder)) {
      const auto who = known.find(id);
      require<DataError>(who != known.end(), "create-tf-records: ", printable(file), " is not in ",
                         printable(metadata), "; make that again with hemorrhage create-metadata");
      const auto label = labels.find(id);
      require<DataError>(label != labels.end(), "create-tf-records: ", printable(file), " has no labels in ",
                         printable(table), "; make that again with hemorrhage process-labels");
      require<DataError>(!who->second.patient.empty(), "create-tf-records: ", printable(file),
                         " has no PatientID in ", printable(metadata),
                         "; remove the picture, or write whose it is");
      if (who->second.copy)
        ++copies_;
      else
        by_patient[who->second.patient].push_back({file, label->second.values, true});
    }
    require<DataError>(by_patient.size() >= static_cast<std::size_t>(o_.shards),
                       "create-tf-records: ", by_patient.size(), " patients cannot fill ", o_.shards,
                       " shards; give fewer --shards");
    for (int s = 0; s < o_.shards; ++s) {
      const char* part = s < o_.shards - o_.validation ? "train" : "validation";
      char name[48];
      std::snprintf(name, sizeof name, "/train-%02d-of-%02d.tfrecord", s + 1, o_.shards);
      shards_.push_back({part + std::string(name), {}, 0});
    }
    std::vector<std::vector<RecordPicture>*> patients;
    for (auto& [patient, pictures] : by_patient) patients.push_back(&pictures);
    RandomStream random(session_.common().seed, shard_stream);
    shuffle_by(random, patients);
    for (const auto* pictures : patients) {
      Shard& to = *std::min_element(shards_.begin(), shards_.end(), [](const Shard& a, const Shard& b) {
        return a.pictures.size() < b.pictures.size();
      });
      to.pictures.insert(to.pictures.end(), pictures->begin(), pictures->end());
      ++to.patients;
    }
    for (Shard& shard : shards_) shuffle_by(random, shard.pictures);
    folders_ = std::vector<std::string>(shards_.size(), folder);
    record_["metadata"] = sha256_hex(MappedFile(metadata).text());
    record_["labels"] = sha256_hex(MappedFile(table).text());
    record_["copies_left_out"] = copies_;
  }

  void plan_test() {
    const std::string folder = picture_folder("test");
    if (folder.empty()) return session_.log("no stage_2_test: there will be no test records");
    Shard test{"test/test.tfrecord", {}, 0};
    for (const auto& [id, file] : pictures_in(folder)) test.pictures.push_back({file, 0, false});
    shards_.push_back(std::move(test));
    folders_.push_back(folder);
  }

  // All shards are written beside their names before the first takes its own.
  void write() {
    std::int64_t total = 0;
    for (const Shard& shard : shards_) total += std::ssize(shard.pictures);
    Progress progress("records", total, progress_on_stderr(!session_.bars()), {"records", 1});
    std::vector<std::unique_ptr<TfRecordWriter>> writers;
    for (const Shard& shard : shards_)
      writers.push_back(std::make_unique<TfRecordWriter>(in_data(shard.path)));
    std::mutex mutex;
    std::exception_ptr failed;
    std::int64_t done = 0;
    std::atomic<std::size_t> next{0};
    parallel_for(num_threads(), 1, [&](std::int64_t, std::int64_t) {
      try {
        for (std::size_t s; (s = next.fetch_add(1)) < shards_.size();) {
          for (const RecordPicture& picture : shards_[s].pictures) {
            writers[s]->append(example(folders_[s], picture));
            const std::lock_guard lock(mutex);
            progress.update(++done, 0);
          }
        }
      } catch (...) {
        next = shards_.size();
        const std::lock_guard lock(mutex);
        failed = std::current_exception();
      }
    });
    if (failed) std::rethrow_exception(failed);
    progress.finish();
    // Between here and the record, files of two runs may stand side by side: without a record none counts.
    std::error_code none;
    fs::remove(record_path(), none);
    remove_others();
    for (const auto& writer : writers) writer->close();
    write_record();
  }

  static Example example(const std::string& folder, const RecordPicture& picture) {
    const std::string path = folder + "/" + picture.file;
    const std::vector<std::uint8_t> bytes = read_bytes(path);
    const ImageHeader header = read_image_header(bytes, path);
    Example e;
    e["filename"] = Feature::of_bytes({picture.file});
    e["image"] = Feature::of_bytes({std::string(bytes.begin(), bytes.end())});
    e["rows"] = Feature::of_ints({header.height});
    e["cols"] = Feature::of_ints({header.width});
    if (!picture.labelled) return e;
    std::vector<std::int64_t> labels;
    for (std::size_t s = 0; s < subtypes.size(); ++s) labels.push_back(picture.labels >> s & 1);
    e["label"] = Feature::of_ints(labels);
    return e;
  }

  // Shards of another number of them: readers would take both.
  void remove_others() const {
    std::set<std::string> ours;
    for (const Shard& shard : shards_) ours.insert({in_data(shard.path), in_data(shard.path) + ".index"});
    for (const char* part : {"train", "validation", "test"}) {
      std::vector<fs::path> others;
      for (const auto& entry : fs::directory_iterator(in_data(part))) {
        const std::string name = entry.path().filename().string();
        const bool record = has_ending(name, ".tfrecord") || has_ending(name, ".tfrecord.index");
        if (record && ours.count(entry.path().string()) == 0) others.push_back(entry.path());
      }
      for (const fs::path& path : others) {
        session_.log(cat("removed ", printable(path.string()), ", a shard of an earlier run"));
        fs::remove(path);
      }
    }
  }

  std::string record_path() const { return in_data("create_tf_records.json"); }
  void write_record() {
    record_["seed"] = session_.common().seed;
    record_["shards"] = Json::object();
    for (const Shard& shard : shards_)
      record_["shards"][shard.path] = {{"records", shard.pictures.size()}, {"patients", shard.patients}};
    write_file_atomically(record_path(), record_.dump(1) + "\n");
  }

  void tell() {
    std::map<std::string, std::int64_t> records, patients;
    for (const Shard& shard : shards_) {
      const std::string part = shard.path.substr(0, shard.path.find('/'));
      records[part] += std::ssize(shard.pictures);
      patients[part] += shard.patients;
    }
    std::vector<std::vector<std::string>> shown{{"records", "slices", "patients"}};
    for (const char* part : {"train", "validation", "test"}) {
      shown.push_back({part, cat(records[part]), part == std::string("test") ? "" : cat(patients[part])});
      session_.metric(part, records[part]);
      session_.output(part, in_data(part));
    }
    session_.say(format_table(shown));
    if (copies_ > 0) session_.say(cat(copies_, " copies of other slices were left out of training"));
    session_.metric("copies_left_out", copies_);
    session_.output("record", record_path());
  }

  Session& session_;
  const CreateTfRecordsOptions& o_;
  std::vector<Shard> shards_;
  std::vector<std::string> folders_;  // of the pictures of each
  std::int64_t copies_ = 0;
  Json record_ = Json::object();
};

}  // namespace

void add_create_tf_records(Program& program, CLI::App* group) {
  const auto o = std::make_shared<CreateTfRecordsOptions>();
  CLI::App* app = program.add(
      group, "create-tf-records", "Pictures and labels as TFRecords, each patient in one shard",
      [o](Session& s) { RecordMaker(s, *o).run(); },
      "gadolin hemorrhage create-tf-records --data_dir ct --shards 10");
  app->add_option("--data_dir,--data-dir", o->data_dir,
                  "Folder that the steps before have filled; gets train/, validation/ and test/")
      ->required();
  app->add_option("--shards", o->shards, "Files that training and validation are cut into")
      ->check(between(1, 512))
      ->capture_default_str();
  app->add_option("--validation", o->validation, "How many of them, the last ones, are for validation")
      ->check(between(0, 511))
      ->capture_default_str();
}

}  // namespace gadolin::hemorrhage
