// SPDX-License-Identifier: Apache-2.0
// libmicrohttpd, loaded when a server starts and not with the program: Debian's brings GnuTLS and its ten
// libraries, which cost each run of bottle-registry, most of which serve nothing, more than all else it does.
#pragma once

#include <microhttpd.h>

namespace bottle::registry {

struct MicrohttpdLibrary {
  decltype(&::MHD_start_daemon) start_daemon;
  decltype(&::MHD_stop_daemon) stop_daemon;
  decltype(&::MHD_get_connection_info) get_connection_info;
  decltype(&::MHD_lookup_connection_value) lookup_connection_value;
  decltype(&::MHD_get_connection_values_n) get_connection_values_n;
  decltype(&::MHD_suspend_connection) suspend_connection;
  decltype(&::MHD_resume_connection) resume_connection;
  decltype(&::MHD_create_response_from_buffer) create_response_from_buffer;
  decltype(&::MHD_create_response_from_fd_at_offset64) create_response_from_fd_at_offset64;
  decltype(&::MHD_add_response_header) add_response_header;
  decltype(&::MHD_queue_response) queue_response;
  decltype(&::MHD_destroy_response) destroy_response;
};

// For the rest of the process. Threads may call it at the same time. Throws a LibraryError if the library is
// absent.
const MicrohttpdLibrary& libmicrohttpd();

}  // namespace bottle::registry
