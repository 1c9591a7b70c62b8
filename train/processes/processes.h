// Processes that train one model together, as mpirun, srun or `gadolin launch` started them: the library is
// MPI (MPI Forum, MPI: A Message-Passing Interface Standard, version 3.1), which only this folder knows.
#pragma once

#include <memory>
#include <string>

#include "train/communicator.h"

namespace gadolin {

bool mpi_available();       // whether it is built in
std::string mpi_library();  // "Open MPI v4.1.4"; empty where it is not
bool nccl_available();      // the same of NCCL, which sums on GPUs
// "NCCL 2.28.9". Throws Unsupported where it is not built in, DeviceError where it cannot be opened.
std::string nccl_library();

// How many processes were started together and which one this is, by the variables that mpirun of Open MPI
// and of MPICH and srun set; {1, 0} for a process alone. Nothing is started by asking.
struct StartedWith {
  int processes = 1, rank = 0;
  const char* by = "";  // "mpirun" or "srun"
};
StartedWith started_with();

struct ProcessOptions {
  // Seconds that another rank is waited for. Then the call ends in a ProcessError that names the rank and
  // what it was last known to do.
  double patience = 600;
};

class Processes : public Communicator {
 public:
  using Communicator::Communicator;
  // Before this process ends. Without a failure it waits for the others, and so do all that fail with one
  // text, such as a stop by a signal. Otherwise the others learn of it and end as well, within seconds.
  // Returns whether this rank is the one to tell the user: the first of those with this text.
  virtual bool leave(const std::string& failure) = 0;
  virtual int on_this_machine() const = 0;       // ranks
  virtual int rank_on_this_machine() const = 0;  // from 0
  // Where this rank computes; all ranks call it together, once, before tensors on a GPU are summed. NCCL sums
  // them where each rank has a GPU of its own, otherwise they go through the host: detour() says why, the
  // same on all. Throws ProcessError where some compute on a GPU and some do not.
  virtual void use(Device device) = 0;
};

// To be called once in a process, by all of them. The object must live until the process ends. Throws
// Unsupported where MPI is not built in, ProcessError when the library sees another number of processes than
// was started, as under srun without its plugin.
std::unique_ptr<Processes> join_processes(const ProcessOptions& options = {});

}  // namespace gadolin
