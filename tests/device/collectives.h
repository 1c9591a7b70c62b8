// Collectives between devices: what each rank of a communicator asks for, who is awaited, and the result.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "nccl.h"
#include "posts.h"

namespace software_cuda {

enum class Collective { all_reduce, reduce, broadcast, all_gather, reduce_scatter, transfer };

// What one rank asks for. `count` is NCCL's: of the smaller buffer where the two differ.
struct Call {
  Collective kind;
  std::size_t count;
  ncclDataType_t type;
  ncclRedOp_t op = ncclSum;
  int root = -1;
  const void* send = nullptr;
  void* recv = nullptr;
  std::string text() const;  // without the buffers
};

// One collective, from the first rank that asks for it to its end. Of a transfer the sender is the first. A
// rank of another process asks and arrives at once, when its post is seen.
struct Clique;
struct Meeting {
  std::shared_ptr<Clique> clique;
  std::string name;
  std::vector<int> ranks;  // that take part
  std::vector<Call> calls;
  std::vector<char> asked, arrived;  // a call was made; the rank's stream has come to it
  std::uint64_t number = 0;          // of the communicator's collectives
  std::vector<std::string> told;     // what ranks of other processes send
  bool over = false;

  bool all_arrived();  // looks for posts
};

// The ranks of one communicator.
struct Clique {
  int size = 0;
  std::unique_ptr<Posts> posts;                   // of a communicator by unique id
  std::vector<char> elsewhere;                    // ranks of other processes
  std::vector<std::deque<std::uint64_t>> posted;  // of each rank here: numbers that may be wanted
  std::vector<std::uint64_t> done;                // collectives that each rank elsewhere has behind it
  std::vector<int> devices;                       // -1: has not joined
  std::vector<std::thread::id> threads;           // that spoke for a rank last
  std::vector<std::uint64_t> calls;               // collectives that a rank has asked for
  std::map<std::uint64_t, std::shared_ptr<Meeting>> open;                         // not asked for by all
  std::map<std::pair<int, int>, std::deque<std::shared_ptr<Meeting>>> transfers;  // the same; from, to
  bool broken = false;
};

std::size_t bytes_of(ncclDataType_t type);  // 0: not a type
// What a rank's buffers hold; 0 for a buffer that it does not use.
std::size_t send_bytes(const Call& call, int ranks, int rank);
std::size_t recv_bytes(const Call& call, int ranks, int rank);

// The meeting of this rank's next call, and its place there. Reports where the ranks ask for different
// things.
std::pair<std::shared_ptr<Meeting>, std::size_t> join(const std::shared_ptr<Clique>& clique, int rank,
                                                      const Call& call);
void arrive(Meeting& meeting, std::size_t place);  // from here on its buffers are in use
void finish(Meeting& meeting);  // of the first rank whose stream comes to it after all arrived

// Which collective waits for whom, "" when none does; and whether another thread or process may help.
std::string awaited();
bool others_may_come();
// Whether posts of other processes are awaited, and whether one has come, or will never come.
bool awaits_posts();
bool look_for_posts();
std::string shared_device(const Clique& clique);  // of two ranks on one device the names, "" without any
// Whether something that this rank has asked for is not over.
bool is_busy(const Clique& clique, int rank);
// Nobody waits any more, and their communicators are broken. nullptr: of all.
void give_up_meetings(const Clique* of);

}  // namespace software_cuda
