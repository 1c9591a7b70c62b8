// Every op of the test table, timed: forward and forward with backward, at the table's sizes with the first
// dimension grown to about a million elements. Prints bytes a second and their share of the copy bandwidth
// measured first.
//   bench_ops [--benchmark_filter=conv2d] [--benchmark_format=json]; GADOLIN_BENCH_DEVICE=cuda times the GPU
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "tensor/ops.h"
#include "tests/op_spec.h"

namespace gadolin {
namespace {

Device device() {
  const char* name = std::getenv("GADOLIN_BENCH_DEVICE");
  return name && std::string(name) == "cuda" ? cuda : cpu;
}

double copy_bandwidth() {
  static const double measured = [] {
    const Tensor from = rand({1 << 24}, 1, 1).to(device());
    Tensor to = empty_like(from);
    double best = 1e300;
    for (int i = 0; i < 10; ++i) {
      const auto start = std::chrono::steady_clock::now();
      to.copy_(from);
      synchronize(device());
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return 2 * static_cast<double>(from.nbytes()) / best;
  }();
  return measured;
}

// The case with dimension 0 grown in every input whose size there is the first input's.
Inputs grown(const OpCase& c) {
  OpCase big = c;
  const std::int64_t elements = big.inputs.front().shape.numel();
  if (big.inputs.front().shape.dim() > 1 && elements > 0) {
    const std::int64_t first = big.inputs.front().shape[0],
                       factor = std::max<std::int64_t>(1, (1 << 20) / elements);
    for (Input& input : big.inputs) {
      const bool grows = input.shape.dim() > 0 && input.shape[0] == first && input.numbers.empty();
      if (grows) input.shape[0] *= factor;
    }
  }
  return make(big, DType::fp32, device());
}

double bytes_of(const Inputs& inputs, const Tensor& y) {
  double bytes = static_cast<double>(y.nbytes());
  for (const Tensor& t : inputs) bytes += t.defined() ? static_cast<double>(t.nbytes()) : 0;
  return bytes;
}

void time_op(benchmark::State& state, const OpSpec& spec, bool backward) {
  const OpCase& c = spec.cases.front();
  const Call& f = c.f ? c.f : spec.f;
  double bytes = 0;
  try {
    Inputs inputs = grown(c);
    if (backward) {
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (inputs[i].defined() && is_floating(inputs[i].dtype()) && c.inputs[i].wants_gradient) {
          inputs[i] = inputs[i].detach().requires_grad_();
        }
      }
    }
    for (auto _ : state) {
      const Tensor y = f(inputs);
      if (backward) y.backward(ones(y.shape(), y.dtype(), y.device()));
      synchronize(device());
      bytes = bytes_of(inputs, y) * (backward ? 2 : 1);
      state.PauseTiming();
      for (const Tensor& t : inputs) {
        if (t.defined() && t.requires_grad()) t.zero_grad();
      }
      state.ResumeTiming();
    }
  } catch (const Error& error) {
    state.SkipWithError(error.what());
    return;
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * static_cast<std::int64_t>(state.iterations()));
  state.counters["copy share"] =
      benchmark::Counter(bytes / copy_bandwidth(), benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace
}  // namespace gadolin

int main(int argc, char** argv) {
  for (const gadolin::OpSpec& spec : gadolin::all_specs()) {
    if (spec.cases.empty()) continue;
    for (const bool backward : {false, true}) {
      if (backward && !spec.differentiable) continue;
      benchmark::RegisterBenchmark(
          (spec.name + (backward ? "/backward" : "")).c_str(),
          [&spec, backward](benchmark::State& state) { gadolin::time_op(state, spec, backward); })
          ->UseRealTime()
          ->Unit(benchmark::kMicrosecond)
          ->MinTime(0.05);
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
