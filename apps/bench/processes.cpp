// gadolin bench processes: a training step of several processes beside one process that has as many threads
// as they have together, in turns; and the share of their time that waits for the sum of the gradients.
//
// Started alone, the command starts both sides itself. Started as several (gadolin launch -n 4 -- bench
// processes resnet50), it measures these.
#include <algorithm>
#include <map>
#include <memory>

#include "apps/bench/bench.h"
#include "apps/bench/startup.h"
#include "apps/bench/steps.h"
#include "apps/bench/timing.h"
#include "apps/program/ranges.h"
#include "tensor/autograd.h"
#include "tensor/capture.h"
#include "tensor/check.h"
#include "tensor/cpu/parallel.h"
#include "tensor/random.h"
#include "train/processes/processes.h"

namespace gadolin {
namespace {

struct ProcessesBenchOptions {
  StepOptions step;
  int processes = 2, steps = 10, warm_up = 2, rounds = 3;
  BucketOptions buckets;
  bool measured = false;  // of the one process that is measured
};

// --- the measured processes --------------------------------------------------------------------------------

void measure_processes(Session& session, ProcessesBenchOptions o) {
  Communicator& processes = session.communicator();
  const std::int64_t batch = o.step.batch > 0 ? o.step.batch : 16;
  require<UsageError>(batch % processes.size() == 0, "bench processes: --batch ", batch,
                      " is not divided by ", processes.size(), " processes; give all the same share of it");
  o.step.batch = batch / processes.size();
  manual_seed(session.common().seed + static_cast<std::uint64_t>(processes.rank()));
  const Tensor images = bench_images(o.step);
  manual_seed(session.common().seed);  // all begin with the same weights
  const std::unique_ptr<StepNet> net = bench_net(session, o.step, images.size(1));
  const std::vector<Tensor> inputs = net->batch(session, o.step, images, true);
  net->net().to(session.device());
  net->net().train(true);
  TrainStep train(*net, session, o.step);
  GradientReduction reduction;
  reduction.bucket_bytes = static_cast<std::int64_t>(o.buckets.megabytes * (1 << 20));
  reduction.dtype = o.buckets.dtype == "bf16" ? DType::bf16 : DType::fp32;
  train.average_over(processes, reduction);
  const auto start = fingerprints(net->net().parameters());
  // Recorded on GPUs, where sums go from one to the other without the host.
  const bool recorded = session.device().is_cuda() && processes.detour(session.device()).empty();
  CaptureOptions capture;
  CapturedStep captured([&](const std::vector<Tensor>& given) { return train(given); }, capture);
  const auto step = [&] {
    const Tensor loss = recorded ? captured(inputs) : train(inputs);
    processes.watch(session.device());
    return loss;
  };
  Tensor loss;
  for (int i = 0; i < o.warm_up + (recorded ? capture.warm_up + 1 : 0); ++i) loss = step();
  processes.barrier();
  const double before = processes.seconds_waited(), began = seconds_now();
  std::vector<double> times = time_each(session.device(), o.steps, [&] { loss = step(); });
  const double seconds = seconds_now() - began, waited = processes.seconds_waited() - before;
  require_moved(start, fingerprints(net->net().parameters()));
  const Timing t = summarize_times(times);
  const double share = processes.mean(waited / seconds);
  const Shape& shape = images.shape();
  session.event({{"event", "processes"},
                 {"suite", "processes"},
                 {"net", o.step.model},
                 {"framework", "gadolin"},
                 {"processes", processes.size()},
                 {"threads", num_threads()},
                 {"variant", recorded ? "graph" : "eager"},
                 {"device", session.device().is_cuda() ? "cuda" : "cpu"},
                 {"detour", processes.detour(session.device())},
                 {"dtype", session.common().dtype},
                 {"batch", batch},
                 {"input", cat(shape[1], "x", shape[2], "x", shape[3])},
                 {"median_ms", t.median},
                 {"min_ms", t.least},
                 {"max_ms", t.most},
                 {"img_s", 1e3 * static_cast<double>(batch) / t.median},
                 {"waiting", share},
                 {"loss", processes.mean(loss.item())},
                 {"versions", version_facts(session.device())}});
  session.say(cat(o.step.model, ", batch ", batch, ": ", processes.size(),
                  processes.alone() ? " process with " : " processes with ", num_threads(),
                  num_threads() == 1 ? " thread" : " threads", " each, ",
                  fixed(1e3 * static_cast<double>(batch) / t.median, 1), " images/s, ", fixed(t.median, 2),
                  " ms a step (", fixed(t.least, 2), " to ", fixed(t.most, 2), "), ", fixed(100 * share, 1),
                  " % of the time waiting for others"));
}

// --- the command that measures -----------------------------------------------------------------------------

std::vector<std::string> measured_words(const Common& common, const ProcessesBenchOptions& o, bool several) {
  const StepOptions& s = o.step;
  std::vector<std::string> words;
  if (several) words = {"launch", "-n", std::to_string(o.processes), "--"};
  words.insert(words.end(), {"bench",
                             "processes",
                             s.model,
                             "--json",
                             "--quiet",
                             "--batch",
                             std::to_string(s.batch > 0 ? s.batch : 16),
                             "--steps",
                             std::to_string(o.steps),
                             "--warm-up",
                             std::to_string(o.warm_up),
                             "--bucket-mb",
                             cat(o.buckets.megabytes),
                             "--reduce-dtype",
                             o.buckets.dtype,
                             "--lr",
                             cat(s.lr),
                             "--momentum",
                             cat(s.momentum),
                             "--weight-decay",
                             cat(s.weight_decay),
                             "--dtype",
                             common.dtype,
                             "--backend",
                             common.backend,
                             "--math",
                             common.math,
                             "--seed",
                             std::to_string(common.seed),
                             "--device",
                             "cpu",
                             "--threads",
                             std::to_string(several ? std::max(1, common.threads)
                                                    : std::max(1, common.threads) * o.processes)});
  if (!s.input.empty()) words.insert(words.end(), {"--input", s.input});
  if (!several) words.push_back("--measured");
  return words;
}

struct MeasuredSide {
  std::vector<double> ms, waiting;
  Json row;
};

// The median over the rounds, and their range.
Json summary_of(MeasuredSide& side) {
  const Timing t = summarize_times(side.ms);
  side.row["median_ms"] = t.median;
  side.row["min_ms"] = t.least;
  side.row["max_ms"] = t.most;
  side.row["img_s"] = 1e3 * side.row["batch"].get<double>() / t.median;
  side.row["waiting"] = summarize_times(side.waiting).median;
  return side.row;
}

void compare_processes(Session& session, const ProcessesBenchOptions& o) {
  bench_info(o.step.model);  // a mistake in the name needs no process
  require<UsageError>(
      session.device().is_cpu(), "bench processes: both sides share the cores of this machine, ",
      "so it is of the CPU; for GPUs start gadolin launch -n N -- bench processes ", o.step.model);
  require<UsageError>(o.step.weights.empty() && o.step.batch_file.empty() && o.step.labels_file.empty(),
                      "bench processes: pictures and weights are random on both sides; leave out --weights, "
                      "--batch-file and --labels-file");
  std::map<bool, MeasuredSide> sides;  // of several processes, of one
  for (int round = 0; round < o.rounds; ++round)
    for (const bool several : {false, true}) {
      const std::vector<Json> events =
          events_of(run_this_program(measured_words(session.common(), o, several)));
      for (const Json& event : events) {
        if (event.value("event", "") != "processes") continue;
        MeasuredSide& side = sides[several];
        side.row = event;
        side.ms.push_back(event["median_ms"]);
        side.waiting.push_back(event["waiting"]);
      }
    }
  const Json one = summary_of(sides[false]), several = summary_of(sides[true]);
  std::vector<std::vector<std::string>> rows{
      {"processes", "threads each", "images/s", "ms a step", "waiting"}};
  for (const Json& row : {one, several}) {
    session.event(row);
    rows.push_back({cat(row["processes"].get<int>()), cat(row["threads"].get<int>()),
                    fixed(row["img_s"].get<double>(), 2),
                    cat(fixed(row["median_ms"].get<double>(), 1), " (", fixed(row["min_ms"].get<double>(), 1),
                        " to ", fixed(row["max_ms"].get<double>(), 1), ")"),
                    cat(fixed(100 * row["waiting"].get<double>(), 1), " %")});
  }
  const double ratio = several["img_s"].get<double>() / one["img_s"].get<double>();
  session.say(cat(o.step.model, ", batch ", one["batch"].get<int>(), ", ", one["input"].get<std::string>(),
                  ", ", session.common().dtype, "; medians of ", o.rounds, " rounds in turns"));
  session.say(format_table(rows));
  session.say(cat(o.processes, " processes reach ", fixed(ratio, 3), " of the rate of one with all threads"));
  session.metric("ratio", ratio);
  session.metric("img_s_one", one["img_s"]);
  session.metric("img_s_several", several["img_s"]);
  session.metric("waiting", several["waiting"]);
}

}  // namespace

void add_processes_bench(Program& program, CLI::App* group) {
  const auto o = std::make_shared<ProcessesBenchOptions>();
  o->step.model = "resnet18";
  CLI::App* app = program.add(
      group, "processes",
      "A step of several processes beside one with all threads; what waits for the others",
      [o](Session& s) {
        if (o->measured || !s.communicator().alone()) return measure_processes(s, *o);
        compare_processes(s, *o);
      },
      "gadolin bench processes resnet18 --batch 16 --threads 1");
  app->add_option("model", o->step.model, "A name of `gadolin models`")->capture_default_str();
  add_step_options(app, o->step);
  app->add_option("-n,--processes", o->processes,
                  "How many, each with --threads; the other side has all in one")
      ->check(between(2, 64))
      ->capture_default_str();
  app->add_option("--steps", o->steps, "Timed in each round")
      ->check(between(1, 100000))
      ->capture_default_str();
  app->add_option("--warm-up", o->warm_up, "Steps before them")
      ->check(between(1, 100000))
      ->capture_default_str();
  app->add_option("--rounds", o->rounds, "Of both sides in turns")
      ->check(between(1, 1000))
      ->capture_default_str();
  add_bucket_options(app, o->buckets);
  app->add_flag("--measured", o->measured)->group("");
}

}  // namespace gadolin
