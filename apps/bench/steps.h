// Steps of a net that `bench model` and `bench startup` time: the net, a batch, training and inference.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/program/command.h"
#include "nets/image_net.h"
#include "train/optimizer.h"

namespace gadolin {

struct StepOptions {
  std::string model, input;                      // input empty: the net's own
  std::int64_t batch = 0;                        // 0: of batch_file, or 16
  std::string weights, batch_file, labels_file;  // instead of random numbers
  double lr = 1e-3, momentum = 0.9, weight_decay = 1e-4;
};
inline constexpr std::int64_t bench_classes = 1000;  // of every net that is timed

void add_step_options(CLI::App* app, StepOptions& o);

struct BenchBatch {
  Tensor images, labels;
};
// On the device: images [N, C, H, W] channels-last, in fp32, or in fp64 when that is computed in; labels [N].
// Without files both are random, the images uniform in [-1, 1). `batch_file` [N, C, H, W] holds what the net
// takes, or bytes, of which 0 to 255 become -1 to 1; `labels_file` [N] holds whole numbers. Throws UsageError
// for files that do not fit one another or the options.
BenchBatch bench_batch(const Session& session, const StepOptions& o);

// On the host, with weights from the file if there is one.
std::unique_ptr<ImageNet> bench_net(const Session& session, const StepOptions& o, std::int64_t channels);

// Forward, loss, backward and update by SGD, in the session's type; fp16 with the dynamic loss scale. May be
// recorded.
class TrainStep {
 public:
  TrainStep(ImageNet& net, const Session& session, const StepOptions& o);
  Tensor operator()(const std::vector<Tensor>& batch);  // images, labels -> the loss
  // Whether the loss scale was too large for the last step. Waits for the device.
  bool skipped() const { return optimizer_.last_step_skipped(); }

 private:
  ImageNet& net_;
  DType compute_;
  Optimizer optimizer_;
};

// What a parameter was at a time, without a copy of it.
struct Fingerprint {
  std::string name;
  std::uint32_t crc;
  bool finite;
};
std::vector<Fingerprint> fingerprints(const std::vector<Parameter>& parameters);
// Throws NumericError when a parameter is not finite, or half of them or more are as they were: a benchmark
// of training in which nothing is learnt measures something else.
void require_moved(const std::vector<Fingerprint>& before, const std::vector<Fingerprint>& after);

}  // namespace gadolin
