// SIGINT and SIGTERM become an exception at the next check, so that destructors clean up.
#pragma once

namespace bottle {

// Installs handlers (without SA_RESTART) that note the signal. A second signal ends the process at once.
void install_interrupt_handlers();
// Throws Interrupted if a signal was noted. Cheap; call it once a file or once a chunk.
void check_interrupted();

}  // namespace bottle
