#include "course/grader/seccomp.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace gadolin::course {
namespace {

constexpr std::uint32_t allow = SECCOMP_RET_ALLOW, refuse = SECCOMP_RET_ERRNO | EPERM;

struct FilterWriter {
  std::vector<sock_filter> code;
  void add(int op, std::uint32_t k, int yes = 0, int no = 0) {
    code.push_back(
        {static_cast<std::uint16_t>(op), static_cast<std::uint8_t>(yes), static_cast<std::uint8_t>(no), k});
  }
  void load(std::size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
  void answer(std::uint32_t what) { add(BPF_RET | BPF_K, what); }
  void when_call(long number, std::uint32_t what) {
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1);
    answer(what);
  }
  // Of this call: allowed when its first argument (with the mask's bits alone) is `wanted`.
  void when_argument(long number, std::uint32_t mask, std::uint32_t wanted) {
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 5);
    load(offsetof(seccomp_data, args));
    add(BPF_ALU | BPF_AND | BPF_K, mask);
    add(BPF_JMP | BPF_JEQ | BPF_K, wanted, 0, 1);
    answer(allow);
    answer(refuse);
  }
};

}  // namespace

std::vector<sock_filter> seccomp_filter(bool processes, int pid) {
  FilterWriter f;
#if defined(__x86_64__) || defined(__aarch64__)
#ifdef __x86_64__
  constexpr std::uint32_t architecture = AUDIT_ARCH_X86_64;
#else
  constexpr std::uint32_t architecture = AUDIT_ARCH_AARCH64;
#endif
  f.load(offsetof(seccomp_data, arch));
  f.add(BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0);
  f.answer(SECCOMP_RET_KILL_PROCESS);
  f.load(offsetof(seccomp_data, nr));
#ifdef __x86_64__
  f.add(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1);  // the other calling convention of this processor
  f.answer(refuse);
#endif
  for (long call : {SYS_socket,
                    SYS_socketpair,
                    SYS_connect,
                    SYS_ptrace,
                    SYS_process_vm_readv,
                    SYS_process_vm_writev,
                    SYS_pidfd_open,
                    SYS_pidfd_getfd,
                    SYS_pidfd_send_signal,
                    SYS_io_uring_setup,
                    SYS_io_uring_enter,
                    SYS_io_uring_register,
                    SYS_bpf,
                    SYS_perf_event_open,
                    SYS_userfaultfd,
                    SYS_add_key,
                    SYS_request_key,
                    SYS_keyctl,
                    SYS_mount,
                    SYS_umount2,
                    SYS_pivot_root,
                    SYS_chroot,
                    SYS_unshare,
                    SYS_setns,
                    SYS_open_tree,
                    SYS_move_mount,
                    SYS_fsopen,
                    SYS_fsmount,
                    SYS_init_module,
                    SYS_finit_module,
                    SYS_kexec_load,
                    SYS_open_by_handle_at,
                    SYS_msgget,
                    SYS_shmget,
                    SYS_semget,
                    SYS_mq_open})
    f.when_call(call, refuse);
  f.when_call(SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS);
  if (!processes) {
#ifdef __x86_64__
    f.when_call(SYS_fork, refuse);
    f.when_call(SYS_vfork, refuse);
#endif
    f.when_argument(SYS_clone, CLONE_THREAD, CLONE_THREAD);
    for (long call : {SYS_kill, SYS_tgkill})
      f.when_argument(call, 0xffffffffu, static_cast<std::uint32_t>(pid));
    f.when_call(SYS_tkill, refuse);
  }
  f.answer(allow);
#else
  (void)processes;
  (void)pid;
#endif
  return f.code;
}

}  // namespace gadolin::course
