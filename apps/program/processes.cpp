#include "apps/program/processes.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "apps/program/command.h"
#include "tensor/check.h"
#include "tensor/cpu/parallel.h"
#include "train/processes/processes.h"

namespace gadolin {
namespace {

// What shares its work out. Others would do all of it in each process, and write the same files.
const char* const together[] = {"doctor",
                                "train",
                                "bodypart train",
                                "mammography train",
                                "chestxray train",
                                "chestxray finetune",
                                "hemorrhage train",
                                "hemorrhage train-lstm",
                                "nodule train-model",
                                "eval",
                                "bodypart eval",
                                "mammography evaluate",
                                "chestxray test",
                                "nodule test-model",
                                "predict",
                                "chestxray predict",
                                "hemorrhage predict",
                                "nodule extract-features",
                                "hemorrhage extract-features",
                                "hemorrhage img-extract",
                                "hemorrhage create-metadata",
                                "dicom index",
                                "bench processes"};

std::unique_ptr<Processes>& joined() {
  static std::unique_ptr<Processes> all;
  return all;
}

int cores() { return std::max(1, static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN))); }
int cores_allowed() {
  cpu_set_t set;
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : cores();
}

}  // namespace

Communicator& processes() {
  if (joined()) return *joined();
  return no_communicator();
}

void join_processes_for(const std::string& command) {
  const StartedWith started = started_with();
  if (started.processes == 1) return;
  require<UsageError>(std::find(std::begin(together), std::end(together), command) != std::end(together),
                      "gadolin ", command, " works in one process, but ", started.by, " started ",
                      started.processes, "; run it without ", started.by);
  ProcessOptions options;
  if (const char* patience = std::getenv("GADOLIN_PATIENCE")) options.patience = std::atof(patience);
  joined() = join_processes(options);
}

bool leave_processes(const std::string& failure) {
  if (!joined()) return started_with().rank == 0;  // what is wrong before they meet is so in all
  const bool says = joined()->leave(failure);
  if (failure.empty()) joined().reset();
  return says;
}

Device gpu_of_process() {
  const int here = joined() ? joined()->rank_on_this_machine() : 0;
  return {Device::Kind::cuda, here % std::max(1, cuda_device_count())};
}
void compute_on(Device device) {
  if (joined()) joined()->use(device);
}

void check_devices(const std::string& command, const std::string& option, int devices) {
  const int there = processes().size();
  require<UsageError>(devices <= 1 || devices == there, command, ": ", option, " asks for ", devices,
                      " devices, and ", there, there == 1 ? " process trains" : " processes train",
                      "; start it with gadolin launch -n ", devices, " -- ", command, " ...");
}

void share_threads(const Session& session) {
  if (!joined() || session.common().threads > 0 || std::getenv("OMP_NUM_THREADS")) return;
  if (cores_allowed() == cores()) set_num_threads(std::max(1, cores() / joined()->on_this_machine()));
}

std::string threads_remark() {
  const int allowed = cores_allowed(), here = joined() ? joined()->on_this_machine() : 1;
  if (num_threads() > allowed)
    return cat(num_threads(), " threads share ", allowed, allowed == 1 ? " core" : " cores",
               ", which is all that this process may use; --threads ", allowed,
               ", or start it with other cores (mpirun --bind-to none)");
  if (joined() && allowed * here < cores())
    return cat("each of ", here, " processes may use ", allowed, " of ", cores(),
               " cores; gadolin launch, or mpirun --bind-to none, gives them the others");
  return "";
}

}  // namespace gadolin
