// Finds and opens NCCL; what can be said of it without a communicator.
#include "train/processes/nccl_library.h"

#include <cstdlib>

#include "tensor/check.h"
#include "train/processes/gpu_sums.h"
#include "train/processes/processes.h"

#ifdef GADOLIN_NCCL
#include "tensor/cuda/library.h"
#include "tensor/cuda/status.h"

namespace gadolin {
namespace {

detail::NcclLibrary load_nccl() {
  // Sums that switches compute have no order: without them bits repeat.
  ::setenv("NCCL_NVLS_ENABLE", "0", 0);
  const LibrarySearch search{"NCCL", "libnccl.so.2", "GADOLIN_NCCL_LIB"};
  void* library = open_library(search);
  detail::NcclLibrary table;
#define GADOLIN_LOAD(f) table.f = reinterpret_cast<decltype(table.f)>(library_symbol(search, library, #f));
  GADOLIN_NCCL_FUNCTIONS(GADOLIN_LOAD)
#undef GADOLIN_LOAD
  return table;
}

}  // namespace

namespace detail {

const NcclLibrary& nccl() {
  static const NcclLibrary table = load_nccl();
  return table;
}

GpuFacts gpu_facts(Device device) {
  GpuFacts facts;
  char bus[32] = {};
  check(cudaDeviceGetPCIBusId(bus, sizeof bus, device.index), "device");
  facts.bus = bus;
  const char* const wanted = std::getenv("GADOLIN_NCCL");
  if (wanted != nullptr && std::string(wanted) == "0") {
    facts.problem = "GADOLIN_NCCL=0 asks for it";
    return facts;
  }
  try {
    facts.library = nccl_library();
  } catch (const Error& error) {
    facts.problem = error.message();
  }
  return facts;
}

}  // namespace detail

bool nccl_available() { return true; }

std::string nccl_library() {
  int version = 0;
  detail::nccl().ncclGetVersion(&version);
  return cat("NCCL ", version / 10000, ".", version / 100 % 100, ".", version % 100);
}

}  // namespace gadolin

#else

namespace gadolin {
namespace {
[[noreturn]] void fail_absent() {
  fail<Unsupported>(
      "sums on GPUs: Gadolin was built without NCCL; install libnccl-dev and configure with CUDA and MPI");
}
}  // namespace

namespace detail {
GpuFacts gpu_facts(Device) { return {"", "", "Gadolin was built without NCCL"}; }
std::string new_nccl_id() { fail_absent(); }
std::unique_ptr<GpuSums> join_nccl(Device, int, int, const std::string&, const std::function<void(double)>&) {
  fail_absent();
}
}  // namespace detail

bool nccl_available() { return false; }
std::string nccl_library() { fail_absent(); }

}  // namespace gadolin
#endif
