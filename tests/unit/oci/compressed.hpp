// SPDX-License-Identifier: Apache-2.0
// Compressing in memory, for tests of reading compressed blobs.
#pragma once

#include <string>
#include <string_view>

namespace bottle::oci::testing {

std::string gzip(std::string_view data);
std::string zstd(std::string_view data, int window_log = 0);
std::string bzip2(std::string_view data);
std::string xz(std::string_view data);

}  // namespace bottle::oci::testing
