// NCCL's functions: communicators, whose ranks are devices of this machine, and calls, alone or in groups.
// Each call is two pieces of work on its stream: to arrive, and, when all have, to go on.
#include "nccl.h"

#include <cstdio>
#include <cstring>
#include <set>

#include "account.h"
#include "collectives.h"
#include "machine.h"

namespace software_cuda {
int present_device();
}

using namespace software_cuda;

struct ncclComm {
  std::shared_ptr<Clique> clique;
  int rank = 0, device = 0;
};

namespace {

using Lock = std::lock_guard<std::mutex>;

struct Pending {
  ncclComm_t comm;
  Call call;
  cudaStream_t stream;
};

std::map<std::string, std::shared_ptr<Clique>> forming;  // by the name in the unique id
std::set<ncclComm_t> comms;

thread_local std::string last_message;
thread_local int group_depth = 0;
thread_local ncclResult_t group_error = ncclSuccess;
thread_local std::vector<Pending> group;
thread_local std::vector<std::shared_ptr<Clique>> group_forming;

ncclResult_t refused(ncclResult_t result, const std::string& why) {
  last_message = why;
  if (group_depth > 0 && group_error == ncclSuccess) group_error = result;
  return result;
}
// A mistake that NCCL does not see, or of which it hangs.
ncclResult_t reported(ncclResult_t result, const std::string& why) {
  report(why);
  return refused(result, why);
}

ncclResult_t refused_size(int rank, int size, int others) {
  return refused(ncclInvalidArgument, "rank " + std::to_string(rank) + " speaks of " + std::to_string(size) +
                                          " ranks, others of " + std::to_string(others));
}

std::shared_ptr<Clique> make_clique(int size) {
  auto made = std::make_shared<Clique>();
  made->size = size;
  const auto ranks = static_cast<std::size_t>(size);
  made->elsewhere.assign(ranks, 0);
  made->posted.resize(ranks);
  made->done.assign(ranks, 0);
  made->devices.assign(ranks, -1);
  made->threads.resize(ranks);
  made->calls.assign(ranks, 0);
  return made;
}

ncclResult_t enter(const std::shared_ptr<Clique>& clique, int rank, int device, ncclComm_t* comm) {
  const auto place = static_cast<std::size_t>(rank);
  if (clique->devices[place] >= 0 || (clique->posts && !clique->posts->claim(rank)))
    return refused(ncclInvalidUsage, "rank " + std::to_string(rank) + " has joined already");
  clique->devices[place] = device;
  if (const std::string both = shared_device(*clique); !both.empty()) {
    clique->devices[place] = -1;
    return refused(ncclInvalidUsage, both);
  }
  if (clique->posts)
    clique->posts->put(rank, "joined", std::to_string(clique->size) + " " + std::to_string(device));
  clique->threads[place] = std::this_thread::get_id();
  *comm = new ncclComm{clique, rank, device};
  comms.insert(*comm);
  machine().tell();
  return ncclSuccess;
}

void drop(ncclComm_t comm) {
  if (comm->clique->posts) comm->clique->posts->leave(comm->rank);
  comms.erase(comm);
  delete comm;
}

// Whether the rank is there; it may be one of another process.
bool has_joined(Clique& clique, std::size_t rank, int& ranks) {
  if (clique.devices[rank] >= 0) return true;
  const auto text = clique.posts ? clique.posts->get(static_cast<int>(rank), "joined") : std::nullopt;
  if (!text) return false;
  clique.elsewhere[rank] = 1;
  machine().run_by_itself();
  return std::sscanf(text->c_str(), "%d %d", &ranks, &clique.devices[rank]) == 2;
}

ncclResult_t wait_for_all(Clique& clique) {
  for (std::size_t rank = 0; rank < clique.devices.size();) {
    int ranks = clique.size;
    const auto joined = [&] { return has_joined(clique, rank, ranks); };
    if (joined()) {
      if (ranks != clique.size) return refused_size(static_cast<int>(rank), ranks, clique.size);
      ++rank;
    } else if (!machine().wait_for_others(joined)) {
      return reported(ncclSystemError, "ncclCommInitRank: rank " + std::to_string(rank) + " of " +
                                           std::to_string(clique.size) + " has not joined");
    }
  }
  const std::string both = shared_device(clique);
  return both.empty() ? ncclSuccess : refused(ncclInvalidUsage, both);
}

// What is wrong with a buffer, "" when nothing is.
std::string trouble(const std::string& what, const void* begin, std::size_t bytes, int device) {
  if (bytes == 0) return "";
  const Allocation* a = machine().find(begin);
  if (!a) return what + " is no memory of a device: the host's, or freed";
  if (a->device >= 0 && a->device != device)
    return what + " lies on device " + std::to_string(a->device) + ", the communicator's is " +
           std::to_string(device);
  if (machine().find(static_cast<const char*>(begin) + bytes - 1) != a)
    return what + " of " + std::to_string(bytes) + " bytes goes beyond its allocation";
  return "";
}
// Whether the two buffers meet other than as NCCL allows in place.
bool overlap(const Call& c, int ranks, int rank) {
  const auto send = reinterpret_cast<std::uintptr_t>(c.send), recv = reinterpret_cast<std::uintptr_t>(c.recv);
  const std::size_t sent = send_bytes(c, ranks, rank), received = recv_bytes(c, ranks, rank);
  if (sent == 0 || received == 0 || send >= recv + received || recv >= send + sent) return false;
  const auto shift = static_cast<std::size_t>(rank);
  if (c.kind == Collective::all_gather) return send != recv + shift * sent;
  if (c.kind == Collective::reduce_scatter) return recv != send + shift * received;
  return send != recv;
}

// Arrivals before waits: what a group asks for at once needs no order.
void start(const std::vector<Pending>& calls) {
  std::vector<std::shared_ptr<Meeting>> met;
  for (const Pending& p : calls) {
    p.comm->clique->threads[static_cast<std::size_t>(p.comm->rank)] = std::this_thread::get_id();
    const auto [meeting, place] = join(p.comm->clique, p.comm->rank, p.call);
    met.push_back(meeting);
    machine().push(p.stream, Operation{.run = [m = meeting, at = place] {
                     if (!m->over) arrive(*m, at);
                   }});
  }
  for (std::size_t i = 0; i < calls.size(); ++i)
    machine().push(calls[i].stream, Operation{.run = [m = met[i]] { finish(*m); },
                                              .ready = [m = met[i]] { return m->all_arrived(); }});
}

// In a recording: a node for all calls of a group on this stream, behind the communicators' last ones.
void record(cudaStream_t stream, const std::vector<Pending>& calls) {
  Capture& capture = *stream->capture;
  std::vector<std::size_t>& last = capture.last[stream];
  std::vector<std::size_t> after = last;
  const std::size_t node = capture.nodes.size();
  for (const Pending& p : calls) {
    const auto [at, first] = capture.collectives.try_emplace(p.comm, node);
    if (!first) after.push_back(std::exchange(at->second, node));
  }
  std::erase(after, node);
  const auto issue = [calls](cudaStream_t on) {
    std::vector<Pending> again = calls;
    for (Pending& p : again) {
      if (!comms.contains(p.comm)) return report("a recording uses a communicator that was destroyed");
      p.stream = on;
    }
    start(again);
  };
  capture.nodes.push_back({[] {}, after, issue});
  last = {node};
}

ncclResult_t submit(const std::vector<Pending>& calls) {
  std::vector<Pending> now;
  std::map<cudaStream_t, std::vector<Pending>> recorded;
  for (const Pending& p : calls) (p.stream->capture ? recorded[p.stream] : now).push_back(p);
  for (const auto& [stream, of_it] : recorded) record(stream, of_it);
  if (!accounting()) start(now);
  return machine().failure == cudaSuccess ? ncclSuccess : ncclInvalidUsage;
}

ncclResult_t call(ncclComm_t comm, cudaStream_t stream, const Call& c) {
  const Lock lock(machine().mutex);
  if (!comms.contains(comm)) return refused(ncclInvalidArgument, "the communicator is none, or destroyed");
  if (machine().failure != cudaSuccess)
    return refused(ncclUnhandledCudaError, "the device has failed: " + machine().first_report);
  if (comm->clique->broken) return refused(ncclRemoteError, "the communicator has failed");
  const int size = comm->clique->size;
  if (bytes_of(c.type) == 0) return refused(ncclInvalidArgument, "not a type");
  if (c.op < ncclSum || c.op > ncclAvg) return refused(ncclInvalidArgument, "not an operation");
  const bool rooted =
      c.kind == Collective::reduce || c.kind == Collective::broadcast || c.kind == Collective::transfer;
  if (rooted && (c.root < 0 || c.root >= size))
    return refused(ncclInvalidArgument, "rank " + std::to_string(c.root) +
                                            " is outside of a communicator of " + std::to_string(size));
  if (c.kind == Collective::transfer && comm->clique->elsewhere[static_cast<std::size_t>(c.root)])
    return reported(ncclInvalidUsage, "transfers between processes are not there");
  const std::string who = c.text() + " of rank " + std::to_string(comm->rank) + ": ";
  if (!stream)
    return reported(ncclInvalidUsage, who + "work on the legacy stream, which no recording can hold");
  if (stream->device != comm->device)
    return reported(ncclInvalidUsage, who + "its stream is of device " + std::to_string(stream->device) +
                                          ", the communicator's is " + std::to_string(comm->device));
  for (const std::string& wrong :
       {trouble("its send buffer", c.send, send_bytes(c, size, comm->rank), comm->device),
        trouble("its receive buffer", c.recv, recv_bytes(c, size, comm->rank), comm->device)})
    if (!wrong.empty()) return reported(ncclInvalidArgument, who + wrong);
  if (overlap(c, size, comm->rank))
    return reported(ncclInvalidArgument, who + "its buffers overlap, and not as they may in place");
  if (stream->capture && stream->capture->broken)
    return refused(ncclUnhandledCudaError, "the recording is broken");
  if (group_depth == 0) return submit({{comm, c, stream}});
  group.push_back({comm, c, stream});
  return ncclSuccess;
}

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess: return "no error";
    case ncclUnhandledCudaError: return "unhandled cuda error (run with NCCL_DEBUG=INFO for details)";
    case ncclSystemError: return "unhandled system error (run with NCCL_DEBUG=INFO for details)";
    case ncclInternalError: return "internal error - please report this issue to the NCCL developers";
    case ncclInvalidArgument: return "invalid argument (run with NCCL_DEBUG=WARN for details)";
    case ncclInvalidUsage: return "invalid usage (run with NCCL_DEBUG=WARN for details)";
    case ncclRemoteError: return "remote process exited or there was a network error";
    case ncclInProgress: return "NCCL operation in progress";
  }
  return "unknown result code";
}
const char* ncclGetLastError(ncclComm_t) { return last_message.c_str(); }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::memset(id->internal, 0, sizeof id->internal);
  const std::string name = Posts::new_name();
  std::memcpy(id->internal, name.data(), name.size());
  return ncclSuccess;
}
ncclResult_t ncclCommInitRank(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank) {
  const Lock lock(machine().mutex);
  *comm = nullptr;
  const std::string name(id.internal, ::strnlen(id.internal, sizeof id.internal));
  if (ranks < 1 || rank < 0 || rank >= ranks)
    return refused(ncclInvalidArgument, "rank " + std::to_string(rank) + " of " + std::to_string(ranks));
  std::shared_ptr<Clique>& found = forming[name];
  if (!found) {
    auto posts = std::make_unique<Posts>(name);
    if (!posts->there()) {
      forming.erase(name);
      return refused(ncclInvalidArgument, "the id is not of ncclGetUniqueId, or used up");
    }
    found = make_clique(ranks);
    found->posts = std::move(posts);
  }
  const std::shared_ptr<Clique> clique = found;
  if (clique->size != ranks) return refused_size(rank, ranks, clique->size);
  if (const ncclResult_t wrong = enter(clique, rank, present_device(), comm); wrong != ncclSuccess)
    return wrong;
  if (group_depth > 0) {
    group_forming.push_back(clique);
    return ncclSuccess;
  }
  const ncclResult_t result = wait_for_all(*clique);
  forming.erase(name);
  return result;
}
ncclResult_t ncclCommInitAll(ncclComm_t* made, int count, const int* devices) {
  const Lock lock(machine().mutex);
  if (count < 1) return refused(ncclInvalidArgument, "no devices");
  const auto clique = make_clique(count);
  for (int rank = 0; rank < count; ++rank) {
    const int device = devices ? devices[rank] : rank;
    ncclResult_t result =
        device < 0 || device >= machine().devices
            ? refused(ncclUnhandledCudaError, "there is no device " + std::to_string(device))
            : enter(clique, rank, device, made + rank);
    if (result == ncclSuccess) continue;
    while (rank-- > 0) drop(made[rank]);
    return result;
  }
  return ncclSuccess;
}
ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  const Lock lock(machine().mutex);
  if (!comms.contains(comm)) return refused(ncclInvalidArgument, "the communicator is none, or destroyed");
  const auto clique = comm->clique;
  const cudaError_t error = machine().run_until([&] { return !is_busy(*clique, comm->rank); });
  return error == cudaSuccess ? ncclSuccess : ncclUnhandledCudaError;
}
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  const ncclResult_t result = ncclCommFinalize(comm);
  const Lock lock(machine().mutex);
  if (comms.contains(comm)) drop(comm);
  return result;
}
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  const Lock lock(machine().mutex);
  if (!comms.contains(comm)) return refused(ncclInvalidArgument, "the communicator is none, or destroyed");
  give_up_meetings(comm->clique.get());
  drop(comm);
  return ncclSuccess;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error) {
  const Lock lock(machine().mutex);
  if (!comms.contains(comm)) return refused(ncclInvalidArgument, "the communicator is none, or destroyed");
  *error = machine().failure != cudaSuccess ? ncclUnhandledCudaError
           : comm->clique->broken           ? ncclRemoteError
                                            : ncclSuccess;
  return ncclSuccess;
}
ncclResult_t ncclCommCount(ncclComm_t comm, int* count) {
  *count = comm->clique->size;
  return ncclSuccess;
}
ncclResult_t ncclCommCuDevice(ncclComm_t comm, int* device) {
  *device = comm->device;
  return ncclSuccess;
}
ncclResult_t ncclCommUserRank(ncclComm_t comm, int* rank) {
  *rank = comm->rank;
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* send, void* recv, std::size_t count, ncclDataType_t type,
                           ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  return call(comm, stream, {Collective::all_reduce, count, type, op, -1, send, recv});
}
ncclResult_t ncclReduce(const void* send, void* recv, std::size_t count, ncclDataType_t type, ncclRedOp_t op,
                        int root, ncclComm_t comm, cudaStream_t stream) {
  return call(comm, stream, {Collective::reduce, count, type, op, root, send, recv});
}
ncclResult_t ncclBroadcast(const void* send, void* recv, std::size_t count, ncclDataType_t type, int root,
                           ncclComm_t comm, cudaStream_t stream) {
  return call(comm, stream, {Collective::broadcast, count, type, ncclSum, root, send, recv});
}
ncclResult_t ncclBcast(void* buffer, std::size_t count, ncclDataType_t type, int root, ncclComm_t comm,
                       cudaStream_t stream) {
  return ncclBroadcast(buffer, buffer, count, type, root, comm, stream);
}
ncclResult_t ncclAllGather(const void* send, void* recv, std::size_t send_count, ncclDataType_t type,
                           ncclComm_t comm, cudaStream_t stream) {
  return call(comm, stream, {Collective::all_gather, send_count, type, ncclSum, -1, send, recv});
}
ncclResult_t ncclReduceScatter(const void* send, void* recv, std::size_t recv_count, ncclDataType_t type,
                               ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  return call(comm, stream, {Collective::reduce_scatter, recv_count, type, op, -1, send, recv});
}
ncclResult_t ncclSend(const void* send, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return call(comm, stream, {Collective::transfer, count, type, ncclSum, peer, send, nullptr});
}
ncclResult_t ncclRecv(void* recv, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return call(comm, stream, {Collective::transfer, count, type, ncclSum, peer, nullptr, recv});
}

ncclResult_t ncclGroupStart() {
  if (group_depth++ == 0) group_error = ncclSuccess;
  return ncclSuccess;
}
// A call of the group that was refused refuses them all.
ncclResult_t ncclGroupEnd() {
  if (group_depth == 0) return refused(ncclInvalidUsage, "ncclGroupEnd without ncclGroupStart");
  if (--group_depth > 0) return ncclSuccess;
  const Lock lock(machine().mutex);
  const std::vector<Pending> calls = std::exchange(group, {});
  ncclResult_t result = group_error;
  for (const auto& clique : std::exchange(group_forming, {})) {
    if (result == ncclSuccess) result = wait_for_all(*clique);
    std::erase_if(forming, [&](const auto& one) { return one.second == clique; });
  }
  return result == ncclSuccess && !calls.empty() ? submit(calls) : result;
}
}
