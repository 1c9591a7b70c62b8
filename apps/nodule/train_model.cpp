// gadolin nodule train-model: a small classifier learns on features.
#include <algorithm>
#include <filesystem>

#include "apps/nodule/commands.h"
#include "apps/nodule/extractor.h"
#include "apps/program/ranges.h"
#include "apps/run/train_options.h"
#include "data/sets/feature_set.h"
#include "io/bytes.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::nodule {
namespace fs = std::filesystem;
namespace {

struct TrainFlags {
  std::string codes, out, hidden = "512/512", resume, positive;
  double dropout = 0.5, weight_decay = 1e-4, lr = 1e-3;
  std::string optimizer = "adamw", sampler = "balanced", schedule = "cosine";
  std::int64_t epochs = 50, batch_size = 32, patience = 10;
  int workers = 1;
  bool legacy = false, overwrite = false;
};

// The class that is looked for comes last: it is the event of AUC and precision.
std::unique_ptr<Dataset> features_of(const TrainFlags& f) {
  auto set = open_features(f.codes);
  std::vector<std::string> classes = set->classes();
  const auto found = std::find(classes.begin(), classes.end(), f.positive.empty() ? "nodule" : f.positive);
  require<UsageError>(f.positive.empty() || found != classes.end(), "nodule train-model: --positive ",
                      printable(f.positive), " is no class; there are ", joined(classes));
  if (found == classes.end() || found + 1 == classes.end()) return set;
  std::rotate(found, found + 1, classes.end());
  DatasetOptions read;
  read.classes = classes;
  return open_features(f.codes, read);
}

TrainCommand command_of(Session& session, const TrainFlags& f) {
  TrainCommand o;
  o.out = f.out;
  o.resume = f.resume;
  o.overwrite = f.overwrite;
  o.data.path = f.codes;
  o.data.open = [f] { return features_of(f); };
  o.net.model = feature_classifier_name;
  o.net.options = {{"hidden", f.hidden}, {"dropout", f.dropout}};
  o.input.sampler = f.sampler;
  o.input.batch_size = f.batch_size;
  o.input.workers = f.workers;
  o.update.optimizer = f.optimizer;
  o.update.lr = f.lr;
  o.update.weight_decay = f.weight_decay;
  o.update.schedule = f.schedule;
  o.loop.epochs = f.epochs;
  o.loop.patience = f.patience;
  o.loop.monitor = "val_roc_auc";
  if (!f.legacy) return o;
  // apps-spec 3.4: plain SGD over batches of 20 in the order of the files, the last with what remains, 20
  // epochs, and the last one counts.
  o.net.options["batch_statistics"] = true;
  o.net.options["dropout"] = 0.0;
  o.input.sampler = "in-order";
  o.input.batch_size = 20;
  o.settle = [&session](TrainCommand& c, std::int64_t samples) {
    // The variance of one row is 0.
    c.input.keep_last_batch = samples % c.input.batch_size != 1;
    if (!c.input.keep_last_batch)
      session.log(cat("nodule train-model: ", samples,
                      " rows leave a batch of one, which has no batch "
                      "statistics; it is left out"));
  };
  o.update.optimizer = "sgd";
  o.update.lr = 0.01;
  o.update.weight_decay = 0;
  o.update.schedule = "constant";
  o.update.warmup_epochs = 0;
  o.loop.epochs = 20;
  o.loop.patience = 0;
  o.loop.monitor.clear();
  o.loop.keep = 15;
  o.evaluate = false;
  return o;
}

// The recipe is the original's or one's own, not half of each. Defaults pass, because config.toml of a run
// names every option.
void check_flags(const TrainFlags& f) {
  if (!f.legacy) return;
  const TrainFlags usual;
  const auto fixed = [](const char* option, bool changed) {
    require<UsageError>(!changed, "nodule train-model: --legacy has its own ", option + 2, "; leave ", option,
                        " out");
  };
  fixed("--dropout", f.dropout != usual.dropout);
  fixed("--weight-decay", f.weight_decay != usual.weight_decay);
  fixed("--optimizer", f.optimizer != usual.optimizer);
  fixed("--lr", f.lr != usual.lr);
  fixed("--schedule", f.schedule != usual.schedule);
  fixed("--sampler", f.sampler != usual.sampler);
  fixed("--batch-size", f.batch_size != usual.batch_size);
  fixed("--patience", f.patience != usual.patience);
  fixed("--epochs", f.epochs != usual.epochs);
}

// The chosen weights and the extractor in one file.
void write_film(Session& session, const TrainFlags& f) {
  const std::string extractor = f.codes + "/extractor.gdck";
  if (!fs::exists(extractor)) {
    session.log("there is no " + printable(extractor) +
                ", so no film.gdck that takes pictures; nodule extract-features writes it");
    return;
  }
  std::string chosen = f.out + "/checkpoints/best.gdck";
  if (f.legacy || !fs::exists(chosen)) chosen = f.out + "/checkpoints/last.gdck";
  const std::string film = f.out + "/film.gdck";
  save_checkpoint(film, film_checkpoint(load_checkpoint(chosen), load_checkpoint(extractor), chosen));
  session.say("for films, with the net that makes the features: " + film);
  session.output("film", film);
}

}  // namespace

