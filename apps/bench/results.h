// What the benchmarks wrote, read back: JSON of bench/compare_pytorch.py, tools/gpu.sh and `gadolin bench ...
// --json`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gadolin {

// One measurement of one side.
struct BenchResult {
  std::string suite;  // model, latency, loader, endtoend, memory, op, startup, step
  std::string name;   // net or operation; "loader"
  std::string side;   // "Gadolin" (recorded), "Gadolin eager", "PyTorch compile"; "" for operations
  std::string mode, dtype, part;  // mode of an operation: its family; part: of a start-up or a step
  std::int64_t batch = 0;
  double value = 0, least = 0, most = 0;  // milliseconds; MB (memory); share of the ceiling (op)
  bool ours() const { return side.rfind("Gadolin", 0) == 0; }
  std::string group() const;  // what is compared: all but side and part
};

// Where measurements come from: the machine and the software beside which they were made.
struct BenchSource {
  std::string file, time, machine, torch;
};

struct BenchResults {
  std::vector<BenchSource> sources;
  std::vector<BenchResult> rows;
};

// Reads files, and the .json files of folders. Files are taken by the time written in them, then by name;
// what a later one compares replaces the same comparison of an earlier one as a whole, so that two sides are
// always of one session. Throws FileError, and FormatError (naming file and row) for what is no such JSON, a
// number that is none or not above 0.
BenchResults read_bench_results(const std::vector<std::string>& paths);

// Gadolin beside the fastest of the others, PyTorch at its best if only PyTorch ran, and beside PyTorch's
// eager mode where that ran.
struct BenchComparison {
  BenchResult ours, best;
  // Their median / ours, and the smallest and largest ratio that the measured ranges allow.
  double ratio = 0, low = 0, high = 0;
  double to_eager = 0;  // 0: eager did not run
  bool tie = false;     // the two ranges overlap
};
// Of every group that both sides ran, in the order of the rows.
std::vector<BenchComparison> compare_sides(const std::vector<BenchResult>& rows);

}  // namespace gadolin
