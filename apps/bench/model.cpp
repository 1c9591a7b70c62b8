// gadolin bench model: steps of a net by the protocol of docs/benchmarks.md.
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "apps/bench/bench.h"
#include "apps/bench/steps.h"
#include "apps/bench/timing.h"
#include "apps/program/ranges.h"
#include "tensor/allocator.h"
#include "tensor/capture.h"
#include "tensor/check.h"
#include "tensor/device.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin {
namespace {

struct ModelBenchOptions {
  StepOptions step;
  std::string mode = "train";
  int steps = 0, blocks = 0, warm_up = -1, losses = 0, calls = 0;  // 0, -1: by device
  double seconds = -1, warm_seconds = -1;
  bool eager = false, latency = false;
};

// A net on the device, a batch, and what one step of it is.
struct Bench {
  Bench(Session& session, const ModelBenchOptions& options)
      : s(session), o(options), device(session.device()), training(options.mode == "train"),
        images(bench_images(options.step)), net(bench_net(session, options.step, images.size(1))),
        batch(net->batch(session, options.step, images, training)) {
    net->net().to(device);
    net->net().train(training);
    if (training) {
      train.emplace(*net, session, options.step);
      start = fingerprints(net->net().parameters());
    }
  }
  Tensor once(const std::vector<Tensor>& inputs) {
    if (training) return (*train)(inputs);
    const NoGrad guard;
    const ComputeScope compute(s.compute());
    return net->infer(inputs);
  }
  bool captures() const { return device.is_cuda() && !o.eager; }
  Tensor call(const std::vector<Tensor>& inputs) { return captures() ? recorded(inputs) : once(inputs); }
  void step() {
    ++count;
    if (!training) net->prepare(batch);
    last = call(batch);
  }

