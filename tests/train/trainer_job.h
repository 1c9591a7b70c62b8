// A small training run with batches out of a function, for the tests of the training loop.
#pragma once

#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "layers/linear.h"
#include "layers/loss.h"
#include "layers/norm.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/scratch.h"
#include "train/trainer.h"

namespace gadolin::test {

struct Folder {
  Scratch scratch;
  std::string path = scratch.path();
};
inline std::string file_text(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// The numbers of tensors by name, and those of a run's last checkpoint.
using Values = std::map<std::string, std::vector<double>>;
inline Values last_tensors(const std::string& folder) {
  Values all;
  for (const auto& [name, tensor] : load_checkpoint(folder + "/checkpoints/last.gdck").tensors)
    all[name] = tensor.to_vector<double>();
  return all;
}

// Batches as a function of (epoch, batch), like a loader's.
class Numbers : public BatchSource {
 public:
  std::int64_t count = 6, epoch = 0, batch = 0;
  Device device = cpu;
  std::function<void(std::int64_t, std::int64_t)> watch;
  std::int64_t batches_per_epoch() const override { return count; }
  std::int64_t batch_size() const override { return 8; }
  void seek(std::int64_t e, std::int64_t b) override {
    epoch = e;
    batch = b;
  }
  Batch next() override {
    if (watch) watch(epoch, batch);
    const std::uint64_t stream =
        stream_id(1, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(batch++));
    const Tensor x = rand({8, 5}, 3, stream);
    Tensor labels = empty({8}, DType::int64);
    for (std::int64_t n = 0; n < 8; ++n)
      labels.data<std::int64_t>()[n] = x.data<float>()[n * 5] > x.data<float>()[n * 5 + 1];
    return Batch({"x", "label"}, {x.to(device), labels.to(device)});
  }
  double seconds_waited() const override { return 0; }
};

struct Job {
  Sequential net;
  Optimizer optimizer;
  Schedule schedule{"cosine", {.lr = 0.05, .total_steps = 9, .steps_per_epoch = 3}};
  Numbers batches;
  TrainOptions options{.epochs = 3,
                       .accumulate = 2,
                       .ema = 0.9,
                       .save_every = 1,
                       .keep = 20,
                       .monitor = "val_loss",
                       .maximize = false,
                       .quiet = true};
  std::optional<RunDir> run;
  std::optional<Trainer> trainer;

  static Sequential make(Device device) {
    manual_seed(11);
    Sequential net(Linear(5, 16), BatchNorm2d(16), ReLU(), Dropout(0.3), Linear(16, 2));
    net.to(device);
    return net;
  }
  explicit Job(const std::string& folder, RunDir::Open how = RunDir::Open::automatic, Device device = cpu)
      : net(make(device)),
        optimizer(net.parameters(), {.rule = Rule::adamw, .lr = 0.05, .weight_decay = 0.01}) {
    batches.device = device;
    run.emplace(folder, how);
  }
  Trainer& make_trainer() {
    TrainHooks hooks;
    hooks.loss = [this](const Batch& batch) { return cross_entropy(net(batch["x"]), batch["label"]); };
    hooks.evaluate = [this] {
      const Tensor x = rand({32, 5}, 5, 6).to(batches.device);
      return MetricList{{"val_loss", mean(gadolin::abs(net(x))).item()}};
    };
    trainer.emplace(net, optimizer, schedule, batches, *run, hooks, options);
    return *trainer;
  }
};

}  // namespace gadolin::test
