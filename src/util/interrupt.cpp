// SPDX-License-Identifier: Apache-2.0
#include "util/interrupt.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>

#include "util/error.hpp"

namespace bottle {
namespace {

std::atomic<int> noted_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "used in a signal handler");

// Can be read once a signal was noted. A flag alone is not enough: a signal between the check of the flag and
// a call that waits would be missed.
int noted_event = -1;
thread_local int uninterrupted = 0;
pid_t owner = 0;  // a fork that has not become another program shares the event, but not the flag

void note(int signal_number) {
  if (noted_signal.exchange(signal_number) != 0) ::_exit(128 + signal_number);
  const int error = errno;
  const std::uint64_t one = 1;
  if (owner == ::getpid()) [[maybe_unused]]
    const auto written = ::write(noted_event, &one, sizeof one);
  errno = error;
}

}  // namespace

void install_interrupt_handlers() {
  if (noted_event < 0) noted_event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (noted_event < 0) throw_errno("cannot make an event", "eventfd");
  owner = ::getpid();
  struct sigaction action {};
  action.sa_handler = note;
  ::sigemptyset(&action.sa_mask);
  for (const int signal_number : {SIGINT, SIGTERM, SIGHUP})
    ::sigaction(signal_number, &action, nullptr);
  // A reader that went away (`bottle-pack inspect | head`) is an ordinary write error.
  ::signal(SIGPIPE, SIG_IGN);
}

void check_interrupted() {
  const int signal_number = noted_signal.load(std::memory_order_relaxed);
  if (signal_number != 0 && uninterrupted == 0) throw Interrupted{signal_number};
}

int interrupt_descriptor() {
  return uninterrupted == 0 ? noted_event : -1;
}

Uninterrupted::Uninterrupted() {
  ++uninterrupted;
}

Uninterrupted::~Uninterrupted() {
  --uninterrupted;
}

void wait_readable(int descriptor) {
  for (;;) {
    check_interrupted();
    std::array<pollfd, 2> waited{pollfd{.fd = descriptor, .events = POLLIN, .revents = 0},
                                 pollfd{.fd = interrupt_descriptor(), .events = POLLIN, .revents = 0}};
    if (::poll(waited.data(), waited.size(), -1) < 0) {
      if (errno != EINTR) throw_errno("cannot wait for a descriptor", "poll");
      continue;
    }
    check_interrupted();
    if (waited[0].revents != 0) return;
  }
}

}  // namespace bottle
