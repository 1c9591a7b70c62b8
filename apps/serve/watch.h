// Watches connections: how long a peer may take for each step, and whether it is still there while its answer
// is computed. The event loop of the library sees neither.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <unordered_map>

namespace gadolin::serve {

// What a connection does now. `answering`: nobody waits for the peer, so it has no limit.
enum class Step : std::uint8_t { header, body, answering, sending };

struct WatchOptions {
  // Seconds from one request (or the opening) to the end of the next header; for a body; to take an answer.
  std::array<double, 4> seconds{10, 120, 0, 60};
  // From this many connections on, those that have waited longest for a header give way to new ones.
  std::size_t most = 1024;
  // Sent, where it is not empty, to a peer whose body takes too long: a whole answer of HTTP.
  std::string farewell = {};
};

class Watch {
 public:
  // `late`: told of each connection that is ended, on the thread of the watch.
  Watch(WatchOptions options, std::function<void(Step)> late);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Of a socket, which must stay open until closed() has been called.
  void opened(int socket);
  void closed(int socket);
  void step(int socket, Step step);
  // While `answering`: `gone` is asked to stop when the peer hangs up.
  void answering(int socket, std::stop_source gone);
  std::size_t open() const;
  std::int64_t hung_up() const;  // how often a peer went while its answer was computed

 private:
  struct Peer {
    Step step = Step::header;
    double since = 0;
    bool ended = false;
    std::stop_source gone{std::nostopstate};
  };
  void work(const std::stop_token& stop);
  void look(double now);
  void end(int socket, Peer& peer);

  WatchOptions options_;
  std::function<void(Step)> late_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::unordered_map<int, Peer> peers_;
  std::int64_t hung_up_ = 0;
  std::jthread thread_;
};

}  // namespace gadolin::serve
