// gadolin bench op: single operations beside the measured copy bandwidth and matrix-product peak of the device.
#include <cmath>
#include <functional>
#include <memory>

#include "apps/bench/bench.h"
#include "apps/commands.h"
#include "layers/conv.h"
#include "layers/loss.h"
#include "layers/norm.h"
#include "layers/pool.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

// One operation at a size where its time is its own: bytes that must move, multiply-adds that must be done.
struct Case {
  std::string name;
  double bytes, flops;
  std::function<void()> run;
};

double best_seconds(Device device, const std::function<void()>& f, double budget = 0.25) {
  f();
  synchronize(device);
  double best = 1e300;
  const double until = seconds_now() + budget;
  int repeats = 0;
  while (seconds_now() < until || repeats < 3) {
    const double start = seconds_now();
    f();
    synchronize(device);
    best = std::fmin(best, seconds_now() - start);
    ++repeats;
  }
  return best;
}

std::vector<Case> cases(Device device, DType dtype) {
  const NoGrad guard;
  const auto image = [&](std::int64_t n, std::int64_t c, std::int64_t h) {
    return rand({n, c, h, h}, 1, static_cast<std::uint64_t>(c)).contiguous(MemoryFormat::channels_last).to(dtype).to(device);
  };
  const double item = static_cast<double>(size_of(dtype));
  std::vector<Case> list;
  const Tensor x = image(16, 64, 56), other = image(16, 64, 56);
  const double size = static_cast<double>(x.numel()) * item;
  list.push_back({"add", 3 * size, 0, [=] { add(x, other); }});
  list.push_back({"relu", 2 * size, 0, [=] { relu(x); }});
  list.push_back({"exp", 2 * size, 0, [=] { exp(x); }});
  list.push_back({"gelu", 2 * size, 0, [=] { gelu(x); }});
  list.push_back({"sum over N, H, W", size, 0, [=] { sum(x, {0, 2, 3}); }});
  list.push_back({"softmax", 2 * size, 0, [m = x.reshape({-1, 56})] { softmax(m, 1); }});
  list.push_back({"transpose copy", 2 * size, 0, [=] { x.contiguous(); }});
  const DType parameters = dtype == DType::fp64 ? DType::fp64 : DType::fp32;
  const Tensor ones64 = ones({64}, parameters, device), zeros64 = zeros({64}, parameters, device);
  list.push_back({"batch_norm training + relu", 3 * size, 0, [=] {
                    batch_norm(x, ones64, zeros64, zeros({64}, parameters, device), ones({64}, parameters, device), {true, 0.1, 1e-5, true});
                  }});
  list.push_back({"batch_norm evaluation + add + relu", 3 * size, 0, [=] {
                    batch_norm(x, ones64, zeros64, zeros64, ones64, {false, 0.1, 1e-5, true}, other);
                  }});
  list.push_back({"max_pool2d 3x3/2", 1.5 * size, 0, [=] { max_pool2d(x, {3, 2, 1}); }});
  const auto conv = [&](const char* name, std::int64_t c, std::int64_t k, std::int64_t r, std::int64_t h) {
    const Tensor in = image(16, c, h);
    const Tensor w = rand({k, c, r, r}, 2, 3).contiguous(MemoryFormat::channels_last).to(dtype).to(device);
    const double macs = 16.0 * static_cast<double>(k * c * r * r * h * h);
    list.push_back({name, (static_cast<double>(in.numel()) + 16.0 * static_cast<double>(k * h * h)) * item, 2 * macs,
                    [=] { conv2d(in, w, {}, {.padding = static_cast<int>(r / 2)}); }});
  };
  conv("conv2d 3x3 64 -> 64 at 56", 64, 64, 3, 56);
  conv("conv2d 1x1 256 -> 64 at 56", 256, 64, 1, 56);
  conv("conv2d 3x3 256 -> 256 at 14", 256, 256, 3, 14);
  const Tensor a = rand({512, 2048}, 4, 5).to(dtype).to(device), b = rand({2048, 1000}, 4, 6).to(dtype).to(device);
  list.push_back({"matmul 512 x 2048 x 1000", 0, 2.0 * 512 * 2048 * 1000, [=] { matmul(a, b); }});
  return list;
}

void run(Session& session, const std::string& wanted) {
  const Device device = session.device();
  const DType dtype = session.compute();
  const NoGrad guard;
  // The two ceilings, measured here and now.
  const std::int64_t n = device.is_cuda() ? std::int64_t{1} << 28 : std::int64_t{1} << 25;
  const Tensor source = rand({n / 4}, 7, 8).to(device);
  Tensor target = empty_like(source);
  const double bandwidth = 2 * static_cast<double>(source.nbytes()) / best_seconds(device, [&] { target.copy_(source); });
  const std::int64_t m = device.is_cuda() ? 8192 : 1024;
  const Tensor a = rand({m, m}, 9, 10).to(dtype).to(device), b = rand({m, m}, 9, 11).to(dtype).to(device);
  const double peak = 2 * std::pow(static_cast<double>(m), 3) / best_seconds(device, [&] { matmul(a, b); }, 1);
  session.say(cat("copy bandwidth ", fixed(bandwidth / 1e9, 1), " GB/s, matrix product ", fixed(peak / 1e9, 0), " GFLOP/s (",
                  session.common().dtype, " on ", device, ")"));
  session.metric("copy_gbps", bandwidth / 1e9);
  session.metric("gemm_gflops", peak / 1e9);
  std::vector<std::vector<std::string>> rows{{"operation", "ms", "GB/s", "GFLOP/s", "share of the ceiling"}};
  std::int64_t shown = 0;
  for (const Case& c : cases(device, dtype)) {
    if (!wanted.empty() && c.name.find(wanted) == std::string::npos) continue;
    ++shown;
    const double seconds = best_seconds(device, c.run);
    const double floor = std::fmax(c.bytes / bandwidth, c.flops / peak);  // whichever ceiling is lower
    rows.push_back({c.name, fixed(seconds * 1e3, 3), c.bytes > 0 ? fixed(c.bytes / seconds / 1e9, 1) : "",
                    c.flops > 0 ? fixed(c.flops / seconds / 1e9, 0) : "", fixed(100 * floor / seconds, 0) + " %"});
    session.event({{"event", "op"}, {"name", c.name}, {"ms", seconds * 1e3}, {"share", floor / seconds}});
  }
  require<UsageError>(shown > 0, "bench op: no operation is called ", wanted, "; run gadolin bench op to see all");
  session.say(format_table(rows));
}

}  // namespace

void add_op_bench(Program& program, CLI::App* group) {
  const auto name = std::make_shared<std::string>();
  CLI::App* app = program.add(group, "op", "Single operations beside the device's measured ceilings",
                              [name](Session& s) { run(s, *name); }, "gadolin bench op conv2d");
  app->add_option("name", *name, "Part of a name; all without one");
}

void add_bench(Program& program) {
  CLI::App* group = program.group("bench", "Benchmarks: single operations, nets, the loader");
  add_op_bench(program, group);
  add_model_bench(program, group);
  add_data_bench(program, group);
  add_dicom_bench(program, group);
}

}  // namespace gadolin
