// libarchive, loaded with the first stream that is compressed with bzip2 or xz and not with the program: it
// brings libxml2 and ICU, which took more than half of each start of a tool.
#pragma once

#include <archive.h>

namespace bottle::oci {

struct ArchiveLibrary {
  decltype(&::archive_read_new) read_new;
  decltype(&::archive_read_free) read_free;
  decltype(&::archive_read_support_format_raw) read_support_format_raw;
  decltype(&::archive_read_support_filter_bzip2) read_support_filter_bzip2;
  decltype(&::archive_read_support_filter_xz) read_support_filter_xz;
  decltype(&::archive_read_open) read_open;
  decltype(&::archive_read_next_header) read_next_header;
  decltype(&::archive_read_data) read_data;
  decltype(&::archive_filter_code) filter_code;
  decltype(&::archive_error_string) error_string;
  decltype(&::archive_set_error) set_error;
};

// For the rest of the process. Threads may ask at the same time. Throws a LibraryError
// if the library is absent.
const ArchiveLibrary& libarchive();

}  // namespace bottle::oci
