// SPDX-License-Identifier: Apache-2.0
// Whose process this is, as the user database says.
#pragma once

#include <optional>
#include <string>

namespace bottle {

struct Account {
  std::string name;
  std::string home;  // as it is written there: neither absolute nor existing for certain
};

// The account of the real user id; nothing when there is none, as in many containers. May be called by
// several threads. Throws an Error when the database cannot be read.
std::optional<Account> user_account();

}  // namespace bottle
