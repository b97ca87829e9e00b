// SPDX-License-Identifier: Apache-2.0
// Names for containers: "<base>", then "<base>-2" to "<base>-99". One walk for a caller that looks for a free
// name and for one that finds it taken by another process.
#pragma once

#include <functional>
#include <string>

#include "container/client.hpp"

namespace bottle::container {

inline constexpr int kContainerNames = 99;

// The candidate with this number, 1 to kContainerNames.
std::string container_name(const std::string& base, int number);

// The first candidate that `accept` takes. Throws when it takes none.
std::string walk_container_names(const std::string& base,
                                 const std::function<bool(const std::string&)>& accept);

// The first name that no container has now. Another process may take it before it is used: see
// create_with_free_name().
std::string free_container_name(const Client& client, const std::string& base);

// Creates the container under the first name that is free, and returns the name. The name is taken by
// creating, so of two that do this at once each gets its own. Any failure but a taken name is an Error.
std::string create_with_free_name(const Client& client, NewContainer container, const std::string& base);

}  // namespace bottle::container
