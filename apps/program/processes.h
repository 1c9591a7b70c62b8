// The processes that a command runs on: this one alone, or those that `gadolin launch`, mpirun or srun have
// started together (train/processes/processes.h).
#pragma once

#include <string>

#include "train/communicator.h"

namespace gadolin {

class Session;

Communicator& processes();  // no_communicator() until join_processes_for()
// Meets the others, where this process was started with others. Throws UsageError for a command that does all
// of its work in one process.
void join_processes_for(const std::string& command);
// Before the program ends, with what it failed of (Processes::leave): whether this process says so.
bool leave_processes(const std::string& failure);

// The GPU of this process where none is chosen by its number: of several processes on a machine the first has
// the first one, and where there are fewer, they begin with it again.
Device gpu_of_process();
// Where all of them compute; to be called once by all (Processes::use).
void compute_on(Device device);

// What options of the originals mean that name a number of devices, such as --num-clones 2: so many
// processes. Throws UsageError where others were started.
void check_devices(const std::string& command, const std::string& option, int devices);

// Cores of this machine are divided among its processes, unless the user or the starter has decided.
void share_threads(const Session& session);
// What is wrong with the threads of this process on the cores that it may use; empty: nothing.
std::string threads_remark();

}  // namespace gadolin
