// gadolin nodule extract-features: what a layer of a net makes of films, a folder a split.
#include <filesystem>

#include "apps/nodule/commands.h"
#include "apps/nodule/extractor.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "apps/run/table_of_run.h"
#include "data/sets/feature_set.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "tensor/check.h"

namespace gadolin::nodule {
namespace fs = std::filesystem;
namespace {

struct FeatureFlags {
  std::vector<std::string> data;
  std::string out, bad_samples = "fail";
  ExtractorFlags extractor;
  DatasetOptions read;
  std::int64_t batch_size = 16;
  int workers = -1;
  bool overwrite = false;
};

// Whether the folder has the features of exactly these samples; index.csv is written last.
bool is_done(const std::string& folder, const Dataset& set) {
  if (!fs::is_regular_file(folder + "/index.csv") || !holds_features(folder)) return false;
  const CsvTable index = read_csv(folder + "/index.csv");
  const int path_at = index.find("path");
  if (path_at < 0 || std::ssize(index.rows) != set.size()) return false;
  for (std::int64_t i = 0; i < set.size(); ++i)
    if (index.rows[static_cast<std::size_t>(i)][static_cast<std::size_t>(path_at)] != set.info(i).path)
      return false;
  return true;
}

// Makes `extractor.gdck`, or sees that it is the same as of an earlier call.
void settle_folder(const FeatureFlags& f, const Extractor& extractor) {
  make_folders("nodule extract-features", f.out);
  const std::string path = f.out + "/extractor.gdck";
  const Checkpoint now = checkpoint_of(extractor);
  if (fs::exists(path) && same_extractor(load_checkpoint(path), now)) return;
  const bool other = fs::exists(path) || holds_features(f.out);
  require<UsageError>(!other || f.overwrite, "nodule extract-features: ", printable(f.out),
                      " holds features of another net, layer, pipeline or seed; name another folder, or add "
                      "--overwrite");
  for (const char* part : {"", "/train", "/val", "/test"})
    for (const char* file : {"/index.csv", "/features.npy"}) fs::remove(f.out + part + file);
  save_checkpoint(path, now);
}

// A split of all the sets together: the tables of --legacy are one set a split.
void extract_split(Session& session, const FeatureFlags& f, Extractor& extractor, const Dataset& set,
                   const std::string& split, const Pipeline& pipeline) {
  const std::string folder = split.empty() ? f.out : f.out + "/" + split;
  const std::string called = split.empty() ? "all" : split;
  Communicator& processes = session.communicator();
  const std::string done =
      on_first(processes, [&] { return std::string(is_done(folder, set) ? "yes" : ""); });
  if (!done.empty()) {
    session.say(cat(called, ": ", set.size(), " rows are there already"));
    session.output(called, folder);
    return;
  }
  LoaderOptions loader;
  loader.batch_size = f.batch_size;
  loader.workers = f.workers;
  loader.device = session.device();
  loader.bad_samples = f.bad_samples == "skip" ? BadSamples::skip : BadSamples::fail;
  FeatureOptions options;
  options.layer = "";
  options.compute = session.compute();
  if (session.bars()) options.progress = called;
  const FeatureResult got = write_features(folder, *extractor.net, set, pipeline, loader, options, processes);
  for (const BadSample& bad : got.bad) {
    session.log(cat("left out ", bad.name, ": ", bad.reason));
    session.event({{"event", "bad_sample"}, {"file", bad.name}, {"message", bad.reason}});
  }
  session.say(cat(called, ": ", got.rows, " rows of ", got.row[0], " numbers in ", folder));
  session.metric(called, Json{{"rows", got.rows}, {"features", got.row[0]}, {"left_out", got.bad.size()}});
  session.output(called, folder);
}

void extract(Session& session, FeatureFlags f) {
  check_output_folder("nodule extract-features: --out", f.out, f.data);
  require<UsageError>(f.bad_samples == "fail" || f.bad_samples == "skip", "--bad-samples ", f.bad_samples,
                      " is unknown; use fail or skip");
  std::vector<std::unique_ptr<Dataset>> sets;
  for (const std::string& path : f.data) {
    DatasetOptions read = f.read;
    allow_table_of_run(read, path);
    sets.push_back(open_dataset(path, read));
    require<UsageError>(dynamic_cast<const FeatureSet*>(sets.back().get()) == nullptr,
                        "nodule extract-features: ", printable(path),
                        " holds features already; give it to nodule train-model");
  }
  Extractor extractor = extractor_of(session, f.extractor);
  session.log(cat(extractor.net->options().model, ", ", extractor.said, ", layer ", f.extractor.layer, ", ",
                  extractor.pipeline, ", on ", session.device(), " in ", session.common().dtype));
  on_first(session.communicator(), [&] {
    settle_folder(f, extractor);
    return std::string();
  });
  const Pipeline pipeline(extractor.pipeline);
  for (const Split split : {Split::train, Split::val, Split::test, Split::none}) {
    const Dataset* of_split = nullptr;
    for (const auto& set : sets) {
      if (!set->has_split(split)) continue;
      require<UsageError>(of_split == nullptr, "nodule extract-features: two of the sets have images of ",
                          split == Split::none ? "no split" : split_name(split), "; call it once for each");
      of_split = set.get();
    }
    if (of_split) extract_split(session, f, extractor, *of_split->subset(split), split_name(split), pipeline);
  }
  session.output("extractor", f.out + "/extractor.gdck");
}

}  // namespace

void add_extract_features(Program& program, CLI::App* group) {
  const auto f = std::make_shared<FeatureFlags>();
  CLI::App* app = program.add(
      group, "extract-features", "What a layer of a net makes of films, a folder a split",
      [f](Session& s) { extract(s, *f); },
      "gadolin nodule extract-features labelled/manifest.csv --weights vgg16.pth --out codes");
  app->add_option("data", f->data, "Labelled pictures, as for train; train.csv and test.csv of --legacy")
      ->required();
  app->add_option("--out", f->out, "Folder for extractor.gdck and a folder a split: features.npy, index.csv")
      ->required();
  add_extractor_flags(app, f->extractor);
  app->add_option("--label-column", f->read.label_column, "Column of the labels in a manifest")
      ->capture_default_str();
  app->add_flag("--allow-outside", f->read.allow_outside, "A manifest may name files outside its folder");
  app->add_option("--bad-samples", f->bad_samples, "fail at a file that cannot be read, or skip it")
      ->capture_default_str();
  app->add_option("--batch-size", f->batch_size, "Pictures that are computed together")
      ->check(between(1, 1000000))
      ->capture_default_str();
  app->add_option("--workers", f->workers, "Threads that decode; -1: one a core")
      ->check(between(-1, 64))
      ->capture_default_str();
  app->add_flag("--overwrite", f->overwrite, "Replace features of another net, layer, pipeline or seed");
}

}  // namespace gadolin::nodule
