#include "apps/serve/watch.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <tuple>
#include <utility>
#include <vector>

namespace gadolin::serve {
namespace {

double watch_clock() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Watch::Watch(WatchOptions options, std::function<void(Step)> late)
    : options_(std::move(options)), late_(std::move(late)),
      thread_([this](const std::stop_token& stop) { work(stop); }) {}

Watch::~Watch() {
  thread_.request_stop();
  wake_.notify_all();
}

void Watch::opened(int socket) {
  const std::lock_guard lock(mutex_);
  peers_[socket] = {.since = watch_clock()};
  if (peers_.size() < options_.most) return;
  Peer* longest = nullptr;
  int at = -1;
  for (auto& [other, peer] : peers_) {
    if (peer.step == Step::header && !peer.ended && other != socket &&
        (longest == nullptr || peer.since < longest->since)) {
      longest = &peer;
      at = other;
    }
  }
  if (longest != nullptr) end(at, *longest);
}

void Watch::closed(int socket) {
  const std::lock_guard lock(mutex_);
  peers_.erase(socket);
}

void Watch::step(int socket, Step step) {
  const std::lock_guard lock(mutex_);
  const auto found = peers_.find(socket);
  if (found == peers_.end()) return;
  found->second.step = step;
  found->second.since = watch_clock();
  found->second.gone = std::stop_source(std::nostopstate);
}

void Watch::answering(int socket, std::stop_source gone) {
  step(socket, Step::answering);
  const std::lock_guard lock(mutex_);
  if (const auto found = peers_.find(socket); found != peers_.end()) found->second.gone = std::move(gone);
}

std::size_t Watch::open() const {
  const std::lock_guard lock(mutex_);
  return peers_.size();
}

std::int64_t Watch::hung_up() const {
  const std::lock_guard lock(mutex_);
  return hung_up_;
}

// The event loop then sees the end of the stream, and closes the connection itself.
void Watch::end(int socket, Peer& peer) {
  peer.ended = true;
  if (peer.step == Step::body && !options_.farewell.empty())
    std::ignore =
        send(socket, options_.farewell.data(), options_.farewell.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  shutdown(socket, SHUT_RDWR);
  late_(peer.step);
}

void Watch::look(double now) {
  std::vector<pollfd> there;
  for (auto& [socket, peer] : peers_) {
    const double limit = options_.seconds[static_cast<std::size_t>(peer.step)];
    if (peer.step == Step::answering)
      there.push_back({socket, POLLRDHUP, 0});
    else if (!peer.ended && now - peer.since > limit)
      end(socket, peer);
  }
  if (there.empty() || poll(there.data(), there.size(), 0) <= 0) return;
  for (const pollfd& found : there) {
    if ((found.revents & (POLLRDHUP | POLLHUP | POLLERR)) == 0) continue;
    if (peers_[found.fd].gone.request_stop()) ++hung_up_;
  }
}

void Watch::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    look(watch_clock());
    wake_.wait_for(lock, stop, std::chrono::milliseconds(20), [] { return false; });
  }
}

}  // namespace gadolin::serve