void add_train_model(Program& program, CLI::App* group) {
  const auto f = std::make_shared<TrainFlags>();
  CLI::App* app = program.add(
      group, "train-model", "A small classifier learns on features",
      [f, &program](Session& s) {
        check_flags(*f);
        run_training(s, command_of(s, *f),
                     [&](const Settled& settled) { return program.effective_config(settled); });
        write_film(s, *f);
      },
      "gadolin nodule train-model codes --out runs/nodule");
  app->add_option("codes", f->codes, "Folder of nodule extract-features, or of predict --layer")->required();
  app->add_option("--out", f->out, "Folder of the run")->required();
  app->add_flag(
      "--legacy", f->legacy,
      "As the original: batch statistics always, SGD 0.01, batches of 20 in the order of the files, 20 "
      "epochs, the last one counts; of the options below only --hidden, --positive and --workers go with it");
  app->add_option("--positive", f->positive,
                  "The class that is looked for; default: nodule, where there is such a class");
  app->add_option("--hidden", f->hidden, "Sizes of the hidden layers")->capture_default_str();
  app->add_option("--dropout", f->dropout, "Behind each hidden layer")
      ->check(between(0.0, 0.99))
      ->capture_default_str();
  app->add_option("--weight-decay", f->weight_decay, "Not of norms and biases")
      ->check(at_least(0))
      ->capture_default_str();
  app->add_option("--optimizer", f->optimizer, "As of gadolin train")->capture_default_str();
  app->add_option("--lr", f->lr, "Base learning rate")->check(above(0))->capture_default_str();
  app->add_option("--schedule", f->schedule, "As of gadolin train")->capture_default_str();
  app->add_option("--sampler", f->sampler, "balanced: classes in turns; or as of gadolin train")
      ->capture_default_str();
  app->add_option("--batch-size", f->batch_size, "Rows of a batch")
      ->check(between(2, 1000000))
      ->capture_default_str();
  app->add_option("--patience", f->patience,
                  "Epochs without a better validation AUC that end the run; 0: never")
      ->check(count_from(0))
      ->capture_default_str();
  app->add_option("--epochs", f->epochs, "At most")->check(count_from(1))->capture_default_str();
  app->add_option("--workers", f->workers, "Threads that read; -1: one a core")
      ->check(between(-1, 64))
      ->capture_default_str();
  app->add_option("--resume", f->resume, "auto, or a checkpoint: go on bit for bit");
  app->add_flag("--overwrite", f->overwrite, "Remove a former run in --out");
}

}  // namespace gadolin::nodule
