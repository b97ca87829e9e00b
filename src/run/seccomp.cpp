// SPDX-License-Identifier: Apache-2.0
// Calls that are not listed fail with EPERM (clone3 with ENOSYS, so that C libraries fall back to clone,
// whose flags can be looked at). Not listed is what reaches beyond the container or has no use in one:
// mounting, namespaces, modules, kexec, keyrings, bpf, perf, io_uring, swap, quota, clocks and names of the
// host, raw I/O ports, userfaultfd, NUMA policies. Source: Docker Engine's documentation, "Seccomp security
// profiles for Docker", and which calls the profile of Docker 29 (moby/profiles, seccomp 0.2) allows with the
// default capabilities; OCI runtime-spec 1.0, config-linux.md "Seccomp"; the calls, by their manual pages and
// the kernel's tables (some only exist on some architectures: runtimes ignore the others).
//
// Each rule has at most one condition for an argument. Runtimes disagree about several: to runc they are
// alternatives if they name the same argument (libcontainer/seccomp), to crun all of them must hold.
// Conditions compare 64 bits, of which the kernel takes the lower 32 of an int: what a condition allows by
// exclusion ("not 40", "above 40") lets 2^32 + 40 through, so values are allowed one by one.
#include "run/seccomp.hpp"

#include <sched.h>

#include <cerrno>
#include <string>
#include <vector>