  Session& s;
  const ModelBenchOptions& o;
  Device device;
  bool training;
  Tensor images;  // on the host
  std::unique_ptr<StepNet> net;
  std::vector<Tensor> batch;
  std::optional<TrainStep> train;
  std::vector<Fingerprint> start;
  CapturedStep recorded{[this](const std::vector<Tensor>& inputs) { return once(inputs); },
                        {.reads_only = !training}};
  Tensor last;
  std::int64_t count = 0;
};

// The first losses, each read back, for a comparison with another framework from the same weights and batch.
void show_losses(Bench& b) {
  for (int i = 1; i <= b.o.losses; ++i) {
    b.step();
    const double loss = b.last.item();
    b.s.say(cat("step ", i, ": loss ", fixed(loss, 6)));
    b.s.event({{"event", "loss"}, {"step", i}, {"loss", loss}});
  }
}

void warm_up(Bench& b) {
  const bool gpu = b.device.is_cuda();
  int least = b.o.warm_up >= 0 ? b.o.warm_up : gpu ? 20 : 2;
  if (b.captures()) least = std::max(least, 5);  // recorded and replayed once
  const double seconds = b.o.warm_seconds >= 0 ? b.o.warm_seconds : gpu ? 3 : 0, begin = seconds_now();
  const auto scaling = [&] {
    return b.training && b.count < 64 && b.train->skipped();
  };  // fp16 starts with steps that only find the scale
  while (b.count < least || seconds_now() - begin < seconds || scaling()) {
    b.step();
    synchronize(b.device);
  }
}

Json row_of(const Bench& b, const std::string& suite, const Timing& t) {
  const MemoryStats memory = allocator(b.device).stats();
  const Shape& input = b.images.shape();
  return {{"event", "model"},
          {"suite", suite},
          {"net", b.o.step.model},
          {"framework", "gadolin"},
          {"mode", b.o.mode},
          {"variant", b.captures() ? "graph" : "eager"},
          {"dtype", b.s.common().dtype},
          {"device", name_of(b.device)},
          {"batch", input[0]},
          {"input", cat(input[1], "x", input[2], "x", input[3])},
          {"median_ms", t.median},
          {"min_ms", t.least},
          {"max_ms", t.most},
          {"img_s", 1e3 * static_cast<double>(input[0]) / t.median},
          {"peak_mb", static_cast<double>(memory.peak_allocated) / (1 << 20)},
          {"reserved_mb", static_cast<double>(memory.peak_reserved) / (1 << 20)},
          {"seed", b.s.common().seed},
          {"versions", version_facts(b.device)}};
}

// Blocks on a GPU, where nobody waits inside one; every step on the CPU, where looking at the clock costs
// nothing.
void measure_steps(Bench& b) {
  const bool gpu = b.device.is_cuda();
  const int steps = b.o.steps > 0 ? b.o.steps
                    : gpu         ? 20
                                  : 10,
            blocks = b.o.blocks > 0 ? b.o.blocks
                     : gpu          ? 5
                                    : 1;
  const double block_ms = 1e3 * (b.o.seconds >= 0 ? b.o.seconds : gpu ? 1 : 0);
  const Body body = [&] { b.step(); };
  std::vector<double> blocks_ms, steps_ms;
  if (gpu) {
    blocks_ms = time_blocks(b.device, blocks, steps, block_ms, body);
    steps_ms = time_each(b.device, steps, body);
  } else {
    do {
      for (const double ms : time_each(b.device, steps * blocks, body)) steps_ms.push_back(ms);
    } while (b.count < 1000000 &&
             static_cast<double>(steps_ms.size()) * steps_ms.front() < block_ms * blocks);
    blocks_ms = steps_ms;
  }
  const Timing t = summarize_times(blocks_ms), each = summarize_times(steps_ms);
  Json row = row_of(b, "model", t);
  row["step_median_ms"] = each.median;
  row["step_min_ms"] = each.least;
  row["step_max_ms"] = each.most;
  row["steps"] = b.count;
  if (b.training) row["loss"] = b.last.item();
  b.s.event(row);
  const MemoryStats memory = allocator(b.device).stats();
  b.s.say(cat(
      b.o.step.model, " ", b.o.mode, ", batch ", b.images.size(0), ", ", row["input"].get<std::string>(),
      ", ", b.s.common().dtype, " on ", b.device, b.captures() ? ", recorded" : "", ": ",
      fixed(row["img_s"].get<double>(), 1), " images/s, ", fixed(t.median, 2), " ms a step (",
      fixed(t.least, 2), " to ", fixed(t.most, 2), "), peak memory ", human_bytes(memory.peak_allocated),
      ", reserved ", human_bytes(memory.peak_reserved),
      b.training ? cat(", loss ", fixed(row["loss"].get<double>(), 4), " after ", b.count, " steps") : ""));
  b.s.metric("images_per_s", row["img_s"]);
  for (const char* name : {"median_ms", "min_ms", "max_ms", "step_median_ms", "steps", "loss"}) {
    if (row.contains(name)) b.s.metric(name, row[name]);
  }
  b.s.metric("peak_bytes", memory.peak_allocated);
  b.s.metric("reserved_bytes", memory.peak_reserved);
}

// Single calls, from the call to the result that the host could use: with the pictures on the device, and
// from pinned memory of the host with the result copied back.
void measure_latency(Bench& b) {
  const int calls = b.o.calls > 0 ? b.o.calls : b.device.is_cuda() ? 1000 : 50;
  const auto measure = [&](const std::string& from, const Body& body) {
    std::vector<double> times;
    for (int i = 0; i < calls; ++i) {
      const double start = seconds_now();
      body();
      synchronize(b.device);
      times.push_back((seconds_now() - start) * 1e3);
    }
    const double p50 = percentile(times, 0.5), p90 = percentile(times, 0.9), p99 = percentile(times, 0.99);
    Json row = row_of(b, "latency", summarize_times(times));
    row["from"] = from;
    row["calls"] = calls;
    row["p50_ms"] = p50;
    row["p90_ms"] = p90;
    row["p99_ms"] = p99;
    b.s.event(row);
    b.s.say(cat(b.o.step.model, ", batch ", b.images.size(0), ", ", b.s.common().dtype, ", pictures on the ",
                from, ": p50 ", fixed(p50, 3), " ms, p90 ", fixed(p90, 3), " ms, p99 ", fixed(p99, 3),
                " ms of ", calls, " calls"));
    const std::string prefix = from == "device" ? "" : from + "_";
    b.s.metric(prefix + "p50_ms", p50);
    b.s.metric(prefix + "p90_ms", p90);
    b.s.metric(prefix + "p99_ms", p99);
  };
  measure("device", [&] { b.step(); });
  if (!b.device.is_cuda()) return;
  const Shape& s = b.images.shape();
  Tensor pinned = empty_pinned({s[0], s[2], s[3], s[1]}, b.batch[0].dtype()).permute({0, 3, 1, 2});
  pinned.copy_(b.images);
  measure("host", [&] {
    std::vector<Tensor> batch = b.batch;
    batch[0] = pinned.to(b.device);
    b.last = b.call(batch).to(cpu);
  });
}

void run_model_bench(Session& session, ModelBenchOptions& o) {
  require<UsageError>(o.mode == "train" || o.mode == "infer", "--mode ", o.mode,
                      " is unknown; use train or infer");
  if (o.latency) {
    o.mode = "infer";
    if (o.step.batch == 0 && o.step.batch_file.empty()) o.step.batch = 1;
  }
  require<UsageError>(o.losses == 0 || o.mode == "train",
                      "bench model: --losses are of training; use --mode train");
  set_tf32(session.tf32());
  manual_seed(session.common().seed);
  Bench bench(session, o);
  show_losses(bench);
  warm_up(bench);
  // What a step takes is counted; what building the net and choosing engines took is not. Processes on a CPU
  // do not release what is free, and would need more if they did: new blocks would lie beside the pieces.
  if (bench.device.is_cuda()) allocator(bench.device).release_cached();
  bench.step();
  allocator(bench.device).reset_peak();
  o.latency ? measure_latency(bench) : measure_steps(bench);
  const double check = sum(bench.last.detach().to(DType::fp64)).item();
  require<NumericError>(std::isfinite(check), "bench model: ", o.step.model, " gave ", check,
                        "; the numbers would mean nothing");
  if (bench.training) require_moved(bench.start, fingerprints(bench.net->net().parameters()));
}

}  // namespace

