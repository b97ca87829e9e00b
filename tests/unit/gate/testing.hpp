// SPDX-License-Identifier: Apache-2.0
// What the tests of this room share.
#pragma once

#include <functional>
#include <string>

namespace bottle::gate {

// The text of the Error that `action` throws, or "no error".
std::string failure(const std::function<void()>& action);

// A key of the right form.
extern const char* const kKey;

// A description that is good: a git-gate with one upstream, "project".
std::string good_description();

}  // namespace bottle::gate
