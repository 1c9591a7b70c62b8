// The calls of a communicator as messages between ranks.
#include "train/processes/processes.h"

#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <sstream>
#include <thread>

#include "tensor/autograd.h"
#include "tensor/check.h"
#include "train/processes/gpu_sums.h"
#include "train/processes/mpi_thread.h"
#include "train/processes/sum_parts.h"

namespace gadolin {
namespace {

using detail::Wire;

// Below this, everybody sends everything to everybody: one round of messages instead of two.
constexpr std::int64_t small_bytes = 16384;

// Each rank sums its piece of what all have, in the order of the ranks, and sends it to the others
// (Rabenseifner's reduce-scatter and allgather with direct messages: Thakur, Rabenseifner, Gropp,
// Optimization of Collective Communication Operations in MPICH, IJHPCA 19, 2005, section 4).
template <class T> void sum_over(Wire& wire, T* data, std::int64_t n, const std::string& what) {
  const int size = wire.size(), own = wire.rank();
  const bool small = n * static_cast<std::int64_t>(sizeof(T)) <= small_bytes;
  const auto begin_of = [&](int rank) { return small ? 0 : n * rank / size; };
  const auto count_of = [&](int rank) { return small ? n : n * (rank + 1) / size - n * rank / size; };
  const std::int64_t mine = count_of(own), bytes = mine * static_cast<std::int64_t>(sizeof(T));
  const std::unique_ptr<T[]> room(new T[static_cast<std::size_t>(mine * size)]);
  std::vector<const T*> parts;
  for (int rank = 0; rank < size; ++rank) {
    T* const theirs = room.get() + mine * rank;
    parts.push_back(rank == own ? data + begin_of(own) : theirs);
    if (rank == own) continue;
    wire.receive(rank, theirs, bytes);
    wire.send(rank, data + begin_of(rank), count_of(rank) * static_cast<std::int64_t>(sizeof(T)));
  }
  wire.finish(what);
  detail::sum_parts(data + begin_of(own), parts, mine);
  if (small) return;
  for (int rank = 0; rank < size; ++rank) {
    if (rank == own) continue;
    wire.receive(rank, data + begin_of(rank), count_of(rank) * static_cast<std::int64_t>(sizeof(T)));
    wire.send(rank, data + begin_of(own), bytes);
  }
  wire.finish(what);
}

// Down a binomial tree with rank 0 at its root.
void spread(Wire& wire, void* data, std::int64_t bytes, const std::string& what) {
  int below = 1;
  while (below < wire.size() && (wire.rank() & below) == 0) below *= 2;
  if (wire.rank() > 0) {
    wire.receive(wire.rank() - below, data, bytes);
    wire.finish(what);
  }
  for (int step = below / 2; step > 0; step /= 2)
    if (wire.rank() + step < wire.size()) wire.send(wire.rank() + step, data, bytes);
  wire.finish(what);
}

// How long a rank that fails listens for others that fail of the same.
constexpr double heard_within = 0.7;

// What an error is of, without the rank that it came from.
std::string origin(std::string text) {
  while (text.starts_with("rank ")) {
    const std::size_t colon = text.find(": ");
    if (colon == std::string::npos || text.find_first_not_of("0123456789", 5) != colon) break;
    text.erase(0, colon + 2);
  }
  return text;
}

struct Joined {  // MPI is there before the communicator, which must know its rank
  std::unique_ptr<detail::MpiThread> thread;
  int rank, size;
};
Joined join(double patience) {
  auto thread = std::make_unique<detail::MpiThread>(patience);
  const int rank = thread->wire().rank(), size = thread->wire().size();
  return {std::move(thread), rank, size};
}

// What one rank says of where it computes.
struct Place {
  std::string device, host, bus, library, problem;
};
std::string text_of(const Place& p) {
  return cat(p.device, "\n", p.host, "\n", p.bus, "\n", p.library, "\n", p.problem);
}
Place place_of(const std::string& text) {
  std::istringstream lines(text);
  Place p;
  for (std::string* part : {&p.device, &p.host, &p.bus, &p.library, &p.problem}) std::getline(lines, *part);
  return p;
}

// Why NCCL cannot sum what lies in these places, empty where it can.
std::string detour_of(const std::vector<Place>& places) {
  std::map<std::pair<std::string, std::string>, std::size_t> taken;
  for (std::size_t rank = 0; rank < places.size(); ++rank) {
    const Place &p = places[rank], &first = places[0];
    require<ProcessError>((p.device == "cpu") == (first.device == "cpu"), "processes: rank ", rank,
                          " computes on ", p.device, ", rank 0 on ", first.device,
                          "; give all of them GPUs, or --device cpu");
    if (p.device == "cpu") continue;
    if (!p.problem.empty()) return p.problem;
    if (p.library != first.library) return cat("rank ", rank, " has ", p.library, ", rank 0 ", first.library);
    const auto [other, is_new] = taken.emplace(std::pair(p.host, p.bus), rank);
    if (!is_new)
      return cat("ranks ", other->second, " and ", rank, " share the GPU ", p.device, " of ", p.host,
                 "; NCCL needs one for each");
  }
  return {};
}

class MpiCommunicator final : public Processes {
 public:
  explicit MpiCommunicator(Joined joined)
      : Processes(joined.rank, joined.size), thread_(std::move(joined.thread)) {}

