#include "apps/chestxray/train_flags.h"

#include <algorithm>

#include "apps/chestxray/stages.h"
#include "apps/program/ranges.h"
#include "tensor/check.h"

namespace gadolin::chestxray {
namespace {

void add_data_flags(CLI::App* app, TrainFlags& f) {
  app->option_defaults()->group("Data");
  app->add_option("data,--data-path", f.data, "Manifest of chestxray prepare, or the folder it is in")
      ->required();
  app->add_option("--findings", f.findings,
                  "nih: the 14 and No Finding; table: those of the manifest; auto: nih where all are NIH's")
      ->check(one_of({"auto", "nih", "table"}))
      ->capture_default_str();
  app->add_option("--splits", f.splits, "Take the splits from this table, such as split.csv of another run");
  app->add_flag("--allow-outside", f.allow_outside, "The manifest may name files outside its folder");
  app->add_option("--sampler", f.sampler,
                  "all; cap: a finding at most --cap films; balanced: findings equally often. Default all; "
                  "legacy: cap, with films and validation drawn anew for every epoch");
  app->add_option("--cap", f.cap, "Of --sampler cap")->check(count_from(1))->capture_default_str();
}

void add_net_flags(CLI::App* app, TrainFlags& f) {
  app->option_defaults()->group("Net");
  app->add_option(
      "--model", f.model,
      "resnet18, 34, 50, 101, densenet121, 169 or another of these two kinds. Default densenet121; "
      "legacy: resnet50");
  app->add_option(
         "--init", f.init,
         "random, or a file of weights (.pth, .safetensors, .gdck), such as torchvision's of ImageNet")
      ->capture_default_str();
  app->add_option("--stage", f.stage,
                  "What learns: 1 all but the stem and the first group of blocks, 2 and 3 less, 4 the head "
                  "alone; 0 all. Default 0; legacy: 1, by words within names")
      ->check(between(0, 4));
  app->add_option("--freeze", f.freeze, "These parts do not learn, nor do their batch norms follow")
      ->delimiter(',');
  app->add_flag("--force", f.force, "Freeze parts that start from random weights all the same");
  app->add_option("--net-option", f.net_options, "NAME=VALUE of the net; may be repeated");
  app->add_option("--channels", f.channels, "1 or 3; 0: 3 for weights of colour pictures, else as the films")
      ->check(between(0, 3))
      ->capture_default_str();
}

void add_picture_flags(CLI::App* app, TrainFlags& f) {
  app->option_defaults()->group("Pictures and batches");
  app->add_option("--input-size", f.input_size, "Pixels a side")
      ->check(between(16, 4096))
      ->capture_default_str();
  app->add_option(
      "--augment", f.augment,
      "none, light, standard, or a list of steps. Default standard: turned up to 10 degrees, moved, "
      "scaled by a tenth, cropped, mirrored; legacy: none");
  app->add_flag("--no-flip", f.no_flip, "Standard without mirroring: hearts stay on their side");
  app->add_option("--pipeline", f.pipeline, "Steps of evaluation and prediction");
  app->add_option("--batch-size,--bs", f.batch_size, "Films a step. Default 32; legacy: 64")
      ->check(between(1, 1000000));
  app->add_option("--workers", f.workers, "Threads that decode; -1: one a core")
      ->check(between(-1, 64))
      ->capture_default_str();
}

void add_learning_flags(CLI::App* app, TrainFlags& f) {
  app->option_defaults()->group("Learning");
  app->add_option("--loss,--loss-func", f.loss,
                  "bce, wbce (positives of a finding weigh as its negatives do, ten times at most) or focal. "
                  "Default bce; legacy: focal");
  app->add_option("--gamma", f.gamma, "Of --loss focal; default 2")->check(at_least(0));
  app->add_option("--alpha", f.alpha,
                  "Of --loss focal: weight of positives, 1 - alpha of negatives; default none")
      ->check(between(0.0, 1.0));
  app->add_option("--lr", f.lr, "Default 1e-4; legacy: 1e-5")->check(above(0));
  app->add_option("--epochs", f.epochs, "Default 10; legacy: 50")->check(count_from(1));
  app->add_option("--max-steps", f.max_steps, "Steps; 0: epochs decide")
      ->check(count_from(0))
      ->capture_default_str();
  app->add_option("--optimizer", f.optimizer, "As for gadolin train. Default adamw; legacy: adam");
  app->add_option("--weight-decay", f.weight_decay, "Default the optimiser's own; legacy: 0")
      ->check(at_least(0));
  app->add_option("--schedule,--scheduler", f.schedule,
                  "As for gadolin train. Default cosine; legacy: constant");
  app->add_option("--warmup-epochs", f.warmup_epochs, "Below 0: one, but at most a tenth of the run")
      ->check(finite())
      ->capture_default_str();
  app->add_option("--clip-norm", f.clip_norm, "Largest L2 norm of the gradient; 0: off")
      ->check(at_least(0))
      ->capture_default_str();
  app->add_option("--ema", f.ema, "Decay of averaged weights; 0: off")->check(share())->capture_default_str();
  app->add_option("--monitor", f.monitor, "Metric of the best checkpoint; default val_roc_auc");
  app->add_option("--patience", f.patience, "Epochs without a better one that end the run; 0: never")
      ->check(count_from(0))
      ->capture_default_str();
}

}  // namespace

void add_train_flags(CLI::App* app, TrainFlags& f) {
  const std::string plain = app->option_defaults()->get_group();
  app->option_defaults()->group("Run");
  app->add_option("--out", f.out, "Folder of the run")->required();
  app->add_option("--preset", f.preset,
                  "modern, or legacy: the settings of the original program, with what made its AUC one half")
      ->check(one_of({"modern", "legacy"}))
      ->capture_default_str();
  app->add_flag("-r,--resume", f.resume,
                "Go on bit for bit from the newest checkpoint in --out, or from --ckpt");
  app->add_option("--ckpt", f.ckpt, "Of --resume: this checkpoint");
  app->add_flag("--overwrite", f.overwrite, "Remove a former run in --out");
  app->add_option("--keep-last", f.keep, "Checkpoints step-N to keep, besides best and last")
      ->check(count_from(1))
      ->capture_default_str();
  app->add_flag("--no-capture", f.no_capture, "Do not record steps as CUDA graphs");
  add_data_flags(app, f);
  add_net_flags(app, f);
  add_picture_flags(app, f);
  add_learning_flags(app, f);
  app->option_defaults()->group(plain);
}

void check_train_flags(const TrainFlags& f) {
  const auto known = [](const char* option, const std::string& word, const std::vector<std::string>& words) {
    require<UsageError>(word.empty() || std::find(words.begin(), words.end(), word) != words.end(),
                        "chestxray train: ", option, " ", word, " is unknown; use ", words[0], ", ", words[1],
                        " or ", words[2]);
  };
  known("--loss", f.loss, {"bce", "wbce", "focal", "BCE", "FocalLoss"});
  known("--sampler", f.sampler, {"all", "cap", "balanced"});
  require<UsageError>(f.ckpt.empty() || f.resume, "chestxray train: --ckpt ", f.ckpt,
                      " belongs to --resume; to begin with its weights give --init ", f.ckpt);
  require<UsageError>(!f.resume || !f.overwrite,
                      "chestxray train: --resume and --overwrite exclude each other; ", "leave one out");
  require<UsageError>(f.init != "imagenet",
                      "chestxray train: --init imagenet: no weights come with this program; give --init the "
                      "file of torchvision, such as densenet121-a639ec97.pth");
  const bool focal = f.loss == "focal" || f.loss == "FocalLoss" || (f.loss.empty() && f.legacy());
  require<UsageError>(
      focal || (!f.gamma && !f.alpha),
      "chestxray train: --gamma and --alpha belong to --loss focal; add it, or leave them out");
  if (!f.model.empty()) head_of(f.model);
  // The first cause of the original's AUC of one half.
  const bool freezes = f.settled_stage() > 0 || !f.freeze.empty();
  require<UsageError>(
      !freezes || f.init != "random" || f.force || f.legacy() || f.resume,
      "chestxray train: --stage and --freeze with --init random would freeze parts that nobody "
      "has trained; give --init FILE, or add --force");
}

}  // namespace gadolin::chestxray
