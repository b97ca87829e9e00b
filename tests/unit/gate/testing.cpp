// SPDX-License-Identifier: Apache-2.0
#include "testing.hpp"

#include "util/error.hpp"

namespace bottle::gate {

const char* const kKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9ks7jkua5YWIwByRnnnc6UPJQWI75O0e/UJdPYU1JI";

std::string failure(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string good_description() {
  return std::string(R"({"schema": 1, "kind": "git-gate", "upstreams": [{"name": "project",
    "url": "ssh://git@example.com:2222/team/project.git", "identity": {"file": "~/.ssh/id"},
    "knownHostKey": ")") +
         kKey + "\"}]}";
}

}  // namespace bottle::gate