  void doing(const std::string& what) override { thread_->wire().doing(what); }
  double seconds_waited() const override { return thread_->seconds_waited(); }
  int on_this_machine() const override { return thread_->wire().on_this_machine(); }
  int rank_on_this_machine() const override { return thread_->wire().rank_on_this_machine(); }

  void use(Device device) override {
    Place own{name_of(device), thread_->wire().host(), {}, {}, {}};
    if (device.is_cuda()) {
      const detail::GpuFacts facts = detail::gpu_facts(device);
      own = {own.device, own.host, facts.bus, facts.library, facts.problem};
    }
    const std::vector<std::string> all = gather(text_of(own));
    detour_ = on_first(*this, [&] {
      std::vector<Place> places;
      for (const std::string& text : all) places.push_back(place_of(text));
      return detour_of(places);
    });
    device_ = device;
  }
  std::string detour(Device device) const override { return device.is_cpu() ? std::string() : detour_; }
  void watch(Device device) override {
    if (gpu_ && device.is_cuda()) gpu_->mark();
  }

  bool leave(const std::string& failure) override {
    bool first = true, together = failure.empty();
    try {
      if (!failure.empty()) {
        std::map<int, std::string> others;
        thread_->run_last([&](Wire& wire) { others = wire.tell_failure(failure, heard_within); });
        const std::string mine = origin(failure);
        first = mine == failure;  // otherwise it came from a rank that says so itself
        int same = 1;
        for (const auto& [other, text] : others) {
          same += origin(text) == mine;
          first = first && !(other < rank() && origin(text) == mine);
        }
        together = same == size();
        thread_->run_last([&](Wire&) {
          if (gpu_) gpu_->give_up();  // what is freed from now on may wait for the GPU
        });
      }
      if (!together) {  // MPI_Finalize would wait for ever
        // Who says it may have begun to listen later, and mpirun ends all with the first that ends.
        if (!first) std::this_thread::sleep_for(std::chrono::duration<double>(heard_within + 0.3));
        return first;
      }
      thread_->run_last([this](Wire& wire) {
        std::int64_t here = 1;
        sum_over(wire, &here, 1, "the end");
        gpu_.reset();
        wire.end();
      });
    } catch (const Error&) {  // the process ends anyway; it has said why
    }
    return first;
  }

