// SPDX-License-Identifier: Apache-2.0
// libcurl, loaded with the first request and not with the program: it brings some thirty libraries, which
// cost each start of a tool that may contact a registry, and hardly ever does, more than all else it does.
#pragma once

#include <curl/curl.h>

namespace bottle::registry {

struct CurlLibrary {
  decltype(&::curl_easy_init) easy_init;
  decltype(&::curl_easy_setopt) easy_setopt;
  decltype(&::curl_easy_perform) easy_perform;
  decltype(&::curl_easy_reset) easy_reset;
  decltype(&::curl_easy_cleanup) easy_cleanup;
  decltype(&::curl_easy_strerror) easy_strerror;
  decltype(&::curl_slist_append) slist_append;
  decltype(&::curl_slist_free_all) slist_free_all;
};

// Initialised, for the rest of the process. Threads may ask at the same time. Throws an Error if the library
// is absent or cannot be used.
const CurlLibrary& libcurl();

}  // namespace bottle::registry
