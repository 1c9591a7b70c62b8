#include "tests/processes/two_hosts.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <filesystem>
#include <sstream>
#include <vector>

#include "tensor/check.h"

namespace gadolin::test {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// What a command printed, both streams; `code` is its exit code.
std::string printed(const std::string& command, int& code) {
  std::string text;
  FILE* const out = ::popen((command + " 2>&1").c_str(), "r");
  char piece[4096];
  while (const std::size_t n = std::fread(piece, 1, sizeof piece, out)) text.append(piece, n);
  code = ::pclose(out);
  return text;
}

}  // namespace

TwoHosts::TwoHosts() {
  int code = 0;
  for (int i = 0; i < 2 && refused_.empty(); ++i) {
    names_[i] = cat("gd", ::getpid(), i == 0 ? "a" : "b");
    const std::string said = printed("ip netns add " + names_[i], code);
    if (code != 0) {
      refused_ = "no network namespaces here: " + said;
      names_[i].clear();
      return;
    }
    tunnels_[i] = tunnel_of(names_[i]);
    const std::string setting =
        printed(cat("ip -n ", names_[i], " link set lo up && ip -n ", names_[i], " addr add 10.91.0.", i + 1,
                    "/24 dev gdtun && ip -n ", names_[i], " link set gdtun up"),
                code);
    if (tunnels_[i] < 0 || code != 0) refused_ = "no tunnel between namespaces here: " + setting;
  }
  if (!refused_.empty()) return;
  dir_.write("hosts", "10.91.0.1 slots=2\n10.91.0.2 slots=2\n");
  // A host has a name of its own: by that MPI knows who shares memory.
  dir_.write("agent", "#!/bin/sh\nshift\nexec ip netns exec " + names_[1] +
                          " unshare -u sh -c \"hostname gd-b; $*\"\n");
  std::filesystem::permissions(agent(), std::filesystem::perms::owner_all);
  carrier_ = std::thread([this] { carry(); });
}

TwoHosts::~TwoHosts() {
  for (const std::string& name : names_) {
    if (name.empty()) continue;
    int code = 0;
    std::istringstream pids(printed("ip netns pids " + name, code));
    for (pid_t pid; pids >> pid;) ::kill(pid, SIGKILL);
    printed("ip netns del " + name, code);
  }
  ends_ = true;
  if (carrier_.joinable()) carrier_.join();
  for (const int tunnel : tunnels_)
    if (tunnel >= 0) ::close(tunnel);
}

std::string TwoHosts::on_first(const std::string& command) const {
  return cat("OMPI_MCA_plm_rsh_agent='", agent(), "' OMPI_MCA_btl_tcp_if_include=10.91.0.0/24 ",
             "OMPI_MCA_oob_tcp_if_include=10.91.0.0/24 ip netns exec ", names_[0],
             " unshare -u sh -c 'hostname gd-a; exec ", command, "'");
}

// A device of the namespace whose packets this process reads and writes: it stays in there when the thread
// that made it has gone.
int TwoHosts::tunnel_of(const std::string& name) {
  int tunnel = -1;
  std::thread([&] {
    const int space = ::open(("/var/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    if (space < 0 || ::setns(space, CLONE_NEWNET) != 0) return;
    ::close(space);
    tunnel = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    ifreq device{};
    device.ifr_flags = IFF_TUN | IFF_NO_PI;
    std::strncpy(device.ifr_name, "gdtun", IFNAMSIZ - 1);
    if (tunnel >= 0 && ::ioctl(tunnel, TUNSETIFF, &device) != 0) {
      ::close(tunnel);
      tunnel = -1;
    }
  }).join();
  return tunnel;
}

void TwoHosts::carry() {
  struct Packet {
    double due;
    int to;
    std::vector<char> bytes;
  };
  std::deque<Packet> way;
  std::vector<char> room(1 << 16);
  std::int64_t count = 0;
  while (!ends_) {
    pollfd ready[2] = {{tunnels_[0], POLLIN, 0}, {tunnels_[1], POLLIN, 0}};
    ::poll(ready, 2, way.empty() ? 20 : 1);
    for (int from = 0; from < 2; ++from) {
      for (ssize_t n; (n = ::read(tunnels_[from], room.data(), room.size())) > 0;) {
        const int every = drop_;
        if (broken_ || (every > 0 && ++count % every == 0)) {
          ++dropped_;
          continue;
        }
        way.push_back({now() + delay_, 1 - from, {room.data(), room.data() + n}});
      }
    }
    for (; !way.empty() && way.front().due <= now(); way.pop_front()) {
      const Packet& packet = way.front();
      if (!broken_ && ::write(tunnels_[packet.to], packet.bytes.data(), packet.bytes.size()) > 0) ++passed_;
    }
  }
}

}  // namespace gadolin::test
