// gadolin bench startup: from the start of the process to the end of the first training step, by part.
//
// The command starts this program again and hands it the time at which it did so; the new process does one
// thing after another, waits for the device behind each and says how long it took.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <memory>

#include "apps/bench/bench.h"
#include "apps/bench/startup.h"
#include "apps/bench/steps.h"
#include "apps/bench/timing.h"
#include "apps/program/ranges.h"
#include "layers/cudnn_plans.h"
#include "nets/registry.h"
#include "tensor/autograd.h"
#include "tensor/capture.h"
#include "tensor/check.h"
#include "tensor/device.h"
#include "tensor/random.h"

namespace gadolin {
namespace {

struct StartupBenchOptions {
  StepOptions step;
  int runs = 3;
  double started_at = 0;  // of the steady clock; 0 in the process that starts the measured ones
  bool eager = false;
};

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// --- the measured process ----------------------------------------------------------------------------------

void measured(Session& session, const StartupBenchOptions& o) {
  const double begin = o.started_at, entered = steady_seconds() - seconds_now();
  const Device device = session.device();
  double before = begin;
  const auto part = [&](const std::string& name, double now) {
    session.event({{"event", "startup"}, {"part", name}, {"seconds", now - before}, {"at", now - begin}});
    before = now;
  };
  const auto done = [&](const std::string& name) {
    synchronize(device);
    part(name, steady_seconds());
  };
  part("exec and loading", entered);
  part("options and driver", steady_seconds());
  if (device.is_cuda()) {
    ones({1}, DType::fp32, device);
    done("device context");
  }
  set_tf32(session.tf32());
  manual_seed(session.common().seed);
  const Shape input = o.step.input.empty() ? bench_info(o.step.model).input : parse_input(o.step.input);
  const auto net = bench_net(session, o.step, input[0]);
  done("net on the host");
  if (device.is_cuda()) {
    net->net().to(device);
    done("net to the device");
  }
  const std::vector<Tensor> batch = net->batch(session, o.step, bench_images(o.step), true);
  done("batch");
  TrainStep train(*net, session, o.step);
  const auto eager = [&](const std::vector<Tensor>& inputs) { return train(inputs); };
  CapturedStep recorded(eager);
  const bool captures = device.is_cuda() && !o.eager;
  const auto step = [&] { return captures ? recorded(batch) : train(batch); };
  step();
  done("first step");
  session.metric("first_step_s", before - begin);
#ifdef GADOLIN_CUDA
  if (device.is_cuda()) {
    const ConvolutionPlans plans = convolution_plans();
    session.metric("plans", {{"from_database", plans.from_database},
                             {"from_heuristics", plans.from_heuristics},
                             {"tuned", plans.tuned},
                             {"seconds", plans.seconds}});
  }
#endif
  step();
  done("second step");
  if (captures) {
    for (int i = 0; i < 16 && !recorded.replayed(); ++i) {
      const int recordings = recorded.recordings();
      step();
      done(recorded.recordings() > recordings ? "recording and its launch"
           : recorded.replayed()              ? "first replay"
                                              : "step before recording");
    }
    step();
    done("replay");
  }
  std::ifstream maps("/proc/self/maps");
  session.metric("libraries", gpu_libraries({std::istreambuf_iterator<char>(maps), {}}));
}

// --- the measuring one -------------------------------------------------------------------------------------

std::vector<std::string> arguments(const Common& common, const StartupBenchOptions& o) {
  const StepOptions& s = o.step;
  std::vector<std::string> args{"bench",          "startup",
                                "--json",         "--quiet",
                                "--model",        s.model,
                                "--batch",        std::to_string(s.batch),
                                "--lr",           cat(s.lr),
                                "--momentum",     cat(s.momentum),
                                "--weight-decay", cat(s.weight_decay),
                                "--device",       common.device,
                                "--dtype",        common.dtype,
                                "--backend",      common.backend,
                                "--math",         common.math,
                                "--tune",         common.tune,
                                "--seed",         std::to_string(common.seed),
                                "--threads",      std::to_string(common.threads)};
  const auto optional = [&](const char* name, const std::string& value) {
    if (!value.empty()) args.insert(args.end(), {name, value});
  };
  optional("--input", s.input);
  optional("--weights", s.weights);
  optional("--batch-file", s.batch_file);
  optional("--labels-file", s.labels_file);
  if (o.eager) args.push_back("--eager");
  return args;
}

void run_startup_bench(Session& session, const StartupBenchOptions& o) {
  if (o.started_at > 0) return measured(session, o);
  bench_info(o.step.model);  // a mistake in the name needs no process
  std::vector<std::string> names;
  std::map<std::string, std::vector<double>> seconds;
  std::vector<double> totals;
  Json libraries = Json::array(),
       plans = Json::array();  // plans of convolutions, a row a run: the first one may have to tune
  for (int r = 1; r <= o.runs; ++r) {
    std::vector<std::string> args = arguments(session.common(), o);
    args.insert(args.end(), {"--started-at", fixed(steady_seconds(), 6)});
    std::map<std::string, double> of_run;  // parts of one name, like steps before a recording, add up
    for (Json event : events_of(run_this_program(args))) {
      if (event.value("event", "") == "startup") {
        const std::string name = event["part"];
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
        of_run[name] += event["seconds"].get<double>();
        event["run"] = r;
        event["net"] = o.step.model;
        event["dtype"] = session.common().dtype;
        event["device"] = name_of(session.device());
        session.event(event);
      } else if (event.value("event", "") == "done") {
        totals.push_back(event["metrics"]["first_step_s"]);
        libraries = event["metrics"]["libraries"];
        if (event["metrics"].contains("plans")) plans.push_back(event["metrics"]["plans"]);
      }
    }
    for (const auto& [name, value] : of_run) seconds[name].push_back(value);
  }
  std::vector<std::vector<std::string>> rows{{"part", "median ms", "least", "most"}};
  const auto row = [&](const std::string& name, const std::vector<double>& values) {
    const Timing t = summarize_times(values);
    rows.push_back({name, fixed(t.median * 1e3, 1), fixed(t.least * 1e3, 1), fixed(t.most * 1e3, 1)});
  };
  for (const std::string& name : names) {
    row(name, seconds[name]);
    if (name == "first step") row("= start to end of the first step", totals);
  }
  session.say(format_table(rows));
  for (const Json& p : plans) {
    session.say(cat("convolutions planned: ", p["from_database"].get<int>(), " from the database, ",
                    p["from_heuristics"].get<int>(), " by heuristics, ", p["tuned"].get<int>(), " tuned, in ",
                    fixed(p["seconds"].get<double>(), 3), " s of the first step"));
  }
  std::string opened;
  for (const Json& library : libraries) opened += (opened.empty() ? "" : ", ") + library.get<std::string>();
  session.say("CUDA's libraries in the process: " + (opened.empty() ? "none" : opened));
  const Timing t = summarize_times(totals);
  session.metric("first_step_s", t.median);
  session.metric("first_step_min_s", t.least);
  session.metric("first_step_max_s", t.most);
  session.metric("libraries", libraries);
  if (!plans.empty()) session.metric("plans", plans);
  session.metric("versions", version_facts(session.device()));
}

}  // namespace

void add_startup_bench(Program& program, CLI::App* group) {
  const auto o = std::make_shared<StartupBenchOptions>();
  CLI::App* app = program.add(
      group, "startup", "From the start of the process to the end of the first training step, by part",
      [o](Session& s) { run_startup_bench(s, *o); }, "gadolin bench startup --model resnet50 --batch 32");
  app->add_option("--model", o->step.model, "A name of `gadolin models`")->required();
  add_step_options(app, o->step);
  app->add_option("--runs", o->runs, "Processes, one after another")
      ->check(between(1, 1000))
      ->capture_default_str();
  app->add_flag("--eager", o->eager, "Do not record the step as a CUDA graph");
  app->add_option("--started-at", o->started_at)
      ->check(finite())
      ->group("");  // of the measured process; not for people
}

}  // namespace gadolin
