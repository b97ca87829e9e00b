// SPDX-License-Identifier: Apache-2.0
// SIGINT and SIGTERM become an exception at the next check, so that destructors clean up.
#pragma once

namespace bottle {

// Installs handlers (without SA_RESTART) that note the signal. A second signal ends the process at once.
void install_interrupt_handlers();
// Throws Interrupted if a signal was noted. Cheap; call it once a file or once a chunk.
void check_interrupted();
// Waits until `descriptor` can be read without waiting (or its other end is closed). Throws Interrupted for a
// signal that arrives while it waits or was noted before, whichever thread received it.
void wait_readable(int descriptor);
// A descriptor for the caller's own poll(): readable once a signal was noted; callers must not read it.
// Without the handlers it is -1, which poll() ignores.
int interrupt_descriptor();

// While one exists, this thread ignores a noted signal: cleanup after a signal waits for programs too. A
// second signal still ends the process.
class Uninterrupted {
 public:
  Uninterrupted();
  ~Uninterrupted();
  Uninterrupted(Uninterrupted&&) = delete;
};

}  // namespace bottle
