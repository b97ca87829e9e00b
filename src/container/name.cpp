// SPDX-License-Identifier: Apache-2.0
#include "container/name.hpp"

#include <utility>

#include "util/error.hpp"

namespace bottle::container {

std::string container_name(const std::string& base, int number) {
  return number == 1 ? base : base + "-" + std::to_string(number);
}

std::string walk_container_names(const std::string& base,
                                 const std::function<bool(const std::string&)>& accept) {
  for (int number = 1; number <= kContainerNames; ++number) {
    std::string name = container_name(base, number);
    if (accept(name)) return name;
  }
  throw Error("cannot choose a container name: " + base + " to " + container_name(base, kContainerNames) +
                  " are in use",
              {.where = "container " + base, .hint = "remove containers that are no longer needed"});
}

std::string free_container_name(const Client& client, const std::string& base) {
  return walk_container_names(base, [&](const std::string& name) {
    return client.container_exists(name, OnFailure::fatal) == false;
  });
}

std::string create_with_free_name(const Client& client, NewContainer container, const std::string& base) {
  return walk_container_names(base, [&](const std::string& name) {
    container.name = name;
    CommandStatus status = client.create(container, OnFailure::status);
    if (status.is_name_taken()) return false;
    client.judge(std::move(status), "create " + name, OnFailure::fatal);
    return true;
  });
}

}  // namespace bottle::container
