// SPDX-License-Identifier: Apache-2.0
// Libraries that are loaded when they are first needed. What a program is linked with is loaded at each
// start; a library that brings twenty others costs more than all else that a short run does.
#pragma once

#include "util/error.hpp"

namespace bottle {

// Thrown for a library that is absent or lacks a function. Code that probes whether a file can be read must
// not treat this as "no".
class LibraryError : public Error {
  using Error::Error;
};

class SharedLibrary {
 public:
  // `name` says the binary interface too ("libcurl.so.4"). It stays loaded for the rest of the process.
  // Throws a LibraryError with `hint` if it cannot be loaded.
  SharedLibrary(const char* name, const char* hint);

  // Sets a pointer to a function, which must have the type that the library's header declares. Throws a
  // LibraryError if the library has none of that name.
  template <typename Function>
  void find(const char* function, Function*& pointer) const {
    pointer = reinterpret_cast<Function*>(address(function));
  }

 private:
  void* address(const char* function) const;

  const char* name_;
  void* handle_;
};

}  // namespace bottle
