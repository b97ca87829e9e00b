#include "oci/archive_library.hpp"

#include "util/shared_library.hpp"

namespace bottle::oci {
namespace {

ArchiveLibrary load() {
  // The name of its binary interface, the same since 2013.
  const SharedLibrary library("libarchive.so.13",
                              "what bzip2 or xz compressed is read by libarchive (Debian: libarchive13)");
  ArchiveLibrary result{};
  library.find("archive_read_new", result.read_new);
  library.find("archive_read_free", result.read_free);
  library.find("archive_read_support_format_raw", result.read_support_format_raw);
  library.find("archive_read_support_filter_bzip2", result.read_support_filter_bzip2);
  library.find("archive_read_support_filter_xz", result.read_support_filter_xz);
  library.find("archive_read_open", result.read_open);
  library.find("archive_read_next_header", result.read_next_header);
  library.find("archive_read_data", result.read_data);
  library.find("archive_filter_code", result.filter_code);
  library.find("archive_error_string", result.error_string);
  library.find("archive_set_error", result.set_error);
  return result;
}

}  // namespace

const ArchiveLibrary& libarchive() {
  static const ArchiveLibrary library = load();
  return library;
}

}  // namespace bottle::oci
