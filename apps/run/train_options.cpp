#include "apps/run/train_options.h"
#include "apps/program/ranges.h"
#include "apps/run/box_options.h"

#include "data/sets/split.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

void add_data_options(CLI::App* app, DataChoice& o) {
  app->option_defaults()->group("Data");
  app->add_option("data", o.path, "Manifest CSV, class folders, images/ + labels/, TFRecords, or IDX files")
      ->required();
  app->add_option("--label-column", o.read.label_column, "Column of the labels in a manifest")
      ->capture_default_str();
  app->add_option("--label-key", o.read.label_key, "Feature of the labels in TFRecords")
      ->capture_default_str();
  app->add_option("--image-key", o.read.image_key, "Feature of the pictures in TFRecords")
      ->capture_default_str();
  app->add_option("--none-label", o.read.none_label, "Label that stands for no finding in a multi-label set");
  app->add_flag("--multi-label", o.read.multi_label, "Several labels a sample, separated by |");
  app->add_flag("--allow-outside", o.read.allow_outside, "A manifest may name files outside its folder");
  add_box_options(app, o.read, o.skip_wrong);
  app->add_option("--shares", o.shares, "train/val/test by patient, for data without splits")
      ->capture_default_str();
  app->add_option("--splits", o.splits, "Take the splits from this table, such as split.csv of another run");
  app->add_flag("--ignore-splits", o.ignore_splits, "Divide anew by --shares, whatever splits the data has");
  app->add_option(
         "--folds", o.folds,
         "Cross-validation: so many runs, each with another part of the patients for validation; 0: one run")
      ->check(count_from(0))
      ->capture_default_str();
}

void add_net_options(CLI::App* app, NetChoice& o) {
  app->option_defaults()->group("Net");
  app->add_option("--model", o.model, "A name of `gadolin models`")->capture_default_str();
  app->add_option("--channels", o.channels, "1 or 3; 0: as the first image")
      ->check(between(0, 3, "use 1 or 3, or 0 for those of the first image"))
      ->capture_default_str();
  app->add_option("--width", o.width, "Channels of a ResNet's stem")
      ->check(between(1, 65536))
      ->capture_default_str();
  app->add_flag("--small-input", o.small_input, "Stem for small images: 3x3, stride 1, no pooling");
  app->add_option("--net-option", o.net_options,
                  "NAME=VALUE of the net, or of a detector's settings; may be repeated");
  app->add_option("--init-from", o.init_from, "Start from these weights (.gdck, .pth, .safetensors ...)");
  app->add_option("--exclude-scopes", o.exclude_scopes, "Parts that keep their initial values, such as fc")
      ->delimiter(',');
  app->add_option("--trainable-scopes", o.trainable_scopes, "Only these parts learn")->delimiter(',');
  app->add_option("--freeze", o.freeze, "These parts do not learn")->delimiter(',');
}

void add_input_options(CLI::App* app, InputChoice& o) {
  app->option_defaults()->group("Pictures and batches");
  app->add_option("--input-size", o.size, "Pixels a side")->check(between(1, 65536))->capture_default_str();
  app->add_option("--augment", o.augment, "none, light, standard, or a list of steps")->capture_default_str();
  app->add_option("--pipeline", o.pipeline,
                  "Steps of evaluation and prediction; default: resize, centre crop, normalise");
  app->add_option(
         "--sampler", o.sampler,
         "Samples of an epoch: shuffled, balanced (classes in turns), weighted (rare classes more "
         "often), capped:N (a class), background:S (pictures without boxes or classes make the share "
         "S)")
      ->capture_default_str();
  app->add_option("--mixup", o.mixup, "Alpha of mixup: two pictures and their labels blended; 0: off")
      ->check(at_least(0))
      ->capture_default_str();
  app->add_option("--cutmix", o.cutmix, "Alpha of cutmix: a part of another picture pasted in; 0: off")
      ->check(at_least(0))
      ->capture_default_str();
  app->add_option("--batch-size", o.batch_size, "Samples of a batch; fewer where the set has no more")
      ->check(between(1, 1000000))
      ->capture_default_str();
  app->add_option("--eval-batch-size", o.eval_batch_size, "0: the batch size")
      ->check(between(0, 1000000))
      ->capture_default_str();
  app->add_option("--workers", o.workers, "Threads that decode; -1: one a core")
      ->check(between(-1, 64))
      ->capture_default_str();
  app->add_option("--bad-samples", o.bad_samples, "fail, skip or quarantine")->capture_default_str();
}

