// SPDX-License-Identifier: Apache-2.0
// What Bottle throws. An error carries what happened, where (file:line, URL, offset, JSON pointer) and what
// to do; it is thrown where the fact is known and printed in one place a tool (see util/tool_main.hpp).
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace bottle {

// The parts of an error beside its message. All are optional; `what` should name expected and found values.
struct ErrorPlace {
  std::string where = {};  // "Dockerfile:12:8", "/path/file", "pack.smolmachine: offset 123", "#/contexts/0"
  std::string hint = {};   // what the user can do about it, without a trailing full stop
};

class Error : public std::exception {
 public:
  explicit Error(std::string message, ErrorPlace place = {});

  // "<where>: <message>; <hint>" on one line.
  const char* what() const noexcept override { return text_.c_str(); }
  const std::string& message() const noexcept { return message_; }
  const std::string& where() const noexcept { return place_.where; }
  const std::string& hint() const noexcept { return place_.hint; }

 private:
  std::string message_;
  ErrorPlace place_;
  std::string text_;
};

// Wrong use of a tool or a CMake function's specification file: exit status 2.
class UsageError : public Error {
  using Error::Error;
};

// Thrown by check_interrupted() after SIGINT or SIGTERM. Deliberately not an Error: a handler that reports
// failures and continues must not swallow it.
struct Interrupted {
  int signal_number;
};

// An Error for a failed system call: "<action>: <strerror(errno)>", where = path; the hint names the remedy
// for the common causes (disk full, permission, too many open files).
[[noreturn]] void throw_errno(std::string_view action, std::string_view path);
[[noreturn]] void throw_errno(std::string_view action, std::string_view path, int error_number);

}  // namespace bottle
