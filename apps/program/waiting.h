// How OpenMP's threads wait for one another beside other programs.
//
// libgomp lets a thread that waits spin for 300,000 turns before it sleeps. On free cores that is the fastest
// way; beside another program the spinning takes the time from the threads that still compute, and a training
// step takes five to twenty times as long.
#pragma once

#include <string>
#include <thread>

namespace gadolin {

// While one lives, a thread watches how long the process's threads wait for cores, and has OpenMP's threads
// sleep early for as long as that goes on. Does nothing where the user has set OMP_WAIT_POLICY or
// GOMP_SPINCOUNT, or where the system does not say (no /proc/self/task/*/schedstat).
class CoreWatch {
 public:
  CoreWatch();

 private:
  std::jthread thread_;
};

// How OpenMP's threads wait in this process, in words: "spinning, asleep where cores are short", or the
// setting of the user's that decides, "GOMP_SPINCOUNT=7".
std::string waiting();

}  // namespace gadolin
