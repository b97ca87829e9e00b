// Calls that are not listed fail with EPERM (clone3 with ENOSYS, so that C libraries fall back to clone,
// whose flags can be looked at). Not listed is what reaches beyond the container or has no use in one:
// mounting, namespaces, modules, kexec, keyrings, bpf, perf, io_uring, swap, quota, clocks and names of the
// host, raw I/O ports, userfaultfd, NUMA policies. Source: Docker Engine's documentation, "Seccomp security
// profiles for Docker", and which calls the profile of Docker 28 allows with the default capabilities; OCI
// runtime-spec 1.0, config-linux.md "Seccomp"; the calls, by their manual pages and the kernel's tables (some
// only exist on some architectures: runtimes pass over the others).
#include "image/run/seccomp.hpp"

#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::image {
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
    "cachestat "
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
    "socketcall socketpair bind connect listen accept accept4 shutdown getsockname getpeername getsockopt "
    "setsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64";

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

  // Sockets to the machine below, or into the kernel's ciphers, are the host's matter.
  calls.push_back(rule(
      "socket", Json::array({argument(0, AF_VSOCK, "SCMP_CMP_NE"), argument(0, AF_ALG, "SCMP_CMP_NE")})));
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

}  // namespace bottle::image
