#include "train/processes/wire.h"

#include <time.h>

#include <algorithm>
#include <chrono>

#include "tensor/check.h"
#include "train/signals.h"

namespace gadolin::detail {
namespace {

constexpr int question = 1, answer_kind = 2, failure_kind = 3;  // tags of what ranks say to one another
constexpr std::int64_t most_bytes = std::int64_t{1} << 30;      // of a message: MPI counts in int
constexpr std::size_t most_text = 4096;
// A rank that has been told of a failure or a signal still gets what is already under way.
constexpr double last_seconds = 1.5;

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

void sleep_us(long microseconds) {
  const timespec time{0, microseconds * 1000};
  ::nanosleep(&time, nullptr);
}

}  // namespace

Wire::Wire(double patience) : patience_(patience) {
  check(MPI_Comm_dup(MPI_COMM_WORLD, &data_), "MPI_Comm_dup");
  check(MPI_Comm_dup(MPI_COMM_WORLD, &talk_), "MPI_Comm_dup");
  for (MPI_Comm each : {data_, talk_}) MPI_Comm_set_errhandler(each, MPI_ERRORS_RETURN);
  MPI_Comm_rank(data_, &rank_);
  MPI_Comm_size(data_, &size_);
  MPI_Comm local = MPI_COMM_NULL;
  check(MPI_Comm_split_type(data_, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local), "MPI_Comm_split_type");
  MPI_Comm_size(local, &on_this_machine_);
  MPI_Comm_rank(local, &rank_on_this_machine_);
  MPI_Comm_free(&local);
  char name[MPI_MAX_PROCESSOR_NAME];
  int length = 0;
  MPI_Get_processor_name(name, &length);
  host_.assign(name, static_cast<std::size_t>(length));
}

void Wire::check(int code, const char* call) const {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  fail<ProcessError>("processes: ", call, " of rank ", rank_, ": ",
                     std::string(text, static_cast<std::size_t>(length)),
                     "; another process may have ended: look at what it said");
}

void Wire::send(int to, const void* data, std::int64_t bytes) {
  for (std::int64_t at = 0; at < bytes; at += most_bytes) {
    const int part = static_cast<int>(std::min(most_bytes, bytes - at));
    peers_.push_back({to, true});
    check(MPI_Isend(static_cast<const char*>(data) + at, part, MPI_BYTE, to, 0, data_,
                    &requests_.emplace_back()),
          "MPI_Isend");
  }
}

void Wire::receive(int from, void* data, std::int64_t bytes) {
  for (std::int64_t at = 0; at < bytes; at += most_bytes) {
    const int part = static_cast<int>(std::min(most_bytes, bytes - at));
    peers_.push_back({from, false});
    check(MPI_Irecv(static_cast<char*>(data) + at, part, MPI_BYTE, from, 0, data_, &requests_.emplace_back()),
          "MPI_Irecv");
  }
}

void Wire::finish(const std::string& what) {
  const double begun = now();
  double warned = 0;  // when the end of another, or a signal, was first seen
  for (int round = 0;; ++round) {
    int done = 0;
    check(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &done, MPI_STATUSES_IGNORE),
          "MPI_Testall");
    if (done) break;
    if (round < 100) continue;
    sleep_us(50);
    if (round % 100 != 0) continue;
    if (waits_for_ < 0) waits_for_ = missing_peer();
    listen();
    const double time = now();
    if (warned == 0 && (!failed_.empty() || SignalGuard::received())) warned = time;
    if (warned > 0 && time - warned > last_seconds && !failed_.empty())
      fail<ProcessError>("rank ", failed_.begin()->first, ": ", failed_.begin()->second);
    require<ProcessError>(warned == 0 || time - warned < 2 * last_seconds, "processes: rank ", waits_for_,
                          " has not come to ", what, " after a signal; it has ended, or hangs");
    if (time - begun > patience_) give_up(what, patience_);
  }
  waits_for_ = -1;
  requests_.clear();
  peers_.clear();
}

// A rank that has not sent what is to be received; without one, a rank that does not take what is sent.
int Wire::missing_peer() const {
  int found = -1;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    int there = 0;
    if (requests_[i] == MPI_REQUEST_NULL ||
        MPI_Request_get_status(requests_[i], &there, MPI_STATUS_IGNORE) != MPI_SUCCESS || there)
      continue;
    if (!peers_[i].takes) return peers_[i].rank;
    if (found < 0) found = peers_[i].rank;
  }
  return found;
}

