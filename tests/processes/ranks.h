// Tests on several processes: the test program starts itself again under mpirun, as ranks that run one
// scenario.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "train/processes/processes.h"

namespace gadolin::test {

// What every rank does. An EXPECT that fails in it fails the test that started it; what it throws ends the
// rank as it ends the gadolin program.
using Scenario = std::function<void(Processes& processes, const std::vector<std::string>& args)>;
// By name; to be set by a variable of namespace scope.
std::map<std::string, Scenario>& scenarios();
struct AddScenario {
  AddScenario(const std::string& name, Scenario run) { scenarios()[name] = std::move(run); }
};

struct RanksOutcome {
  int code = -1;
  std::string text;  // stdout and stderr of all
};
// The scenario on `size` processes; `environment`: "NAME=value" of all.
RanksOutcome run_ranks(int size, const std::string& scenario, const std::vector<std::string>& args = {},
                       const std::vector<std::string>& environment = {});

}  // namespace gadolin::test

// Where MPI is not built in, such a test has nothing to run.
#define NEEDS_MPI() \
  if (!gadolin::mpi_available()) GTEST_SKIP() << "built without MPI"
// The same of GPUs: `n` of them, one for each process.
#define NEEDS_DEVICES(n)                                     \
  NEEDS_MPI();                                               \
  if (!gadolin::nccl_available() || cuda_device_count() < n) \
  GTEST_SKIP() << "fewer than " << n << " CUDA devices, or built without NCCL"