void add_loss_options(CLI::App* app, LossOptions& o) {
  app->option_defaults()->group("Loss");
  app->add_option("--loss", o.kind, "auto, cross-entropy, bce, focal")->capture_default_str();
  app->add_option("--focal-gamma", o.focal_gamma, "Of --loss focal: how much less easy samples count")
      ->check(at_least(0))
      ->capture_default_str();
  app->add_option("--focal-alpha", o.focal_alpha,
                  "Of --loss focal, several labels: weight of positives, 1 - alpha of negatives; 0: none")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--label-smoothing", o.label_smoothing,
                  "Share of the truth that is spread over all classes")
      ->check(share())
      ->capture_default_str();
  app->add_flag("--class-weights", o.class_weights, "Rare classes count more");
}

void add_update_options(CLI::App* app, UpdateChoice& o) {
  app->option_defaults()->group("Update of the weights");
  app->add_option("--optimizer", o.optimizer,
                  "sgd, momentum, nesterov, adam, adamw, rmsprop, rmsprop-slim, adadelta, adagrad, ftrl")
      ->capture_default_str();
  app->add_option("--lr", o.lr, "Base learning rate; the peak of one-cycle")
      ->check(above(0))
      ->capture_default_str();
  app->add_option("--min-lr", o.min_lr, "Where cosine and polynomial end")
      ->check(at_least(0))
      ->capture_default_str();
  app->add_option("--momentum", o.momentum, "Of the rules that have one")
      ->check(share())
      ->capture_default_str();
  app->add_option("--weight-decay", o.weight_decay, "Below 0: the optimiser's own")
      ->check(finite())
      ->capture_default_str();
  app->add_flag("--decay-norm-and-bias", o.decay_norm_and_bias, "Decay parameters of one dimension too");
  app->add_option("--schedule", o.schedule,
                  "constant, step:E[:G], multi-step:E,E, exponential:G, polynomial[:P[:SPAN]], cosine, "
                  "one-cycle, plateau")
      ->capture_default_str();
  app->add_option(
         "--warmup-epochs", o.warmup_epochs,
         "Epochs in which the rate rises; below 0: one, but at most a tenth of the run, and none for "
         "one-cycle, which has its own")
      ->check(finite())
      ->capture_default_str();
  app->add_option("--clip-norm", o.clip_norm, "Largest L2 norm of the gradient; 0: off")
      ->check(at_least(0))
      ->capture_default_str();
  app->add_option("--clip-each-norm", o.clip_each_norm,
                  "Largest L2 norm of the gradient of each weight or bias; 0: off")
      ->check(at_least(0))
      ->capture_default_str();
  app->add_option("--clip-value", o.clip_value, "Largest element of the gradient; 0: off")
      ->check(at_least(0))
      ->capture_default_str();
  app->add_option("--loss-scale", o.loss_scale, "Fixed loss scale; 0: dynamic for fp16, none otherwise")
      ->check(at_least(0))
      ->capture_default_str();
}

