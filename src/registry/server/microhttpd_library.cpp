// SPDX-License-Identifier: Apache-2.0
#include "registry/server/microhttpd_library.hpp"

#include "util/shared_library.hpp"

namespace bottle::registry {
namespace {

// The name of its binary interface.
constexpr const char* kName = "libmicrohttpd.so.12";

MicrohttpdLibrary load() {
  const SharedLibrary library(kName, "serving HTTP needs libmicrohttpd (Debian: libmicrohttpd12)");
  MicrohttpdLibrary result{};
  library.find("MHD_start_daemon", result.start_daemon);
  library.find("MHD_stop_daemon", result.stop_daemon);
  library.find("MHD_get_connection_info", result.get_connection_info);
  library.find("MHD_lookup_connection_value", result.lookup_connection_value);
  library.find("MHD_get_connection_values_n", result.get_connection_values_n);
  library.find("MHD_suspend_connection", result.suspend_connection);
  library.find("MHD_resume_connection", result.resume_connection);
  library.find("MHD_create_response_from_buffer", result.create_response_from_buffer);
  library.find("MHD_create_response_from_fd_at_offset64", result.create_response_from_fd_at_offset64);
  library.find("MHD_add_response_header", result.add_response_header);
  library.find("MHD_queue_response", result.queue_response);
  library.find("MHD_destroy_response", result.destroy_response);
  return result;
}

}  // namespace

const MicrohttpdLibrary& libmicrohttpd() {
  static const MicrohttpdLibrary library = load();
  return library;
}

}  // namespace bottle::registry