#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::run {
namespace {

constexpr const char* kFiles =
    "access faccessat faccessat2 open openat openat2 creat name_to_handle_at close close_range read readv "
    "pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek _llseek stat stat64 lstat lstat64 "
    "fstat "
    "fstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs fstatfs64 readlink readlinkat getdents "
    "getdents64 "
    "getcwd chdir fchdir mkdir mkdirat rmdir link linkat symlink symlinkat unlink unlinkat rename renameat "
    "renameat2 "
    "mknod mknodat chmod fchmod fchmodat fchmodat2 chown chown32 lchown lchown32 fchown fchown32 fchownat "
    "umask "
    "utime utimes futimesat utimensat utimensat_time64 truncate truncate64 ftruncate ftruncate64 fallocate "
    "fadvise64 fadvise64_64 readahead sync syncfs fsync fdatasync sync_file_range sync_file_range2 flock "
    "fcntl "
    "fcntl64 ioctl dup dup2 dup3 pipe pipe2 splice tee vmsplice sendfile sendfile64 copy_file_range "
    "cachestat listmount statmount "
    "getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat listxattr llistxattr "
    "flistxattr listxattrat removexattr lremovexattr fremovexattr removexattrat chroot "
    "inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark "
    "io_setup io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64 io_destroy ioprio_get "
    "ioprio_set";
constexpr const char* kWaiting =
    "poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create epoll_create1 epoll_ctl "
    "epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4 "
    "futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue get_robust_list set_robust_list rseq "
    "membarrier nanosleep clock_nanosleep clock_nanosleep_time64 pause";
constexpr const char* kMemory =
    "brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall munlock munlockall "
    "mseal "
    "remap_file_pages memfd_create memfd_secret map_shadow_stack pkey_alloc pkey_free pkey_mprotect "
    "process_mrelease shmget shmat shmdt shmctl semget semop semctl semtimedop semtimedop_time64 msgget "
    "msgsnd "
    "msgrcv msgctl ipc mq_open mq_unlink mq_notify mq_getsetattr mq_timedsend mq_timedsend_time64 "
    "mq_timedreceive "
    "mq_timedreceive_time64";
constexpr const char* kProcesses =
    "execve execveat fork vfork exit exit_group wait4 waitid waitpid kill tkill tgkill pidfd_open "
    "pidfd_send_signal ptrace process_vm_readv process_vm_writev prctl seccomp landlock_create_ruleset "
    "landlock_add_rule landlock_restrict_self restart_syscall getpid gettid getppid getpgid getpgrp setpgid "
    "getsid "
    "setsid getrusage getrlimit ugetrlimit setrlimit prlimit64 getpriority setpriority getcpu "
    "sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam "
    "sched_setparam "
    "sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min "
    "sched_rr_get_interval "
    "sched_rr_get_interval_time64 get_thread_area set_thread_area set_tid_address uname sysinfo getrandom "
    "rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_tgsigqueueinfo rt_sigreturn rt_sigsuspend "
    "rt_sigtimedwait rt_sigtimedwait_time64 sigaltstack sigprocmask sigreturn uretprobe";
constexpr const char* kUsers =
    "getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid "
    "getresgid32 getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid setreuid32 setregid "
    "setregid32 "
    "setresuid setresuid32 setresgid setresgid32 setgroups setgroups32 setfsuid setfsuid32 setfsgid "
    "setfsgid32 "
    "capget capset";
constexpr const char* kTime =
    "time times gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 adjtimex "
    "clock_adjtime clock_adjtime64 alarm getitimer setitimer timer_create timer_delete timer_getoverrun "
    "timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime "
    "timerfd_gettime64 "
    "timerfd_settime timerfd_settime64";
constexpr const char* kNetwork =
    "socketpair bind connect listen accept accept4 shutdown getsockname getpeername getsockopt "
    "setsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64";

// The address families (Linux, include/linux/socket.h) that socket() may have: those that Docker's profile
// allows. Left out are protocols without a maintainer or a use in containers (12 DECnet, 19 Econet, 20 ATM
// SVC, 23 IrDA, 25 WAN pipes, 34 ISDN, 37 CAIF) and the two that reach beyond the container whatever its
// network is: 38 AF_ALG, the kernel's ciphers, and 40 AF_VSOCK, the hypervisor.
constexpr std::uint64_t kFamiliesBelow = 12;
constexpr unsigned kFamilies[] = {13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29,
                                  30, 31, 32, 33, 35, 36, 39, 41, 42, 43, 44, 45};

struct Machine {
  std::vector<std::string> architectures;  // the native one and those whose programs it executes
  const char* calls;                       // that only it has
};

Machine machine() {
#if defined(__x86_64__)
  // Without x32, which kernels hardly have: each architecture costs a runtime 4 ms at every start.
  return {{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"}, "arch_prctl modify_ldt"};
#elif defined(__i386__)
  return {{"SCMP_ARCH_X86"}, "modify_ldt"};
#elif defined(__aarch64__)
  return {{"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"},
          "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls"};
#elif defined(__arm__)
  return {{"SCMP_ARCH_ARM"}, "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls"};
#elif defined(__riscv)
  return {{"SCMP_ARCH_RISCV64"}, "riscv_flush_icache riscv_hwprobe"};
#elif defined(__s390x__)
  return {{"SCMP_ARCH_S390X", "SCMP_ARCH_S390"}, "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr"};
#elif defined(__powerpc64__)
  return {{"SCMP_ARCH_PPC64LE"}, "swapcontext"};
#else
  return {{}, ""};
#endif
}

Json argument(unsigned index, std::uint64_t value, const char* operation, std::uint64_t second = 0) {
  return {{"index", index}, {"value", value}, {"valueTwo", second}, {"op", operation}};
}

Json rule(const char* name, Json arguments) {
  return {{"names", {name}}, {"action", "SCMP_ACT_ALLOW"}, {"args", std::move(arguments)}};
}

}  // namespace

Json seccomp_profile() {
  const Machine here = machine();
  Json names = Json::array();
  for (const char* group : {kFiles, kWaiting, kMemory, kProcesses, kUsers, kTime, kNetwork, here.calls})
    for (const std::string_view name : split(group, ' '))
      if (!name.empty()) names.push_back(std::string(name));
  Json calls = Json::array({{{"names", std::move(names)}, {"action", "SCMP_ACT_ALLOW"}}});

  // The address family of a socketcall() lies in memory, where a filter cannot see it, and 64-bit programs
  // can make that 32-bit call too. All architectures have had socket() and its like since Linux 4.3, and C
  // libraries that know them do not notice. It comes before the rules for socket(), for which libseccomp
  // would allow socketcall() as well, and its error is not the default one, since runc leaves such rules out.
  calls.push_back({{"names", {"socketcall"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", ENOSYS}});
  calls.push_back(rule("socket", Json::array({argument(0, kFamiliesBelow, "SCMP_CMP_LT")})));
  for (const unsigned family : kFamilies)
    calls.push_back(rule("socket", Json::array({argument(0, family, "SCMP_CMP_EQ")})));
  // Linux, 32 bits, and the two that ask without changing; not what switches protections off.
  for (const std::uint64_t persona : {0x0u, 0x0008u, 0x20000u, 0x20008u, 0xffffffffu})
    calls.push_back(rule("personality", Json::array({argument(0, persona, "SCMP_CMP_EQ")})));
  constexpr std::uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                        CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;
#if defined(__s390x__)
  constexpr unsigned kFlags = 1;
#else
  constexpr unsigned kFlags = 0;
#endif
  calls.push_back(rule("clone", Json::array({argument(kFlags, kNamespaces, "SCMP_CMP_MASKED_EQ")})));
  calls.push_back({{"names", {"clone3"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", ENOSYS}});

  Json profile = {
      {"defaultAction", "SCMP_ACT_ERRNO"}, {"defaultErrnoRet", EPERM}, {"syscalls", std::move(calls)}};
  if (!here.architectures.empty()) profile["architectures"] = here.architectures;
  return profile;
}

}  // namespace bottle::run
