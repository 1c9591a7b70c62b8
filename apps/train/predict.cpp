// gadolin predict: probabilities of single files, or a layer's features of files and sets.
#include <algorithm>
#include <filesystem>

#include "apps/commands.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "apps/run/answers.h"
#include "apps/run/prepared_films.h"
#include "apps/run/table_of_run.h"
#include "apps/train/commands.h"
#include "io/atomic_file.h"
#include "io/tfrecord.h"
#include "tasks/detection/detection.h"
#include "tasks/detection/draw.h"
#include "tasks/detection/operating_score.h"
#include "tasks/features.h"
#include "tasks/inputs.h"
#include "tasks/sequences/sequences.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

struct PredictOptions {
  std::vector<std::string> files, more;
  std::vector<std::string> checkpoints;
  std::string checkpoint, views = "identity", layer, out, draw, feature_dtype = "fp32", bad_samples = "fail",
                          split = "all";
  int top = 3, workers = -1;
  std::int64_t batch_size = 32;
  bool pool = false;
  DatasetOptions dataset;
};

// One argument that is a labelled set, as for train: a table, TFRecords, or a folder without pictures of its
// own.
bool is_set(const std::vector<std::string>& given) {
  if (given.size() != 1) return false;
  if (means_tfrecords(given[0]) || holds_tfrecords(given[0])) return true;
  if (!std::filesystem::is_directory(given[0])) return has_ending(given[0], ".csv");
  return std::filesystem::exists(given[0] + "/manifest.csv") || expand_files(given).empty();
}

std::unique_ptr<Dataset> samples_of(const PredictOptions& o, const Task& task) {
  if (is_set(o.files)) {
    DatasetOptions options = o.dataset;
    allow_table_of_run(options, o.files[0]);
    auto set = open_dataset(o.files[0], options);
    return o.split == "all" ? std::move(set) : set->subset(split_option(o.split));
  }
  require<UsageError>(o.split == "all", "predict: --split needs a labelled set, not files");
  return open_inputs("predict", o.files, task.classes(), o.dataset);
}

void features(Session& session, const PredictOptions& o) {
  require<UsageError>(!o.out.empty(),
                      "predict: --layer needs --out, a folder for features.npy and index.csv");
  check_output_folder("predict: --out", o.out);
  if (o.split != "all") split_option(o.split);
  require<UsageError>(o.more.empty(), "predict: --layer takes one --checkpoint, and there are ",
                      o.more.size() + 1, "; call it once for each");
  require<UsageError>(o.feature_dtype == "fp32" || o.feature_dtype == "fp16", "--feature-dtype ",
                      o.feature_dtype, " is unknown; use fp32 or fp16");
  require<UsageError>(o.bad_samples == "fail" || o.bad_samples == "skip", "--bad-samples ", o.bad_samples,
                      " is unknown; use fail or skip");
  const auto task = load_task(o.checkpoint, session.device());
  require<Unsupported>(dynamic_cast<const DetectionTask*>(task.get()) == nullptr,
                       "predict: --layer is for nets that see pictures of one size; a detector's are not");
  const auto set = samples_of(o, *task);
  LoaderOptions loader;
  loader.batch_size = o.batch_size;
  loader.workers = o.workers;
  loader.device = session.device();
  loader.bad_samples = o.bad_samples == "skip" ? BadSamples::skip : BadSamples::fail;
  FeatureOptions options;
  options.layer = o.layer;
  options.pool = o.pool;
  options.pictures = true;
  options.dtype = o.feature_dtype == "fp16" ? DType::fp16 : DType::fp32;
  options.compute = session.compute();
  if (session.bars()) options.progress = "features";
  const FeatureResult got = write_features(o.out, *task, *set, loader, options, session.communicator());
  for (const BadSample& bad : got.bad) {
    session.log(cat("left out ", bad.name, ": ", bad.reason));
    session.event({{"event", "bad_sample"}, {"file", bad.name}, {"message", bad.reason}});
  }
  Shape shape{got.rows};
  for (const std::int64_t size : got.row) shape.push_back(size);
  session.say(cat(o.layer, " of ", got.rows, " pictures: ", shape, " of ", options.dtype, " in ", o.out,
                  "/features.npy"));
  session.metric("rows", got.rows);
  session.metric("shape", shape.vec());
  session.metric("failed", got.bad.size());
  session.output("features", o.out + "/features.npy");
  session.output("index", o.out + "/index.csv");
}

