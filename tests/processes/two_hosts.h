// Two hosts on one machine: network namespaces with a link between them that this process carries, packet by
// packet, and that delays, drops or breaks.
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "tests/scratch.h"

namespace gadolin::test {

class TwoHosts {
 public:
  // Addresses 10.91.0.1 and 10.91.0.2. Where the machine does not allow it, `refused` says why.
  TwoHosts();
  ~TwoHosts();  // the namespaces go, with all that still runs in them
  TwoHosts(const TwoHosts&) = delete;
  TwoHosts& operator=(const TwoHosts&) = delete;
  const std::string& refused() const { return refused_; }

  void set_delay(double seconds) { delay_ = seconds; }   // of every packet, one way
  void set_drop_every(int packets) { drop_ = packets; }  // one of so many; 0: none
  void set_broken(bool broken) { broken_ = broken; }     // nothing passes
  std::int64_t passed() const { return passed_; }        // packets
  std::int64_t dropped() const { return dropped_; }

  // For mpirun: a file of both hosts with two slots each, and an agent that starts its daemon on the second.
  std::string hosts_file() const { return dir_ / "hosts"; }
  std::string agent() const { return dir_ / "agent"; }
  // A command that runs on the first host.
  std::string on_first(const std::string& command) const;

 private:
  int tunnel_of(const std::string& name);
  void carry();
  Scratch dir_;
  std::string names_[2], refused_;
  int tunnels_[2] = {-1, -1};
  std::atomic<double> delay_ = 0;
  std::atomic<int> drop_ = 0;
  std::atomic<bool> broken_ = false, ends_ = false;
  std::atomic<std::int64_t> passed_ = 0, dropped_ = 0;
  std::thread carrier_;
};

}  // namespace gadolin::test
