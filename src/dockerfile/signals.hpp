// SPDX-License-Identifier: Apache-2.0
// The signals that STOPSIGNAL may name.
#pragma once

#include <string_view>

namespace bottle::dockerfile {

// A number but 0, or a Linux signal's name with or without "SIG", in any case; real-time signals are RTMIN,
// RTMIN+1 to RTMIN+15, RTMAX-14 to RTMAX-1 and RTMAX.
bool is_signal(std::string_view text);

}  // namespace bottle::dockerfile
