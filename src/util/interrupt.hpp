// SIGINT and SIGTERM become an exception at the next check, so that destructors clean up.
#pragma once

namespace bottle {

// Installs handlers (without SA_RESTART) that note the signal. A second signal ends the process at once.
void install_interrupt_handlers();
// Throws Interrupted if a signal was noted. Cheap; call it once a file or once a chunk.
void check_interrupted();
// Waits until `descriptor` can be read without waiting (or its other end is closed). Throws Interrupted for a
// signal that comes meanwhile or was noted before, whichever thread it was given to.
void wait_readable(int descriptor);
// For a poll() of one's own: can be read once a signal was noted, and is never to be read. -1, which poll()
// passes over, without the handlers.
int interrupt_descriptor();

// While one exists, a noted signal is nothing to this thread: for what is taken back because of it, which
// waits for programs too. A second signal ends the process all the same.
class Uninterrupted {
 public:
  Uninterrupted();
  ~Uninterrupted();
  Uninterrupted(Uninterrupted&&) = delete;
};

}  // namespace bottle
