// SPDX-License-Identifier: Apache-2.0
#include "util/tool_main.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <system_error>

#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/visible_text.hpp"

namespace bottle {
namespace {

void print(const char* tool, const Error& error) {
  std::string text = error.where().empty() ? std::string(tool) : error.where();
  text += ": error: " + error.message() + "\n";
  if (!error.hint().empty()) text += "  hint: " + error.hint() + "\n";
  std::fputs(text.c_str(), stderr);
}

constexpr const char* kOutOfMemory =
    "out of memory\n  hint: raise the limit (ulimit -v, the memory of the container), or lower BOTTLE_JOBS";
constexpr const char* kTooLarge = "a size in the input exceeds the address space";

// Allocates no memory.
void say_plainly(const char* name, const char* text) {
  for (const char* part : {name, ": error: ", text, "\n"}) {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, part, std::strlen(part));
  }
}

// An allocation that failed, or a thread that could not start because memory is short.
bool is_lack_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return true;
  const auto* system = dynamic_cast<const std::system_error*>(&error);
  return system != nullptr && (system->code() == std::errc::resource_unavailable_try_again ||
                               system->code() == std::errc::not_enough_memory);
}

// The tool's name, for the terminate handler.
const char* running = "bottle";

// Handles an exception that left a destructor, a thread, or a noexcept function. Lack of memory is not a bug
// of the program.
[[noreturn]] void end_by_exception() {
  try {
    if (std::current_exception()) throw;
  } catch (const std::exception& error) {
    if (is_lack_of_memory(error)) {
      say_plainly(running, kOutOfMemory);
      ::_exit(kFailed);
    }
    say_plainly(running, error.what());
  } catch (...) {
  }
  std::abort();
}

int report(const char* name, const std::function<int()>& body) {
  try {
    const int status = body();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) throw_errno("cannot write", "standard output");
    return status;
  } catch (const UsageError& error) {
    print(name, error);
    return kUsage;
  } catch (const Error& error) {
    print(name, error);
    return kFailed;
  } catch (const Interrupted& interrupted) {
    fmt::print(stderr, "{}: interrupted by signal {}; no incomplete file remains\n", name,
               interrupted.signal_number);
    return 128 + interrupted.signal_number;
  } catch (const std::length_error&) {
    say_plainly(name, kTooLarge);
    return kFailed;
  } catch (const std::exception& error) {
    if (is_lack_of_memory(error)) {
      say_plainly(name, kOutOfMemory);
      return kFailed;
    }
    fmt::print(stderr, "{}: error: {} (this is a bug in {}: please report it)\n", name, error.what(), name);
    return kFailed;
  }
}

}  // namespace

int run_tool(const char* name, const std::function<int()>& body) {
  running = name;
  std::set_terminate(end_by_exception);
  install_interrupt_handlers();
  try {
    const VisibleStreams streams;
    return report(name, body);
  } catch (const std::bad_alloc&) {
    say_plainly(name, kOutOfMemory);
    return kFailed;
  }
}

}  // namespace bottle
