// gadolin hemorrhage extract-features: what nets of slices make of every slice, series by series, for a net
// that reads series. Of several nets each slice is seen by one that has not learnt from its patient.
#include <filesystem>
#include <set>

#include "apps/hemorrhage/commands.h"
#include "apps/hemorrhage/labels.h"
#include "apps/hemorrhage/legacy.h"
#include "apps/hemorrhage/slices.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "data/sets/feature_rows.h"
#include "io/csv.h"
#include "io/npy.h"
#include "io/sha256.h"
#include "layers/compute.h"
#include "tasks/classification.h"
#include "tasks/evaluate.h"
#include "tasks/features.h"
#include "tensor/autograd.h"
#include "tensor/check.h"
#include "tensor/ops.h"
#include "train/progress.h"

namespace gadolin::hemorrhage {
namespace fs = std::filesystem;
namespace {

struct ExtractFlags {
  std::string data_dir, model_id, out, base_data = "train", store = "fp32";
  std::int64_t batch_size = 32;
  int workers = -1;
  std::int64_t max_to_keep = 60;
  bool logits = false, overwrite = false, legacy = false;
};

// The nets of a run of hemorrhage train, and what of the data each of them may be asked about.
struct SliceNets {
  std::vector<std::string> checkpoints;  // one, or one a fold
  std::vector<std::string> splits;       // split.csv of each; empty: none is known
  bool folds = false;
};

std::string checkpoint_in(const std::string& run) {
  for (const char* name : {"best", "last"}) {
    const std::string path = run + "/checkpoints/" + name + ".gdck";
    if (fs::is_regular_file(path)) return path;
  }
  fail<DataError>("hemorrhage extract-features: ", printable(run),
                  " holds no checkpoints; give --model_id a run of hemorrhage train, or a checkpoint");
}

SliceNets nets_of(const std::string& model_id) {
  SliceNets nets;
  if (fs::is_regular_file(model_id)) {
    nets.checkpoints = {model_id};
    nets.splits = {""};
    return nets;
  }
  const auto add = [&](const std::string& run) {
    nets.checkpoints.push_back(checkpoint_in(run));
    nets.splits.push_back(fs::is_regular_file(run + "/split.csv") ? run + "/split.csv" : "");
  };
  nets.folds = fs::is_directory(model_id + "/fold-1");
  if (!nets.folds) add(model_id);
  for (int k = 1; nets.folds && fs::is_directory(cat(model_id, "/fold-", k)); ++k)
    add(cat(model_id, "/fold-", k));
  return nets;
}

// Slices that a split.csv gives this split.
std::set<std::string> names_in(const std::string& path, Split split) {
  const CsvTable table = read_csv(path);
  const auto name = static_cast<std::size_t>(table.column("name")),
             side = static_cast<std::size_t>(table.column("split"));
  std::set<std::string> names;
  for (std::size_t i = 0; i < table.rows.size(); ++i)
    if (split_from(table.rows[i][side], table.place(i)) == split) names.insert(table.rows[i][name]);
  return names;
}

// A folder of features: which slices, by which net.
struct ExtractPart {
  std::string name;
  std::vector<std::int64_t> places;
  std::size_t net;
};

std::vector<ExtractPart> parts_of(const Session& session, const SliceNets& nets, const Slices& slices,
                                  const std::string& base) {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < slices.set->size(); ++i) all.push_back(i);
  std::vector<ExtractPart> parts;
  if (base == "test") {
    // Features of two nets have nothing in common, so they are not averaged, but what is said of each.
    for (std::size_t k = 0; k < nets.checkpoints.size(); ++k)
      parts.push_back({nets.folds ? test_part(k) : "test", all, k});
    return parts;
  }
  std::vector<bool> taken(all.size());
  const auto take = [&](const std::string& name, const std::set<std::string>& names, std::size_t net) {
    ExtractPart part{name, {}, net};
    for (const std::int64_t i : all) {
      if (taken[static_cast<std::size_t>(i)] || !names.contains(slices.set->name(i))) continue;
      taken[static_cast<std::size_t>(i)] = true;
      part.places.push_back(i);
    }
    if (!part.places.empty()) parts.push_back(std::move(part));
  };
  for (std::size_t k = 0; k < nets.splits.size(); ++k) {
    require<DataError>(!nets.folds || !nets.splits[k].empty(), "hemorrhage extract-features: fold ", k + 1,
                       " has no split.csv, so nobody knows what it has learnt from; train it again");
    if (nets.splits[k].empty()) continue;
    take(nets.folds ? cat("fold-", k + 1) : "val", names_in(nets.splits[k], Split::val), k);
    if (nets.folds) continue;
    take("train", names_in(nets.splits[k], Split::train), k);
    session.log(
        "warning: one net makes the features of the slices that it has learnt from; they say more "
        "than those of new patients will. hemorrhage train --folds 5 makes nets that have not seen them");
  }
  const auto left = std::count(taken.begin(), taken.end(), false);
  if (!nets.folds && nets.splits[0].empty()) {
    session.log(
        "warning: it is not known which patients this checkpoint has learnt from; give --model_id the "
        "folder of its run");
    return {{"train", all, 0}};
  }
  require<DataError>(left == 0, "hemorrhage extract-features: ", left, " of ", all.size(),
                     " slices are in no split.csv of the run; it learnt on other data, train again");
  return parts;
}

// Parts of --out that another run made: their slices would be there twice.
void clear_strangers(const ExtractFlags& f, const std::vector<ExtractPart>& parts) {
  std::vector<FeaturePart> all = feature_parts(f.out);
  for (std::size_t k = 0; fs::is_directory(f.out + "/" + test_part(k)); ++k)
    all.push_back({f.out + "/" + test_part(k), test_part(k), Split::test});
  for (const FeaturePart& there : all) {
    const bool own = std::any_of(parts.begin(), parts.end(),
                                 [&](const ExtractPart& part) { return part.name == there.name; });
    if (own || (there.split == Split::test) != (f.base_data == "test")) continue;
    require<UsageError>(f.overwrite && there.name != "all",
                        "hemorrhage extract-features: ", printable(there.folder),
                        " holds features of another run; name another --out",
                        there.name == "all" ? "" : ", or add --overwrite");
    fs::remove_all(there.folder);
  }
}

std::string sha256_of_file(const std::string& path) {
  const MappedFile file(path);
  return sha256_hex(file.text());
}

// What decides every number of a part.
Json record_of(const ExtractFlags& f, const SliceNets& nets, const ExtractPart& part, const Slices& slices,
               const std::vector<std::string>& hashes) {
  Json json{{"store", f.store}, {"logits", f.logits}, {"slices", part.places.size()}};
  json["net"] = {{"file", fs::path(nets.checkpoints[part.net]).filename().string()},
                 {"sha256", hashes[part.net]}};
  Sha256 names;
  for (const std::int64_t i : part.places) {
    const SliceKey& key = slices.keys[static_cast<std::size_t>(i)];
    names.update(cat(slices.set->name(i), "\t", key.patient, "\t", key.study, "\t", key.series, "\t",
                     exact_text(key.position)));
    for (const int label : slices.set->info(i).labels) names.update(cat("\t", label));
    names.update("\n");
  }
  json["sha256"] = names.hex();
  return json;
}

std::string index_line(const Slices& slices, std::int64_t i, std::int64_t row) {
  const SampleInfo& info = slices.set->info(i);
  const SliceKey& key = slices.keys[static_cast<std::size_t>(i)];
  std::string labels;
  for (const int label : info.labels)
    labels += (labels.empty() ? "" : "|") + std::string(subtypes[static_cast<std::size_t>(label)]);
  return cat(row, ",", csv_field(info.name), ",", csv_field(info.patient), ",", csv_field(key.study), ",",
             csv_field(key.series), ",", exact_text(key.position), ",", labels, ",", slices.labelled ? 1 : 0,
             "\n");
}

// What the net's last layer sees, and its probabilities.
struct SliceAnswer {
  Tensor features, probability;
};
SliceAnswer answer_of(ClassificationTask& task, const Batch& batch, bool logits) {
  const LayerTap tap(task.net(), "embedding");
  const LayerTap::Result got = tap.watch([&] { return task.predict(batch)["logits"]; });
  const Tensor features = got.feature.to(DType::fp32).flatten(1);
  return {logits ? concat({features, got.output}, 1) : features, sigmoid(got.output)};
}

void write_part(Session& session, const ExtractFlags& f, const ExtractPart& part, const Slices& slices,
                ClassificationTask& task, const std::string& folder) {
  const auto set = slices.set->subset(part.places);
  LoaderOptions load;
  load.batch_size = f.batch_size;
  load.workers = f.workers;
  load.device = session.device();
  load.bad_samples = BadSamples::skip;
  Communicator& processes = session.communicator();
  const auto loader = task.loader(*set, task.pipeline(), divided(load, processes, Divide::turns));
  std::optional<NpyWriter> features, base;
  std::optional<AtomicFile> index;
  const NoGrad guard;
  const ComputeScope scope(session.compute());
  std::optional<Progress> progress;
  if (session.bars())
    progress.emplace(part.name, loader->batches(), progress_on_stderr(),
                     ProgressUnit{"img", static_cast<double>(loader->batch_size())});
  Batch batch;
  for (std::int64_t done = 0; loader->next(batch);) {
    const SliceAnswer answer = answer_of(task, batch, f.logits);
    const KeptRows kept = kept_rows(batch, *loader, processes);
    const Tensor chosen = from_vector(kept.rows, {std::ssize(kept.rows)}, session.device());
    const Tensor rows = gather_rows(processes, index_select(answer.features, 0, chosen)),
                 said = gather_rows(processes, index_select(answer.probability, 0, chosen));
    const std::vector<std::int64_t> places = gather_values(processes, kept.places);
    if (!processes.first()) continue;
    if (!features) {
      features.emplace(folder + "/features.npy", Shape{rows.size(1)},
                       f.store == "fp16" ? DType::fp16 : DType::fp32);
      base.emplace(folder + "/base.npy", Shape{said.size(1)}, DType::fp32);
      index.emplace(folder + "/index.csv");
      index->write("row,path,patient,study,series,position,label,labelled\n");
    }
    std::int64_t row = features->rows();
    for (const std::int64_t place : places)
      index->write(index_line(slices, part.places[static_cast<std::size_t>(place)], row++));
    features->append(rows);
    base->append(said);
    if (progress) progress->update(++done, loader->stats().wait_seconds);
  }
  if (progress) progress->finish();
  const std::vector<BadSample> left_out = bad_samples_of_all(*loader, set->size(), processes);
  if (!processes.first()) return;
  for (const BadSample& bad : left_out) {
    session.log(cat("left out ", bad.name, ": ", bad.reason));
    session.event({{"event", "bad_sample"}, {"file", bad.name}, {"message", bad.reason}});
  }
  features->commit();
  base->commit();
  index->commit();
  session.say(cat(part.name, ": ", features->rows(), " slices, ", left_out.size(), " could not be read"));
  session.metric(part.name, Json{{"slices", features->rows()}, {"left_out", left_out.size()}});
}

// Whether the features of a part are there already. Otherwise makes its folder, without features.
bool is_there(const ExtractFlags& f, const std::string& folder, const std::string& now) {
  const std::string record = folder + "/record.json";
  const bool there = fs::is_regular_file(folder + "/index.csv");
  if (there && fs::is_regular_file(record) && read_file(record, 1 << 20) == now) return true;
  require<UsageError>(!there || f.overwrite, "hemorrhage extract-features: ", printable(folder),
                      " holds features of other nets, slices or options; name another --out, or add "
                      "--overwrite");
  make_folders("hemorrhage extract-features", folder);
  for (const char* old : {"/index.csv", "/features.npy", "/base.npy"}) fs::remove(folder + old);
  write_file_atomically(record, now);
  return false;
}

void extract(Session& session, const ExtractFlags& f) {
  check_output_folder("hemorrhage extract-features: --out", f.out, {f.data_dir, f.model_id});
  const SliceNets nets = nets_of(f.model_id);
  Slices slices = open_slices(f.data_dir, f.base_data);
  if (f.legacy) join_patients(slices, f.base_data == "train" ? f.max_to_keep : 0);
  for (const std::string& note : slices.notes) session.log(note);
  const std::vector<ExtractPart> parts = parts_of(session, nets, slices, f.base_data);
  require<UsageError>(!f.legacy || f.base_data == "train" || parts.size() == 1,
                      "hemorrhage extract-features: --legacy has one array for the test slices, and ",
                      printable(f.model_id), " holds ", parts.size(),
                      " nets; give --model_id one of them, such as ", printable(f.model_id), "/fold-1");
  std::vector<std::string> hashes;
  for (const std::string& path : nets.checkpoints) hashes.push_back(sha256_of_file(path));
  Communicator& processes = session.communicator();
  on_first(processes, [&] {
    make_folders("hemorrhage extract-features", f.out);
    clear_strangers(f, parts);
    std::string classes;
    for (const char* name : subtypes) classes += cat(name, "\n");
    write_file_atomically(f.out + "/classes.txt", classes);
    return std::string();
  });
  for (const ExtractPart& part : parts) {
    const std::string folder = f.out + "/" + part.name;
    const std::string now = record_of(f, nets, part, slices, hashes).dump(1);
    session.output(part.name, folder);
    const std::string there =
        on_first(processes, [&] { return std::string(is_there(f, folder, now) ? "yes" : ""); });
    if (!there.empty()) {
      session.say(cat(part.name, ": is there already"));
      continue;
    }
    const std::string& checkpoint = nets.checkpoints[part.net];
    const auto task = load_classifier(checkpoint, session.device());
    require<DataError>(task->classes() == slices.set->classes(),
                       "hemorrhage extract-features: ", printable(checkpoint),
                       " is of other classes than the six of hemorrhages; give a run of hemorrhage train");
    write_part(session, f, part, slices, *task, folder);
  }
  if (f.legacy && processes.first())
    write_legacy_arrays(f.out, f.base_data, f.base_data == "train" ? f.max_to_keep : 0);
}

}  // namespace

