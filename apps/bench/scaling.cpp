// gadolin bench scaling: the rate of a training on 1 to N GPUs on paper, from the step of one (bench account)
// and what ring and tree cost.
#include "apps/bench/scaling.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "apps/bench/bench.h"
#include "apps/bench/steps.h"
#include "apps/chart/chart.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "io/atomic_file.h"
#include "tensor/check.h"

namespace gadolin {

double sum_seconds(SumBy by, double bytes, int gpus, const ScalingLinks& links) {
  if (gpus < 2) return 0;
  const int machines = (gpus + links.gpus_a_machine - 1) / links.gpus_a_machine,
            inside = std::min(gpus, links.gpus_a_machine);
  const bool far = machines > 1;
  const double bandwidth = far ? std::min(links.near_bandwidth, links.far_bandwidth) : links.near_bandwidth;
  const double n = gpus;
  if (by == SumBy::ring) {
    const double a_step = far ? links.far_latency : links.near_latency;  // the slowest of all links sets it
    return 2 * (n - 1) * (bytes / n / bandwidth + a_step);
  }
  const double up =
      links.near_latency * (inside - 1) + (far ? links.far_latency * std::ceil(std::log2(machines)) : 0);
  return 2 * (bytes / bandwidth + up);
}

double step_seconds(const ScalingStep& step, SumBy by, int gpus, const ScalingLinks& links) {
  const double begin = step.seconds - step.backward_seconds;
  double wire = 0;  // when the last sum ended
  for (double sent = 0; sent < step.gradient_bytes;) {
    const double bytes = std::min(step.bucket_bytes, step.gradient_bytes - sent);
    sent += bytes;
    const double full = begin + step.backward_seconds * sent / step.gradient_bytes;
    wire = std::max(wire, full) + sum_seconds(by, bytes, gpus, links);
  }
  return std::max(step.seconds, wire);
}

namespace {

struct ScalingBenchOptions {
  std::string model = "resnet50", out;
  double step_ms = 0, backward = 2.0 / 3;
  double near_gbps = 360, far_gbps = 40, near_us = 2, far_us = 5;
  BucketOptions buckets;
  std::int64_t batch = 256;
  int most = 1024, machine = 8;
};

void run_scaling_bench(Session& session, const ScalingBenchOptions& o) {
  if (!o.out.empty()) check_output_file("bench scaling: --out", o.out, ".svg");
  StepOptions net_options;
  net_options.model = o.model;
  const auto net = bench_net(session, net_options, bench_info(o.model).input[0]);
  double parameters = 0;
  for (const Parameter& p : net->net().parameters()) parameters += static_cast<double>(p.tensor.numel());
  const ScalingStep step{o.step_ms / 1e3, o.step_ms / 1e3 * o.backward,
                         parameters * (o.buckets.dtype == "bf16" ? 2 : 4), o.buckets.megabytes * (1 << 20)};
  const ScalingLinks links{o.near_gbps * 1e9, o.far_gbps * 1e9, o.near_us / 1e6, o.far_us / 1e6, o.machine};
  std::vector<std::vector<std::string>> rows{{"GPUs", "ring ms", "ring", "tree ms", "tree", "images/s"}};
  std::vector<chart::Series> series{{"ring", {}, {}, {}, {}}, {"tree", {}, {}, {}, {}}};
  for (int gpus = 1; gpus <= o.most; gpus *= 2) {
    std::vector<double> share, ms;
    for (const SumBy by : {SumBy::ring, SumBy::tree}) {
      ms.push_back(1e3 * sum_seconds(by, step.gradient_bytes, gpus, links));
      share.push_back(step.seconds / step_seconds(step, by, gpus, links));
      chart::Series& line = series[by == SumBy::ring ? 0 : 1];
      line.x.push_back(std::log2(gpus));
      line.y.push_back(100 * share.back());
    }
    const double rate = static_cast<double>(o.batch) * gpus * std::max(share[0], share[1]) / step.seconds;
    rows.push_back({cat(gpus), fixed(ms[0], 2), cat(fixed(100 * share[0], 1), " %"), fixed(ms[1], 2),
                    cat(fixed(100 * share[1], 1), " %"), fixed(rate, 0)});
    session.event({{"event", "scaling"},
                   {"gpus", gpus},
                   {"ring_ms", ms[0]},
                   {"ring_share", share[0]},
                   {"tree_ms", ms[1]},
                   {"tree_share", share[1]},
                   {"images_per_s", rate}});
    session.metric(cat("share_", gpus), std::max(share[0], share[1]));
  }
  const std::string what =
      cat(o.model, ", ", fixed(step.gradient_bytes / 1e6, 1), " MB of gradients in ", o.buckets.dtype, ", ",
          fixed(o.step_ms, 1), " ms a step of ", o.batch, " pictures a GPU; ", o.machine, " GPUs a machine, ",
          fixed(o.near_gbps, 0), " GB/s and ", fixed(o.near_us, 0), " us between them, ",
          fixed(o.far_gbps, 0), " GB/s and ", fixed(o.far_us, 0), " us between machines");
  session.say("on paper, nothing measured: " + what);
  session.say(format_table(rows));
  if (o.out.empty()) return;
  chart::Frame frame{.title = cat("Share of the rate of single GPUs, ", o.model, ", on paper"),
                     .description = what,
                     .x_label = "log2 of the number of GPUs (10: 1,024)",
                     .y_label = "%",
                     .own_ground = true};
  write_file_atomically(o.out, chart::line_chart(series, frame));
  session.output("chart", o.out);
}

}  // namespace

void add_scaling_bench(Program& program, CLI::App* group) {
  const auto o = std::make_shared<ScalingBenchOptions>();
  CLI::App* app = program.add(
      group, "scaling", "Rate on up to N GPUs on paper: a step of one, and what ring and tree cost",
      [o](Session& s) { run_scaling_bench(s, *o); },
      "gadolin bench scaling resnet50 --step-ms 30.4 --out docs/charts/processes.svg");
  app->add_option("model", o->model, "A name of `gadolin models`: how many gradients there are")
      ->capture_default_str();
  app->add_option("--step-ms", o->step_ms, "Milliseconds of a step of one GPU, as bench account expects them")
      ->required()
      ->check(above(0));
  app->add_option("--batch", o->batch, "Pictures of that step")
      ->check(between(1, 65536))
      ->capture_default_str();
  app->add_option("--backward", o->backward, "Share of the step that is backward")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--gpus", o->most, "Up to so many")->check(between(1, 1 << 20))->capture_default_str();
  app->add_option("--gpus-a-machine", o->machine, "How many share the near links")
      ->check(between(1, 1024))
      ->capture_default_str();
  add_bucket_options(app, o->buckets);
  app->add_option("--near-gbps", o->near_gbps, "GB/s of a GPU within a machine, in each direction")
      ->check(above(0))
      ->capture_default_str();
  app->add_option("--far-gbps", o->far_gbps, "GB/s of a GPU between machines, in each direction")
      ->check(above(0))
      ->capture_default_str();
  app->add_option("--near-us", o->near_us, "Microseconds of a message within a machine")
      ->check(at_least(0))
      ->capture_default_str();
  app->add_option("--far-us", o->far_us, "Microseconds of a message between machines")
      ->check(at_least(0))
      ->capture_default_str();
  app->add_option("--out", o->out, "Chart of the shares (.svg)");
}

}  // namespace gadolin
