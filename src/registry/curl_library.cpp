// SPDX-License-Identifier: Apache-2.0
#include "registry/curl_library.hpp"

#include <string>

#include "util/error.hpp"
#include "util/shared_library.hpp"

namespace bottle::registry {
namespace {

// The name of its binary interface, the same since 2006.
constexpr const char* kName = "libcurl.so.4";

CurlLibrary load() {
  const SharedLibrary library(kName, "install libcurl (Debian: apt install libcurl4)");
  CurlLibrary result{};
  library.find("curl_easy_init", result.easy_init);
  library.find("curl_easy_setopt", result.easy_setopt);
  library.find("curl_easy_perform", result.easy_perform);
  library.find("curl_easy_reset", result.easy_reset);
  library.find("curl_easy_cleanup", result.easy_cleanup);
  library.find("curl_easy_strerror", result.easy_strerror);
  library.find("curl_slist_append", result.slist_append);
  library.find("curl_slist_free_all", result.slist_free_all);
  decltype(&::curl_global_init) initialise = nullptr;
  library.find("curl_global_init", initialise);
  if (const CURLcode status = initialise(CURL_GLOBAL_DEFAULT); status != CURLE_OK)
    throw Error(std::string("cannot initialize libcurl: ") + result.easy_strerror(status), {.where = kName});
  return result;
}

}  // namespace

const CurlLibrary& libcurl() {
  static const CurlLibrary library = load();
  return library;
}

}  // namespace bottle::registry
