#include "apps/hemorrhage/learn.h"

#include <algorithm>

#include "apps/program/ranges.h"
#include "tasks/label_losses.h"
#include "tensor/check.h"

namespace gadolin::hemorrhage {

void add_learn_flags(CLI::App* app, LearnFlags& f, const std::string& save_dir) {
  app->add_option("--out,--save-dir,--save_dir", f.out, "Folder of the run, such as " + save_dir)->required();
  app->add_option("--batch-size,--batch_size", f.batch_size, "Samples of a batch")
      ->check(between(1, 1000000))
      ->capture_default_str();
  app->add_option("--num-epochs,--num_epochs,--epochs", f.epochs, "Times that all samples are seen")
      ->check(count_from(1))
      ->capture_default_str();
  app->add_option("--lr", f.lr, "Learning rate of Adam")->check(above(0))->capture_default_str();
  app->add_option("--schedule", f.schedule, "As for gadolin train; the original's rate is constant")
      ->capture_default_str();
  app->add_option("--clip-norm", f.clip_norm, "Largest global norm of the gradient; 0: off")
      ->check(at_least(0))
      ->capture_default_str();
  app->add_option("--max-steps", f.max_steps, "Steps; 0: epochs decide")
      ->check(count_from(0))
      ->capture_default_str();
  app->add_option("--patience", f.patience, "Evaluations without a better one that end the run; 0: never")
      ->check(count_from(0))
      ->capture_default_str();
  app->add_option("--monitor", f.monitor, "Metric that chooses the best checkpoint")->capture_default_str();
  app->add_option("--workers", f.workers, "Threads that read; -1: one a core")
      ->check(between(-1, 64))
      ->capture_default_str();
  app->add_flag("--export", f.keep_all,
                "Keep a checkpoint of every epoch; the original kept the last one, here best and last are "
                "kept in any case");
  app->add_flag("--resume", f.resume, "Go on where the run in --out stopped, bit for bit");
  app->add_flag("--overwrite", f.overwrite, "Remove a former run in --out");
}

void settle_learning(const LearnFlags& f, TrainCommand& o) {
  o.out = f.out;
  o.overwrite = f.overwrite;
  o.resume = f.resume ? "auto" : "";
  o.loss.kind = loss_kind(f.loss);
  o.input.batch_size = f.batch_size;
  o.input.workers = f.workers;
  o.update.optimizer = "adam";
  o.update.lr = f.lr;
  o.update.schedule = f.schedule;
  o.update.weight_decay = 0;  // the original leaves its terms out of the loss
  o.update.warmup_epochs = 0;
  o.update.clip_norm = f.clip_norm;
  o.loop.epochs = f.epochs;
  o.loop.max_steps = f.max_steps;
  o.loop.patience = f.patience;
  o.loop.monitor = f.monitor;
  if (f.keep_all) o.loop.keep = static_cast<int>(std::min<std::int64_t>(f.epochs, 1'000'000));
}

std::string loss_kind(const std::string& text) {
  std::string kind = text.starts_with("masked_") ? text.substr(7) : text;
  if (kind.ends_with("_loss")) kind.resize(kind.size() - 5);
  row_losses(kind, {1}, cpu);  // throws for an unknown one
  return kind;
}

Settled recorded(const Settled& settled) {
  return {{"device", settled.at("device")},
          {"threads", settled.at("threads")},
          {"resume", ""},
          {"overwrite", ""}};
}

}  // namespace gadolin::hemorrhage
