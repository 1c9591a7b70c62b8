// bench_checkpoint: saving and loading a checkpoint of ResNet-50 with momentum beside a plain write, and a
// plain write with fsync, of the same number of bytes. GADOLIN_BENCH_FOLDER names the disk; default: the
// temporary folder.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "nets/registry.h"
#include "tensor/check.h"
#include "tensor/ops.h"
#include "train/checkpoint.h"
#include "train/optimizer.h"

namespace gadolin {
namespace {

std::string path_of(const char* name) {
  const char* folder = std::getenv("GADOLIN_BENCH_FOLDER");
  return (folder ? std::filesystem::path(folder) : std::filesystem::temp_directory_path()) / name;
}

const Checkpoint& checkpoint() {
  static const Checkpoint whole = [] {
    Checkpoint c;
    const auto net = make_net("resnet50", {});
    const Optimizer optimizer(net->parameters(), {.rule = Rule::sgd, .lr = 0.1, .momentum = 0.9});
    for (const Parameter& p : net->state()) c.tensors["model." + p.name] = p.tensor.detach();
    for (const Parameter& p : optimizer.state()) c.tensors["optimizer." + p.name] = p.tensor;
    return c;
  }();
  return whole;
}

std::int64_t bytes() {
  std::int64_t total = 0;
  for (const auto& [name, tensor] : checkpoint().tensors) total += tensor.nbytes();
  return total;
}

void save(benchmark::State& state) {
  const std::string path = path_of("gadolin-bench.gdck");
  checkpoint();
  for (auto _ : state) save_checkpoint(path, checkpoint());
  state.SetBytesProcessed(state.iterations() * bytes());
}
void load(benchmark::State& state) {
  const std::string path = path_of("gadolin-bench.gdck");
  save_checkpoint(path, checkpoint());
  for (auto _ : state) benchmark::DoNotOptimize(load_checkpoint(path));
  state.SetBytesProcessed(state.iterations() * bytes());
  std::filesystem::remove(path);
}

// What a copy of the tensors to the disk costs without checks, names or reading back.
void plain(benchmark::State& state, bool sync) {
  const std::string path = path_of("gadolin-bench.bin");
  checkpoint();
  for (auto _ : state) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool good = file >= 0;
    for (const auto& [name, tensor] : checkpoint().tensors) {
      good =
          good && ::write(file, tensor.raw(), static_cast<std::size_t>(tensor.nbytes())) == tensor.nbytes();
    }
    if (!good || (sync && ::fsync(file) != 0)) state.SkipWithError("write failed");
    ::close(file);
  }
  state.SetBytesProcessed(state.iterations() * bytes());
  std::filesystem::remove(path);
}

BENCHMARK(save)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(plain, write_and_sync, true)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(plain, write, false)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(load)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace gadolin

BENCHMARK_MAIN();
