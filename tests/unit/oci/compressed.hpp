// Compressing in memory, for tests of reading compressed blobs.
#pragma once

#include <string>
#include <string_view>

namespace bottle::oci::testing {

std::string gzip(std::string_view data);
std::string zstd(std::string_view data, int window_log = 0);
// By libarchive: "xz" or "bzip2".
std::string archive_filter(std::string_view data, const char* filter);

}  // namespace bottle::oci::testing