void add_extract_features(Program& program, CLI::App* group) {
  const auto f = std::make_shared<ExtractFlags>();
  CLI::App* app = program.add(
      group, "extract-features", "What nets of slices make of every slice, for train-lstm and predict",
      [f](Session& s) { extract(s, *f); },
      "gadolin hemorrhage extract-features --data_dir ct --model_id runs/slices --out features");
  app->add_option(
         "--data-dir,--data_dir", f->data_dir,
         "Folder with TFRecords (or stage_2_train/, stage_2_test/) and the tables of the steps before")
      ->required();
  app->add_option(
         "--model-id,--model_id", f->model_id,
         "Run of hemorrhage train, or a checkpoint; of folds every slice is seen by the net that has "
         "not learnt from its patient, test slices by all")
      ->required();
  app->add_option("--out", f->out, "Folder for a folder a part: features.npy, base.npy, index.csv")
      ->required();
  app->add_option("--base-data,--base_data", f->base_data, "train or test")
      ->check(one_of({"train", "test"}))
      ->capture_default_str();
  app->add_option("--store", f->store, "Numbers of the features: fp32 or fp16")
      ->check(one_of({"fp32", "fp16"}))
      ->capture_default_str();
  app->add_flag("--logits", f->logits,
                "Add the six logits to each slice's features: what nets that began with different random "
                "weights have in common");
  app->add_option("--batch-size,--batch_size", f->batch_size, "Slices that are computed together")
      ->check(between(1, 1000000))
      ->capture_default_str();
  app->add_option("--workers", f->workers, "Threads that decode; -1: one a core")
      ->check(between(-1, 64))
      ->capture_default_str();
  app->add_flag(
      "--legacy", f->legacy,
      "The original's sequences: all scans of a patient as one, at most --max_to_keep slices of it, "
      "and its arrays train_embeddings.npy ... with padding in front");
  app->add_option("--max-to-keep,--max_to_keep", f->max_to_keep, "Slices of a patient, of --legacy")
      ->check(between(1, 1000000))
      ->capture_default_str();
  app->add_flag("--overwrite", f->overwrite, "Replace features of other nets, slices or options");
}

}  // namespace gadolin::hemorrhage
