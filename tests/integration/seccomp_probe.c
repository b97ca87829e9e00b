// SPDX-License-Identifier: Apache-2.0
/* Makes system calls that a filter may refuse and prints "<what> <errno>" for each, 0 for none. Static, for run_test.py.
 *
 * socket() gets a type that the kernel refuses before it looks at the family (EINVAL), so that every other answer is the filter's. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kOddType = 0x10000000 };

static void say(const char* name, long number, long result) {
  printf("%s%ld %d\n", name, number, result == -1 ? errno : 0);
}

struct call {
  const char* name;
  long number;
};
#define CALL(name) {#name " ", SYS_##name}

/* Refused whatever the arguments are. */
static const struct call kRefused[] = {
    CALL(acct),          CALL(add_key),       CALL(bpf),          CALL(clock_settime), CALL(delete_module),
    CALL(fanotify_init), CALL(finit_module),  CALL(fsconfig),     CALL(fsmount),       CALL(fsopen),
    CALL(fspick),        CALL(get_mempolicy), CALL(init_module),  CALL(io_uring_enter), CALL(io_uring_register),
    CALL(io_uring_setup), CALL(kcmp),         CALL(kexec_load),   CALL(keyctl),        CALL(mbind),
    CALL(migrate_pages), CALL(mount),         CALL(move_mount),   CALL(move_pages),    CALL(open_by_handle_at),
    CALL(open_tree),     CALL(perf_event_open), CALL(pidfd_getfd), CALL(pivot_root),   CALL(process_madvise),
    CALL(quotactl),      CALL(reboot),        CALL(request_key),  CALL(set_mempolicy), CALL(setdomainname),
    CALL(sethostname),   CALL(setns),         CALL(settimeofday), CALL(swapoff),       CALL(swapon),
    CALL(syslog),        CALL(umount2),       CALL(unshare),      CALL(userfaultfd),   CALL(vhangup),
#ifdef SYS_mount_setattr
    CALL(mount_setattr),
#endif
#ifdef SYS_kexec_file_load
    CALL(kexec_file_load),
#endif
#ifdef SYS_ioperm
    CALL(ioperm), CALL(iopl),
#endif
};

#ifdef __x86_64__
/* The call of 32-bit programs; pointers must be below 4 GiB, which those of a program that is not PIE are. */
static long call32(long number, long a, const void* b, long c) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
  const int answer = (int)result;
  if (answer >= 0 || answer < -4095) return answer;
  errno = -answer;
  return -1;
}

static void old_calls(void) {
  static unsigned arguments[3];
  static const int families[] = {2, 38, 40};
  for (unsigned i = 0; i < sizeof families / sizeof *families; ++i) {
    arguments[0] = (unsigned)families[i];
    arguments[1] = kOddType;
    say("32-bit socketcall ", families[i], call32(102, 1, arguments, 0));
    say("32-bit socket ", families[i], call32(359, families[i], (const void*)(long)kOddType, 0));
  }
}
#endif

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  for (long family = -1; family < 64; ++family)
    say("socket ", family, syscall(SYS_socket, family, kOddType, 0));
  /* The kernel reads 32 bits of it, and the filter 64. */
  for (long family = 0; family < 64; ++family)
    say("wide socket ", family, syscall(SYS_socket, family | 1L << 32, kOddType, 0));
  for (unsigned i = 0; i < sizeof kRefused / sizeof *kRefused; ++i)
    say(kRefused[i].name, 0, syscall(kRefused[i].number, -1L, -1L, -1L, -1L, -1L, -1L));
  say("clone3 ", 0, syscall(SYS_clone3, NULL, 0L));
  const long pid = syscall(SYS_clone, (long)(CLONE_NEWUSER | SIGCHLD), 0L, 0L, 0L, 0L);
  if (pid == 0) _exit(0);
  if (pid > 0) waitpid((pid_t)pid, NULL, 0);
  say("clone ", 0, pid < 0 ? -1 : 0);
  say("personality ", 0, syscall(SYS_personality, 0x0040000L));
#ifdef __x86_64__
  const pid_t old = fork();
  if (old == 0) {
    old_calls();
    _exit(0);
  }
  waitpid(old, NULL, 0);
#endif
  return 0;
}
