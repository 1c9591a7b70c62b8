// The machine behind the stand-ins for the CUDA libraries: devices, their memory, streams whose work is put
// off, and recordings. Everything here is guarded by one lock, which every function of the runtime takes.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "checker.h"
#include "cuda_runtime.h"
#include "software_cuda.h"

namespace software_cuda {

// What an event has seen. Records are counted: a wait is for those made before it.
struct EventState {
  std::uint64_t recorded = 0, done = 0;
  double seconds = 0;  // when the last record was done
};

struct Operation {
  enum class Kind { work, record, wait } kind = Kind::work;
  std::function<void()> run = {};    // of work
  std::function<bool()> ready = {};  // of work that waits for other streams; empty: at once
  std::shared_ptr<EventState> event = {};
  std::uint64_t serial = 0;  // the record that this is, or waits for
};

// A recorded piece of work and the ones it stands behind.
struct Node {
  std::function<void()> run;
  std::vector<std::size_t> after;
  std::function<void(cudaStream_t)> issue = {};  // instead of `run`: puts what waits for others on a stream
};
using Nodes = std::vector<Node>;

struct Capture {
  cudaStream_t origin = nullptr;
  Nodes nodes;
  std::map<cudaStream_t, std::vector<std::size_t>> last;  // of each stream that has joined
  std::map<const void*, std::size_t> collectives;         // the last of each communicator
  bool broken = false;
};

struct Allocation {
  std::size_t bytes = 0;
  int device = -1;  // -1: pinned memory of the host
  char* pages = nullptr;
  std::size_t page_bytes = 0;
  std::shared_ptr<Shadow> shadow = {};
};

struct Machine {
  std::mutex mutex;
  std::condition_variable_any changed;  // something was added, by any thread
  std::uint64_t changes = 0;            // how often
  std::mt19937_64 random;
  int devices = 1;
  std::size_t memory = 0, used[16] = {};
  cudaError_t failure = cudaSuccess;  // after a report: stays, as on a device
  std::string first_report;
  std::map<std::uintptr_t, Allocation> allocations;
  std::vector<cudaStream_t> streams;
  int running = 0;                 // depth of run_until
  std::uint32_t open = 0;          // devices whose memory may be touched now, a bit each
  int keys[16];                    // protection keys of the devices' memory; -1: the processor has none
  std::uint32_t within_reach[16];  // what kernels of each device may touch: its own, and whose it asked for

  Machine();
  void tell() {
    ++changes;
    changed.notify_all();
  }
  std::uint64_t draw(std::uint64_t below) { return random() % below; }
  const Allocation* find(const void* pointer) const;
  // Puts work at the end of a stream, or into its recording. While an account is open, a charge for what is
  // recorded instead.
  cudaError_t push(cudaStream_t stream, std::function<void()> work, const std::function<Charge()>& cost);
  void push(cudaStream_t stream, Operation operation);
  // Runs what is at the head of some stream; false when nothing can run.
  bool step();
  // One step from outside of a wait.
  bool advance();
  // Lets other threads go on until one of them adds something, or until `news`, where there may be some from
  // other processes; false when neither came for long.
  bool wait_for_others(const std::function<bool()>& news);
  // From now on work is also done while nobody waits for it here: other processes may.
  void run_by_itself();
  // Steps until the condition holds. Reports a wait that can never end.
  cudaError_t run_until(const std::function<bool()>& done);
  // Device memory may be touched while a kernel runs that reaches it, and only then (protection.cpp).
  void open_memory(std::uint32_t wanted);
  void close_memory(const Allocation& a);   // new memory of a device
  void forget_memory(const Allocation& a);  // that is about to be given back
};
Machine& machine();

// The work of a recording, in an order that its edges allow: now, or at the end of a stream.
void run_nodes(const Nodes& nodes);
void push_nodes(const Nodes& nodes, cudaStream_t stream);
// Runs all threads of a grid now.
void run_grid(const Kernel& kernel, dim3 grid, dim3 block);
// A fault of the code under test: one line on stderr, and the device has failed.
void report(const std::string& text);

}  // namespace software_cuda

struct CUstream_st {
  int device = 0;
  std::deque<software_cuda::Operation> queue;
  std::shared_ptr<software_cuda::Capture> capture;
};
struct CUevent_st {
  std::shared_ptr<software_cuda::EventState> state = std::make_shared<software_cuda::EventState>();
  // Of a record within a recording.
  std::shared_ptr<software_cuda::Capture> capture = {};
  std::vector<std::size_t> last = {};
};
struct CUgraph_st {
  std::shared_ptr<const software_cuda::Nodes> nodes;
};
struct CUgraphExec_st {
  std::shared_ptr<const software_cuda::Nodes> nodes;
};
