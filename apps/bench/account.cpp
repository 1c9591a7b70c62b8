// gadolin bench account: what a step of a net moves and computes on a GPU, launch by launch, and the time
// that this takes at the ceilings of one; counted on the device made of software, without a GPU.
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "apps/bench/account.h"
#include "apps/bench/bench.h"
#include "apps/bench/steps.h"
#include "apps/program/ranges.h"
#include "tensor/capture.h"
#include "tensor/check.h"
#include "tensor/device.h"
#include "tensor/random.h"
#if __has_include(<software_cuda.h>)
#include <software_cuda.h>
#endif

namespace gadolin {
namespace {

struct AccountOptions {
  StepOptions step;
  std::string mode = "train", device = "h200";
};

constexpr Gpu gpus[] = {
    // Copy and bf16 product as measured on one (8192 x 8192 x 8192, random numbers); other types by the data
    // sheet's ratio.
    {"h200", 143771ull << 20, 132, 4.3e12, 790e12, 395e12, 53e12, 53e12},
};

const Gpu& gpu_named(const std::string& name) {
  for (const Gpu& g : gpus)
    if (g.name == name) return g;
  fail<UsageError>("--device ", name, " is unknown to bench account; use h200");
}

#if __has_include(<software_cuda.h>)
std::vector<Work> recorded_work(const Session& session, const AccountOptions& o, const Gpu& gpu) {
  require<DeviceError>(session.device().is_cuda(),
                       "bench account: there is no device made of software; unset GADOLIN_SOFTWARE_DEVICES");
  software_cuda::open_account(gpu.memory, gpu.multiprocessors);
  manual_seed(session.common().seed);
  const Tensor images = bench_images(o.step);
  const std::unique_ptr<StepNet> net = bench_net(session, o.step, images.size(1));
  const bool training = o.mode == "train";
  const std::vector<Tensor> batch = net->batch(session, o.step, images, training);
  net->net().to(session.device());
  net->net().train(training);
  std::optional<TrainStep> train;
  if (training) train.emplace(*net, session, o.step);
  CapturedStep step([&](const std::vector<Tensor>& inputs) {
    if (training) return (*train)(inputs);
    const NoGrad guard;
    const ComputeScope compute(session.compute());
    return net->infer(inputs);
  });
  while (!step.replayed()) step(batch);
  std::vector<Work> work;
  for (software_cuda::Charge& c : software_cuda::close_account())
    work.push_back({std::move(c.kind), std::move(c.name), std::move(c.type), c.flops, c.read, c.written});
  return work;
}
#else
std::vector<Work> recorded_work(const Session&, const AccountOptions&, const Gpu&) {
  fail<DeviceError>(
      "bench account: this program was built without the device made of software; configure with "
      "-DGADOLIN_CUDA=SOFTWARE (tests/device/README.md)");
}
#endif

std::string share_of(double part, double all) { return fixed(100 * part / all, 1) + " %"; }

void show_account(Session& session, const AccountOptions& o, const Gpu& gpu, const std::vector<Work>& work,
                  double pictures) {
  const Account a = account_of(work, gpu);
  const auto row = [&](const std::string& name, const Sum& s) {
    return std::vector<std::string>{name,
                                    cat(s.launches),
                                    fixed((s.read + s.written) / 1e9, 3),
                                    fixed(s.flops / 1e9, 1),
                                    fixed(1e3 * s.seconds, 3),
                                    share_of(s.seconds, a.all.seconds)};
  };
  std::vector<std::vector<std::string>> rows = {{"work", "launches", "GB", "GFLOP", "ms", "share"}};
  for (const auto& [name, sum] : a.by_name) {
    rows.push_back(row(name, sum));
    session.event({{"event", "work"},
                   {"name", name},
                   {"launches", sum.launches},
                   {"read_bytes", sum.read},
                   {"written_bytes", sum.written},
                   {"flops", sum.flops},
                   {"seconds", sum.seconds}});
  }
  rows.push_back(row("all", a.all));
  session.say(cat(o.step.model, " ", o.mode, ", batch ", static_cast<std::int64_t>(pictures), ", ",
                  session.common().dtype, ": one step at the ceilings of ", gpu.name, ", ",
                  fixed(gpu.bandwidth / 1e12, 1), " TB/s and ", fixed(gpu.half / 1e12, 0),
                  " TFLOP/s in 16 bits; counted, not run on a GPU"));
  session.say(format_table(rows));
  const double expected = expected_seconds(work, gpu);
  session.say(cat("at the ceilings ", fixed(pictures / a.all.seconds, 0), " images/s; with ",
                  fixed(100 * usual_bandwidth, 0), " % of the bandwidth, ", fixed(100 * usual_arithmetic, 0),
                  " % of the arithmetic and ", fixed(1e6 * launch_seconds, 0), " us a launch ",
                  fixed(pictures / expected, 0), " images/s"));
  std::vector<std::vector<std::string>> saved = {
      {"what a fusion would save", "launches", "GB", "ms", "share"}};
  for (const Fusion& f : fusions_of(work, gpu)) {
    if (f.saved.launches == 0) continue;
    saved.push_back({f.name, cat(f.saved.launches), fixed((f.saved.read + f.saved.written) / 1e9, 3),
                     fixed(1e3 * f.saved.seconds, 3), share_of(f.saved.seconds, a.all.seconds)});
    session.event({{"event", "fusion"},
                   {"name", f.name},
                   {"launches", f.saved.launches},
                   {"bytes", f.saved.read + f.saved.written},
                   {"seconds", f.saved.seconds},
                   {"share", f.saved.seconds / a.all.seconds}});
  }
  session.say(format_table(saved));
  session.metric("launches", a.all.launches);
  session.metric("bytes", a.all.read + a.all.written);
  session.metric("flops", a.all.flops);
  session.metric("seconds_at_ceilings", a.all.seconds);
  session.metric("seconds_expected", expected);
  session.metric("images_per_s_at_ceilings", pictures / a.all.seconds);
}

void run_account(Session& session, AccountOptions& o) {
  require<UsageError>(o.mode == "train" || o.mode == "infer", "--mode ", o.mode,
                      " is unknown; use train or infer");
  const Gpu& gpu = gpu_named(o.device);
  if (o.step.batch == 0) o.step.batch = 256;
  const std::vector<Work> work = recorded_work(session, o, gpu);
  show_account(session, o, gpu, work, static_cast<double>(o.step.batch));
}

}  // namespace

void add_account_bench(Program& program, CLI::App* group) {
  const auto o = std::make_shared<AccountOptions>();
  CLI::App* app = program.add(
      group, "account", "What a step moves and computes on a GPU, counted without one",
      [o](Session& s) { run_account(s, *o); }, "gadolin bench account resnet50 --device h200 --dtype bf16");
  app->add_option("model", o->step.model, "A name of `gadolin models`")->required();
  app->add_option("--device", o->device, "The GPU whose ceilings count: h200")->capture_default_str();
  app->add_option("--mode", o->mode, "train or infer")->capture_default_str();
  add_step_options(app, o->step);
}

}  // namespace gadolin
