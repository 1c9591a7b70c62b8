// The system calls that a probe and a compiler may not make.
#pragma once

#include <linux/filter.h>

#include <vector>

namespace gadolin::course {

// EPERM for sockets, ptrace and reading of other processes, io_uring, bpf, keyrings, mounts, modules; without
// `processes` also for new processes (threads are free) and for signals to others than `pid`. clone3 says
// ENOSYS, so that the C library calls clone, whose flags a filter can read. Memory may be made executable:
// oneDNN writes its kernels at run time, and the student's code is machine code anyway. Empty on processors
// other than x86-64 and arm64.
std::vector<sock_filter> seccomp_filter(bool processes, int pid);

}  // namespace gadolin::course
