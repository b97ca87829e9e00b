// SPDX-License-Identifier: Apache-2.0
#include "util/shared_library.hpp"

#include <dlfcn.h>

#include <string>

namespace bottle {

SharedLibrary::SharedLibrary(const char* name, const char* hint)
    : name_(name), handle_(::dlopen(name, RTLD_LAZY | RTLD_LOCAL)) {
  if (handle_ == nullptr)
    throw LibraryError(std::string("cannot load the library: ") + ::dlerror(), {.where = name, .hint = hint});
}

void* SharedLibrary::address(const char* function) const {
  void* const found = ::dlsym(handle_, function);
  if (found == nullptr)
    throw LibraryError(std::string("the library has no function ") + function, {.where = name_});
  return found;
}

}  // namespace bottle
