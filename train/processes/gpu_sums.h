// Sums of tensors on a GPU by NCCL, for train/processes/mpi_communicator.cpp. Without NCCL the functions are
// there and say that it is missing.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tensor/tensor.h"

namespace gadolin::detail {

// What ranks must know of one another to choose how they sum.
struct GpuFacts {
  std::string bus;      // of the GPU: two ranks of a host may not have the same
  std::string library;  // "NCCL 2.28.9"
  std::string problem;  // why NCCL cannot be used; empty: it can
};
GpuFacts gpu_facts(Device device);

// Calls of one rank on one GPU. All but the first are queued on a stream of their own, behind what stands on
// the current stream, and the current stream goes on behind them: a step that is recorded holds them.
class GpuSums {
 public:
  virtual ~GpuSums() = default;  // all sums must have ended, and recordings that hold some must be gone
  virtual void begin_sum(const Tensor& t) = 0;  // the current stream does not wait
  virtual void finish_sums() = 0;               // it waits for all that have begun
  virtual void broadcast(const Tensor& t) = 0;  // rank 0's, of any dtype
  virtual void mark() = 0;                      // what is queued so far has to end (Communicator::watch)

  // From another thread than the one that calls the functions above:
  // How long nothing of what was marked has ended, or a call of NCCL has not returned.
  virtual double seconds_waiting() = 0;
  virtual std::string trouble() = 0;  // what NCCL has found out meanwhile; empty: nothing
  virtual void give_up() = 0;         // sums end, whatever they have come to, and so does who waits for them
};

std::string new_nccl_id();  // of rank 0, for all
// Returns when all ranks have come. What `look` throws ends the waiting: it is called now and then, with the
// seconds since the beginning.
std::unique_ptr<GpuSums> join_nccl(Device device, int rank, int size, const std::string& id,
                                   const std::function<void(double seconds)>& look);

}  // namespace gadolin::detail