// The rank that nobody else keeps waiting: who is waited for may wait for another itself.
void Wire::give_up(const std::string& what, double seconds) {
  int rank = waits_for_;
  Answer answer;
  bool answers = rank >= 0 && ask(rank, answer);
  for (int hop = 0; answers && hop < size_ && answer.waits_for >= 0 && answer.waits_for != rank_; ++hop) {
    rank = answer.waits_for;
    answers = ask(rank, answer);
  }
  not_come(rank, what, seconds, answers ? answer.text : "");
}

void Wire::not_come(int rank, const std::string& what, double seconds, const std::string& doing) {
  fail<ProcessError>("processes: rank ", rank, " has not come to ", what, " in ", seconds, " s",
                     doing.empty() ? ": it does not answer" : ": it is at " + doing,
                     "; look at what it does, or give it longer with --patience");
}

void Wire::waits(const std::string& what, double seconds) {
  if (seconds > last_seconds && !failed_.empty())
    fail<ProcessError>("rank ", failed_.begin()->first, ": ", failed_.begin()->second);
  if (seconds < patience_) return;
  std::string own;
  {
    const std::lock_guard lock(mutex_);
    own = doing_;
  }
  std::pair<int, std::string> other(-1, "");
  for (int rank = 0; rank < size_; ++rank) {
    Answer answer;
    if (rank == rank_) continue;
    if (!ask(rank, answer)) not_come(rank, what, patience_, "");
    if (answer.text != own && other.first < 0) other = {rank, answer.text};
  }
  if (other.first >= 0) not_come(other.first, what, patience_, other.second);
  fail<ProcessError>("processes: ", what, " have not come to an end in ", patience_,
                     " s, and all ranks are at ", own,
                     "; look at the GPUs and the network between them, or give it longer with --patience");
}

void Wire::post(int to, int kind, const std::string& text) {
  auto& [request, kept] = talking_.emplace_back(MPI_REQUEST_NULL, text.substr(0, most_text));
  MPI_Isend(kept.data(), static_cast<int>(kept.size()), MPI_BYTE, to, kind, talk_, &request);
}

bool Wire::ask(int rank, Answer& answer) {
  answers_.erase(rank);
  post(rank, question, "?");
  for (const double end = now() + last_seconds; now() < end && !answers_.contains(rank); sleep_us(1000))
    listen();
  if (!answers_.contains(rank)) return false;
  answer = answers_[rank];
  return true;
}

void Wire::end() {
  ended_ = true;
  MPI_Finalize();
}

void Wire::listen() {
  if (ended_) return;
  talking_.remove_if([](auto& each) {
    int done = 0;
    return MPI_Test(&each.first, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done;
  });
  for (;;) {
    int there = 0, bytes = 0;
    MPI_Status status;
    if (MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, talk_, &there, &status) != MPI_SUCCESS || !there) return;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    std::string text(static_cast<std::size_t>(bytes), ' ');
    if (MPI_Recv(text.data(), bytes, MPI_BYTE, status.MPI_SOURCE, status.MPI_TAG, talk_, &status) !=
        MPI_SUCCESS)
      return;
    if (status.MPI_TAG == failure_kind) failed_[status.MPI_SOURCE] = text;
    if (status.MPI_TAG == answer_kind) {
      const std::size_t space = text.find(' ');
      answers_[status.MPI_SOURCE] = {std::atoi(text.c_str()), text.substr(space + 1)};
    }
    if (status.MPI_TAG != question) continue;
    const std::lock_guard lock(mutex_);
    post(status.MPI_SOURCE, answer_kind, cat(waits_for_, " ", doing_));
  }
}

void Wire::doing(const std::string& what) {
  const std::lock_guard lock(mutex_);
  doing_ = what;
}

std::map<int, std::string> Wire::tell_failure(const std::string& text, double seconds) {
  for (int other = 0; other < size_; ++other)
    if (other != rank_) post(other, failure_kind, text);
  const double end = now() + seconds;
  while (now() < end && static_cast<int>(failed_.size()) < size_ - 1) {
    listen();
    sleep_us(1000);
  }
  while (now() < end && !talking_.empty()) listen();
  return failed_;
}

}  // namespace gadolin::detail
