#include "util/tool_main.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <cerrno>
#include <cstdio>
#include <new>

#include "util/error.hpp"
#include "util/interrupt.hpp"

namespace bottle {
namespace {

void print(const char* tool, const Error& error) {
  std::string text = error.where().empty() ? std::string(tool) : error.where();
  text += ": error: " + error.message() + "\n";
  if (!error.hint().empty()) text += "  hint: " + error.hint() + "\n";
  std::fputs(text.c_str(), stderr);
}

}  // namespace

int run_tool(const char* name, const std::function<int()>& body) {
  install_interrupt_handlers();
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
    fmt::print(stderr, "{}: interrupted by signal {}; nothing is half-written\n", name,
               interrupted.signal_number);
    return 128 + interrupted.signal_number;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "{}: error: out of memory\n", name);
    return kFailed;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: error: {} (a fault in {}, please report it)\n", name, error.what(), name);
    return kFailed;
  }
}

}  // namespace bottle
