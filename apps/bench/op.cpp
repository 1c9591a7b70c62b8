// gadolin bench op: single operations beside the device's copy and read bandwidth and matrix-product peak,
// all measured in the same run.
#include <algorithm>
#include <cmath>
#include <memory>

#include "apps/bench/bench.h"
#include "apps/bench/op.h"
#include "apps/bench/timing.h"
#include "apps/commands.h"
#include "apps/program/ranges.h"
#include "tensor/autograd.h"
#include "tensor/check.h"
#include "tensor/cuda/info.h"
#include "tensor/device.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin {
namespace {

struct OpBenchOptions {
  std::vector<std::string> names;
  std::int64_t batch = 0;
  int blocks = 5;
  double block_ms = 50;
  bool list = false;
};

OpCases all_cases(const OpSizes& sizes) {
  OpCases cases;
  for (const auto add : {add_elementwise_cases, add_norm_cases, add_pixel_cases, add_loss_cases,
                         add_box_cases, add_update_cases, add_conv_cases, add_recurrent_cases}) {
    add(sizes, cases);
  }
  return cases;
}

// Those of which one of the names is a part; all without names.
OpCases chosen_cases(OpCases all, const std::vector<std::string>& names) {
  const auto called = [](const OpCase& c, const std::string& name) {
    return (c.family + ": " + c.name).find(name) != std::string::npos;
  };
  for (const std::string& name : names) {
    require<UsageError>(std::any_of(all.begin(), all.end(), [&](const OpCase& c) { return called(c, name); }),
                        "bench op: no operation is called ", name,
                        "; run gadolin bench op --list to see all");
  }
  std::erase_if(all, [&](const OpCase& c) {
    return !names.empty() &&
           std::none_of(names.begin(), names.end(), [&](const std::string& name) { return called(c, name); });
  });
  return all;
}

Json facts_of(const OpCase& c) {
  Json facts = {
      {"event", "op"}, {"family", c.family}, {"name", c.name}, {"bytes", c.bytes}, {"flops", c.flops}};
  if (c.predicted > 0) facts.update({{"predicted", c.predicted}, {"chosen", c.chosen}});
  return facts;
}

struct Ceilings {
  double copy, read, product;
};  // bytes and operations a second

Ceilings measure_ceilings(Device device, DType dtype) {
  const NoGrad guard;
  const std::int64_t bytes = device.is_cuda() ? std::int64_t{1} << 30 : std::int64_t{1} << 27;
  const Tensor source = rand({bytes / 4}, DType::fp32, device);
  Tensor target = empty_like(source);
  const int calls = device.is_cuda() ? 20 : 10;
  const auto median_seconds = [&](int count, const Body& body) {
    body();
    synchronize(device);
    return summarize_times(time_each(device, count, body)).median / 1e3;
  };
  Ceilings c{};
  c.copy = 2 * static_cast<double>(bytes) / median_seconds(calls, [&] { target.copy_(source); });
  c.read = static_cast<double>(bytes) / median_seconds(calls, [&] { sum(source); });
  const std::int64_t m = device.is_cuda() ? 8192 : 1024;
  const Tensor a = add(rand({m, m}, DType::fp32, device), -0.5).to(dtype),
               b = add(rand({m, m}, DType::fp32, device), -0.5).to(dtype);
  c.product = 2 * std::pow(static_cast<double>(m), 3) / median_seconds(5, [&] { matmul(a, b); });
  return c;
}

// Calls on so many sets of tensors, in turn, that none is in the GPU's cache when it is read again.
Body rotating(const OpCase& c, std::int64_t cache) {
  const double sets = std::ceil(5 * static_cast<double>(cache) / std::fmax(c.bytes, 1));
  const auto bodies = std::make_shared<std::vector<Body>>();
  for (int i = 0; i < std::fmin(std::fmax(sets, 1), 64); ++i) bodies->push_back(c.make());
  return [bodies, next = std::size_t{0}]() mutable { (*bodies)[next++ % bodies->size()](); };
}

std::int64_t cache_bytes(Device device) {
  if (device.is_cpu()) return 0;
  return cuda_info(false).devices.at(static_cast<std::size_t>(device.index)).l2_bytes;
}

void run_op_bench(Session& session, const OpBenchOptions& o) {
  const Device device = session.device();
  const OpSizes sizes{device, session.compute(), o.batch > 0 ? o.batch : device.is_cuda() ? 256 : 8};
  set_tf32(session.tf32());
  manual_seed(session.common().seed);
  const OpCases cases = chosen_cases(all_cases(sizes), o.names);
  session.metric("operations", cases.size());
  if (o.list) {
    for (const OpCase& c : cases) {
      session.say(c.family + ": " + c.name);
      session.event(facts_of(c));
    }
    return;
  }
  const Ceilings top = measure_ceilings(device, sizes.dtype);
  session.say(cat("copy bandwidth ", fixed(top.copy / 1e9, 1), " GB/s, reading alone ",
                  fixed(top.read / 1e9, 1), " GB/s, matrix product ", fixed(top.product / 1e9, 0),
                  " GFLOP/s (", session.common().dtype, " on ", device, ", batch ", sizes.batch, ")"));
  session.metric("copy_gbps", top.copy / 1e9);
  session.metric("read_gbps", top.read / 1e9);
  session.metric("gemm_gflops", top.product / 1e9);
  session.event({{"event", "ceilings"},
                 {"copy_gbps", top.copy / 1e9},
                 {"read_gbps", top.read / 1e9},
                 {"gemm_gflops", top.product / 1e9},
                 {"dtype", session.common().dtype},
                 {"device", name_of(device)},
                 {"versions", version_facts(device)}});
  const std::int64_t cache = cache_bytes(device);
  std::vector<std::vector<std::string>> rows{
      {"operation", "ms", "least", "most", "GB/s", "GFLOP/s", "share", "of", "predicted"}};
  for (const OpCase& c : cases) {
    const Body body = rotating(c, cache);
    body();
    const Timing t = summarize_times(time_blocks(device, o.blocks, 1, o.block_ms, body));
    const double seconds = t.median / 1e3, copying = c.bytes / top.copy, multiplying = c.flops / top.product;
    const double share = std::fmax(copying, multiplying) / seconds;
    const char* bound = multiplying > copying ? "product" : "copy";
    rows.push_back({c.name, fixed(t.median, 3), fixed(t.least, 3), fixed(t.most, 3),
                    fixed(c.bytes / seconds / 1e9, 1), c.flops > 0 ? fixed(c.flops / seconds / 1e9, 0) : "",
                    fixed(100 * share, 0) + " %", bound,
                    c.predicted > 0 ? fixed(c.predicted, 2) + (c.chosen ? " chosen" : "") : ""});
    Json event = facts_of(c);
    event.update({{"median_ms", t.median},
                  {"min_ms", t.least},
                  {"max_ms", t.most},
                  {"gbps", c.bytes / seconds / 1e9},
                  {"gflops", c.flops / seconds / 1e9},
                  {"share", share},
                  {"bound", bound},
                  {"dtype", session.common().dtype},
                  {"batch", sizes.batch},
                  {"device", name_of(device)}});
    session.event(event);
  }
  session.say(format_table(rows));
}

}  // namespace

