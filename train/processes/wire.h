// Messages between ranks, in the one thread that calls MPI; not for others (call train/communicator.h).
#pragma once

#include <mpi.h>

#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace gadolin::detail {

// What waits for messages does not spin: a thread that computes needs its core. MPI works on them while it is
// asked, so it is asked often at first, and then every 50 microseconds.
class Wire {
 public:
  explicit Wire(double patience);  // after MPI_Init
  int rank() const { return rank_; }
  int size() const { return size_; }
  int on_this_machine() const { return on_this_machine_; }
  int rank_on_this_machine() const { return rank_on_this_machine_; }
  const std::string& host() const { return host_; }

  // Messages that are under way together. finish() returns when all have been sent and received; it throws
  // ProcessError naming the rank that was waited for too long, or that has failed.
  void send(int to, const void* data, std::int64_t bytes);
  void receive(int from, void* data, std::int64_t bytes);
  void finish(const std::string& what);

  // Answers ranks that ask what this one does, and takes note of those that have failed. To be called now and
  // then where nothing else is.
  void listen();
  // Of what waits `seconds` for other ranks, but not for messages. Throws ProcessError naming a rank that has
  // failed; and one that does not answer or does something else than this one, where that is too long.
  void waits(const std::string& what, double seconds);
  void end();  // MPI_Finalize; nothing may be called after it but listen(), which then does nothing
  // From any thread: what this rank does.
  void doing(const std::string& what);
  // Tells the others, and hears what they failed of, for at most `seconds`: texts by rank.
  std::map<int, std::string> tell_failure(const std::string& text, double seconds);

 private:
  struct Peer {  // of a request
    int rank;
    bool takes;  // what is sent, or gives what is received
  };
  struct Answer {
    int waits_for = -1;
    std::string text;
  };
  void check(int code, const char* call) const;
  int missing_peer() const;
  void give_up(const std::string& what, double seconds);
  [[noreturn]] void not_come(int rank, const std::string& what, double seconds, const std::string& doing);
  bool ask(int rank, Answer& answer);
  void post(int to, int kind, const std::string& text);

  double patience_;
  bool ended_ = false;
  int rank_ = 0, size_ = 1, on_this_machine_ = 1, rank_on_this_machine_ = 0;
  MPI_Comm data_ = MPI_COMM_NULL, talk_ = MPI_COMM_NULL;
  std::string host_;
  std::vector<MPI_Request> requests_;
  std::vector<Peer> peers_;
  int waits_for_ = -1;  // a rank, while it has not sent, or not taken, what it should have
  std::map<int, std::string> failed_;
  std::map<int, Answer> answers_;
  std::list<std::pair<MPI_Request, std::string>> talking_;  // what is being sent, with its text
  std::mutex mutex_;
  std::string doing_ = "the start";
};

}  // namespace gadolin::detail
