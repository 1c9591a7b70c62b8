// Batch norm over all processes.
#pragma once

#include "train/communicator.h"

namespace gadolin {

// While one lives, the batch norms that train on this thread normalise with mean and variance over the
// batches of all processes, and their gradients are those of that (PyTorch's SyncBatchNorm does the same). So
// a net learns as one process alone would, however many share a batch; the running statistics are the same on
// all. Each batch norm sends 2 C + 1 numbers a pass in each direction, in fp64, and waits for them. All
// processes must run the same batch norms in the same order. Of one process alone nothing is done.
class SyncBatchNorm {
 public:
  // `counts`: false for a process whose batch is spare (Batch::spare): it takes part and counts as nothing.
  // The communicator must outlive it.
  explicit SyncBatchNorm(Communicator& communicator, bool counts = true);
  ~SyncBatchNorm();
  SyncBatchNorm(const SyncBatchNorm&) = delete;
  SyncBatchNorm& operator=(const SyncBatchNorm&) = delete;
};

}  // namespace gadolin
