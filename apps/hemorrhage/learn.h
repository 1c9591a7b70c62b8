// What the two trainings of the group, of slices and of sequences, share: flags of their original, and how
// weights change.
#pragma once

#include <string>

#include "apps/run/train_options.h"

namespace gadolin::hemorrhage {

// Adam(0.9, 0.999, 1e-8) at a constant rate, gradients clipped to the global norm 10 (apps-spec 6.8, 6.10).
struct LearnFlags {
  std::string out, loss, schedule = "constant", monitor = "val_weighted_log_loss";
  double lr = 1e-4, clip_norm = 10;
  std::int64_t epochs = 10, batch_size = 32, max_steps = 0, patience = 0;
  int workers = -1;
  bool resume = false, overwrite = false, keep_all = false;
};
void add_learn_flags(CLI::App* app, LearnFlags& flags, const std::string& save_dir);
void settle_learning(const LearnFlags& flags, TrainCommand& o);

// "bin" of "bin_loss", "masked_bin_loss" and "bin": one of row_loss_kinds(). Throws UsageError naming all.
std::string loss_kind(const std::string& text);

// What of the settled options a run of these commands records.
Settled recorded(const Settled& settled);

}  // namespace gadolin::hemorrhage
