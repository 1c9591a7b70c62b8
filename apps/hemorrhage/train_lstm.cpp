// gadolin hemorrhage train-lstm: a net that reads the slices of a series in their order.
#include <filesystem>

#include "apps/hemorrhage/commands.h"
#include "apps/hemorrhage/learn.h"
#include "apps/hemorrhage/slices.h"
#include "apps/program/ranges.h"
#include "apps/run/evaluate.h"
#include "data/sets/sequence_set.h"
#include "tasks/sequences/sequences.h"
#include "tensor/check.h"

namespace gadolin::hemorrhage {
namespace {

struct LstmFlags {
  LearnFlags learn;
  std::string features, data_dir;
  int layers = 2, cells = 256, strips = 4;
  double keep = 0.7, val_ratio = 0.1;
  std::int64_t max_len = 0;
  bool one_direction = false;
};

// The series to learn from; without those whose labels are not known.
std::unique_ptr<Dataset> labelled_series(const LstmFlags& f) {
  DatasetOptions read;
  read.longest = f.max_len;
  const auto all = open_sequences(f.features, read);
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i < all->size(); ++i) {
    const auto slices = all->slices(i);
    if (std::any_of(slices.begin(), slices.end(), [](const SequenceSlice& s) { return s.labelled; }))
      places.push_back(i);
  }
  require<DataError>(!places.empty(), "hemorrhage train-lstm: ", printable(f.features),
                     " holds no series with labels; extract features with --base_data train");
  auto set = all->subset(places);
  // Folds left every patient somewhere: train and validation are drawn by patient.
  bool both = set->has_split(Split::train) && set->has_split(Split::val);
  for (std::int64_t i = 0; i < set->size() && !both; ++i)
    if (set->info(i).split != Split::test) set->set_split(i, Split::none);
  return set;
}

// The chosen checkpoint on the patients that it has not seen, with the slices that carried its decisions.
void evaluate_best(Session& session, const LstmFlags& f) {
  EvalCommand e;
  e.data = f.features;
  e.dataset.longest = f.max_len;
  e.splits = f.learn.out + "/split.csv";
  e.split = "val";
  e.checkpoint = f.learn.out + "/checkpoints/best.gdck";
  const std::string there = on_first(session.communicator(), [&] {
    std::error_code error;
    return std::string(std::filesystem::exists(e.checkpoint, error) ? "yes" : "");
  });
  if (there.empty()) return;
  e.out = f.learn.out + "/eval";
  e.report_strips = f.strips;
  std::shared_ptr<Dataset> pictures;
  std::map<std::string, std::int64_t> place;
  if (!f.data_dir.empty()) {
    pictures = open_slices(f.data_dir, "train").set;
    for (std::int64_t i = 0; i < pictures->size(); ++i) place[pictures->name(i)] = i;
    e.slice_picture = [pictures, place](const std::string& slice) {
      const auto at = place.find(slice);
      return at == place.end() ? Image() : pictures->image(at->second);
    };
  }
  evaluate_checkpoint(session, e);
}

void train_lstm(Session& session, const LstmFlags& f, const ConfigText& config) {
  TrainCommand o;
  settle_learning(f.learn, o);
  require<UsageError>(f.keep > 0 && f.keep <= 1, "--dropout_rate ", f.keep,
                      " is the share that is kept, above 0, 1 at most");
  session.log(cat("--dropout_rate ", f.keep,
                  " is the share of outputs that is kept, as in the original: ", "dropout of ", 1 - f.keep));
  o.task = SequenceTask::name;
  o.data.path = f.features;
  o.data.open = [&f] { return labelled_series(f); };
  o.data.shares = cat(exact_text(1 - f.val_ratio), "/", exact_text(f.val_ratio), "/0");
  o.net.model = "lstm";
  o.net.options = {{"hidden_size", static_cast<double>(f.cells)},
                   {"num_layers", static_cast<double>(f.layers)},
                   {"bidirectional", !f.one_direction},
                   {"dropout", 1 - f.keep}};
  o.input.augment = "none";
  o.input.bad_samples = "fail";
  run_training(session, o, config);
  evaluate_best(session, f);
}

}  // namespace

void add_train_lstm(Program& program, CLI::App* group) {
  const auto f = std::make_shared<LstmFlags>();
  f->learn.loss = "masked_bin_loss";
  CLI::App* app = program.add(
      group, "train-lstm", "A net that reads the slices of a series in their order",
      [f, &program](Session& s) {
        train_lstm(s, *f,
                   [&](const Settled& settled) { return program.effective_config(recorded(settled)); });
      },
      "gadolin hemorrhage train-lstm features --out runs/series");
  app->add_option("features", f->features, "Folder of hemorrhage extract-features")->required();
  app->add_option("--data-dir,--data_dir", f->data_dir,
                  "Folder with the pictures of the slices, for the strips of the report");
  add_learn_flags(app, f->learn, "experiments/lstm");
  app->add_option("--loss", f->learn.loss,
                  "masked_bin_loss (the mean over slices), or with weighted, log, l1, l2, cat for bin")
      ->capture_default_str();
  app->add_option("--num-layers,--num_layers", f->layers, "Recurrent layers")
      ->check(between(1, 16))
      ->capture_default_str();
  app->add_option("--cell-size,--cell_size", f->cells, "Cells of a layer and direction")
      ->check(between(1, 65536))
      ->capture_default_str();
  app->add_option("--dropout-rate,--dropout_rate,--keep-prob", f->keep,
                  "The share of outputs that is KEPT, whatever its name says")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--val-ratio,--val_ratio", f->val_ratio, "Share of the patients for validation")
      ->check(between(0.01, 0.9))
      ->capture_default_str();
  app->add_option("--max-len", f->max_len, "Longer series are cut into parts; 0: any length")
      ->check(count_from(0))
      ->capture_default_str();
  app->add_flag("--one-direction", f->one_direction, "Read forwards only");
  app->add_option("--strips", f->strips, "Series of the report that are drawn with what carried the decision")
      ->check(between(0, 100))
      ->capture_default_str();
}

}  // namespace gadolin::hemorrhage
