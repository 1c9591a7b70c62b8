#include "apps/mammography/train_flags.h"

#include <charconv>

#include "apps/program/ranges.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace {

void add_start(CLI::App* app, TrainFlags& f) {
  app->option_defaults()->group("Start");
  app->add_option("--preset", f.preset,
                  "sgd: SGD with warm-up and drops; modern: as Keras RetinaNet ended (Adam 1e-5, clipped at "
                  "0.001, plateau); legacy: as it was in December 2017")
      ->capture_default_str();
  app->add_option("--snapshot", f.snapshot,
                  "Go on from this snapshot: epoch, step, optimiser and rate, bit for bit");
  app->add_option("--weights", f.weights, "Weights of a detector, and nothing else of it");
  app->add_option("--imagenet-weights", f.imagenet_weights,
                  "File of a classifier of ImageNet, such as torchvision's resnet50.pth, for the backbone");
  app->add_flag("--no-weights", f.no_weights, "Begin with random weights, which is the default");
  app->add_option("--backbone", f.backbone,
                  "resnet18, 34, 50, 101, 152, vgg16, vgg19, densenet121, 169 or 201")
      ->capture_default_str();
  app->add_option("--config", f.config, "Ini file with [anchor_parameters]: sizes, strides, ratios, scales");
  app->add_option("--net-option", f.net_options,
                  "NAME=VALUE of the net or of a detector's settings; may be repeated");
  app->add_flag("--freeze-backbone", f.freeze_backbone, "The backbone does not learn");
}

void add_run(CLI::App* app, TrainFlags& f) {
  app->option_defaults()->group("Run");
  app->add_option("--batch-size", f.batch_size, "Pictures a step")
      ->check(between(1, 1000000))
      ->capture_default_str();
  app->add_option("--initial-epoch", f.initial_epoch, "That of the --snapshot, which knows it")
      ->check(count_from(0));
  app->add_option("--epochs", f.epochs, "Default 50; with --schedule 1x 12, with 2x 24")
      ->check(count_from(1));
  app->add_option("--steps", f.steps,
                  "Steps an epoch; 0: all pictures once. Default 0, with --preset modern and legacy 10000")
      ->check(count_from(0));
  app->add_option("--lr", f.lr,
                  "Default 0.01 for 16 pictures a step, and in proportion for others; with modern and legacy "
                  "1e-5")
      ->check(above(0));
  app->add_option("--optimizer", f.optimizer, "Default momentum; with modern and legacy adam");
  app->add_option("--optimizer-clipnorm", f.clipnorm,
                  "Largest L2 norm of the gradient of each weight or bias, with legacy of all together; 0: "
                  "off. Default 0; with modern and legacy 0.001")
      ->check(at_least(0));
  app->add_option("--weight-decay", f.weight_decay, "Default 0.0001; with modern and legacy 0")
      ->check(at_least(0));
  app->add_option("--schedule", f.schedule,
                  "1x, 2x (drops to a tenth at 2/3 and 8/9), or as for gadolin train. Default drops; with "
                  "modern and legacy plateau");
  app->add_option("--warmup-epochs", f.warmup_epochs,
                  "Default 500 steps, but at most a tenth of the run; with modern and legacy 0")
      ->check(at_least(0));
  app->add_option("--reduce-lr-patience", f.reduce_lr_patience,
                  "Epochs without a better training loss that cut the rate; default 2")
      ->check(count_from(1));
  app->add_option("--reduce-lr-factor", f.reduce_lr_factor, "What it is multiplied with; default 0.1")
      ->check(above(0));
  app->add_option("--early-stop", f.early_stop, "Evaluations without a better mAP that end the run; 0: never")
      ->check(count_from(0))
      ->capture_default_str();
  app->add_option("--early-stop-delta", f.early_stop_delta, "By how much it must be better")
      ->check(at_least(0))
      ->capture_default_str();
  app->add_option("--snapshot-path", f.snapshot_path, "Folder of the run and of its snapshots")
      ->capture_default_str();
  app->add_flag("--no-snapshots", f.no_snapshots, "Keep checkpoints/ alone, not a snapshot an epoch");
  app->add_flag("--overwrite", f.overwrite, "Remove a former run in --snapshot-path");
  app->add_flag("--no-evaluation", f.no_evaluation, "Without an evaluation after each epoch");
  app->add_flag("--compute-val-loss", f.compute_val_loss, "Also the loss of the validation pictures");
  app->add_flag("--weighted-average", f.weighted_average, "mAP weighted by the instances of the classes");
}

void add_pictures(CLI::App* app, TrainFlags& f) {
  app->option_defaults()->group("Pictures");
  app->add_option("--val-annotations", f.val_annotations, "Of csv: another table, for validation");
  app->add_option("--splits", f.splits, "Take the splits from this table");
  app->add_option("--shares", f.shares, "train/val/test by patient, for data without splits")
      ->capture_default_str();
  app->add_flag("--random-transform", f.random_transform,
                "Turn, shift, shear, scale, mirror, and change contrast and brightness");
  app->add_option("--image-min-side", f.min_side, "Default 800; with legacy 600")->check(between(1, 16384));
  app->add_option("--image-max-side", f.max_side, "Default 1333; with legacy 1024")->check(between(1, 16384));
  app->add_flag("--no-resize", f.no_resize, "Pictures as large as they are");
  app->add_option("--tile", f.tile,
                  "SIDE or SIDE:OVERLAP: learn from and look at parts of a film, such as 1024:0.2");
  app->add_option("--channels", f.channels, "1 or 3; 0: as the first picture")
      ->check(between(0, 3, "use 1 or 3, or 0 for those of the first picture"))
      ->capture_default_str();
  app->add_option("--group-method", f.group_method,
                  "ratio: batches of pictures of one shape; random: of any; none: in the order of the data")
      ->capture_default_str();
  app->add_option("--background-share", f.background_share,
                  "What share of an epoch films without lesions make, 0 to 0.99, drawn in turns; all: each "
                  "once, as those with lesions")
      ->capture_default_str();
  app->add_option("--workers", f.workers, "Threads that decode")
      ->check(between(0, 64))
      ->capture_default_str();
}

