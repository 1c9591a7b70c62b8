// The flags of `gadolin chestxray train`: those of the original program, and what is added to them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/program/command.h"

namespace gadolin::chestxray {

// What a flag is without being given depends on --preset, so it stays empty: config.toml then holds what was
// given, and only that.
struct TrainFlags {
  std::string data, out, splits, findings = "auto";
  bool overwrite = false, resume = false, allow_outside = false;
  std::string ckpt;
  std::string preset = "modern";  // or legacy: the settings of the original program
  std::string model, init = "random", loss, sampler, schedule, optimizer, augment, pipeline, monitor;
  std::optional<int> stage;
  std::vector<std::string> freeze;
  bool force = false, no_flip = false, no_capture = false;
  std::vector<std::string> net_options;
  int channels = 0, input_size = 224, workers = -1;
  std::optional<double> gamma, alpha, lr, weight_decay;
  std::int64_t cap = 10000, keep = 3, patience = 0, max_steps = 0;
  std::optional<std::int64_t> batch_size, epochs;
  double ema = 0, warmup_epochs = -1, clip_norm = 0;

  bool legacy() const { return preset == "legacy"; }
  // 0: every part learns.
  int settled_stage() const { return stage.value_or(legacy() ? 1 : 0); }
};

void add_train_flags(CLI::App* app, TrainFlags& f);
// Words that are unknown, flags that exclude each other, freezing what nobody has trained: UsageError.
void check_train_flags(const TrainFlags& f);

}  // namespace gadolin::chestxray
