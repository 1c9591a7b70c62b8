// What is known of other processes without MPI.
// Without MPI the calls that need it say so here.
#include <cstdlib>
#include <string>

#include "tensor/check.h"
#include "train/processes/processes.h"

namespace gadolin {
namespace {

int number_of(const char* variable) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? -1 : std::atoi(text);
}

}  // namespace

StartedWith started_with() {
  struct Starter {
    const char *processes, *rank, *by;
  };
  // A batch script of SLURM is no step of srun and has no SLURM_STEP_NUM_TASKS.
  for (const Starter& s :
       {Starter{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "mpirun"},
        Starter{"PMI_SIZE", "PMI_RANK", "mpirun"}, Starter{"SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "srun"}}) {
    const int processes = number_of(s.processes), rank = number_of(s.rank);
    if (processes > 1 && rank >= 0) return {processes, rank, s.by};
  }
  return {};
}

#ifndef GADOLIN_MPI
bool mpi_available() { return false; }
std::string mpi_library() { return ""; }
std::unique_ptr<Processes> join_processes(const ProcessOptions&) {
  const StartedWith started = started_with();
  fail<Unsupported>("processes: ", started.by, " started ", started.processes,
                    ", but Gadolin was built without MPI, so that each would do all of the work; apt-get "
                    "install libopenmpi-dev openmpi-bin and configure with -DGADOLIN_MPI=ON");
}
#endif

}  // namespace gadolin