void add_op_bench(Program& program, CLI::App* group) {
  const auto o = std::make_shared<OpBenchOptions>();
  CLI::App* app = program.add(
      group, "op", "Single operations beside the device's measured ceilings",
      [o](Session& s) { run_op_bench(s, *o); }, "gadolin bench op 'max pool'");
  app->add_option("names", o->names, "Parts of \"family: name\"; all without one");
  app->add_flag("--list", o->list, "Only the names, with bytes and floating-point operations in --json");
  app->add_option("--batch", o->batch, "Pictures; 0: 256 on a GPU, 8 on the CPU")
      ->check(between(0, 4096))
      ->capture_default_str();
  app->add_option("--blocks", o->blocks, "Blocks, whose median counts")
      ->check(between(1, 1000))
      ->capture_default_str();
  app->add_option("--block-ms", o->block_ms, "Milliseconds a block, at least one call")
      ->check(between(0.0, 1e5))
      ->capture_default_str();
}

void add_bench(Program& program) {
  CLI::App* group =
      program.group("bench", "Benchmarks: single operations, nets, start-up, the loader, a server");
  add_op_bench(program, group);
  add_model_bench(program, group);
  add_account_bench(program, group);
  add_processes_bench(program, group);
  add_scaling_bench(program, group);
  add_startup_bench(program, group);
  add_data_bench(program, group);
  add_dicom_bench(program, group);
  add_zip_bench(program, group);
  add_serve_bench(program, group);
  add_plot_bench(program, group);
}

}  // namespace gadolin
