// What the benchmarks share.
#pragma once

#include <string>
#include <vector>

#include "apps/program/command.h"

namespace gadolin {

struct Timing { double median, least, most; };  // milliseconds
Timing summarize_times(std::vector<double> milliseconds);

struct ModelBench {
  std::string model, mode = "train", input = "3x224x224";
  std::int64_t batch = 16;
  int steps = 10, warm_up = 2;
  bool eager = false;
};

void add_model_bench(Program& program, CLI::App* group);
void add_op_bench(Program& program, CLI::App* group);
void add_data_bench(Program& program, CLI::App* group);
void add_dicom_bench(Program& program, CLI::App* group);

}  // namespace gadolin
