#include "registry/curl_library.hpp"

#include <dlfcn.h>

#include <string>

#include "util/error.hpp"

namespace bottle::registry {
namespace {

// The name of its binary interface, the same since 2006.
constexpr const char* kName = "libcurl.so.4";

template <typename Function>
Function find(void* library, const char* name) {
  void* found = ::dlsym(library, name);
  if (found == nullptr) throw Error(std::string("the library has no function ") + name, {.where = kName});
  return reinterpret_cast<Function>(found);
}

CurlLibrary load() {
  void* library = ::dlopen(kName, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    throw Error(std::string("cannot be loaded: ") + ::dlerror(),
                {.where = kName, .hint = "speaking HTTP needs libcurl (Debian: libcurl4)"});
  CurlLibrary result{};
  result.easy_init = find<decltype(result.easy_init)>(library, "curl_easy_init");
  result.easy_setopt = find<decltype(result.easy_setopt)>(library, "curl_easy_setopt");
  result.easy_perform = find<decltype(result.easy_perform)>(library, "curl_easy_perform");
  result.easy_reset = find<decltype(result.easy_reset)>(library, "curl_easy_reset");
  result.easy_cleanup = find<decltype(result.easy_cleanup)>(library, "curl_easy_cleanup");
  result.easy_strerror = find<decltype(result.easy_strerror)>(library, "curl_easy_strerror");
  result.slist_append = find<decltype(result.slist_append)>(library, "curl_slist_append");
  result.slist_free_all = find<decltype(result.slist_free_all)>(library, "curl_slist_free_all");
  const auto initialise = find<decltype(&::curl_global_init)>(library, "curl_global_init");
  if (const CURLcode status = initialise(CURL_GLOBAL_DEFAULT); status != CURLE_OK)
    throw Error(std::string("cannot be used: ") + result.easy_strerror(status), {.where = kName});
  return result;
}

}  // namespace

const CurlLibrary& libcurl() {
  static const CurlLibrary library = load();
  return library;
}

}  // namespace bottle::registry