 private:
  void begin_sum_all(const Tensor& t) override {
    if (t.device().is_cpu()) return thread_->start([this, t](Wire& wire) { sum_on_wire(wire, t); });
    if (!detour_.empty()) return sum_all(t);
    on_gpu([&](detail::GpuSums& gpu) { gpu.begin_sum(t); });
  }
  void finish_sums_all() override {
    if (gpu_) on_gpu([](detail::GpuSums& gpu) { gpu.finish_sums(); });
    thread_->wait();
  }
  void sum_all(const Tensor& t) override {
    if (t.device().is_cuda() && detour_.empty()) {
      begin_sum_all(t);
      return finish_sums_all();
    }
    on_host(t, [&](const Tensor& host) { thread_->run([&](Wire& wire) { sum_on_wire(wire, host); }); });
  }
  // f calls NCCL, which ranks meet when they sum something on a GPU for the first time. What others have
  // failed of, or were found out to be, is said rather than what NCCL says of it.
  template <class F> void on_gpu(F&& f) {
    thread_->wait();
    if (!gpu_) meet_on_gpus();
    try {
      f(*gpu_);
    } catch (const ProcessError&) {
      thread_->wait();
      throw;
    }
  }
  void meet_on_gpus() {
    const std::string id = on_first(*this, [] { return detail::new_nccl_id(); });
    std::unique_ptr<detail::GpuSums> all =
        detail::join_nccl(device_, rank(), size(), id, [this](double seconds) {
          thread_->run([=](Wire& wire) { wire.waits("the first sums on GPUs", seconds); });
        });
    thread_->run([&](Wire&) {
      gpu_ = std::move(all);
      thread_->between([this](Wire& wire) { watch_gpu(wire); });
    });
  }
  // In the thread of MPI. A sum on a GPU waits for ever where a rank does not come: NCCL has no patience, and
  // the host may wait for it where no message of MPI is awaited.
  void watch_gpu(Wire& wire) {
    if (!gpu_) return;
    try {
      const std::string trouble = gpu_->trouble();
      require<ProcessError>(trouble.empty(), trouble);
      wire.waits("the sums on GPUs", gpu_->seconds_waiting());
    } catch (...) {
      gpu_->give_up();
      throw;
    }
  }
  void sum_on_wire(Wire& wire, const Tensor& t) {
    const std::string what = cat("the sum of ", t.dtype(), " ", t.shape());
    dispatch_all(t.dtype(), [&]<class T>(Tag<T>) {
      if constexpr (!std::is_same_v<T, bool>) sum_over(wire, t.data<T>(), t.numel(), what);
    });
  }
  void broadcast_all(const Tensor& t) override {
    if (t.device().is_cuda() && detour_.empty())
      return on_gpu([&](detail::GpuSums& gpu) { gpu.broadcast(t); });
    on_host(t, [&](const Tensor& host) {
      thread_->run([&](Wire& wire) {
        spread(wire, host.raw(), host.nbytes(), cat("the broadcast of ", host.dtype(), " ", host.shape()));
      });
    });
  }
  // f changes a copy on the host of what lies on a device.
  template <class F> void on_host(const Tensor& t, F&& f) {
    if (t.device().is_cpu()) return f(t);
    const NoGrad guard;
    const Tensor host = t.detach().to(cpu);
    f(host);
    Tensor(t.detach()).copy_(host);
  }
  void barrier_all() override {
    thread_->run([](Wire& wire) {
      std::int64_t here = 1;
      sum_over(wire, &here, 1, "the barrier");
    });
  }
  std::vector<std::string> gather_all(const std::string& bytes) override {
    std::vector<std::string> all;
    thread_->run([&](Wire& wire) {
      const std::string what = "the gathering";
      const auto size = static_cast<std::int64_t>(bytes.size());
      if (wire.rank() > 0) {
        wire.send(0, &size, sizeof size);
        wire.send(0, bytes.data(), size);
        return wire.finish(what);
      }
      std::vector<std::int64_t> sizes(static_cast<std::size_t>(wire.size()), size);
      for (int rank = 1; rank < wire.size(); ++rank)
        wire.receive(rank, &sizes[static_cast<std::size_t>(rank)], sizeof size);
      wire.finish(what);
      all.assign(sizes.size(), bytes);
      for (int rank = 1; rank < wire.size(); ++rank) {
        std::string& theirs = all[static_cast<std::size_t>(rank)];
        theirs.assign(static_cast<std::size_t>(sizes[static_cast<std::size_t>(rank)]), ' ');
        wire.receive(rank, theirs.data(), static_cast<std::int64_t>(theirs.size()));
      }
      wire.finish(what);
    });
    return all;
  }
  std::string broadcast_all(const std::string& bytes) override {
    std::string first = bytes;
    thread_->run([&](Wire& wire) {
      auto size = static_cast<std::int64_t>(first.size());
      spread(wire, &size, sizeof size, "the broadcast");
      first.resize(static_cast<std::size_t>(size));
      spread(wire, first.data(), size, "the broadcast");
    });
    return first;
  }

  Device device_ = cpu;
  std::string detour_ = "no rank has said on which GPU it computes";  // use()
  std::unique_ptr<detail::GpuSums> gpu_;  // from the first sum there on; made and ended by the thread below
  std::unique_ptr<detail::MpiThread> thread_;
};

}  // namespace

bool mpi_available() { return true; }

std::string mpi_library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  std::string version(text, static_cast<std::size_t>(length));
  return version.substr(0, version.find_first_of(",\n"));
}

std::unique_ptr<Processes> join_processes(const ProcessOptions& options) {
  const StartedWith started = started_with();
  auto all = std::make_unique<MpiCommunicator>(join(options.patience));
  require<ProcessError>(all->size() == started.processes, "processes: ", started.by, " started ",
                        started.processes, " of them, but MPI sees ", all->size(),
                        "; start them with gadolin launch, with the mpirun of this MPI (", mpi_library(),
                        "), or with srun --mpi=pmix");
  return all;
}

}  // namespace gadolin
