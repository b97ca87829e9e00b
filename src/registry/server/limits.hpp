// SPDX-License-Identifier: Apache-2.0
// What a server allows at most.
#pragma once

#include <cstdint>

namespace bottle::registry {

struct ServerLimits {
  unsigned connections = 512;            // at once; more wait until one of them ends
  unsigned idle_seconds = 60;            // without a byte either way; also for all headers of a request
  std::uint64_t upload_seconds = 86400;  // an upload that nothing is written to is forgotten after this
  unsigned tags_a_push = 64;             // parameters `tag` of one PUT
  unsigned page = 10000;                 // tags or repositories in one answer
};

}  // namespace bottle::registry