void add_loop_options(CLI::App* app, TrainOptions& o) {
  app->option_defaults()->group("Length, evaluations and checkpoints");
  app->add_option("--epochs", o.epochs,
                  "Times that all samples are seen; with --max-steps too, what ends first counts")
      ->check(count_from(1))
      ->capture_default_str();
  app->add_option("--max-steps,--max-train-steps", o.max_steps, "Optimiser steps; 0: epochs decide")
      ->check(count_from(0))
      ->capture_default_str();
  app->add_option("--accumulate", o.accumulate, "Batches a step")
      ->check(count_from(1))
      ->capture_default_str();
  app->add_option("--ema", o.ema, "Decay of averaged weights; 0: off")->check(share())->capture_default_str();
  app->add_option("--monitor", o.monitor,
                  "Metric of the best checkpoint; default: the task's choice, of classifiers "
                  "val_balanced_accuracy or val_roc_auc");
  app->add_option("--patience", o.patience,
                  "Evaluations without a better monitored metric that end the run; 0: never")
      ->check(count_from(0))
      ->capture_default_str();
  app->add_option("--min-delta", o.min_delta, "By how much it must be better to count")
      ->check(at_least(0))
      ->capture_default_str();
  app->add_option("--stop-threshold", o.stop_threshold,
                  "End once the monitored metric reaches this; 0: never")
      ->check(finite())
      ->capture_default_str();
  app->add_option("--save-every", o.save_every, "Steps between checkpoints; 0: one with each evaluation")
      ->check(count_from(0))
      ->capture_default_str();
  app->add_option("--eval-every", o.eval_every, "Steps between evaluations; 0: at the end of epochs")
      ->check(count_from(0))
      ->capture_default_str();
  app->add_option("--keep-last,--keep", o.keep, "Checkpoints step-N to keep, besides best and last")
      ->check(count_from(1))
      ->capture_default_str();
  app->add_option("--log-every", o.log_every, "Steps between scalars of the event file")
      ->check(count_from(1))
      ->capture_default_str();
  app->add_option_function<std::int64_t>(
         "--bucket-mb", [&o](const std::int64_t& megabytes) { o.reduction.bucket_bytes = megabytes << 20; },
         "Of several processes: megabytes of gradients that are summed together")
      ->check(between(1, 4096))
      ->default_str("25");
  app->add_option_function<std::string>(
         "--reduce-dtype",
         [&o](const std::string& name) {
           require<UsageError>(name == "fp32" || name == "bf16", "--reduce-dtype ", name,
                               " is unknown; use fp32 or bf16");
           o.reduction.dtype = name == "bf16" ? DType::bf16 : DType::fp32;
         },
         "Of several processes: fp32, or bf16, in which gradients are sent")
      ->default_str("fp32");
  app->add_flag("--sync-batch-norm", o.sync_batch_norm,
                "Of several processes: batch norm normalises with the statistics of all, as one would");
  app->add_option("--nan-patience", o.nan_patience, "Steps in a row whose loss may be NaN or infinite")
      ->check(count_from(0))
      ->capture_default_str();
}

}  // namespace

void check_train_options(const TrainCommand& o) {
  const TaskKind& kind = trainable_kind(o.task);
  if (kind.check_model) kind.check_model(o.net.model);
  require<UsageError>(o.task != "detection" || !o.data.read.multi_label,
                      "--multi-label is for classifiers; a detector finds any number of objects, so leave it "
                      "out");
  split_shares(o.data.shares);
  require<UsageError>(o.data.splits.empty() || !o.data.ignore_splits, "--splits ", o.data.splits,
                      " and --ignore-splits exclude each other; leave one out");
  require<UsageError>(o.data.folds == 0 || o.data.folds >= 2, "--folds ", o.data.folds,
                      " is not possible; use 2 or more, or 0 for one run");
  require<UsageError>(o.data.folds == 0 || o.resume.empty() || o.resume == "auto", "--resume ", o.resume,
                      " names one checkpoint, but --folds makes several runs; use --resume auto");
  require<UsageError>(o.net.channels == 0 || o.net.channels == 1 || o.net.channels == 3, "--channels ",
                      o.net.channels, " must be 1 or 3");
}

void add_train_options(CLI::App* app, TrainCommand& o) {
  const std::string plain = app->option_defaults()->get_group();
  app->option_defaults()->group("Run");
  app->add_option("--out", o.out, "Folder of the run")->required();
  add_data_options(app, o.data);
  app->option_defaults()->group("Net");
  app->add_option("--task", o.task, "What the net is trained for; a program may add kinds")
      ->capture_default_str();
  add_net_options(app, o.net);
  add_input_options(app, o.input);
  add_loss_options(app, o.loss);
  add_update_options(app, o.update);
  add_loop_options(app, o.loop);
  app->option_defaults()->group("Run");
  app->add_option("--resume", o.resume, "auto, or a checkpoint: go on bit for bit");
  app->add_flag("--overwrite", o.overwrite, "Remove a former run in --out");
  app->add_flag("--detect-anomaly", o.anomaly, "Name the op that first gives NaN or infinity; slow");
  app->add_flag("--no-capture", o.no_capture, "Do not record steps as CUDA graphs");
  app->option_defaults()->group(plain);
}

}  // namespace gadolin
