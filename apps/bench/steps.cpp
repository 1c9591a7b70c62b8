// Steps of a net that benchmarks time; see steps.h.
#include "apps/bench/steps.h"
#include "apps/program/ranges.h"

#include <algorithm>
#include <cmath>

#include "io/crc32c.h"
#include "io/npy.h"
#include "layers/conv.h"
#include "layers/loss.h"
#include "nets/image_net.h"
#include "nets/retinanet.h"
#include "tensor/check.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "train/checkpoint.h"

namespace gadolin {

void add_bucket_options(CLI::App* app, BucketOptions& o) {
  app->add_option("--bucket-mb", o.megabytes, "Megabytes of gradients that travel together")
      ->check(between(0.01, 4096.0))
      ->capture_default_str();
  app->add_option("--reduce-dtype", o.dtype, "In which they travel: fp32 or bf16")
      ->check(one_of({"fp32", "bf16"}))
      ->capture_default_str();
}

void add_step_options(CLI::App* app, StepOptions& o) {
  app->add_option("--batch", o.batch, "Pictures a step; 0: 16, or those of --batch-file")
      ->check(between(0, 65536))
      ->capture_default_str();
  app->add_option("--input", o.input, "Channels x height x width instead of the net's own");
  app->add_option("--weights", o.weights, "Start from these weights (.safetensors, .pth, checkpoint)");
  app->add_option("--batch-file", o.batch_file,
                  "Pictures [N, C, H, W] in a .npy file instead of random ones");
  app->add_option(
      "--labels-file", o.labels_file,
      "Their labels [N] in a .npy file; of detectors boxes [N, M, 5]: x1 y1 x2 y2 class, -1 for none");
  app->add_option("--lr", o.lr, "Learning rate")->check(at_least(0))->capture_default_str();
  app->add_option("--momentum", o.momentum, "Of SGD")->check(share())->capture_default_str();
  app->add_option("--weight-decay", o.weight_decay, "Of all weights")
      ->check(at_least(0))
      ->capture_default_str();
}

namespace {

class ClassifierStep : public StepNet {
 public:
  explicit ClassifierStep(std::unique_ptr<ImageNet> net) : net_(std::move(net)) {}
  ImageNet& net() override { return *net_; }
  std::vector<Tensor> batch(const Session& session, const StepOptions& o, const Tensor& images,
                            bool training) override {
    const std::int64_t n = images.size(0);
    require_size(*net_, o.model, images.size(2), images.size(3), training);
    Tensor labels;
    if (o.labels_file.empty()) {
      RandomStream random(session.common().seed, stream_id(0x62656e6368, 1));
      labels = empty({n}, DType::int64);
      for (std::int64_t i = 0; i < n; ++i)
        labels.data<std::int64_t>()[i] = static_cast<std::int64_t>(random.below(bench_classes));
    } else {
      labels = load_npy(o.labels_file).to(DType::int64);
      require<UsageError>(labels.shape() == Shape{n}, "bench: ", o.labels_file, " is ", labels.shape(),
                          " for ", n, " pictures");
    }
    std::vector<Tensor> all{on_device_of(session, images)};
    if (training) all.push_back(labels.to(session.device()));
    return all;
  }
  Tensor loss(const std::vector<Tensor>& batch) override {
    return loss_with_auxiliary(net_->logits(batch[0]),
                               [&](const Tensor& logits) { return cross_entropy(logits, batch[1]); });
  }
  Tensor infer(const std::vector<Tensor>& batch) override { return (*net_)(batch[0]); }

