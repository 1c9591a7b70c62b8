// Steps of a net that `bench model` and `bench startup` time: the net, a batch, training and inference.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/program/command.h"
#include "nets/registry.h"
#include "train/gradient_sum.h"
#include "train/optimizer.h"

namespace gadolin {

struct StepOptions {
  std::string model, input;                      // input empty: the net's own
  std::int64_t batch = 0;                        // 0: of batch_file, or 16
  std::string weights, batch_file, labels_file;  // instead of random numbers
  double lr = 1e-3, momentum = 0.9, weight_decay = 1e-4;
};
inline constexpr std::int64_t bench_classes = 1000;         // of every classifier that is timed
inline constexpr std::int64_t bench_detector_classes = 91;  // of every detector, as torchvision's

void add_step_options(CLI::App* app, StepOptions& o);

// How gradients travel between processes.
struct BucketOptions {
  double megabytes = 25;
  std::string dtype = "fp32";
};
void add_bucket_options(CLI::App* app, BucketOptions& o);

// A net that is timed, with what a step of it takes: a classifier, or a detector.
class StepNet {
 public:
  virtual ~StepNet() = default;
  virtual Module& net() = 0;
  // The tensors of a step, in the net's own way, from the pictures of bench_images: they come first, then
  // labels, random or from the file. Throws UsageError for labels that do not fit the pictures, and for
  // pictures too small for the net.
  virtual std::vector<Tensor> batch(const Session& session, const StepOptions& o, const Tensor& images,
                                    bool training) = 0;
  // Before each step, outside of what is recorded: a detector's inference begins with bytes.
  virtual void prepare(std::vector<Tensor>&) {}
  virtual Tensor loss(const std::vector<Tensor>& batch) = 0;
  virtual Tensor infer(const std::vector<Tensor>& batch) = 0;
};

const NetInfo& bench_info(const std::string& model);  // throws UsageError for a name that there is not
// On the host, with weights from the file if there is one.
std::unique_ptr<StepNet> bench_net(const Session& session, const StepOptions& o, std::int64_t channels);
std::unique_ptr<StepNet> bench_detector(const StepOptions& o, std::int64_t channels);  // without the file's

// [N, C, H, W] in fp32 on the host, -1 to 1: random, or from `batch_file`, which holds what the net takes, or
// bytes, of which 0 to 255 become -1 to 1. Throws UsageError for a file that does not fit the options.
Tensor bench_images(const StepOptions& o);
// As the net wants them: on the device, channels-last, in fp32, or in fp64 when that is computed in.
Tensor on_device_of(const Session& session, const Tensor& images);

// Forward, loss, backward and update by SGD, in the session's type; fp16 with the dynamic loss scale. May be
// recorded.
class TrainStep {
 public:
  TrainStep(StepNet& net, const Session& session, const StepOptions& o);
  Tensor operator()(const std::vector<Tensor>& batch);  // -> the loss
  // Of several processes, of which each has its pictures.
  void average_over(Communicator& processes, const GradientReduction& reduction) {
    optimizer_.average_over(processes, reduction);
  }
  // Whether the loss scale was too large for the last step. Waits for the device.
  bool skipped() const { return optimizer_.last_step_skipped(); }

 private:
  StepNet& net_;
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
