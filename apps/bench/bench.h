// What the benchmarks share.
#pragma once

#include <string>
#include <vector>

#include "apps/program/command.h"

namespace gadolin {

void add_model_bench(Program& program, CLI::App* group);
void add_account_bench(Program& program, CLI::App* group);
void add_processes_bench(Program& program, CLI::App* group);
void add_scaling_bench(Program& program, CLI::App* group);
void add_startup_bench(Program& program, CLI::App* group);
void add_op_bench(Program& program, CLI::App* group);
void add_data_bench(Program& program, CLI::App* group);
void add_dicom_bench(Program& program, CLI::App* group);
void add_zip_bench(Program& program, CLI::App* group);
void add_serve_bench(Program& program, CLI::App* group);
void add_plot_bench(Program& program, CLI::App* group);

// Versions of what runs on the device, for rows of results: {"gadolin": "0.1.0", "cuda": ..., "cudnn": ...}.
Json version_facts(Device device);

}  // namespace gadolin