void add_accepted(CLI::App* app, TrainFlags& f) {
  app->option_defaults()->group("For scripts of the original");
  app->add_option("--gpu", f.gpu, "As --device cuda:N, which must name the same")->check(between(0, 64));
  app->add_option("--multi-gpu", f.multi_gpu, "Devices: the processes of gadolin launch")
      ->check(between(0, 64))
      ->capture_default_str();
  app->add_flag("--multi-gpu-force", f.multi_gpu_force,
                "Changes nothing: no process shares a device unless it must");
  app->add_flag("--multiprocessing", f.multiprocessing, "Changes nothing: workers are threads");
  app->add_option("--max-queue-size", f.max_queue_size, "Changes nothing: two batches are made ahead")
      ->check(between(1, 1000000))
      ->capture_default_str();
  app->add_option("--tensorboard-dir", f.tensorboard_dir,
                  "Changes nothing: event files are in tb/ of --snapshot-path");
  app->add_option("--tensorboard-freq", f.tensorboard_freq, "epoch, batch, or every so many steps")
      ->capture_default_str();
}

}  // namespace

void add_train_flags(CLI::App* app, TrainFlags& f) {
  const std::string plain = app->option_defaults()->get_group();
  add_marked_data(app, f.data, false);
  add_start(app, f);
  add_run(app, f);
  add_pictures(app, f);
  add_accepted(app, f);
  app->option_defaults()->group(plain);
}

void check_train_flags(const Session& session, const TrainFlags& f) {
  const std::string what = "mammography train: ";
  require<UsageError>(f.preset == "sgd" || f.preset == "modern" || f.preset == "legacy", "--preset ",
                      f.preset, " is unknown; use sgd, modern or legacy");
  std::string starts;
  int given = 0;
  for (const auto& [name, is] :
       {std::pair{"--snapshot", !f.snapshot.empty()},
        std::pair{"--imagenet-weights", !f.imagenet_weights.empty()},
        std::pair{"--weights", !f.weights.empty()}, std::pair{"--no-weights", f.no_weights}}) {
    if (!is) continue;
    starts += (starts.empty() ? "" : " and ") + std::string(name);
    ++given;
  }
  require<UsageError>(given <= 1, what, starts, " exclude each other; leave all but one out");
  check_devices("mammography train", cat("--multi-gpu ", f.multi_gpu), f.multi_gpu);
  require<UsageError>(!f.gpu || session.device() == Device{Device::Kind::cuda, *f.gpu}, what, "--gpu ",
                      f.gpu.value_or(0), " is not the device of this run, ", name_of(session.device()),
                      "; choose it with --device cuda:", f.gpu.value_or(0));
  require<UsageError>(!f.initial_epoch || *f.initial_epoch == 0 || !f.snapshot.empty(), what,
                      "--initial-epoch ", f.initial_epoch.value_or(0),
                      " belongs to a run that goes on; name its --snapshot");
  require<UsageError>(f.group_method == "ratio" || f.group_method == "random" || f.group_method == "none",
                      "--group-method ", f.group_method, " is unknown; use ratio, random or none");
  if (f.background_share != "all") {
    double share = -1;
    const char* const end = f.background_share.data() + f.background_share.size();
    const auto [rest, error] = std::from_chars(f.background_share.data(), end, share);
    require<UsageError>(error == std::errc() && rest == end && share >= 0 && share <= 0.99,
                        "--background-share ", printable(f.background_share, 40),
                        " is no share of an epoch; use 0 to 0.99, or all");
    require<UsageError>(f.group_method == "ratio", what,
                        "--background-share draws films anew every epoch, and "
                        "--group-method ",
                        f.group_method, " has its own order; leave one out");
  }
  require<UsageError>(f.val_annotations.empty() || f.data.form == "csv", what,
                      "--val-annotations is for csv; ", f.data.form, " has its validation set in its folder");
  require<UsageError>(f.val_annotations.empty() || f.splits.empty(), what,
                      "--val-annotations and --splits exclude each other; leave one out");
  require<UsageError>(
      !f.no_resize || (!f.min_side && !f.max_side), what,
      "--no-resize and --image-min-side or --image-max-side exclude each other; leave one out");
  require<UsageError>(!f.no_evaluation || (!f.compute_val_loss && !f.weighted_average), what,
                      "--no-evaluation leaves nothing for --compute-val-loss and --weighted-average; leave "
                      "them out");
  if (f.multiprocessing)
    session.log(what + "--multiprocessing changes nothing: workers are threads of this process");
  if (!f.tensorboard_dir.empty())
    session.log(what + "--tensorboard-dir changes nothing: event files are in " + f.snapshot_path + "/tb");
}

}  // namespace gadolin::mammography
