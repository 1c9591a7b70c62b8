// gadolin bench model: training or inference steps of a net on random numbers.
#include <algorithm>
#include <cmath>
#include <memory>

#include "apps/bench/bench.h"
#include "layers/auxiliary.h"
#include "layers/conv.h"
#include "layers/loss.h"
#include "nets/registry.h"
#include "tensor/allocator.h"
#include "tensor/capture.h"
#include "tensor/random.h"
#include "tensor/ops.h"
#include "train/optimizer.h"

namespace gadolin {

Timing summarize_times(std::vector<double> milliseconds) {
  std::sort(milliseconds.begin(), milliseconds.end());
  return {milliseconds[milliseconds.size() / 2], milliseconds.front(), milliseconds.back()};
}

namespace {

void run(Session& session, const ModelBench& o) {
  const Shape input = parse_input(o.input);
  require<UsageError>(o.mode == "train" || o.mode == "infer", "--mode ", o.mode, " is unknown; use train or infer");
  require<UsageError>(o.batch > 0 && o.steps > 0 && o.warm_up >= 0, "bench model: batch and steps must be positive");
  set_tf32(session.tf32());
  manual_seed(session.common().seed);
  const std::int64_t classes = 1000;
  const auto net = make_net(o.model, {{"input_channels", static_cast<double>(input[0])}, {"num_classes", static_cast<double>(classes)}});
  const Device device = session.device();
  net->to(device);
  if (session.compute() == DType::fp64) net->to(DType::fp64);
  const Tensor x = rand({o.batch, input[0], input[1], input[2]}, DType::fp32)
                       .contiguous(MemoryFormat::channels_last)
                       .to(session.compute() == DType::fp64 ? DType::fp64 : DType::fp32)
                       .to(device);
  Tensor labels = empty({o.batch}, DType::int64);
  for (std::int64_t i = 0; i < o.batch; ++i) labels.data<std::int64_t>()[i] = i * 7 % classes;
  labels = labels.to(device);

  const bool training = o.mode == "train";
  Optimizer optimizer(net->parameters(), {.rule = Rule::sgd, .lr = 1e-3, .momentum = 0.9, .weight_decay = 1e-4});
  net->train(training);
  const auto train_step = [&](const std::vector<Tensor>& batch) {
    optimizer.zero_grad();
    Tensor loss;
    {
      const ComputeScope compute(session.compute());
      loss = loss_with_auxiliary(*net, (*net)(batch[0]), [&](const Tensor& logits) { return cross_entropy(logits, batch[1]); });
    }
    loss.backward();
    const NoGrad guard;
    optimizer.step();
    return loss.detach();
  };
  CapturedStep captured(train_step);
  Tensor last;
  const auto step = [&] {
    if (training) {
      last = device.is_cuda() && !o.eager ? captured({x, labels}) : train_step({x, labels});
    } else {
      const NoGrad guard;
      const ComputeScope compute(session.compute());
      last = (*net)(x);
    }
    synchronize(device);
  };
  for (int i = 0; i < std::max(o.warm_up, device.is_cuda() && training ? 5 : o.warm_up); ++i) step();
  allocator(device).reset_peak();
  std::vector<double> times;
  for (int i = 0; i < o.steps; ++i) {
    const double start = seconds_now();
    step();
    times.push_back((seconds_now() - start) * 1e3);
  }
  const double check = sum(last.detach().to(DType::fp64)).item();
  require<NumericError>(std::isfinite(check), "bench model: ", o.model, " gave ", check, "; the numbers would mean nothing");
  const Timing t = summarize_times(times);
  const double rate = 1e3 * static_cast<double>(o.batch) / t.median;
  const std::int64_t peak = allocator(device).stats().peak_allocated;
  session.say(cat(o.model, " ", o.mode, ", batch ", o.batch, ", ", o.input, ", ", session.common().dtype, " on ", device, ": ",
                  fixed(rate, 1), " images/s, ", fixed(t.median, 2), " ms a step (", fixed(t.least, 2), " to ", fixed(t.most, 2),
                  "), peak memory ", human_bytes(peak)));
  session.metric("images_per_s", rate);
  session.metric("median_ms", t.median);
  session.metric("min_ms", t.least);
  session.metric("max_ms", t.most);
  session.metric("peak_bytes", peak);
}

}  // namespace

void add_model_bench(Program& program, CLI::App* group) {
  const auto o = std::make_shared<ModelBench>();
  CLI::App* app = program.add(group, "model", "Steps of a net on random numbers", [o](Session& s) { run(s, *o); },
                              "gadolin bench model resnet50 --mode train --batch 16");
  app->add_option("model", o->model)->required();
  app->add_option("--mode", o->mode, "train or infer")->capture_default_str();
  app->add_option("--batch", o->batch)->capture_default_str();
  app->add_option("--input", o->input, "Channels x height x width")->capture_default_str();
  app->add_option("--steps", o->steps)->capture_default_str();
  app->add_option("--warm-up", o->warm_up)->capture_default_str();
  app->add_flag("--eager", o->eager, "Do not record training steps as CUDA graphs");
}

}  // namespace gadolin