void add_model_bench(Program& program, CLI::App* group) {
  const auto o = std::make_shared<ModelBenchOptions>();
  CLI::App* app = program.add(
      group, "model", "Steps of a net on random pictures", [o](Session& s) { run_model_bench(s, *o); },
      "gadolin bench model resnet50 --mode train --batch 16");
  app->add_option("model", o->step.model, "A name of `gadolin models`")->required();
  app->add_option("--mode", o->mode, "train or infer")->capture_default_str();
  add_step_options(app, o->step);
  app->add_option("--steps", o->steps, "Steps a block, at least; 0: 20 on a GPU, 10 on the CPU")
      ->check(between(0, 1000000))
      ->capture_default_str();
  app->add_option("--blocks", o->blocks, "Blocks; 0: 5 on a GPU, 1 on the CPU")
      ->check(between(0, 10000))
      ->capture_default_str();
  app->add_option("--seconds", o->seconds, "Seconds a block, at least; 1 on a GPU unless given")
      ->check(finite());
  app->add_option("--warm-up", o->warm_up,
                  "Steps before the first block; 20 on a GPU, 2 on the CPU unless given")
      ->check(between(-1, 1000000));
  app->add_option("--warm-seconds", o->warm_seconds, "And seconds; 3 on a GPU unless given")->check(finite());
  app->add_option("--losses", o->losses, "Show the losses of so many first steps")
      ->check(between(0, 1000000))
      ->capture_default_str();
  app->add_flag("--latency", o->latency,
                "Single calls of inference, of one picture unless --batch says otherwise");
  app->add_option("--calls", o->calls, "Of --latency; 0: 1000 on a GPU, 50 on the CPU")
      ->check(between(0, 1000000))
      ->capture_default_str();
  app->add_flag("--eager", o->eager, "Do not record steps as CUDA graphs");
}

}  // namespace gadolin