 private:
  std::unique_ptr<ImageNet> net_;
};

bool detects(const std::string& model) {
  const auto& all = detectors();
  return std::any_of(all.begin(), all.end(), [&](const NetInfo& info) { return info.name == model; });
}

}  // namespace

const NetInfo& bench_info(const std::string& model) {
  return detects(model) ? detector_info(model) : net_info(model);
}

Tensor bench_images(const StepOptions& o) {
  const NoGrad guard;
  if (o.batch_file.empty()) {
    const Shape one = o.input.empty() ? bench_info(o.model).input : parse_input(o.input);
    return add(mul(rand({o.batch > 0 ? o.batch : 16, one[0], one[1], one[2]}, DType::fp32), 2), -1);
  }
  const Tensor images = load_npy(o.batch_file);
  require<UsageError>(images.dim() == 4 && images.numel() > 0, "bench: ", o.batch_file, " is ",
                      images.shape(), "; [N, C, H, W] is needed");
  require<UsageError>(o.batch == 0 || o.batch == images.size(0), "bench: ", o.batch_file, " holds ",
                      images.size(0), " pictures, --batch is ", o.batch);
  const Tensor numbers = images.to(DType::fp32);
  return images.dtype() == DType::uint8 ? add(mul(numbers, 1 / 127.5), -1) : numbers;
}

Tensor on_device_of(const Session& session, const Tensor& images) {
  const DType type = session.compute() == DType::fp64 ? DType::fp64 : DType::fp32;
  return images.to(type).contiguous(MemoryFormat::channels_last).to(session.device());
}

std::unique_ptr<StepNet> bench_net(const Session& session, const StepOptions& o, std::int64_t channels) {
  std::unique_ptr<StepNet> net;
  if (detects(o.model)) {
    net = bench_detector(o, channels);
  } else {
    net = std::make_unique<ClassifierStep>(
        make_net(o.model, {{"input_channels", static_cast<double>(channels)},
                           {"num_classes", static_cast<double>(bench_classes)}}));
  }
  if (!o.weights.empty()) net->net().load_state(load_weights(o.weights), {}, o.weights);
  if (session.compute() == DType::fp64) net->net().to(DType::fp64);
  return net;
}

TrainStep::TrainStep(StepNet& net, const Session& session, const StepOptions& o)
    : net_(net), compute_(session.compute()),
      optimizer_(net.net().parameters(),
                 {.rule = Rule::sgd, .lr = o.lr, .momentum = o.momentum, .weight_decay = o.weight_decay},
                 session.compute() == DType::fp16 ? dynamic_loss_scale : LossScale{}) {}

Tensor TrainStep::operator()(const std::vector<Tensor>& batch) {
  optimizer_.zero_grad();
  Tensor loss;
  {
    const ComputeScope compute(compute_);
    loss = net_.loss(batch);
  }
  loss.backward(optimizer_.loss_seed(loss.dtype()), {.hook = optimizer_.gradient_hook()});
  const NoGrad guard;
  optimizer_.step();
  return loss.detach();
}

std::vector<Fingerprint> fingerprints(const std::vector<Parameter>& parameters) {
  const NoGrad guard;
  std::vector<Fingerprint> list;
  for (const Parameter& p : parameters) {
    if (!p.tensor.requires_grad()) continue;  // of frozen norms
    const Tensor host = p.tensor.detach().to(cpu);
    const Tensor dense =
        host.is_contiguous() || host.is_contiguous(MemoryFormat::channels_last) ? host : host.contiguous();
    list.push_back({p.name, crc32c(dense.raw(), static_cast<std::size_t>(dense.nbytes())),
                    std::isfinite(sum(host).item())});
  }
  return list;
}

void require_moved(const std::vector<Fingerprint>& before, const std::vector<Fingerprint>& after) {
  std::size_t moved = 0;
  for (std::size_t i = 0; i < after.size(); ++i) {
    require<NumericError>(after[i].finite, "bench: ", after[i].name,
                          " is not finite after training; use a smaller --lr");
    moved += before.at(i).crc != after[i].crc;
  }
  require<NumericError>(2 * moved > after.size(), "bench: training changed ", moved, " of ", after.size(),
                        " parameters; the numbers would mean nothing");
}

}  // namespace gadolin
