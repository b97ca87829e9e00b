// SPDX-License-Identifier: Apache-2.0
// The one place a tool prints an error and chooses its exit status.
#pragma once

#include <functional>

namespace bottle {

enum ToolExit : int { kSuccess = 0, kFailed = 1, kUsage = 2, kCheckFound = 3 };

// Installs the signal handlers, runs `body`, and turns what it throws into a message on stderr and a status:
// Error 1, UsageError 2, Interrupted 128 + signal (after all destructors have run). Flushes stdout: a full
// disk behind it is an error.
int run_tool(const char* name, const std::function<int()>& body);

}  // namespace bottle
