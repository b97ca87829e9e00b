#include "util/interrupt.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>

#include "util/error.hpp"

namespace bottle {
namespace {

std::atomic<int> noted_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "used in a signal handler");

void note(int signal_number) {
  if (noted_signal.exchange(signal_number) != 0) ::_exit(128 + signal_number);
}

}  // namespace

void install_interrupt_handlers() {
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
  if (signal_number != 0) throw Interrupted{signal_number};
}

}  // namespace bottle