void predict(Session& session, const PredictOptions& o) {
  refuse_pipes(session, "predict", o.files);
  if (!o.layer.empty()) return features(session, o);
  require<UsageError>(o.out.empty(), "predict: --out ", printable(o.out),
                      " is for features and needs --layer; add --layer embedding, or redirect what is "
                      "printed for probabilities");
  require<UsageError>(!o.pool, "predict: --pool is for features and needs --layer; leave it out");
  require<UsageError>(o.split == "all", "predict: --split ", o.split,
                      " is for features and needs --layer; gadolin eval measures a split");
  if (!o.draw.empty()) check_output_folder("predict: --draw", o.draw);
  Judges judges(session, o.checkpoint, o.more, o.views);
  const Task& task = judges.task();
  const auto* detector = dynamic_cast<const DetectionTask*>(&task);
  require<UsageError>(o.draw.empty() || detector != nullptr, "predict: --draw is for detectors, and ",
                      o.checkpoint, " is of ", task.kind(), "; gadolin cam shows what a classifier looks at");
  // Of series: a folder of features, as for train and eval.
  const bool series = dynamic_cast<const SequenceTask*>(&task) != nullptr;
  require<UsageError>(!series || o.files.size() == 1, "predict: ", printable(o.checkpoint),
                      " is a net of series; give it one folder of hemorrhage extract-features");
  const auto set =
      series ? task.open(o.files[0], o.dataset) : open_inputs("predict", o.files, task.classes(), o.dataset);
  refuse_films("predict", *set, task, o.checkpoint,
               "gadolin mammography detect does that to a film, so use it instead");
  TextRows rows{task.columns()};
  rows[0].insert(rows[0].begin(), "path");
  std::vector<std::string> stems;
  double drawn_from = 0.5;
  if (!o.draw.empty()) {
    for (std::int64_t i = 0; i < set->size(); ++i) stems.push_back(set->info(i).name);
    stems = distinct_stems(stems);
    if (session.communicator().first()) make_folders("predict", o.draw);
    const std::string& chosen = detector->remembered("score_threshold");
    if (!chosen.empty()) drawn_from = operating_score_from_json(chosen, "checkpoint: " + o.checkpoint).value;
    session.log(cat("drawn in ", o.draw, " from the score ", exact_text(drawn_from), " on",
                    chosen.empty() ? "" : ", chosen on validation pictures"));
    session.output("drawn", o.draw);
  }
  const Answers answers = answer_each(
      session, judges, o.checkpoint, *set, o.top,
      [&](std::int64_t i, const Outputs& outputs, const Said& said) {
        if (!o.draw.empty())
          write_png(o.draw + "/" + stems[static_cast<std::size_t>(i)] + ".png",
                    draw_boxes(set->image(i), drawn_boxes({}, detections_of(outputs)[0], task.classes(),
                                                          {.score = drawn_from})));
        for (auto row : said.rows) {
          row.insert(row.begin(), set->info(i).name);
          rows.push_back(std::move(row));
        }
      });
  if (!session.communicator().first()) return;
  session.say(format_table(rows));
  finish_answers(session, "predict", answers);
}

}  // namespace

void add_predict_command(Program& program) {
  const auto o = std::make_shared<PredictOptions>();
  const auto checkpoints = std::make_shared<std::vector<std::string>>();
  CLI::App* app = program.add(
      "predict", "Class probabilities of image files, or features of a layer",
      [o, checkpoints](Session& s) {
        PredictOptions run = *o;
        run.checkpoint = checkpoints->front();
        run.more.assign(checkpoints->begin() + 1, checkpoints->end());
        predict(s, run);
      },
      "gadolin predict film.jpg --checkpoint runs/view/checkpoints/best.gdck");
  app->add_option(
         "files", o->files,
         "Images, folders of images, .txt lists of paths, TFRecords; for a net of series a folder of "
         "features; with --layer also a labelled set, as for train")
      ->required();
  app->add_option("--checkpoint", *checkpoints, "Several, separated by commas or repeated, are an ensemble")
      ->required()
      ->delimiter(',');
  app->add_option(
         "--views", o->views,
         "Of each picture, whose answers are averaged: identity, hflip, vflip, both, all, or ten-crop")
      ->capture_default_str();
  app->add_option("--draw", o->draw, "Folder for the pictures with what a detector found drawn on them");
  app->add_option("--top", o->top, "Classes to name, or boxes; of several labels all are named")
      ->check(count_from(1))
      ->capture_default_str();
  app->add_option("--layer", o->layer,
                  "Write this layer's features instead: a path of gadolin summary, PATH:input, or embedding "
                  "(what the last linear layer reads)");
  app->add_option("--out", o->out, "Folder for features.npy and index.csv");
  app->add_flag("--pool", o->pool, "Features: the mean over height and width");
  app->add_option("--feature-dtype", o->feature_dtype, "fp32 or fp16")->capture_default_str();
  app->add_option("--split", o->split, "Features of a set: train, val, test or all")->capture_default_str();
  app->add_option("--label-column", o->dataset.label_column, "Features: column of the labels in a manifest")
      ->capture_default_str();
  app->add_option("--label-key", o->dataset.label_key, "Features: where the labels are in TFRecords")
      ->capture_default_str();
  app->add_option("--image-key", o->dataset.image_key, "Feature of the pictures in TFRecords")
      ->capture_default_str();
  app->add_flag("--allow-outside", o->dataset.allow_outside, "A manifest may name files outside its folder");
  app->add_option("--bad-samples", o->bad_samples, "Features: fail at a file that cannot be read, or skip it")
      ->capture_default_str();
  app->add_option("--batch-size", o->batch_size, "Features")
      ->check(between(1, 1000000))
      ->capture_default_str();
  app->add_option("--workers", o->workers, "Features: threads that decode")
      ->check(between(-1, 64))
      ->capture_default_str();
}

}  // namespace gadolin
