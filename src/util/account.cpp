// SPDX-License-Identifier: Apache-2.0
#include "util/account.hpp"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "util/error.hpp"

namespace bottle {

std::optional<Account> user_account() {
  constexpr std::size_t kLongest = 1u << 20;  // an entry is a line
  // What systems say where there is no such user or no database (getpwuid(3)).
  constexpr std::array kNone{0, ENOENT, ESRCH, EBADF, EPERM};
  std::vector<char> texts(1u << 10);
  passwd entry{};
  passwd* found = nullptr;
  int error = 0;
  while ((error = ::getpwuid_r(::getuid(), &entry, texts.data(), texts.size(), &found)) != 0) {
    if (error == ERANGE && texts.size() < kLongest)
      texts.resize(2 * texts.size());
    else if (error != EINTR)
      break;
  }
  const auto text = [](const char* field) { return field != nullptr ? field : ""; };
  if (found != nullptr) return Account{.name = text(found->pw_name), .home = text(found->pw_dir)};
  if (std::find(kNone.begin(), kNone.end(), error) != kNone.end()) return std::nullopt;
  throw_errno("cannot look up user " + std::to_string(::getuid()), "the user database", error);
}

}  // namespace bottle
