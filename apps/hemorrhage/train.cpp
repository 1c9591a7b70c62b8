// gadolin hemorrhage train: a net that looks at one slice.
#include <filesystem>

#include "apps/hemorrhage/commands.h"
#include "apps/hemorrhage/labels.h"
#include "apps/hemorrhage/learn.h"
#include "apps/hemorrhage/slices.h"
#include "apps/program/ranges.h"
#include "layers/norm.h"
#include "tasks/label_losses.h"
#include "tasks/slim_weights.h"
#include "tasks/weighted_log_loss.h"
#include "tensor/check.h"

namespace gadolin::hemorrhage {
namespace {

struct SliceFlags {
  LearnFlags learn;
  std::string data_dir, net = "inception_resnet", init = "random", preset = "standard";
  std::string augment = "standard";
  std::vector<std::string> net_options;
  int size = 224, folds = 0;
};

// inception_resnet and resnet_50 are the original's names.
std::string model_of(const std::string& net) {
  return net == "inception_resnet" ? "inception_resnet_v2" : net == "resnet_50" ? "resnet_v2_50" : net;
}

// The original's Inception-ResNet ran in inference mode while it learnt: batch norms keep the statistics that
// they came with, and only their shifts learn.
void freeze_norms(Module& net) {
  net.visit([](const std::string&, Module& m) {
    auto* norm = dynamic_cast<BatchNorm2d*>(&m);
    if (norm == nullptr) return;
    norm->freeze({""});
    for (Parameter p : norm->parameters())
      if (p.name == "bias") p.tensor.requires_grad_(true);
  });
}

// ImageNet's weights of TF-Slim or of others. The head, for other classes, begins anew.
void settle_weights(const Session& session, const SliceFlags& f, TrainCommand& o) {
  if (f.init == "random") {
    session.log(
        "hemorrhage train: the net begins with random weights; --init takes those of ImageNet, such as "
        "inception_resnet_v2_2016_08_30.ckpt");
    return;
  }
  o.net.init_from = f.init;
  if (is_checkpoint(f.init)) return;
  WeightFile file = read_weights(f.init);
  if (file.format == "tensorflow" && is_slim(file.tensors)) rename_slim(o.net.model, file, o.net.options);
  for (const std::string& note : file.notes) session.log(f.init + ": " + note);
  o.net.initial = std::move(file.tensors);
  for (const char* head : {"fc", "classif", "last_linear", "classifier"}) {
    const auto weight = o.net.initial.find(std::string(head) + ".weight");
    if (weight != o.net.initial.end() && weight->second.size(0) != std::ssize(subtypes)) {
      session.log(cat("the head ", head, " of ", f.init, " is for ", weight->second.size(0),
                      " classes; it begins anew for ", subtypes.size()));
      o.net.exclude_scopes.push_back(head);
    }
  }
}

void train_slices(Session& session, const SliceFlags& f, const ConfigText& config) {
  TrainCommand o;
  settle_learning(f.learn, o);
  require<UsageError>(f.preset != "legacy" || f.net == "inception_resnet",
                      "hemorrhage train: --preset legacy freezes the batch norms of inception_resnet; ",
                      f.net, " had none frozen, so leave it out");
  o.data.path = f.data_dir;
  o.data.folds = f.folds;
  o.data.shares = "0.9/0.1/0";  // as 18 of 20 shards
  o.net.model = model_of(f.net);
  o.net.net_options = f.net_options;
  o.net.channels = 3;
  settle_weights(session, f, o);
  if (f.preset == "legacy") o.net.settled = freeze_norms;
  // 2 x / 255 - 1 (apps-spec 6.7). The original also transposed; no scanner does.
  const std::string resize = cat("rgb,resize:", f.size, "x", f.size);
  o.input.pipeline = resize + ",normalize:0.5:0.5";
  o.input.size = f.size;
  o.input.augment = f.augment == "standard" ? resize + ",hflip,affine:20:0.05:0.95:1.05:0,normalize:0.5:0.5"
                    : f.augment == "none"   ? o.input.pipeline
                                            : f.augment;
  o.loss.own = [rows = row_losses(o.loss.kind, usual_label_weights({subtypes.begin(), subtypes.end()}),
                                  session.device())](const Tensor& x, const Tensor& y) {
    return masked_mean(rows(x, y));
  };
  o.data.open = [&f, &session]() {
    Slices slices = open_slices(f.data_dir, "train");
    for (const std::string& note : slices.notes) session.log(note);
    return std::move(slices.set);
  };
  run_training(session, o, config);
}

}  // namespace

void add_train(Program& program, CLI::App* group) {
  const auto f = std::make_shared<SliceFlags>();
  f->learn.loss = "bin_loss";
  f->learn.monitor = "val_log_loss";
  CLI::App* app = program.add(
      group, "train", "A net that looks at one slice",
      [f, &program](Session& s) {
        train_slices(s, *f,
                     [&](const Settled& settled) { return program.effective_config(recorded(settled)); });
      },
      "gadolin hemorrhage train --data_dir ct --folds 5 --init inception_resnet_v2_2016_08_30.ckpt --out "
      "runs/slices");
  app->add_option("--data-dir,--data_dir", f->data_dir,
                  "Folder with TFRecords (or stage_2_train/), train_metadata.csv, reshaped_stage_2_train.csv")
      ->required();
  add_learn_flags(app, f->learn, "experiments/slices");
  app->add_option(
         "--loss", f->learn.loss,
         "bin_loss, weighted_loss (any counts twice), log_loss, l1, l2 (these three of probabilities) "
         "or cat_loss")
      ->capture_default_str();
  app->add_option("--pretrained-model,--pretrained_model", f->net,
                  "inception_resnet, resnet_50, or a name of gadolin models")
      ->capture_default_str();
  app->add_option("--init", f->init, "Weights to begin with: random, or a file (TF-Slim's, .pth, .gdck ...)")
      ->capture_default_str();
  app->add_option("--net-option", f->net_options, "NAME=VALUE of the net; may be repeated");
  app->add_option("--preset", f->preset,
                  "standard; legacy: batch norms keep their statistics and scales, as in the original")
      ->check(one_of({"standard", "legacy"}))
      ->capture_default_str();
  app->add_option("--size", f->size, "Pixels a side of the net's input")
      ->check(between(16, 4096))
      ->capture_default_str();
  app->add_option("--augment", f->augment, "standard, none, or a list of steps")->capture_default_str();
  app->add_option("--folds", f->folds,
                  "So many nets, each without another part of the patients, for extract-features; 0: one net")
      ->check(between(0, 100))
      ->capture_default_str();
}

}  // namespace gadolin::hemorrhage
